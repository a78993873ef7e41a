# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root squash without nodemaps: ``mdt.*.root_squash`` and ``nosquash_nids`` of the target that a client asks.

The order is that of mdt_lib.c (2.17.0): a nodemap maps first, then whoever is still root is squashed.
"""

from __future__ import annotations

from typing import Any

from .nodemap_ranges import holds, nid_number, range_of

#: The identity of a client that no nodemap maps.
AS_IT_SAYS: dict[str, Any] = {
    "admin": True,
    "trusted": True,
    "deny_unknown": False,
    "map_mode": ["uid", "gid", "projid"],
}


def squashed(node: Any, nid: str, target: str) -> list[int] | None:
    """User and group that root of this client becomes; None when it stays root."""
    uid, _colon, gid = (node.params.value(f"mdt.{target}.root_squash") or "0:0").partition(":")
    if int(uid) == 0:
        return None
    listed = node.params.value(f"mdt.{target}.nosquash_nids")
    ranges = [] if listed in ("", "NONE") else [list(range_of(word)) for word in listed.split()]
    net, number = nid_number(nid)
    return None if holds(ranges, net, number) else [int(uid), int(gid)]
