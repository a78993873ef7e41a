# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the hosts that a description names: they exist, are in their groups, and have NIDs and interfaces."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import (
    interfaces_of,
    is_address,
    networks_of,
    nids_of,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Security

RULES = (
    Rule(
        "unknown-host",
        "Every server is a host of the inventory; wherever groups are allowed, every name is a host or a group.",
    ),
    Rule("group-as-server", "A server is named by its own name, not by a group or a range."),
    Rule("bad-range", "A range of names can be read."),
    Rule("empty-group", "A group that mounts or routes has hosts (warning)."),
    Rule(
        "not-in-group",
        "Hosts are in the groups of their roles (lustre_mds, lustre_client, ...), which the playbooks run on.",
    ),
    Rule("bad-nid", "NIDs can be read."),
    Rule("no-nid", "Every server and router has NIDs that are known before anything runs."),
    Rule("nid-net", "NIDs of a host fit the networks that name it, and every network is described."),
    Rule("nid-twice", "A NID belongs to one server or router."),
    Rule("bad-interfaces", "lustre_interfaces maps networks to interfaces."),
    Rule("no-interface", "Every server and router has an interface on each of its networks."),
    Rule(
        "router-serves", "A router is no server: it would compete with the targets for memory and processors (warning)."
    ),
)
_INVENTORY_FIX = "Add it to the inventory, or correct the name."


def servers(context: Context) -> None:
    for path, name in _server_names(context):
        if context.hosts.knows(name):
            continue
        if context.hosts.is_group(name) or ranges.is_range(name):
            kind = "a range" if ranges.is_range(name) else "a group"
            what = f'"{name}" is {kind}, but the order of servers matters'
            context.add(path, what, "Name the hosts one by one, the preferred one first.", "group-as-server")
        else:
            fix = did_you_mean(name, context.hosts.host_names()) or _INVENTORY_FIX
            context.add(path, f'the host "{name}" is not in the inventory', fix, "unknown-host")


def _server_names(context: Context) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for filesystem in context.site.filesystems:
        lists = [(filesystem.mgs.path, filesystem.mgs.servers)] + [(t.path, t.servers) for t in filesystem.targets]
        for path, names in lists:
            for number, name in enumerate(names):
                item = (f"{path}.servers[{number}]", name)
                if item not in seen:
                    seen.add(item)
                    yield item


def _lists(context: Context) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every place that takes hosts, groups and ranges."""
    site = context.site
    for filesystem in site.filesystems:
        for mount in filesystem.clients:
            yield mount.hosts_path, mount.hosts
        for param in filesystem.params:
            yield f"{param.path}.hosts", param.hosts
        yield from _lists_of_security(filesystem.security)
    for network in site.lnet.networks:
        yield f"{network.path}.hosts", network.hosts
    yield "lustre_lnet.routers", site.lnet.routers
    for route in site.lnet.routes or ():
        yield f"{route.path}.hosts", route.hosts
    for key, entries in (("peers", site.lnet.peers), ("udsp", site.lnet.udsp)):
        for number, entry in enumerate(entries):
            yield f"lustre_lnet.{key}[{number}].hosts", tuple(entry["hosts"])


def _lists_of_security(security: Security) -> Iterator[tuple[str, tuple[str, ...]]]:
    maps = security.nodemaps
    if maps is not None:
        yield f"{maps.where}.admins", maps.admins
        yield f"{maps.where}.protect", maps.protect
        for nodemap in maps.maps:
            yield f"{nodemap.where}.hosts", nodemap.hosts
    for tenant in security.tenants:
        yield f"{tenant.where}.hosts", tenant.nodemap.hosts
    for directory in security.encrypted:
        yield f"{directory.where}.hosts", directory.hosts
    if security.root_squash is not None:
        yield f"{security.root_squash.where}.nosquash", security.root_squash.nosquash


def names(context: Context) -> None:
    for path, patterns in _lists(context):
        for number, name in enumerate(patterns):
            _name(context, f"{path}[{number}]", name)


def _name(context: Context, where: str, name: str) -> None:
    hosts = context.hosts
    if ranges.is_range(name) and not hosts.knows(name):
        try:
            unknown = [host for host in ranges.expand(name) if not hosts.knows(host)]
        except ValueError as error:
            context.add(where, str(error), "Write it like client[001-200].", "bad-range")
            return
        if unknown:
            what = f'{len(unknown)} hosts of "{name}" are not in the inventory: {listed(unknown)}'
            context.add(where, what, "Add them to the inventory, or correct the range.", "unknown-host")
    elif hosts.is_group(name):
        if not hosts.knows(name) and name in hosts.group_names() and not hosts.members(name) and context.complete:
            context.warn(
                where, f'the group "{name}" has no hosts', "Add hosts to it, or remove the entry.", "empty-group"
            )
    elif not hosts.knows(name):
        known = hosts.host_names() + hosts.group_names()
        fix = did_you_mean(name, known) or _INVENTORY_FIX
        context.add(where, f'"{name}" is neither a host nor a group of the inventory', fix, "unknown-host")


def role_groups(context: Context) -> None:
    """Playbooks run on the groups of roles: a host outside its group would silently never be set up."""
    if not context.complete:
        return
    wanted: dict[str, dict[str, str]] = {group: {} for group in ("lustre_mgs", "lustre_mds", "lustre_oss")}
    for filesystem in context.site.filesystems:
        mgs = context.mgs_of(filesystem)
        if mgs is not None and filesystem.mgs.way in ("device", "combined"):
            wanted["lustre_mgs"].update(dict.fromkeys(mgs.servers, filesystem.mgs.path))
        for group, targets in (("lustre_mds", filesystem.mdts), ("lustre_oss", filesystem.osts)):
            wanted[group].update({server: target.path for target in targets for server in target.servers})
    wanted["lustre_router"] = dict.fromkeys(context.routers(), "lustre_lnet.routers")
    mounts = [mount for filesystem in context.site.filesystems for mount in filesystem.clients]
    wanted["lustre_client"] = {host: mount.hosts_path for mount in mounts for host in context.expanded(mount.hosts)}
    for group, hosts in wanted.items():
        members = context.hosts.members(group) if group in context.hosts.group_names() else frozenset()
        missing = sorted(host for host in hosts if host not in members and context.hosts.knows(host))
        if missing:
            one = len(missing) == 1
            what = f"{listed(missing)} {'is' if one else 'are'} not in the group {group}, which the playbooks run on"
            fix = f"Add {'it' if one else 'them'} to {group}, or use the inventory plugin lustre.core.site."
            context.add(hosts[missing[0]], what, fix, "not-in-group")


def nids(context: Context) -> None:
    """Servers and routers: their variables are read here, those of clients never."""
    if not context.complete:
        return
    owners: dict[str, str] = {}
    routers = dict.fromkeys(context.routers(), "lustre_lnet.routers")
    for host, path in {**routers, **context.servers()}.items():
        try:
            found = nids_of(context.hosts, context.site.lnet, host)
        except ValueError as error:
            context.add(f"host {host}", str(error), "Correct lustre_nids of this host.", "bad-nid")
            continue
        if not found:
            _no_nid(context, host, path)
            continue
        for nid in found:
            other = owners.setdefault(nid, host)
            if other != host:
                context.add(f"host {host}", f"{nid} is also a NID of {other}", "Give each host its own.", "nid-twice")
        _nets(context, host, found)


def _no_nid(context: Context, host: str, path: str) -> None:
    named = sorted({network.net for network in networks_of(context.hosts, context.site.lnet, host)})
    address = context.hosts.variable(host, "ansible_host") or host
    if not context.site.lnet.networks or context.broken("lustre_lnet.networks"):
        return
    if not named:
        why = "no network of lustre_lnet.networks names it"
        fix = "Add it (or a group that holds it) to hosts of its network, or give it lustre_nids."
    elif len(named) > 1:
        why = f"it is on several networks ({', '.join(named)}) and has no lustre_nids"
        fix = "Give it lustre_nids, one NID per network."
    else:
        shown = "its ansible_host is no IP address" if is_address(address) is False else "it has no address"
        why = f"{shown} ({address})"
        fix = f"Give it lustre_nids, such as [10.0.0.1@{named[0]}]: targets store addresses, not names."
    context.add(path, f"the NIDs of {host} are not known: {why}", fix, "no-nid")


def _nets(context: Context, host: str, found: list[str]) -> None:
    named = {network.net for network in networks_of(context.hosts, context.site.lnet, host)}
    own = {nid_net(nid) for nid in found}
    described = context.described_nets()
    for net in sorted(own - described):
        fix = did_you_mean(net, sorted(described)) or f"Add {net} to lustre_lnet.networks, or correct the NID."
        context.add(
            f"host {host}", f"it has a NID on {net}, which lustre_lnet.networks does not describe", fix, "nid-net"
        )
    for net in sorted(named - own):
        what = f"lustre_lnet.networks puts it on {net}, but none of its NIDs ({', '.join(found)}) is there"
        context.add(
            f"host {host}", what, f"Add its NID on {net} to lustre_nids, or take it off that network.", "nid-net"
        )
    _interfaces(context, host, sorted(own & (described | named)))


def _interfaces(context: Context, host: str, nets: list[str]) -> None:
    try:
        own = interfaces_of(context.hosts, host)
    except ValueError as error:
        context.add(f"host {host}", str(error), "Write it as {tcp0: [eth0]}.", "bad-interfaces")
        return
    described = {network.net for network in networks_of(context.hosts, context.site.lnet, host) if network.interfaces}
    for net in nets:
        if net not in own and net not in described:
            fix = f"Give interfaces to the network in lustre_lnet.networks, or lustre_interfaces: {{{net}: [...]}} to the host."
            context.add(f"host {host}", f"its interface on {net} is not known", fix, "no-interface")


def routers(context: Context) -> None:
    serving = context.servers()
    for router in context.routers():
        if router in serving:
            what = f"{router} is a router and also a server ({serving[router]})"
            context.warn("lustre_lnet.routers", what, "Use a host of its own, if you can.", "router-serves")


CHECKS: tuple[Checker, ...] = (servers, names, role_groups, nids, routers)
