# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodemaps as plain data, in the words of the module's options, and the digest by which servers are compared."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import ID_TYPES, Nodemap, State
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap_words import idmap_texts
from ansible_collections.lustre.core.plugins.module_utils._nid_range import merged


def shown(nodemap: Nodemap) -> dict[str, Any]:
    """Without its clients: they come and go."""
    data: dict[str, Any] = {**nodemap.flags, **nodemap.numbers}
    data.update({key: sorted(value) for key, value in nodemap.sets.items()})
    data["filesets"] = [
        {"path": one.path, "alternate": one.alternate, "read_only": one.read_only} for one in nodemap.filesets
    ]
    data["capabilities"] = {"type": nodemap.caps[0], "caps": sorted(nodemap.caps[1])}
    if nodemap.name != "default":
        data["ranges"] = [span.text for span in merged(nodemap.ranges)]
        data["banlist"] = [span.text for span in merged(nodemap.banlist)]
        data["idmap"] = {kind: idmap_texts(nodemap.idmap.get(kind, {})) for kind in ID_TYPES}
        data["offset"] = dict(zip(("offset", "limit"), nodemap.offset or (0, 0)))
        data["sepol"] = nodemap.sepol
        if nodemap.parent:
            data["parent"] = nodemap.parent
    return data


#: What every release shows, and in the same way.
_EVERYWHERE = ("admin", "trusted", "deny_unknown", "squash_uid", "squash_gid", "ranges", "idmap")
#: Lengths of the parts of a digest: what every release shows, which properties this one shows, all of them.
_COMMON, _NAMES = slice(0, 24), slice(24, 40)


def digest(state: State) -> str:
    """The same on the MGS and on every server that has got the same; dynamic nodemaps are of one server alone.

    Servers of different releases show different properties; ``same`` tells what their digests have in common.
    """
    maps = {name: nodemap for name, nodemap in state.maps.items() if not nodemap.parent}
    whole = {name: shown(nodemap) for name, nodemap in maps.items()}
    common = {
        name: {
            **{key: told.get(key) for key in _EVERYWHERE},
            "fileset": next((one.path for one in maps[name].filesets if not one.alternate), ""),
        }
        for name, told in whole.items()
    }
    names = sorted({key for one in maps.values() for kind in (one.flags, one.numbers, one.sets) for key in kind})
    parts = (_hash([state.active, common])[:24], _hash(names)[:16], _hash([state.active, whole])[:24])
    return "".join(parts)


def same(one: str, other: str) -> bool:
    """Of servers that show other properties than the MGS, only what all releases show can be compared."""
    return one == other or (one[_NAMES] != other[_NAMES] and one[_COMMON] == other[_COMMON])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
