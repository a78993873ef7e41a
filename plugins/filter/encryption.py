# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the role lustre_encryption; documented in the .yml files beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils import _encryption
from ansible_collections.lustre.core.plugins.plugin_utils._filters import told


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "encryption_directories": told(_encryption.encryption_directories),
            "encryption_units": told(_encryption.encryption_units_of),
        }
