# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which networks a host reaches, over which routers.

LNet routes name a gateway on a network of the host itself; the way from there on is the
router's business, so every router on the way has routes of its own.
"""

from __future__ import annotations

from typing import Iterable, Mapping, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net


class Hop(NamedTuple):
    """A route of one host."""

    net: str
    gateway: str
    hop: int
    priority: int


class Topology:
    """Networks joined by routers; ``routers`` maps each to its NIDs (normal form)."""

    def __init__(self, routers: Mapping[str, Sequence[str]]) -> None:
        self._routers = {name: list(nids) for name, nids in routers.items()}
        self._nets = {name: {nid_net(nid) for nid in nids} for name, nids in self._routers.items()}
        self._distances: dict[str, dict[str, int]] = {}

    @property
    def nets(self) -> set[str]:
        """All networks that routers are on."""
        return set().union(*self._nets.values()) if self._nets else set()

    def _distance(self, net: str) -> dict[str, int]:
        """Hops from each router to a network: 1 when it is on it."""
        if net not in self._distances:
            found: dict[str, int] = {}
            reached, step = {net}, 1
            while True:
                new = [name for name, nets in self._nets.items() if name not in found and nets & reached]
                if not new:
                    break
                found.update(dict.fromkeys(new, step))
                for name in new:
                    reached |= self._nets[name]
                step += 1
            self._distances[net] = found
        return self._distances[net]

    def routes(self, host: str, local: Iterable[str], wanted: Iterable[str]) -> list[Hop]:
        """The shortest routes of a host on the ``local`` networks to each wanted one that is not local; equal ones share the load."""
        own = set(local)
        found: list[Hop] = []
        for net in sorted(set(wanted) - own):
            distance = self._distance(net)
            near = [name for name in self._routers if name != host and self._nets[name] & own and name in distance]
            best = min((distance[name] for name in near), default=0)
            for name in near:
                if distance[name] == best:
                    found += [Hop(net, gateway, best, 0) for gateway in self._gateways(name, own)]
        return found

    def _gateways(self, router: str, own: set[str]) -> list[str]:
        """The first NID of a router on each network it shares with the host (others of the net it tells by discovery)."""
        first: dict[str, str] = {}
        for nid in self._routers[router]:
            first.setdefault(nid_net(nid), nid)
        return [nid for net, nid in first.items() if net in own]
