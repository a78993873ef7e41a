# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peers: nodes known by their NIDs, entered by hand or found by discovery.

As recorded: ``--non_mr`` changes nothing, adding twice is a success, and the errors of this table carry no text.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..sim_error import SimError
from .lnet_ni import Counters
from .nids import canonical_nid, expand_nids, net_of

if TYPE_CHECKING:
    from ..node import Operation
    from .lnet import Lnet

# Bits of "peer state".
MULTI_RAIL, CONFIGURED, DISCOVERED, NIDS_UPTODATE, PING_FAILED = 1, 8, 16, 256, 8192
ALIVE_UNKNOWN, ALIVE, DEAD = "NA", "up", "down"


@dataclass
class PeerNi:
    nid: str
    alive: bool | None = None
    health: int = 1000
    counters: Counters = field(default_factory=Counters)


@dataclass
class Peer:
    primary: str
    state: int = 0
    nis: dict[str, PeerNi] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nis.setdefault(self.primary, PeerNi(self.primary))


class Peers:
    def __init__(self, lnet: Lnet) -> None:
        self._lnet = lnet
        self._peers: dict[str, Peer] = {}

    def ops(self) -> Mapping[str, Operation]:
        return {
            "peer_add": self.add,
            "peer_del": self.delete,
            "peer_show": self.show,
            "peer_list": self.primaries,
            "peer_set": self.set,
        }

    def clear(self) -> None:
        self._peers.clear()

    # -- by hand -----------------------------------------------------------------------------------------------

    def add(self, prim_nid: str, nids: str | None = None, multi_rail: bool = True) -> None:
        primary, more = self._parsed(prim_nid, nids)
        with self._lnet.lock:
            self._lnet.require(errno.ESHUTDOWN, "Network is down")
            peer = self._by_nid(primary) or self._peers.setdefault(primary, Peer(primary))
            if peer.primary != primary:
                raise SimError(errno.EEXIST, "")
            taken = [nid for nid in more if (owner := self._by_nid(nid)) is not None and owner is not peer]
            if any(self._peers[nid].state & CONFIGURED for nid in taken if nid in self._peers):
                raise SimError(errno.EEXIST, "")
            for nid in taken:
                self._forget(nid)
            peer.state |= CONFIGURED | MULTI_RAIL
            for nid in more:
                peer.nis.setdefault(nid, PeerNi(nid))

    def delete(self, prim_nid: str, nids: str | None = None, force: bool = False) -> None:
        """Without ``nids`` the whole peer."""
        primary, more = self._parsed(prim_nid, nids)
        with self._lnet.lock:
            self._lnet.require(errno.ESHUTDOWN, "Network is down")
            peer = self._peers.get(primary)
            if peer is None or any(nid not in peer.nis for nid in more):
                raise SimError(errno.ENOENT, "")
            if not more or set(more) >= set(peer.nis) or primary in more:
                del self._peers[primary]
                return
            for nid in more:
                del peer.nis[nid]

    def set(self, nid: str | None = None, all: bool = False, health: int | None = None) -> None:  # the tool's words
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Network is down")
            found = [
                one
                for peer in self._peers.values()
                for one in peer.nis.values()
                if all or one.nid == canonical_nid(nid or "")
            ]
            if not found:
                raise SimError(errno.ENOENT, "")
            for one in found:
                one.health = one.health if health is None else min(max(health, 0), 1000)

    def _parsed(self, prim_nid: str, nids: str | None) -> tuple[str, list[str]]:
        primary = canonical_nid(prim_nid) if "@" in prim_nid else None
        more = expand_nids(nids) if nids else []
        if primary is None or more is None:
            raise SimError(errno.EINVAL, "")
        return primary, more

    # -- by traffic --------------------------------------------------------------------------------------------

    def heard(self, nid: str, alive: bool, kind: str = "get") -> None:
        """A message was sent to ``nid`` and answered, or not."""
        with self._lnet.lock:
            if not self._lnet.configured:
                return
            peer = self._by_nid(nid) or self._peers.setdefault(nid, Peer(nid))
            one = peer.nis[nid]
            one.alive = alive
            if alive:
                one.counters.sent[kind] += 1
                one.counters.received["reply" if kind == "get" else "ack"] += 1
                one.health = 1000
            else:
                one.counters.dropped[kind] += 1
                one.health = max(one.health - self._lnet.settings.get("health_sensitivity"), 0)
                peer.state |= 0 if peer.state & CONFIGURED else PING_FAILED

    def discovered(self, nid: str, nids: Sequence[str]) -> str:
        """The peer behind ``nid`` told all its NIDs, its primary one first; returns the primary NID kept here.

        A peer entered by hand keeps its primary NID.
        """
        with self._lnet.lock:
            known = self._by_nid(nid)
            primary = known.primary if known is not None and known.state & CONFIGURED else (nids[0] if nids else nid)
            peer = known if known is not None and known.primary == primary else self._peers.get(primary)
            if peer is None:
                peer = self._peers.setdefault(primary, Peer(primary))
            for one in nids:
                owner = self._by_nid(one)
                if owner is not None and owner is not peer:
                    peer.nis[one] = owner.nis[one]
                    self._forget(one)
                peer.nis.setdefault(one, PeerNi(one))
            peer.state = (peer.state & ~PING_FAILED) | MULTI_RAIL | DISCOVERED | NIDS_UPTODATE
            return primary

    def nids_of(self, nid: str) -> list[str]:
        with self._lnet.lock:
            peer = self._by_nid(nid)
            return list(peer.nis) if peer is not None else []

    def net_gone(self, net: str) -> None:
        for peer in list(self._peers.values()):
            for nid in [nid for nid in peer.nis if net_of(nid) == net]:
                self._forget(nid)

    def _by_nid(self, nid: str) -> Peer | None:
        return next((peer for peer in self._peers.values() if nid in peer.nis), None)

    def _forget(self, nid: str) -> None:
        peer = self._by_nid(nid)
        if peer is None:
            return
        if peer.primary == nid:
            del self._peers[nid]
        else:
            del peer.nis[nid]

    # -- showing -----------------------------------------------------------------------------------------------

    def primaries(self) -> list[str]:
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Unspecific failure")
            return sorted(self._peers)

    def show(self, nid: str | None = None) -> list[dict[str, Any]]:
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Unspecific failure")
            wanted = canonical_nid(nid) if nid else None
            found = [peer for peer in self._peers.values() if nid is None or wanted in peer.nis]
            if nid and not found:
                raise SimError(errno.ENOENT, "")
            return [
                {
                    "primary": peer.primary,
                    "multi_rail": bool(peer.state & MULTI_RAIL),
                    "state": peer.state,
                    "nis": [self._public(one) for one in peer.nis.values()],
                }
                for peer in found
            ]

    def _public(self, one: PeerNi) -> dict[str, Any]:
        """Aliveness is kept of gateways, and of everybody on a router, where a peer is up until it fails; else NA."""
        nis = self._lnet.nets.get(net_of(one.nid))
        kept = nis is not None and (self._lnet.settings.forwards or self._lnet.routes.is_gateway(one.nid))
        state = ALIVE_UNKNOWN if not kept else DEAD if one.alive is False else ALIVE
        return {
            "nid": one.nid,
            "state": state,
            "health": one.health,
            "counters": one.counters.public(),
            "credits": nis[0].tunables["peer_credits"] if nis else 0,
        }
