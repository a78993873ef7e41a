# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn what many hosts returned into one list or one table; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils import _plan_report, _status_report
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain


def host_results(hosts: Iterable[str], hostvars: Mapping[str, Any], names: str | Sequence[str]) -> dict[str, Any]:
    """Registered results by host; None for a host that has none of them."""
    wanted = [names] if isinstance(names, str) else list(names)
    found: dict[str, Any] = {}
    for host in hosts:
        # Not get(): ansible-core 2.16 answers it with an undefined value for an unknown host.
        if host not in hostvars:
            found[plain(host)] = None
            continue
        variables = hostvars[host]
        own = [plain(variables[name]) for name in wanted if name in variables]
        found[plain(host)] = None if not own else own[0] if len(wanted) == 1 else own
    return found


plan_data = told(_plan_report.plan_data)
plan_table = told(_plan_report.plan_table)
status_data = told(_status_report.status_data)
status_table = told(_status_report.status_table)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "host_results": host_results,
            "plan_data": plan_data,
            "plan_table": plan_table,
            "status_data": status_data,
            "status_table": status_table,
        }
