# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role lustre_storage gives to the module luks: the containers of a host with their keys."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue

KEYS = "lustre_luks_keys"


def luks_containers(
    containers: Sequence[Mapping[str, Any]], keys: Mapping[str, Any], standby: bool = False
) -> list[dict[str, Any]]:
    """Options of ``lustre.core.luks``: the containers that this host makes, or (``standby``) that others make for it.

    The keys stay as they are given: Ansible marks what comes from a vault, and a copy as plain text would lose that.
    """
    return [_with_key(entry, keys) for entry in containers if bool(entry.get("standby")) == bool(standby)]


def _with_key(entry: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    name = entry.get("key_name")
    made = {key: value for key, value in entry.items() if key != "key_name"}
    if not name or made.get("key"):
        return made
    if not keys.get(name):
        raise BadValue(
            KEYS,
            f"it has no key {name}, which the container of {entry.get('label')} is to have",
            "Put it there, in a vault (openssl rand -base64 64 makes one). Make no new key for a container that is there already.",
        )
    return {**made, "key": keys[name]}
