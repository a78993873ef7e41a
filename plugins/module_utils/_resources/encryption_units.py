# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The units that unlock encrypted directories at boot, and what of a directory's entry is not for encryption itself.

An entry is one of ``encryption`` of the filter node_state, or of the role's variable.  ``at_boot`` says whether a unit
unlocks the directory at boot; not said, it does where the state is unlocked and a key file stays on the node.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import unit_of

#: What an entry says beside the options of the resource: about its unit, and whose mount it waits for.
_OURS = ("at_boot", "tenant")
_TRUE, _FALSE = (True, "true", "yes", "on", "1", 1), (False, "false", "no", "off", "0", 0)


def policies(directories: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries as options of the resource."""
    return [{name: value for name, value in entry.items() if name not in _OURS} for entry in directories]


def units(directories: Sequence[Mapping[str, Any]], path: str = "directories") -> list[dict[str, Any]]:
    """A unit for each directory, in the options of the resource ``service``."""
    return [_unit(entry, f"{path}[{number}]") for number, entry in enumerate(directories)]


def _unit(entry: Mapping[str, Any], path: str) -> dict[str, Any]:
    state = entry.get("state") or "encrypted"
    unlocked = state == "unlocked"
    at_boot = _flag(entry.get("at_boot"), unlocked and bool(entry.get("key_file")), f"{path}.at_boot")
    name = unit_of(str(entry.get("path") or ""))
    if at_boot:
        return {"name": name, "enabled": True, "started": True if unlocked else None}
    return {"name": name, "enabled": False, "started": False if state == "locked" else None}


def _flag(value: Any, otherwise: bool, path: str) -> bool:
    if value is None:
        return otherwise
    plain = value.lower() if isinstance(value, str) else value
    if plain not in (*_TRUE, *_FALSE):
        raise BadValue(path, f"{value!r} is neither true nor false", "Say true or false, or leave it out.")
    return plain in _TRUE
