# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about Kerberos: the realm, where keys come from, and the names of the nodes that take part."""

from __future__ import annotations

import re
from typing import Iterator, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import is_address
from ansible_collections.lustre.core.plugins.plugin_utils._site.kerberos_names import (
    CLIENT_KINDS,
    FQDN_VARIABLE,
    KIND_OF,
    KINDS,
    fqdn_of,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Kerberos, is_kerberos, is_ssk

#: As krb5.conf(5) names them; SHA-2 came to Lustre with 2.17, where des3 went.
_SHA1 = ("aes128-cts-hmac-sha1-96", "aes256-cts-hmac-sha1-96")
_SHA2 = ("aes128-cts-hmac-sha256-128", "aes256-cts-hmac-sha384-192")
ENCTYPES = (*_SHA1, *_SHA2)
_BEFORE_SHA2 = ("2.12", "2.14", "2.15", "2.16")
_PRINCIPAL = re.compile(r"(?P<kind>[^/@\s]+)(?:/(?P<host>[^/@\s]+))?(?:@(?P<realm>[^/@\s]+))?")
_FQDN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")

RULES = (
    Rule("kerberos-realm", "The realm is in capitals."),
    Rule(
        "kerberos-kdc",
        "KDCs of our own are hosts of the inventory, each named once; others have a full name or an address.",
    ),
    Rule("kerberos-source", "source: files names the directory of the keytabs, and other sources none."),
    Rule("kerberos-enctype", "Encryption types are ones that Lustre has, in the release that is to be installed."),
    Rule("kerberos-fqdn", "Every node that uses Kerberos has a full name in lower case, and one that no other has."),
    Rule(
        "kerberos-principal",
        "Principals named for a host are for one of this inventory and of kinds that its roles need.",
    ),
)


def realm(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is not None and kerberos.realm != kerberos.realm.upper():
        what = f'the realm "{kerberos.realm}" is not in capitals, and Kerberos tells the two apart'
        context.add(f"{kerberos.where}.realm", what, f"Write {kerberos.realm.upper()}.", "kerberos-realm")


def kdcs(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is None:
        return
    for number, name in enumerate(kerberos.kdcs):
        where = f"{kerberos.where}.kdcs[{number}]"
        if name in kerberos.kdcs[:number]:
            context.add(where, f"{name} is listed twice", "Name each KDC once.", "kerberos-kdc")
        elif context.hosts.knows(name):
            continue
        elif kerberos.source == "own":
            fix = (
                did_you_mean(name, context.hosts.host_names())
                or "Add it to the inventory, or set source: kadmin or files."
            )
            what = f'"{name}" is to become a KDC (source: own), but is no host of the inventory'
            context.add(where, what, fix, "kerberos-kdc")
        elif "." not in name and not is_address(name):
            what = f'"{name}" is neither a host of the inventory nor a full name or an address'
            context.add(where, what, "Write its full name, such as kdc1.lab.example.", "kerberos-kdc")


def source(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is None:
        return
    if kerberos.source == "files" and not kerberos.files and not context.broken(f"{kerberos.where}.files"):
        what = "keytabs are to come from files, but it is not said where they are"
        fix = "Add files: the directory on the controller with HOST.keytab of each host."
        context.add(f"{kerberos.where}.source", what, fix, "kerberos-source")
    if kerberos.source != "files" and kerberos.files:
        what = f"it has no effect: keytabs come from {'a KDC of our own' if kerberos.source == 'own' else 'kadmin'}"
        context.add(f"{kerberos.where}.files", what, "Remove it, or set source: files.", "kerberos-source")


def enctypes(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is None:
        return
    release = next(_releases(context), "")
    for number, name in enumerate(kerberos.enctypes):
        where = f"{kerberos.where}.enctypes[{number}]"
        bare = name.partition(":")[0]
        if bare not in ENCTYPES:
            fix = did_you_mean(bare, ENCTYPES) or f"Known are {', '.join(ENCTYPES)}."
            if bare.startswith(("des", "arcfour", "rc4")):
                fix = (
                    f"It is broken or gone from Lustre 2.17. Use {_SHA1[1]}, or {_SHA2[1]} with Lustre 2.17 and newer."
                )
            context.add(where, f'Lustre does not use the encryption type "{name}"', fix, "kerberos-enctype")
        elif bare in _SHA2 and release.startswith(_BEFORE_SHA2):
            what = f"{name} came with Lustre 2.17, and the release to be installed is {release}"
            context.add(where, what, f"Use {_SHA1[1]}.", "kerberos-enctype")


def _releases(context: Context) -> Iterator[str]:
    for host in context.servers():
        release = context.hosts.variable(host, "lustre_packages_version")
        if release:
            yield str(release)


def flavors_of(context: Context, filesystem: FileSystem) -> list[str]:
    """Every flavor that all nodes of a file system use, that of its MGS included."""
    owner = context.owner(filesystem) if filesystem.mgs.way == "of" else filesystem
    flavors = [rule.flavor for rule in filesystem.security.flavors]
    return flavors + [one.mgs.flavor for one in (filesystem, owner) if one is not None and one.mgs.flavor]


def parts(context: Context) -> dict[str, dict[str, str]]:
    """Hosts that use Kerberos, each with its parts in Lustre and the path that gives it the part.

    All parts with keys of any kind: the daemon asks for a principal of each service that it answers for.
    """
    found: dict[str, dict[str, str]] = {}
    using: set[str] = set()

    def add(host: str, part: str, path: str, more: Sequence[str]) -> None:
        flavors = [*common, *more]
        if context.hosts.knows(host) and any(is_kerberos(flavor) or is_ssk(flavor) for flavor in flavors):
            found.setdefault(host, {}).setdefault(part, path)
            if any(map(is_kerberos, flavors)):
                using.add(host)

    for filesystem in context.site.filesystems:
        common = flavors_of(context, filesystem)
        tenants = [tenant for tenant in filesystem.security.tenants if tenant.flavor and tenant.present]
        every = [tenant.flavor for tenant in tenants]
        mgs = context.mgs_of(filesystem)
        for server in mgs.servers if mgs is not None else ():
            add(server, "mgs", filesystem.mgs.path, every)
        for part, targets in (("mds", filesystem.mdts), ("oss", filesystem.osts)):
            for target in targets:
                for server in target.servers:
                    add(server, part, target.path, every)
        of = {host: tenant.flavor for tenant in tenants for host in context.expanded(tenant.nodemap.hosts)}
        for mount in filesystem.clients:
            for host in sorted(context.expanded(mount.hosts)):
                add(host, "client", mount.hosts_path, [of[host]] if host in of else [])
    return {host: own for host, own in found.items() if host in using}


def names(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is None or not context.complete:
        return
    owners: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    for host, own in parts(context).items():
        fqdn = fqdn_of(context.hosts, kerberos, host)
        if not fqdn:
            missing.setdefault(next(iter(own.values())), []).append(host)
            continue
        if _FQDN.fullmatch(fqdn) is None:
            what = f'its full name "{fqdn}" is not one that Kerberos and reverse lookup agree on'
            lower = fqdn.lower()
            fix = (
                f"Write {lower}."
                if _FQDN.fullmatch(lower)
                else f"Give it {FQDN_VARIABLE}, such as {host.lower()}.lab.example."
            )
            context.add(f"host {host}", what, fix, "kerberos-fqdn")
        other = owners.setdefault(fqdn.lower(), host)
        if other != host:
            what = f"{fqdn} is also the full name of {other}"
            context.add(f"host {host}", what, f"Give each host its own {FQDN_VARIABLE}.", "kerberos-fqdn")
    for path, hosts in missing.items():
        what = f"the full name of {listed(hosts)} is not known, and principals are made of it"
        fix = f"Say lustre_kerberos.domain, or give the hosts {FQDN_VARIABLE}."
        context.add(path, what, fix, "kerberos-fqdn")


def principals(context: Context) -> None:
    kerberos = context.site.kerberos
    if kerberos is None:
        return
    using = parts(context)
    for host, names_of_host in kerberos.principals.items():
        where = f"{kerberos.where}.principals.{host}"
        if not context.hosts.knows(host):
            fix = did_you_mean(host, context.hosts.host_names()) or "Name a host of the inventory."
            context.add(where, f'the host "{host}" is not in the inventory', fix, "kerberos-principal")
            continue
        for number, name in enumerate(names_of_host):
            _principal(context, kerberos, f"{where}[{number}]", name)
        if not context.broken(where):
            _lacking(context, where, host, names_of_host, using.get(host, {}))


def _principal(context: Context, kerberos: Kerberos, where: str, name: str) -> None:
    match = _PRINCIPAL.fullmatch(name)
    if match is None:
        context.add(
            where,
            f'"{name}" is no principal',
            "Write it as KIND/HOST, such as lustre_mds/mds1.lab.example.",
            "kerberos-principal",
        )
    elif match["kind"] not in KINDS:
        fix = did_you_mean(match["kind"], KINDS) or f"Lustre knows {', '.join(KINDS)}."
        context.add(where, f'Lustre has no principals of the kind "{match["kind"]}"', fix, "kerberos-principal")
    elif match["realm"] and match["realm"] != kerberos.realm:
        what = f"{name} is of the realm {match['realm']}, and the nodes are in {kerberos.realm}"
        context.add(where, what, "Leave the realm out.", "kerberos-principal")
    elif match["host"] is None and match["kind"] != "lustre_root":
        what = f"{name} names no host, which only lustre_root may do without"
        context.add(where, what, f"Write {name}/ and the full name of the host.", "kerberos-principal")


def _lacking(context: Context, where: str, host: str, names_of_host: tuple[str, ...], own: dict[str, str]) -> None:
    kinds = {name.partition("/")[0].partition("@")[0] for name in names_of_host}
    for part, path in own.items():
        fitting = CLIENT_KINDS if part == "client" else (KIND_OF[part],)
        if not kinds & set(fitting):
            what = f"{host} is {part} by {path} and has no principal for that: Kerberos would be off there without an error"
            context.add(where, what, f"Add {' or '.join(fitting)}, or leave {host} out here.", "kerberos-principal")


CHECKS: tuple[Checker, ...] = (realm, kdcs, source, enctypes, names, principals)
