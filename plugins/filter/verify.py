# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the health gate; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _device_looks, _verify_report
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "verify_data": told(_verify_report.verify_data),
            "verify_table": told(_verify_report.verify_table),
            "marked_directories": _device_looks.marked_directories,
            "marked_objects": _device_looks.marked_objects,
            "shared_files": _verify_report.shared_files,
            "shared_reads": _verify_report.shared_reads,
            "shared_writes": _verify_report.shared_writes,
        }
