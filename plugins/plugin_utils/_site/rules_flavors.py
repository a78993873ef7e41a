# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about security flavors, of file systems and of the MGS, and about shared keys."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.lustre.core.plugins.module_utils._cli import srpc
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    FlavorRule,
    Tenant,
    effective,
    is_kerberos,
    is_ssk,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_security import DIRECTIONS
from ansible_collections.lustre.core.plugins.plugin_utils._site.tenant_flavors import nets_of, rules_of

FLAVORS = ("null", "plain", "krb5n", "krb5a", "krb5i", "krb5p", "skn", "ska", "ski", "skpi")

RULES = (
    Rule("flavor-unknown", "A flavor is one that Lustre has and that is fit for use."),
    Rule("flavor-kerberos", "Flavors of Kerberos need lustre_kerberos."),
    Rule("flavor-ssk", "Flavors of shared keys need ssk."),
    Rule("flavor-mixed", "Connections in one direction use one kind of keys: Kerberos or shared ones."),
    Rule("flavor-network", "A flavor is for a network of lustre_lnet."),
    Rule(
        "flavor-ineffective",
        "Flavors of a network are declared only for a release that applies them (lustre_packages_version of the MGS tells).",
    ),
    Rule("mgs-flavor", "File systems that share an MGS have the same mgs.flavor."),
    Rule("mount-security", "mgssec= and skpath= follow from the description and are no mount options of one's own."),
    Rule("ssk-directory", "File systems that share an MGS keep their keys in the same directory."),
    Rule("security-no-mgs", "Nodemaps, tenants and purge_flavors need an MGS of this inventory."),
)


def _rules(filesystem: FileSystem) -> Iterator[FlavorRule]:
    """All flavors that a file system names, those of its tenants and of its MGS included."""
    yield from filesystem.security.flavors
    for tenant in filesystem.security.tenants:
        if tenant.flavor and tenant.present:
            yield FlavorRule(f"{tenant.where}.flavor", tenant.flavor)
    if filesystem.mgs.flavor:
        yield FlavorRule(f"{filesystem.mgs.path}.flavor", filesystem.mgs.flavor)


def known(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for rule in _rules(filesystem):
            if rule.flavor in FLAVORS:
                continue
            if rule.flavor == "gssnull":
                what = "gssnull is there to test Lustre itself: it looks like a secured connection and protects nothing"
                context.add(rule.where, what, "Use null, or a flavor that protects, such as krb5i.", "flavor-unknown")
                continue
            fix = did_you_mean(rule.flavor, FLAVORS) or f"Known are {', '.join(FLAVORS)}."
            context.add(rule.where, f'there is no flavor "{rule.flavor}"', fix, "flavor-unknown")


def keys(context: Context) -> None:
    """Each kind of flavor has what it needs; said once per file system and kind."""
    for filesystem in context.site.filesystems:
        found = [rule for rule in _rules(filesystem) if rule.flavor in FLAVORS]
        kerberos = next((rule for rule in found if is_kerberos(rule.flavor)), None)
        if kerberos is not None and context.site.kerberos is None and not context.broken("lustre_kerberos"):
            what = f"{kerberos.flavor} needs Kerberos, and the site has no realm"
            fix = "Describe lustre_kerberos (kerberos in a site file) with realm and kdcs, or use a flavor of shared keys."
            context.add(kerberos.where, what, fix, "flavor-kerberos")
        shared = next((rule for rule in found if is_ssk(rule.flavor)), None)
        if shared is not None and filesystem.security.ssk is None and not context.broken(f"{filesystem.path}.ssk"):
            what = f"{shared.flavor} needs shared keys, and {filesystem.path}.ssk does not describe any"
            context.add(shared.where, what, "Add ssk: {} to the file system for keys with the defaults.", "flavor-ssk")


def _kind(flavor: str) -> str:
    return "Kerberos" if is_kerberos(flavor) else "a shared key" if is_ssk(flavor) else ""


def own_rules(context: Context, filesystem: FileSystem, tenant: Tenant) -> list[FlavorRule]:
    """The rules that a tenant's flavor becomes, none where the file system has the same one anyway."""
    if not tenant.flavor or not tenant.present:
        return []
    return rules_of(tenant, tenant_nets(context, tenant), filesystem.security.flavors)


def tenant_nets(context: Context, tenant: Tenant) -> list[str]:
    """The networks of all of a tenant's NIDs, as far as they are known yet."""
    hosts = sorted(context.expanded(tenant.nodemap.hosts))
    named = {net for host in hosts for net in nets_of_host(context, host)}
    return sorted({*nets_of(tenant.nodemap), *named})


def nets_of_host(context: Context, host: str) -> frozenset[str]:
    """Variables of clients are read only where everything of them is there, and only for sites with such tenants."""
    own = frozenset(nid_net(nid) for nid in context.nids(host)) if context.complete else frozenset()
    return own or context.reach.nets(host)


def mixed(context: Context) -> None:
    for filesystem in context.site.filesystems:
        own = (rule for tenant in filesystem.security.tenants for rule in own_rules(context, filesystem, tenant))
        rules = [rule for rule in (*filesystem.security.flavors, *own) if rule.flavor in FLAVORS]
        networks = dict.fromkeys(["default", *(rule.network for rule in rules)])
        for direction in DIRECTIONS:
            found = [rule for network in networks if (rule := effective(rules, network, direction)) is not None]
            first = next((rule for rule in found if _kind(rule.flavor)), None)
            other = next((r for r in found if first and _kind(r.flavor) not in ("", _kind(first.flavor))), None)
            if first is None or other is None:
                continue
            what = (
                f"connections in the direction {direction} use {_kind(other.flavor)} ({other.flavor}) here and "
                f"{_kind(first.flavor)} ({first.flavor}) by {first.where}, and a node would need both"
            )
            context.add(other.where, what, "Use one of the two for this direction on every network.", "flavor-mixed")
            break


def networks(context: Context) -> None:
    described = context.described_nets()
    for filesystem in context.site.filesystems:
        rules = [rule for rule in filesystem.security.flavors if rule.network != "default"]
        for rule in rules:
            if rule.network not in described:
                fix = (
                    did_you_mean(rule.network, sorted(described))
                    or "Add it to lustre_lnet.networks, or remove the flavor."
                )
                context.add(rule.where, f"{rule.network} is no network of the site", fix, "flavor-network")
        release = ignoring(context, filesystem)
        if rules and release:
            what = f"Lustre {release} stores a flavor of a network and never applies it: {rules[0].flavor} would not be in force"
            fix = "Use default and the directions, or say allow_ineffective: true if the rule is meant for a later release."
            context.add(rules[0].where, what, fix, "flavor-ineffective")


def ignoring(context: Context, filesystem: FileSystem) -> str:
    """The release of the MGS, if it is known to ignore flavors of a network and the description does not want them all the same."""
    release = _release(context, filesystem)
    return release if srpc.ignores_networks(release) and not filesystem.security.allow_ineffective else ""


def _release(context: Context, filesystem: FileSystem) -> str:
    """The release that the variables name for the servers of an MGS, empty when none is pinned."""
    mgs = context.mgs_of(filesystem)
    if mgs is None or not mgs.servers or not context.hosts.knows(mgs.servers[0]):
        return ""
    return str(context.hosts.variable(mgs.servers[0], "lustre_packages_version") or "")


def management(context: Context) -> None:
    """One flavor and one directory of keys per MGS, wherever it is."""
    first: dict[object, FileSystem] = {}
    for filesystem in context.site.filesystems:
        other = first.setdefault(_mgs_key(context, filesystem), filesystem)
        if other is filesystem:
            continue
        if filesystem.mgs.flavor != other.mgs.flavor and not (filesystem.mgs.way == "of" and not filesystem.mgs.flavor):
            mine, theirs = filesystem.mgs.flavor or "none", other.mgs.flavor or "none"
            what = f"the flavor of the MGS is {mine} here and {theirs} in {other.mgs.path}, and it is the same MGS"
            fix = f"Give both the same, or leave it out here: the one of {other.name} holds."
            if not other.mgs.flavor or filesystem.mgs.way == "nids":
                fix = f"Give both the same: {filesystem.mgs.flavor or other.mgs.flavor} if the MGS asks for it, else none."
            context.add(f"{filesystem.mgs.path}.flavor", what, fix, "mgs-flavor")
        ssk, theirs_ssk = filesystem.security.ssk, other.security.ssk
        if ssk is not None and theirs_ssk is not None and ssk.directory != theirs_ssk.directory:
            what = f"{ssk.directory} is not the directory of {theirs_ssk.where} ({theirs_ssk.directory}), and both need the keys of one MGS"
            context.add(f"{ssk.where}.directory", what, "Use the same directory for both.", "ssk-directory")


def _mgs_key(context: Context, filesystem: FileSystem) -> object:
    """The same for all file systems of one MGS."""
    if filesystem.mgs.way == "nids":
        return tuple(sorted(nid for node in filesystem.mgs.nids for nid in node))
    owner = context.owner(filesystem) if filesystem.mgs.way == "of" else filesystem
    if owner is None or owner is filesystem:
        return filesystem.path
    return owner.path if owner.mgs.way == "of" else _mgs_key(context, owner)


def mount_options(context: Context) -> None:
    for filesystem in context.site.filesystems:
        lists = [(f"{mount.path}.options", mount.options) for mount in filesystem.clients]
        lists += [(f"{target.path}.mount_options", target.mount_options) for target in filesystem.targets]
        for where, given in lists:
            for number, option in enumerate(given):
                name, _is, value = option.partition("=")
                at = f"{where}[{number}]"
                if name == "mgssec":
                    what = f"{option} would be for this mount alone, and a node has one connection to an MGS for all its mounts"
                    fix = (
                        f"Remove it, and say mgs: {{flavor: {value or 'krb5p'}}}: then every mount of this MGS gets it."
                    )
                    context.add(at, what, fix, "mount-security")
                elif name == "skpath" and filesystem.security.ssk is not None:
                    what = f"{option} is decided by {filesystem.security.ssk.where}.directory"
                    context.add(at, what, "Remove it here.", "mount-security")


def outside(context: Context) -> None:
    for filesystem in context.site.filesystems:
        security, owner = filesystem.security, context.owner(filesystem) if filesystem.mgs.way == "of" else filesystem
        if owner is None or owner.mgs.way != "nids":
            continue
        for key, given in (
            ("purge_flavors", security.purge_flavors),
            ("nodemaps", security.nodemaps),
            ("tenants", security.tenants),
        ):
            if given:
                what = "this is set on the MGS, which is outside this inventory"
                fix = "Remove it here, and ask those who run that MGS."
                context.add(f"{filesystem.path}.{key}", what, fix, "security-no-mgs")


CHECKS: tuple[Checker, ...] = (known, keys, mixed, networks, management, mount_options, outside)
