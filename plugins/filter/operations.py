# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for stopping, starting and taking down file systems; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _operations
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "with_mounts": told(_operations.with_mounts),
            "declared_targets": told(_operations.declared_targets),
            "named_for": _operations.named_for,
        }
