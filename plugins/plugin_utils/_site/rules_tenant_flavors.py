# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the flavor of a tenant: Lustre knows it by network only, so nobody else may be on the tenant's networks."""

from __future__ import annotations

from typing import Iterable, Iterator

from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import FlavorRule, Tenant
from ansible_collections.lustre.core.plugins.plugin_utils._site.rules_flavors import (
    FLAVORS,
    ignoring,
    nets_of_host,
    own_rules,
    tenant_nets,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.tenant_flavors import DIRECTIONS, nets_of

RULES = (
    Rule("tenant-flavor", "A tenant with a flavor of its own has its networks for itself, and no other rule for them."),
)


def flavors(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for tenant in filesystem.security.tenants:
            rules = own_rules(context, filesystem, tenant)
            if rules and tenant.flavor in FLAVORS:
                _flavor(context, filesystem, tenant, list(dict.fromkeys(rule.network for rule in rules)))


def _flavor(context: Context, filesystem: FileSystem, tenant: Tenant, nets: list[str]) -> None:
    where = f"{tenant.where}.flavor"
    release = ignoring(context, filesystem)
    if release:
        what = (
            f"{tenant.flavor} for {tenant.name} would be a rule for {listed(nets)}, and Lustre {release} stores a flavor of a network and "
            "never applies it: it would not be in force"
        )
        fix = (
            "Give the file system this flavor (flavors), or say flavors: {allow_ineffective: true} if the rule is meant for a later "
            "release."
        )
        context.add(where, what, fix, "flavor-ineffective")
    described = context.described_nets()
    for net in nets:
        other = _contradicting(filesystem, tenant, net)
        if other is not None:
            what = f"{tenant.name} is to use {tenant.flavor} on {net}, and {other.where} says {other.flavor} for the same connections"
            context.add(where, what, f"Say it in one of the two places, or {tenant.flavor} in both.", "tenant-flavor")
        elif net not in described:
            fix = did_you_mean(net, sorted(described)) or "Add it to lustre_lnet.networks, or correct the ranges."
            context.add(where, f"{net} is no network of the site", fix, "flavor-network")
        else:
            _shared(context, filesystem, tenant, net)


def _contradicting(filesystem: FileSystem, tenant: Tenant, net: str) -> FlavorRule | None:
    named = (rule for rule in filesystem.security.flavors if rule.network == net)
    return next((r for r in named if r.direction in ("", *DIRECTIONS) and r.flavor != tenant.flavor), None)


def _shared(context: Context, filesystem: FileSystem, tenant: Tenant, net: str) -> None:
    """Everybody else whose connections the rule of this network would hit."""
    servers = {server for target in filesystem.targets for server in target.servers if net in context.nets(server)}
    others = (
        [(listed(sorted(servers)), f"{'a server' if len(servers) == 1 else 'servers'} of {filesystem.name}")]
        if servers
        else []
    )
    others += [
        (f"the tenant {other.name}", f"with {other.flavor}" if other.flavor else "without a flavor of its own")
        for other in filesystem.security.tenants
        if other is not tenant
        and other.present
        and other.flavor != tenant.flavor
        and net in tenant_nets(context, other)
    ]
    strangers = sorted(host for host in _strangers(context, filesystem) if net in nets_of_host(context, host))
    if strangers:
        others.append((listed(strangers), f"of no tenant of {filesystem.name}"))
    others += [(text, f"of the nodemap {name}") for name, text in _ranges(context, filesystem, net)]
    if others:
        told = " and ".join(f"{who} ({why})" for who, why in others)
        what = (
            f"{tenant.flavor} for {tenant.name} would be a rule for the whole network {net}, which it shares with {told}: "
            "they would get it, too"
        )
        fix = (
            f"Give {tenant.name} an LNet network of its own, with a router to the servers, or give all of {filesystem.name} the flavor "
            f"{tenant.flavor}."
        )
        context.add(f"{tenant.where}.flavor", what, fix, "tenant-flavor")


def _strangers(context: Context, filesystem: FileSystem) -> Iterable[str]:
    """Hosts that have to do with the file system as clients, and belong to none of its tenants."""
    patterns = [pattern for mount in filesystem.clients for pattern in mount.hosts]
    for one in context.sharers(filesystem):
        settings = one.security.nodemaps
        patterns += [*settings.admins, *settings.protect] if settings is not None else []
    members = {host for tenant in filesystem.security.tenants for host in context.expanded(tenant.nodemap.hosts)}
    servers = {server for target in filesystem.targets for server in target.servers}
    return context.expanded(patterns) - members - servers


def _ranges(context: Context, filesystem: FileSystem, net: str) -> Iterator[tuple[str, str]]:
    """Ranges of other nodemaps: nobody knows who is behind them, so they count as clients."""
    for one in context.sharers(filesystem):
        for nodemap in one.security.nodemaps.maps if one.security.nodemaps is not None else ():
            if nodemap.state == "present" and net in nets_of(nodemap):
                yield nodemap.name, listed(nodemap.ranges)


CHECKS: tuple[Checker, ...] = (flavors,)
