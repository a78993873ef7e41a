# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host's LNet: its networks, NIDs, routes and settings, and which other NIDs it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Iterable

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts, interfaces_of, networks_of, nids_of
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Lnet, Network
from ansible_collections.lustre.core.plugins.plugin_utils._site.routing import Topology

LNET_PORT = 988


def without_none(items: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value is not None}


class LnetSlice:
    """LNet as one host has it; the NIDs of other hosts are read only where somebody asks for them."""

    def __init__(self, lnet: Lnet, host: str, hosts: Hosts, findings: Findings) -> None:
        self.lnet, self.host, self.hosts, self.findings = lnet, host, hosts, findings
        self._nids: dict[str, tuple[str, ...]] = {}

    def nids(self, host: str) -> tuple[str, ...]:
        if host not in self._nids:
            try:
                self._nids[host] = tuple(nids_of(self.hosts, self.lnet, host))
            except ValueError as error:
                self.findings.add(f"host {host}", str(error), "Correct lustre_nids of this host.", "bad-nid")
                self._nids[host] = ()
        return self._nids[host]

    def needed_nids(self, host: str, path: str) -> list[str]:
        """NIDs of a server: without them nothing can be formatted or mounted."""
        found = self.nids(host)
        if not found:
            fix = "Give it lustre_nids, or an address in ansible_host and a place in exactly one network of lustre_lnet.networks."
            self.findings.add(path, f"the NIDs of {host} are not known", fix, "no-nid")
        return list(found)

    @cached_property
    def routers(self) -> list[str]:
        return self.hosts.expanded(self.lnet.routers)

    @cached_property
    def networks(self) -> list[Network]:
        return networks_of(self.hosts, self.lnet, self.host)

    @property
    def port(self) -> int:
        """The TCP port on which LNet listens; an unusable one is for the check of the whole to report."""
        given = str((self.lnet.module_options.get("lnet") or {}).get("accept_port", LNET_PORT))
        return int(given) if given.isdigit() else LNET_PORT

    @cached_property
    def nets(self) -> list[str]:
        """Networks this host is on."""
        return list(
            dict.fromkeys([network.net for network in self.networks] + [nid_net(nid) for nid in self.nids(self.host)])
        )

    @cached_property
    def routes(self) -> list[dict[str, Any]]:
        if self.lnet.routes is not None:
            return [
                without_none({"net": route.net, "gateway": route.gateway, "hop": route.hop, "priority": route.priority})
                for route in self.lnet.routes
                if route.net not in self.nets and self.hosts.named(self.host, route.hosts)
            ]
        topology = Topology({router: self.nids(router) for router in self.routers})
        wanted = {network.net for network in self.lnet.networks} | topology.nets
        # One hop is what LNet assumes anyway; only a longer way must be told.
        return [
            {"net": route.net, "gateway": route.gateway, **({"hop": route.hop} if route.hop > 1 else {})}
            for route in topology.routes(self.host, self.nets, wanted)
        ]

    def reachable(self, nids: Iterable[str]) -> list[str]:
        """The NIDs of another node that this host can use, those on its own networks first; all of them when none is."""
        known = list(nids)
        routed_nets = {route["net"] for route in self.routes}
        local = [nid for nid in known if nid_net(nid) in self.nets]
        routed = [nid for nid in known if nid_net(nid) in routed_nets and nid not in local]
        return local + routed or known

    def expected(self, others: Iterable[str], outside: Iterable[str]) -> dict[str, list[str]]:
        """NIDs of other hosts (and NIDs ``outside`` the inventory) that must answer this one, and that must not."""
        reach = set(self.nets) | {route["net"] for route in self.routes}
        known = [nid for host in dict.fromkeys(others) if host != self.host for nid in self.nids(host)]
        found: dict[str, list[str]] = {"reachable": [], "unreachable": []}
        for nid in dict.fromkeys([*known, *outside]):
            found["reachable" if nid_net(nid) in reach else "unreachable"].append(nid)
        return found

    def state(self, remove_networks: Iterable[str]) -> dict[str, Any]:
        """The key ``lnet`` of a node's wanted state."""
        wanted: dict[str, Any] = {
            "networks": self._networks(),
            "nids": list(self.nids(self.host)),
            "routes": self.routes,
            "purge": list(self.lnet.purge),
            "remove_networks": sorted(remove_networks),
        }
        if self.host in self.routers:
            wanted["routing"] = {"enabled": True, **self.lnet.routing}
        if self.lnet.discovery is not None:
            wanted["discovery"] = self.lnet.discovery
        optional = {
            "global": self.lnet.settings,
            "module_options": self.lnet.module_options,
            "peers": self._mine(self.lnet.peers, ("primary", "nids", "multi_rail")),
            "udsp": self._mine(self.lnet.udsp, ("src", "dst", "rte", "priority")),
        }
        wanted.update({key: value for key, value in optional.items() if value})
        return wanted

    def _mine(self, entries: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
        own = (entry for entry in entries if self.hosts.named(self.host, entry["hosts"]))
        return [without_none({key: entry[key] for key in keys}) for entry in own]

    def _networks(self) -> list[dict[str, Any]]:
        try:
            own = interfaces_of(self.hosts, self.host)
        except ValueError as error:
            fix = "Correct lustre_interfaces of this host."
            self.findings.add(f"host {self.host}", str(error), fix, "bad-interfaces")
            own = {}
        described: dict[str, Network] = {}
        for network in self.networks:
            described.setdefault(network.net, network)
        return [self._network(net, described.get(net), own.get(net)) for net in dict.fromkeys([*self.nets, *own])]

    def _network(self, net: str, network: Network | None, own: list[str] | None) -> dict[str, Any]:
        interfaces = own or (list(network.interfaces) if network else [])
        if not interfaces:
            fix = f"Give interfaces to the network in lustre_lnet.networks, or lustre_interfaces: {{{net}: [...]}} to the host."
            what = f"its interface on the network {net} is not known"
            self.findings.add(f"host {self.host}", what, fix, "no-interface")
        wanted: dict[str, Any] = {"net": net, "interfaces": interfaces}
        if network is not None:
            optional = {
                "tunables": network.tunables,
                "lnd_tunables": network.lnd_tunables,
                "cpts": list(network.cpts),
            }
            wanted.update({key: value for key, value in optional.items() if value})
        return wanted
