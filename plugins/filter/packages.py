# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of the role lustre_packages; documented in the .yml file beside."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils._filters import told
from ansible_collections.lustre.core.plugins.plugin_utils._package_sets import packages_asked


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"packages_asked": told(packages_asked)}
