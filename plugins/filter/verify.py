# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the health gate; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.plugin_utils import _verify_report


def verify_data(filesystems: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_said(_verify_report.verify_data, filesystems, results))


def verify_table(filesystems: Any, results: Mapping[str, Any]) -> str:
    return str(_said(_verify_report.verify_table, filesystems, results))


def _said(make: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return make(*arguments)
    except LustreError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "verify_data": verify_data,
            "verify_table": verify_table,
            "shared_files": _verify_report.shared_files,
            "shared_reads": _verify_report.shared_reads,
            "shared_writes": _verify_report.shared_writes,
        }
