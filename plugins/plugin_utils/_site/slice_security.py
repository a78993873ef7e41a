# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security as one host has it: its flavors, keys, principals and nodemaps.

Made only where the description asks for security, so that a site without pays nothing.
Variables of other hosts are read on the MGS alone, which keeps the nodemaps of all; a
client knows its own nodemap from its own name and NIDs.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._site import root_squash
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.kerberos_names import (
    FQDN_VARIABLE,
    fqdn_of,
    principals_of,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import ClientMount, Mgs
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    DEFAULT,
    SERVERS,
    FlavorRule,
    Nodemap,
    Security,
    Ssk,
    Tenant,
    is_kerberos,
    is_ssk,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.nodemaps import (
    MgsNodemaps,
    gathered,
    options_of,
    ranges_of,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.parse_security import (
    build_kerberos,
    security_of,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_lnet import LnetSlice, without_none
from ansible_collections.lustre.core.plugins.plugin_utils._site.tenant_flavors import (
    name_of_rule,
    nets_of,
    options_of_rules,
    rules_of,
    unlike,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.walk import Walked

#: The parts in Lustre for which the daemon of a server answers.
SERVICES = ("mgs", "mds", "oss")


class Member(NamedTuple):
    """A file system that this host has a part in."""

    name: str
    mgs: Mgs
    #: Name of the file system that the MGS is described under.
    owner: str
    security: Security
    parts: frozenset[str]
    #: NIDs of the MGS, per node.
    nodes: tuple[tuple[str, ...], ...]
    #: All file systems of its MGS.
    sharers: tuple[Walked, ...]
    #: Client mounts of this host.
    mounts: tuple[ClientMount, ...]

    @property
    def serves(self) -> bool:
        """Whether this host answers clients of the file system."""
        return bool(self.parts & {"mds", "oss"})

    @property
    def flavors(self) -> list[str]:
        return [rule.flavor for rule in self.security.flavors] + ([self.mgs.flavor] if self.mgs.flavor else [])


class SecuritySlice:
    """Collects what the file systems of a host ask for, then says it in the options of the modules."""

    def __init__(
        self,
        host: str,
        hosts: Hosts,
        lnet: LnetSlice,
        findings: Findings,
        kerberos: Any,
        consent: Callable[[str], Iterable[str]],
    ) -> None:
        self.host, self.hosts, self.lnet, self.findings = host, hosts, lnet, findings
        self._raw_kerberos, self.consent = kerberos, consent
        self.members: list[Member] = []
        self._known: dict[int, Security] = {}
        self._gathered: dict[str, MgsNodemaps] = {}

    def security(self, filesystem: Walked) -> Security:
        """What a file system asks for, read once."""
        if filesystem.position not in self._known:
            path = f"lustre_filesystems[{filesystem.position}]"
            self._known[filesystem.position] = security_of(filesystem.raw, path, self.findings)
        return self._known[filesystem.position]

    def add(self, member: Member) -> None:
        self.members.append(member)

    def mount_options(self, member: Member) -> list[str]:
        """What every mount of the file system on this host, of targets and clients, is given."""
        options = [f"mgssec={member.mgs.flavor}"] if member.mgs.flavor else []
        if member.security.ssk is not None and any(map(is_ssk, self._used(member))):
            options.append(f"skpath={member.security.ssk.directory}")
        return options

    def _used(self, member: Member) -> list[str]:
        """Every flavor that this host has keys for: those of tenants are for servers and the tenants' own hosts."""
        return member.flavors + [tenant.flavor for tenant in self._flavored(member)]

    def _flavored(self, member: Member, state: str = "present") -> list[Tenant]:
        """The tenants with a flavor that this host has to do with."""
        tenants = [one for one in member.security.tenants if one.flavor and one.nodemap.state == state]
        if not tenants or member.parts - {"client"}:
            return tenants
        own = self._maps(member).of_host(self.host, self.hosts, self.lnet.nids(self.host))
        return [tenant for tenant in tenants if tenant.nodemap is own]

    def _rules(self, member: Member, state: str = "present") -> list[FlavorRule]:
        """Those of the file system, then those that follow from tenants; a client knows the networks of its own NIDs."""
        described = member.security.flavors
        found: list[FlavorRule] = []
        for tenant in self._flavored(member, state):
            hosts = self.hosts.expanded(tenant.nodemap.hosts) if member.parts - {"client"} else [self.host]
            nids = [nid for host in hosts for nid in self.lnet.nids(host)]
            found += rules_of(tenant, nets_of(tenant.nodemap, nids), described)
        return [*described, *unlike(found, described)]

    def state(self) -> dict[str, Any]:
        """The keys of ``node_state`` that are about security, those that have anything to say."""
        found = {
            "flavors": self._flavors(),
            "secured": self._secured(),
            "ssk_keys": self._keys(),
            "ssk_keys_gone": self._gone(),
            "gss": self._gss(),
            "kerberos": self._kerberos(),
            "nodemaps": self._nodemap_options(),
            "apart": self._apart(),
            "encryption": self._encryption(),
        }
        return {key: value for key, value in found.items() if value}

    # Flavors

    def _flavors(self) -> dict[str, Any]:
        """The rules of all file systems whose MGS this host starts."""
        rules: list[dict[str, str]] = []
        purge: list[str] = []
        ineffective = False
        for member in self.members:
            if not member.mgs.servers or member.mgs.servers[0] != self.host:
                continue
            rules += (own_rules := options_of_rules(member.name, self._rules(member)))
            left = options_of_rules(member.name, self._rules(member, "absent"))
            own = member.owner == member.name
            if own and member.mgs.flavor:
                rules.append(_of_mgs(member))
            if member.security.purge_flavors:
                purge += [member.name, *(["_mgs"] if own else [])]
            purge += [name_of_rule(rule) for rule in left if rule not in own_rules]
            ineffective = ineffective or member.security.allow_ineffective
        if not rules and not purge:
            return {}
        return {"rules": rules, "purge": purge, "allow_ineffective": ineffective}

    def _secured(self) -> list[dict[str, str]]:
        """The rules that speak of this host's connections, wherever their MGS is: what is to be in force here."""
        found = []
        for member in self.members:
            found += options_of_rules(member.name, self._rules(member))
            if member.mgs.flavor:
                found.append(_of_mgs(member))
        return [rule for number, rule in enumerate(found) if rule not in found[:number]]

    # Shared keys

    def _keys(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for member in self.members:
            ssk = member.security.ssk
            if ssk is None:
                continue
            for key in self._keys_of(member, ssk):
                found.setdefault(key["path"], key)
        return list(found.values())

    def _gone(self) -> list[dict[str, str]]:
        """Key files of nodemaps that are to be absent, which open nothing any more: on servers, and on those who had them."""
        found: dict[str, str] = {}
        for member in self.members:
            ssk, serves, runs = member.security.ssk, member.serves, "mgs" in member.parts
            asks = is_ssk(member.mgs.flavor)
            for nodemap in self._maps(member).maps if ssk is not None else ():
                if ssk is None or nodemap.state != "absent":
                    continue
                named = self.hosts.named(self.host, nodemap.hosts)
                sides = [("server", serves, False), ("client", named and not serves, False)]
                sides += [("server", asks and runs, True), ("client", asks and named and not runs, True)]
                for side, has, mgs in sides:
                    if has:
                        found[_key(member, ssk, nodemap.name, side, (), mgs=mgs)["path"]] = nodemap.name
        return [{"path": path, "nodemap": name, "state": "absent"} for path, name in found.items()]

    def _keys_of(self, member: Member, ssk: Ssk) -> list[dict[str, Any]]:
        keys = []
        own, every = self._nodemap(member, ssk), self._nodemaps(member, ssk)
        if member.serves:
            keys += [
                _key(member, ssk, name, "server", ("server", "client") if name == own else ("server",))
                for name in every
            ]
        elif "client" in member.parts and own in every:
            keys.append(_key(member, ssk, own, "client", ("client",)))
        if is_ssk(member.mgs.flavor):
            runs = "mgs" in member.parts
            for name in every if runs else {own} & set(every):
                types = (*(["mgs"] if runs else []), *(["client"] if name == own and member.parts - {"mgs"} else []))
                keys.append(_key(member, ssk, name, "server" if runs else "client", types, mgs=True))
        return keys

    # Nodemaps

    def _maps(self, member: Member) -> MgsNodemaps:
        """The nodemaps of a file system's MGS."""
        if member.owner not in self._gathered:
            servers = (server for one in member.sharers for server in (*one.servers, *member.mgs.servers))
            self._gathered[member.owner] = gathered(map(self.security, member.sharers), servers)
        return self._gathered[member.owner]

    def _nodemap(self, member: Member, ssk: Ssk) -> str:
        """The nodemap that this host's NIDs are in."""
        found = self._maps(member).of_host(self.host, self.hosts, self.lnet.nids(self.host))
        return found.name if found is not None else ssk.nodemap

    def _nodemaps(self, member: Member, ssk: Ssk) -> list[str]:
        """Every nodemap that a client of the file system can be in."""
        maps = self._maps(member)
        closed = maps.allows(None, "deny_mount") and ssk.nodemap == DEFAULT
        return [nodemap.name for nodemap in maps.present] + ([] if closed else [ssk.nodemap])

    def _nodemap_options(self) -> dict[str, Any]:
        """The nodemaps of the MGS that this host starts, in the options of the module."""
        for member in self.members:
            if member.mgs.servers and member.mgs.servers[0] == self.host:
                maps = self._maps(member)
                if maps.maps:
                    return self._options(maps)
        return {}

    def _options(self, maps: MgsNodemaps) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        servers = set(maps.maps[0].hosts)
        for nodemap in maps.maps:
            hosts = self.hosts.expanded(nodemap.hosts) if nodemap.state == "present" else []
            # A server that is an administrator's node, too, is a server.
            own = [host for host in hosts if nodemap.name == SERVERS or host not in servers]
            nids = {host: self.lnet.needed_nids(host, f"{nodemap.where}.hosts") for host in own}
            ranges = ranges_of(nodemap, own, nids.__getitem__)
            entries.append(options_of(nodemap, ranges))
        settings = maps.settings
        if settings is not None and settings.default:
            entries.append(options_of(Nodemap(settings.where, DEFAULT, options=settings.default), []))
        protected = dict.fromkeys(nid for host in self.hosts.expanded(maps.protect) for nid in self.lnet.nids(host))
        found: dict[str, Any] = {
            "nodemaps": entries,
            "active": settings.active if settings is not None else None,
            "purge": settings is not None and settings.purge,
            "protect": list(protected),
            "consent": sorted(self.consent("nodemaps")),
        }
        return without_none(found)

    def _apart(self) -> dict[str, list[str]]:
        """By mount point of a tenant on this host, the directories of all other tenants, which it must not get at."""
        found = {}
        for member in self.members:
            own = [mount for mount in member.mounts if mount.tenant and mount.state == "mounted"]
            maps = self._maps(member) if own else None
            if maps is None or maps.settings is None or not maps.settings.active:
                continue
            for mount in own:
                others = [one for one in maps.tenants if one.present and one.name != mount.tenant]
                found[mount.mount_path] = [one.subdir.rstrip("/") for one in others]
        return found

    # Root squash

    def root_squash(self, fsname: str, filesystem: Walked, mgs: Mgs) -> list[dict[str, Any]]:
        """The parameters of a file system whose MGS this host starts."""
        squash = self.security(filesystem).root_squash
        if squash is None:
            return []
        servers = dict.fromkeys((*mgs.servers, *filesystem.servers))
        nids = [nid for host in servers for nid in self.lnet.nids(host)]
        for host in self.hosts.expanded(squash.nosquash):
            nids += self.lnet.needed_nids(host, f"{squash.where}.nosquash")
        return root_squash.params(fsname, squash, nids)

    # Encrypted directories

    def _encryption(self) -> list[dict[str, Any]]:
        """Directories that this host encrypts or unlocks, below the mount of its own that holds them."""
        found = []
        for member in self.members:
            for one in member.security.encrypted:
                if self.hosts.named(self.host, one.hosts):
                    mount = holding(one.path, member.mounts)
                    if mount is None:
                        continue
                    wanted = {
                        "path": path_at(one.path, mount),
                        "fsname": member.name,
                        "state": one.state,
                        "key_name": one.key or None,
                        "key_file": one.key_file or None,
                        "identifier": one.identifier or None,
                        **one.options,
                        "tenant": mount.tenant or None,
                    }
                    found.append(without_none(wanted))
        return found

    # Kerberos and the daemons

    def _gss(self) -> dict[str, Any]:
        flavors = [flavor for member in self.members for flavor in self._used(member)]
        kerberos, ssk = any(map(is_kerberos, flavors)), any(map(is_ssk, flavors))
        if not kerberos and not ssk:
            return {}
        parts = self._parts()
        found = {"kerberos": kerberos, "ssk": ssk, "services": [part for part in SERVICES if part in parts]}
        realm = self.realm
        return {**found, **({"realm": realm.realm} if kerberos and realm is not None else {})}

    @property
    def realm(self) -> Any:
        return build_kerberos(self._raw_kerberos, self.findings)

    def _parts(self) -> frozenset[str]:
        """What this host is in those of its file systems that use keys at all."""
        keyed = [one for one in self.members if any(is_kerberos(name) or is_ssk(name) for name in self._used(one))]
        return frozenset(part for one in keyed for part in one.parts)

    def _kerberos(self) -> dict[str, Any]:
        if not any(is_kerberos(flavor) for member in self.members for flavor in self._used(member)):
            return {}
        # Of all its parts: the daemon asks for a principal of each service, and goes without Kerberos when one is missing.
        parts = self._parts()
        kerberos = self.realm
        if kerberos is None:
            what = "a flavor of Kerberos is asked for, and the site has no realm"
            self.findings.add("lustre_kerberos", what, "Describe it with realm and kdcs.", "flavor-kerberos")
            return {}
        fqdn = fqdn_of(self.hosts, kerberos, self.host)
        if not fqdn:
            what = "its full name is not known, and its principals are made of it"
            fix = f"Say lustre_kerberos.domain, or give the host {FQDN_VARIABLE}."
            self.findings.add(f"host {self.host}", what, fix, "kerberos-fqdn")
            return {}
        principals = principals_of(kerberos, self.host, fqdn, parts)
        return {"realm": kerberos.realm, "principals": principals, "fqdn": fqdn}


def holding(path: str, mounts: Iterable[ClientMount]) -> ClientMount | None:
    """The mount that shows a path of a file system, None when none does."""
    tops = ((mount, mount.subdir.rstrip("/")) for mount in mounts if mount.state == "mounted")
    return next((mount for mount, top in tops if (path + "/").startswith(top + "/") and path != top), None)


def path_at(path: str, mount: ClientMount) -> str:
    """A path of a file system as the mount that holds it shows it."""
    return mount.mount_path.rstrip("/") + path[len(mount.subdir.rstrip("/")) :]


def _of_mgs(member: Member) -> dict[str, str]:
    return {"target": "_mgs", "network": "default", "direction": "", "flavor": member.mgs.flavor}


def _key(member: Member, ssk: Ssk, nodemap: str, side: str, types: Sequence[str], mgs: bool = False) -> dict[str, Any]:
    """A key in the options of ``lustre.core.ssk_key``; one of an MGS is for all file systems that it keeps."""
    of = f"{member.owner}.mgs" if mgs else member.name
    return without_none(
        {
            "path": f"{ssk.directory.rstrip('/')}/{of}.{side}.{nodemap}.key",
            "types": list(types),
            "fsname": None if mgs else member.name,
            "mgs_nids": [nid for node in member.nodes for nid in node] if mgs else None,
            "nodemap": nodemap,
            "crypt": ssk.crypt,
            "hmac": ssk.hmac,
            "key_bits": ssk.key_bits,
            "prime_bits": ssk.prime_bits,
            "lifetime": ssk.lifetime,
            "state": "present",
        }
    )
