# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the look that begins the playbook site; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _todo
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told

look_phases = told(_todo.look_phases)
site_hosts = told(_todo.site_hosts)
site_todo = told(_todo.site_todo)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"look_phases": look_phases, "site_hosts": site_hosts, "site_todo": site_todo}
