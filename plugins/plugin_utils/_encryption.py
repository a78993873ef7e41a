# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role lustre_encryption gives to its modules: directories with their keys, and the units of them."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources import encryption_units

KEYS = "lustre_encryption_keys"


def encryption_directories(directories: Sequence[Mapping[str, Any]], keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Options of ``lustre.core.encryption_policy``: each ``key_name`` becomes the key of that name.

    The keys stay as they are given: Ansible marks what comes from a vault, and a copy as plain text would lose that.
    """
    return [_with_key(entry, keys) for entry in encryption_units.policies(directories)]


def _with_key(entry: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    name = entry.pop("key_name", None)
    if not name or entry.get("key"):
        return entry
    if not keys.get(name):
        raise BadValue(
            KEYS,
            f"it has no key {name}, which {entry.get('path')} is to have",
            "Put it there, in a vault (openssl rand -base64 64 makes one). Without it the directory cannot be opened.",
        )
    return {**entry, "key": keys[name]}


def encryption_units_of(directories: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Options of ``services`` of ``lustre.core.node``."""
    return encryption_units.units(directories, "lustre_encryption_directories")
