# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for stopping, starting and taking down file systems; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.plugin_utils import _operations


def with_mounts(
    node: Mapping[str, Any],
    state: str = "described",
    filesystems: Sequence[str] | None = None,
    consent: Iterable[str] = (),
    boot: bool | None = None,
) -> dict[str, Any]:
    try:
        return _operations.with_mounts(node, state, filesystems, consent, boot)
    except LustreError as error:
        raise AnsibleFilterError(str(error)) from error


def declared_targets(filesystems: Any, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    try:
        return _operations.declared_targets(filesystems, names)
    except LustreError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "with_mounts": with_mounts,
            "declared_targets": declared_targets,
            "named_for": _operations.named_for,
        }
