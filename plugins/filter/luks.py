# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of LUKS containers below targets; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils._filters import told
from ansible_collections.lustre.core.plugins.plugin_utils._luks import luks_containers
from ansible_collections.lustre.core.plugins.plugin_utils._site.backends import has_luks


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"luks_containers": told(luks_containers), "node_luks": has_luks}
