# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes to nets that are not local, and what is known about their gateways.

A gateway is up when it answers a real LNet ping, says that its routing is on, and, for a route over one hop, has an
NI that is up on the net behind it.  What was found is kept for some seconds; asking happens without any lock.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..sim_error import SimError
from .nids import canonical_net, canonical_nid, expand_nids, net_of

if TYPE_CHECKING:
    from ..node import Operation
    from .lnet import Lnet

UNDEFINED_HOPS = -1
MAX_HOPS = 255


@dataclass(frozen=True)
class Route:
    net: str
    gateway: str
    hop: int
    priority: int

    @property
    def preference(self) -> tuple[int, int]:
        return self.priority, max(self.hop, 1)


@dataclass
class Gateway:
    """``checked``: monotone time of the node's clock, None = never asked."""

    checked: float | None = None
    alive: bool = False
    routing: bool = False
    nets_up: frozenset[str] = field(default_factory=frozenset)
    nets: frozenset[str] = field(default_factory=frozenset)


class Routes:
    def __init__(self, lnet: Lnet) -> None:
        self._lnet = lnet
        self._routes: list[Route] = []
        self._gateways: dict[str, Gateway] = {}
        self._checking = threading.Lock()

    def ops(self) -> Mapping[str, Operation]:
        return {"route_add": self.add, "route_del": self.delete, "route_show": self.show}

    def clear(self) -> None:
        self._routes.clear()
        self._gateways.clear()

    # -- changing ----------------------------------------------------------------------------------------------

    def add(self, net: str, gateway: str, hop: int = UNDEFINED_HOPS, priority: int = 0) -> None:
        """``gateway`` may stand for several NIDs. An existing route is EEXIST also when hop or priority differ."""
        target = canonical_net(net)
        gateways = expand_nids(gateway)
        bad = SimError(errno.EINVAL, "invalid settings for route creation")
        if target is None or gateways is None or not (hop == UNDEFINED_HOPS or 1 <= hop <= MAX_HOPS) or priority < 0:
            raise bad
        with self._lnet.lock:
            self._lnet.require(errno.ESHUTDOWN, "Network is down")
            for nid in gateways:
                if net_of(nid) == target:
                    raise bad
                if net_of(nid) not in self._lnet.nets:
                    raise SimError(errno.EHOSTUNREACH, "No interface configured on the same net as gateway")
                exists = any(route.net == target and route.gateway == nid for route in self._routes)
                if exists or target in self._lnet.nets:
                    raise SimError(errno.EEXIST, "Route already exists or the specified network is local")
                self._routes.append(Route(target, nid, hop, priority))
                self._gateways.setdefault(nid, Gateway())

    def delete(self, net: str, gateway: str) -> None:
        """A gateway that no route uses is no error while the net has another route (recorded so)."""
        target = canonical_net(net)
        gateways = expand_nids(gateway)
        if target is None or gateways is None:
            raise SimError(errno.EINVAL, "invalid settings for route deletion")
        with self._lnet.lock:
            self._lnet.require(errno.ESHUTDOWN, "Network is down")
            if not any(route.net == target for route in self._routes):
                raise SimError(errno.ENOENT, "failed to delete route")
            self._keep([route for route in self._routes if route.net != target or route.gateway not in gateways])

    def net_gone(self, net: str) -> None:
        """The last NI of ``net`` was removed: gateways on it are out of reach for good."""
        self._keep([route for route in self._routes if net_of(route.gateway) != net])

    def _keep(self, routes: list[Route]) -> None:
        self._routes = routes
        used = {route.gateway for route in routes}
        self._gateways = {nid: gateway for nid, gateway in self._gateways.items() if nid in used}

    # -- showing and using -------------------------------------------------------------------------------------

    def show(
        self, net: str | None = None, gateway: str | None = None, hop: int | None = None, priority: int | None = None
    ) -> list[dict[str, Any]]:
        """Routes with ``state`` and ``type``, gateways asked when the last answer is old."""
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Unspecific failure")
        self.refresh()
        wanted = {
            "net": canonical_net(net) if net else None,
            "gateway": canonical_nid(gateway) if gateway else None,
            "hop": hop,
            "priority": priority,
        }
        with self._lnet.lock:
            return [
                {
                    "net": route.net,
                    "gateway": route.gateway,
                    "hop": route.hop,
                    "priority": route.priority,
                    "state": "up" if self._is_up(route) else "down",
                    "type": "single-hop" if self._single_hop(route) else "multi-hop",
                }
                for route in self._routes
                if all(value is None or getattr(route, key) == value for key, value in wanted.items())
            ]

    def _single_hop(self, route: Route) -> bool:
        return route.net in self._gateways[route.gateway].nets

    def _is_up(self, route: Route) -> bool:
        gateway = self._gateways[route.gateway]
        if not (gateway.alive and gateway.routing):
            return False
        return route.net in gateway.nets_up if self._single_hop(route) else True

    def gateways_to(self, net: str) -> list[str]:
        """Gateways that are up, best first; old knowledge is renewed before nothing is returned."""
        for attempt in (False, True):
            if attempt:
                self.refresh(only=net)
            with self._lnet.lock:
                found = [route for route in self._routes if route.net == net and self._is_up(route)]
            if found:
                return [route.gateway for route in sorted(found, key=lambda route: route.preference)]
        return []

    def all_gateways_to(self, net: str) -> set[str]:
        with self._lnet.lock:
            return {route.gateway for route in self._routes if route.net == net}

    def is_gateway(self, nid: str) -> bool:
        return nid in self._gateways

    def suspect(self, nid: str) -> None:
        """A message through this gateway failed: ask it before it is used again."""
        with self._lnet.lock:
            if nid in self._gateways:
                self._gateways[nid] = Gateway()

    # -- asking gateways ---------------------------------------------------------------------------------------

    def tick(self) -> None:
        """In the background, as the kernel's monitor thread does."""
        if self._stale(None) and not self._checking.locked():
            threading.Thread(target=self.refresh, daemon=True).start()

    def _stale(self, net: str | None) -> list[str]:
        """Gateways to ask: all whose answer is old, those that were down sooner."""
        interval = float(self._lnet.node.settings.get("router_check_interval", 3.0))
        now = self._lnet.node.clock.time()
        with self._lnet.lock:
            wanted = {
                route.gateway: self._gateways[route.gateway] for route in self._routes if net in (None, route.net)
            }
        return [
            nid
            for nid, gateway in wanted.items()
            if gateway.checked is None
            or now - gateway.checked >= (interval if gateway.alive and gateway.routing else min(interval, 1.0))
        ]

    def refresh(self, only: str | None = None) -> None:
        """Ask all gateways whose answer is old, at the same time; bounded by the time-out of one ping."""
        with self._checking:
            threads = [threading.Thread(target=self._ask, args=(nid,), daemon=True) for nid in self._stale(only)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _ask(self, nid: str) -> None:
        timeout = float(self._lnet.node.settings.get("router_ping_timeout", 2.0))
        try:
            answer = self._lnet.messages.ask(nid, timeout)
        except SimError:
            answer = None
        with self._lnet.lock:
            if nid not in self._gateways:
                return
            found = Gateway(self._lnet.node.clock.time())
            if answer is not None:
                states = answer.get("states", {})
                found.alive = True
                found.routing = bool(answer.get("routing"))
                found.nets = frozenset(map(net_of, states))
                found.nets_up = frozenset(net_of(one) for one, state in states.items() if state == "up")
            self._gateways[nid] = found
