# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for shared keys and for the roll-out of flavors; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _security, _security_report
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "ssk_sources": told(_security.ssk_sources),
            "ssk_asks": told(_security.ssk_asks),
            "ssk_settled": told(_security.ssk_settled),
            "ssk_read": _security.ssk_read,
            "ssk_contents": told(_security.ssk_contents),
            "ssk_staged": _security.staged_path,
            "secure_stages": told(_security.secure_stages),
            "security_table": told(_security_report.security_table),
        }
