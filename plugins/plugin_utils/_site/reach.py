# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is on which network, and who reaches whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import ALL

if TYPE_CHECKING:
    from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Context


class Reach:
    """Networks of any host, clients included, without reading the variables of clients."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._reading = {**context.servers(), **dict.fromkeys(context.routers(), "")}
        self._members = [
            (network.net, context.expanded(network.hosts), ALL in network.hosts)
            for network in context.site.lnet.networks
        ]
        self._routes = [(route, context.expanded(route.hosts)) for route in context.site.lnet.routes or ()]
        self._auto: dict[object, frozenset[str]] = {}
        self._nets: dict[str, frozenset[str]] = {}

    def nets(self, host: str) -> frozenset[str]:
        if host not in self._nets:
            named = frozenset(net for net, members, everybody in self._members if everybody or host in members)
            self._nets[host] = named | self.context.nets(host) if host in self._reading else named
        return self._nets[host]

    def reach(self, host: str) -> frozenset[str]:
        """Networks that a host reaches: its own, and those it has routes to."""
        own = self.nets(host)
        if self.context.site.lnet.routes is not None:
            usable = {r.net for r, members in self._routes if host in members and nid_net(r.gateway) in own}
            return own | usable
        # A router's way does not lead over itself; all other hosts with the same networks have the same routes.
        key: object = host if host in self._reading else own
        if key not in self._auto:
            wanted = self.context.described_nets()
            self._auto[key] = own | {hop.net for hop in self.context.topology.routes(host, own, wanted)}
        return self._auto[key]

    def both_ways(self, one: str, other: str) -> bool:
        """Whether two hosts can talk: LNet needs a way there and a way back."""
        return bool(self.reach(one) & self.nets(other)) and bool(self.reach(other) & self.nets(one))
