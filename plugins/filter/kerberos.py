# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for Kerberos; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _kerberos
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "kerberos_names": told(_kerberos.kerberos_names),
            "kerberos_kdcs": told(_kerberos.kerberos_kdcs),
            "keys_alone": told(_kerberos.keys_alone),
            "keys_lacking": told(_kerberos.keys_lacking),
        }
