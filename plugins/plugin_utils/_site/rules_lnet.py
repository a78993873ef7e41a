# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about LNet: networks, routers, routes, and who must reach whom."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import LnetWant
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import ALL
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem, Network, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.reach import Reach

RULES = (
    Rule("no-network", "A site with file systems describes at least one LNet network."),
    Rule("net-host-twice", "A host is named once per network."),
    Rule("lnet-value", "The values of LNet are ones that its module would accept."),
    Rule("router-one-net", "A router has NIDs on at least two networks."),
    Rule("route-local", "A route goes to a network that its hosts are not on."),
    Rule("route-twice", "A route is described once."),
    Rule("gateway-not-local", "The gateway of a route is on a network of the hosts that use it."),
    Rule("gateway-unknown", "The gateway of a route is a NID of one of the routers."),
    Rule("net-unknown", "A network that is named anywhere is described."),
    Rule("buffers-no-router", "Router buffers are given only where there are routers (warning)."),
    Rule("partners", "Servers of one target share an LNet network, or a target could not be taken over."),
    Rule("target-networks", "The networks that a target is restricted to are networks of all its servers."),
    Rule("server-mgs", "Every server reaches the MGS, and the MGS reaches it."),
    Rule("client-no-network", "Every client is on a network (by a name, group or range in lustre_lnet.networks)."),
    Rule("client-unreachable", "Every client reaches the MGS and all servers of what it mounts, and they reach it."),
    Rule("network-option", "The mount option network= names a network of the client and needs discovery: false."),
)


def networks(context: Context) -> None:
    lnet = context.site.lnet
    if not lnet.networks and context.site.filesystems:
        fix = (
            "Describe it, such as networks: [{net: tcp, interfaces: [eth0]}], which puts every host of the site on tcp."
        )
        context.add("lustre_lnet.networks", "no LNet network is described", fix, "no-network")
    if lnet.routing and not lnet.routers:
        context.warn(
            "lustre_lnet.routing", "buffers are given, but no routers", "Name the routers.", "buffers-no-router"
        )
    by_net: dict[str, list[Network]] = {}
    for network in lnet.networks:
        for other in by_net.setdefault(network.net, []):
            both = sorted(context.expanded(network.hosts) & context.expanded(other.hosts))
            if both:
                what = (
                    f"{listed(both)} {'is' if len(both) == 1 else 'are'} already put on {network.net} by {other.path}"
                )
                context.add(f"{network.path}.hosts", what, "Name a host once per network.", "net-host-twice")
                break
        by_net[network.net].append(network)


def values(context: Context) -> None:
    """The module's own check, piece by piece, so that what it would refuse on a node is known here."""
    lnet = context.site.lnet
    pieces: list[tuple[str, str, dict[str, object]]] = []
    for network in lnet.networks:
        item = {
            "net": network.net,
            "interfaces": list(network.interfaces) or ["eth0"],
            "tunables": network.tunables,
            "lnd_tunables": network.lnd_tunables,
            "cpts": list(network.cpts),
        }
        pieces.append((network.path, "lnet.networks[0]", {"networks": [item]}))
    pieces.append(("lustre_lnet.global", "lnet.global", {"global": lnet.settings}))
    pieces.append(("lustre_lnet.module_options", "lnet.module_options", {"module_options": lnet.module_options}))
    if lnet.routing:
        pieces.append(("lustre_lnet.routing", "lnet.routing", {"routing": {"enabled": True, **lnet.routing}}))
    for number, peer in enumerate(lnet.peers):
        item = {key: peer[key] for key in ("primary", "nids", "multi_rail")}
        pieces.append((f"lustre_lnet.peers[{number}]", "lnet.peers[0]", {"peers": [item]}))
    for number, udsp in enumerate(lnet.udsp):
        item = {key: udsp[key] for key in ("src", "dst", "rte", "priority") if udsp[key] is not None}
        pieces.append((f"lustre_lnet.udsp[{number}]", "lnet.udsp[0]", {"udsp": [item]}))
    for path, inner, options in pieces:
        if context.broken(path):
            continue
        try:
            LnetWant.from_options(options)
        except BadValue as error:
            where = error.path.replace(inner, path, 1) if error.path.startswith(inner) else path
            context.add(where, error.problem, error.remedy, "lnet-value")


def routers(context: Context) -> None:
    if not context.complete:
        return
    for router in context.routers():
        nets = sorted({nid_net(nid) for nid in context.nids(router)})
        if len(nets) == 1:
            what = f"{router} has NIDs on {nets[0]} only, so there is nothing to forward"
            context.add("lustre_lnet.routers", what, "Give it a NID on each network in lustre_nids.", "router-one-net")


def routes(context: Context) -> None:
    lnet = context.site.lnet
    gateways = {nid for router in context.routers() for nid in context.nids(router)}
    described = context.described_nets()
    seen: dict[tuple[str, str, tuple[str, ...]], str] = {}
    for route in lnet.routes or ():
        other = seen.setdefault((route.net, route.gateway, tuple(sorted(route.hosts))), route.path)
        if other != route.path:
            context.add(route.path, f"this route is also {other}", "Describe it once.", "route-twice")
        if context.complete and route.net not in described:
            fix = did_you_mean(route.net, sorted(described)) or "Add it to lustre_lnet.networks."
            context.add(f"{route.path}.net", f"the network {route.net} is not described", fix, "net-unknown")
        if context.complete and route.gateway not in gateways:
            fix = (
                did_you_mean(route.gateway, sorted(gateways))
                or "Name the router in lustre_lnet.routers and give it lustre_nids."
            )
            context.add(f"{route.path}.gateway", f"{route.gateway} is not a NID of a router", fix, "gateway-unknown")
        if context.complete:
            _route_hosts(context, route.path, route.net, nid_net(route.gateway), context.expanded(route.hosts))


def _route_hosts(context: Context, path: str, net: str, local: str, hosts: frozenset[str]) -> None:
    reach = context.reach
    away = sorted(host for host in hosts if reach.nets(host) and local not in reach.nets(host))
    if away:
        what = f"the gateway is on {local}, but {listed(away)} {'is' if len(away) == 1 else 'are'} not"
        context.add(f"{path}.gateway", what, "Name the router's NID on a network of these hosts.", "gateway-not-local")
    there = sorted(host for host in hosts if net in reach.nets(host))
    if there:
        what = f"{listed(there)} {'is' if len(there) == 1 else 'are'} on {net} already"
        context.add(f"{path}.net", what, "Leave these hosts out of the route.", "route-local")


def partners(context: Context) -> None:
    if not context.complete:
        return
    for target in _once(context):
        known = [server for server in target.servers if context.nets(server)]
        for number, server in enumerate(known[1:], 1):
            if not context.nets(server) & context.nets(known[0]):
                what = f"{server} ({_nets(context, server)}) has no LNet network in common with {known[0]} ({_nets(context, known[0])})"
                fix = "Put both on one network, or name a server that can take over."
                context.add(f"{target.path}.servers[{number}]", what, fix, "partners")
        for number, net in enumerate(target.networks):
            without = [server for server in known if net not in context.nets(server)]
            if without:
                what = f"the target is restricted to {net}, but {listed(without)} {'is' if len(without) == 1 else 'are'} not on it"
                context.add(
                    f"{target.path}.networks[{number}]",
                    what,
                    "Name networks that all servers are on.",
                    "target-networks",
                )


def _once(context: Context) -> Iterator[Target]:
    """One target of each entry."""
    seen: set[str] = set()
    for target in context.targets():
        if target.path not in seen:
            seen.add(target.path)
            yield target


def _nets(context: Context, host: str) -> str:
    return ", ".join(sorted(context.nets(host)))


def servers_reach_mgs(context: Context) -> None:
    if not context.complete or context.lnet_broken():
        return
    reach = context.reach
    told: set[str] = set()
    for filesystem in context.site.filesystems:
        mgs = context.mgs_of(filesystem)
        known = [server for server in (mgs.servers if mgs is not None else ()) if context.nets(server)]
        for target in filesystem.mdts + filesystem.osts:
            for number, server in enumerate(target.servers):
                if server in told or not context.nets(server):
                    continue
                cut = [node for node in known if node != server and not reach.both_ways(server, node)]
                if cut:
                    told.add(server)
                    what = f"{server} ({_nets(context, server)}) and the MGS on {listed(cut)} ({_nets(context, cut[0])}) cannot reach each other"
                    fix = "Put them on one network, or route between theirs, in both directions."
                    context.add(f"{target.path}.servers[{number}]", what, fix, "server-mgs")


def clients(context: Context) -> None:
    if not context.complete or not context.site.lnet.networks or context.lnet_broken():
        return
    reach = context.reach
    for filesystem in context.site.filesystems:
        needed = _needed(context, filesystem)
        for mount in filesystem.clients:
            lost: list[str] = []
            cut: dict[str, list[str]] = {}
            answers: dict[tuple[frozenset[str], frozenset[str]], str] = {}
            for host in sorted(context.expanded(mount.hosts)):
                if not reach.nets(host):
                    lost.append(host)
                    continue
                key = (reach.nets(host), reach.reach(host))
                if key not in answers:
                    answers[key] = _unreached(context, reach, host, filesystem, needed)
                if answers[key]:
                    cut.setdefault(answers[key], []).append(host)
            _tell(context, f"{mount.path}.hosts", lost, cut)


def _needed(context: Context, filesystem: FileSystem) -> list[str]:
    mgs = context.mgs_of(filesystem)
    names = [*(mgs.servers if mgs is not None else ()), *(s for target in filesystem.targets for s in target.servers)]
    return [server for server in dict.fromkeys(names) if context.hosts.knows(server) and context.nets(server)]


def _unreached(context: Context, reach: Reach, host: str, filesystem: FileSystem, needed: list[str]) -> str:
    """What a client does not reach, in words; the same for all clients with the same networks and routes."""
    cut = [server for server in needed if server != host and not reach.both_ways(host, server)]
    if cut:
        one_way = [server for server in cut if reach.reach(host) & reach.nets(server)]
        text = f"{listed(cut)} ({_nets(context, cut[0])})"
        return text + (", which have no route back" if one_way == cut else "")
    mgs = context.mgs_of(filesystem)
    outside = {nid_net(nid) for node in mgs.nids for nid in node} if mgs is not None else set()
    if outside and not outside & reach.reach(host):
        return f"the MGS ({', '.join(sorted(outside))})"
    return ""


def _tell(context: Context, where: str, lost: list[str], cut: dict[str, list[str]]) -> None:
    if lost:
        what = f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} on no network of lustre_lnet.networks"
        context.add(
            where, what, "Add the hosts, or a group that holds them, to hosts of their network.", "client-no-network"
        )
    for what, hosts in cut.items():
        fix = "Put them on one network, or add a router between theirs (lustre_lnet.routers), with routes in both directions."
        nets = sorted(context.reach.nets(hosts[0]))
        context.add(where, f"{listed(hosts)} ({', '.join(nets)}) cannot reach {what}", fix, "client-unreachable")


def network_option(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for mount in filesystem.clients:
            given = [option for option in mount.options if option.startswith("network=")]
            if not given and not mount.networks:
                continue
            where = f"{mount.path}.networks" if mount.networks else f"{mount.path}.options"
            if context.site.lnet.discovery is not False:
                what = "the mount option network= works only with peer discovery off"
                context.add(where, what, "Set lustre_lnet.discovery: false, or leave networks out.", "network-option")
            if len(mount.networks) + len(given) > 1:
                context.add(where, "a client mount can be bound to one network only", "Name one.", "network-option")
            members = {
                net.net: context.expanded(net.hosts) for net in context.site.lnet.networks if ALL not in net.hosts
            }
            for net in mount.networks if context.complete else ():
                without = sorted(context.expanded(mount.hosts) - members[net]) if net in members else []
                if without:
                    what = f"{listed(without)} {'is' if len(without) == 1 else 'are'} not on {net}"
                    context.add(where, what, "Name a network of these clients.", "network-option")


CHECKS: tuple[Checker, ...] = (networks, values, routers, routes, partners, servers_reach_mgs, clients, network_option)
