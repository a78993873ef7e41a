# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of the description that one host needs: the input of ``lustre.core.node``.

The cost is one look at each entry of the description plus the variables of this host, of
the MGS servers, of its own fail-over partners and of the routers; never those of clients.
Only what becomes part of the slice is checked: the whole is checked once per run by
``lustre.core.site_check``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Iterator, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges, schema
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import ClientMount, Mgs, Param, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Security
from ansible_collections.lustre.core.plugins.plugin_utils._site.parse import (
    FILESYSTEMS,
    Head,
    build_changelog_users,
    build_client,
    build_directories,
    build_mgs,
    build_params,
    build_targets,
    parse_lnet,
    tenant_mounts,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.parse_security import asks
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import UNUSABLE, check, plain
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_lnet import LnetSlice, without_none
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_security import Member, SecuritySlice
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_targets import (
    add_pool,
    changelog_options,
    container_options,
    target_options,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.walk import Walked, entries, names, walk

#: Order of roles, and of mounts: what others depend on comes first.
ROLES = ("mgs", "mds", "oss", "router", "client")
_ROLE_OF = {"mgt": "mgs", "mdt": "mds", "ost": "oss"}


def node_state(
    filesystems: Any,
    host: str,
    hostvars: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]] | None,
    lnet: Any = None,
    full: bool = False,
    consent: Mapping[str, Any] | None = None,
    kerberos: Any = None,
) -> dict[str, Any]:
    """The wanted state of one host as plain data; raises SiteError for a description that cannot give it.

    ``consent``: lists of objects under ``unmount``, ``remount`` and ``remove_networks``; a missing one is taken from
    the host's variable ``lustre_consent_<key>``.  ``full``: ``expected`` also names every server of the host's file
    systems (their variables are then read).  ``groups`` None: read only if the description needs the members of one.
    """
    findings, own, walked = Findings(), plain(host), walk(filesystems)
    servers = (server for filesystem in walked for server in filesystem.servers)
    slicer = Slicer(walked, lnet, own, Hosts(hostvars, groups, servers, own), findings, consent, kerberos)
    state = slicer.state(full)
    findings.stop_if_any(f"The description of the site cannot be used for {own}")
    return state


class Slicer:
    """Collects one host's part of each file system, then of LNet."""

    def __init__(
        self,
        walked: list[Walked],
        lnet: Any,
        host: str,
        hosts: Hosts,
        findings: Findings,
        consent: Mapping[str, Any] | None = None,
        kerberos: Any = None,
    ) -> None:
        self.host, self.hosts, self.findings = host, hosts, findings
        self._consent = consent or {}
        self.walked = walked
        self.lnet = LnetSlice(parse_lnet(lnet, findings), host, hosts, findings)
        self._mgs: dict[int, Mgs | None] = {}
        self.targets: list[dict[str, Any]] = []
        self.mounts: list[tuple[int, dict[str, Any]]] = []
        self.params: list[dict[str, Any]] = []
        self.purge: list[str] = []
        self.directories: list[dict[str, Any]] = []
        self.changelogs: list[dict[str, Any]] = []
        self.mgs_users: dict[str, list[str]] = {}
        self.cluster_managed: list[str] = []
        self.pools: dict[str, dict[str, Any]] = {}
        self.containers: list[dict[str, Any]] = []
        self.roles: set[str] = {"router"} if host in self.lnet.routers else set()
        self.members: list[str] = []
        self.backends: set[str] = set()
        self.peers: dict[str, None] = {}
        self.security = None
        if any(asks(filesystem.raw) for filesystem in walked):
            self.security = SecuritySlice(host, hosts, self.lnet, findings, kerberos, self.consent)

    def consent(self, key: str) -> set[str]:
        """Names of the objects that a consent is for."""
        given = self._consent.get(key)
        if given is None:
            given = self.hosts.variable(self.host, f"lustre_consent_{key}")
        return set(names([given] if isinstance(given, str) else given))

    # File systems

    def state(self, full: bool = False) -> dict[str, Any]:
        for filesystem in self.walked:
            self._filesystem(filesystem, full)
        return self._assembled()

    def _filesystem(self, filesystem: Walked, full: bool) -> None:
        raw = filesystem.raw
        head = self._head(filesystem)
        mgs = self._mgs_of(filesystem)
        if mgs is None:
            return
        security = self.security.security(filesystem) if self.security is not None else Security()
        own = self._own_targets(head, mgs, filesystem)
        mounts = self._own_clients(head.path, raw) + self._own_tenants(security)
        serves_mgs = self.host in mgs.servers
        if "router" in self.roles:
            self.peers.update(dict.fromkeys(mgs.servers))
        if not (own or mounts or serves_mgs):
            self._local_params(head, raw, ("local",))
            return
        self.members.append(head.name)
        keyed = self._secured(head, mgs, security, own, mounts)
        for target in own:
            self._add_target(target, mgs, keyed)
        self._add_changelogs(head, raw, [target for target in own if target.kind == "mdt"])
        for mount in mounts:
            self._add_client(mount, head, mgs, keyed)
        if any(mount.whole for mount in mounts):
            self._add_directories(head, raw, security)
        self._local_params(head, raw, ("local", "mount") if mounts else ("local",))
        if mgs.servers and self.host == mgs.servers[0]:
            self._mgs_params(head, raw)
            self.params += self.security.root_squash(head.name, filesystem, mgs) if self.security is not None else []
        self.peers.update(dict.fromkeys(mgs.servers))
        if full:
            self.peers.update(dict.fromkeys(filesystem.servers))

    def _head(self, filesystem: Walked) -> Head:
        path, raw = f"{FILESYSTEMS}[{filesystem.position}]", filesystem.raw
        clean = {
            key: check(schema.FILESYSTEM.keys[key].type, raw[key], f"{path}.{key}", self.findings)
            for key in ("name", "backend", "format")
            if raw.get(key) is not None
        }
        usable = {key: value for key, value in clean.items() if value is not UNUSABLE}
        return Head(path, usable.get("name", ""), usable.get("backend", "ldiskfs"), usable.get("format", False))

    def _mgs_of(self, filesystem: Walked) -> Mgs | None:
        """The MGS of a file system, ``of`` followed to the one that has it."""
        mgs = self._own_mgs(filesystem)
        if mgs is None or mgs.way != "of":
            return mgs
        owner = next(
            (other for other in self.walked if other.raw.get("name") == mgs.of and other is not filesystem), None
        )
        if owner is None:
            what = f'there is no file system "{mgs.of}"'
            self.findings.add(f"{mgs.path}.of", what, "Name one of this list.", "mgs-of")
            return None
        found = self._own_mgs(owner)
        if found is None or found.way == "of":
            return None
        return Mgs(mgs.path, "of", found.servers, mgs.of, found.nids, flavor=found.flavor)

    def _own_mgs(self, filesystem: Walked) -> Mgs | None:
        if filesystem.position not in self._mgs:
            head = self._head(filesystem)
            clean = check(schema.MGS_OWN, filesystem.raw.get("mgs"), f"{head.path}.mgs", self.findings)
            mgs = None if clean is UNUSABLE else build_mgs(clean, head, self.findings)
            if mgs is not None and mgs.way == "combined":
                mgs = Mgs(mgs.path, mgs.way, _mdt0_servers(filesystem) or mgs.servers, flavor=mgs.flavor)
            self._mgs[filesystem.position] = mgs
        return self._mgs[filesystem.position]

    def _own_targets(self, head: Head, mgs: Mgs, filesystem: Walked) -> list[Target]:
        own = [mgs.target] if mgs.target is not None and self.host in mgs.target.servers else []
        for entry in filesystem.entries:
            if self.host in entry.servers:
                clean = check(schema.TARGET, entry.raw, f"{head.path}.{entry.path}", self.findings)
                combined = mgs.way == "combined" and entry.kind == "mdt"
                own += build_targets(clean, entry.kind, head, combined, self.findings)
        return own

    def _own_clients(self, path: str, raw: Mapping[str, Any]) -> list[ClientMount]:
        found = []
        for number, entry in entries(raw.get("clients")):
            given = entry.get("hosts")
            if self.hosts.named(self.host, names([given] if isinstance(given, str) else given)):
                found.append(
                    build_client(
                        check(schema.CLIENTS, entry, f"{path}.clients[{number}]", self.findings), self.findings
                    )
                )
        return found

    def _own_tenants(self, security: Security) -> list[ClientMount]:
        return [mount for mount in tenant_mounts(security.tenants) if self.hosts.named(self.host, mount.hosts)]

    def _secured(
        self, head: Head, mgs: Mgs, security: Security, own: list[Target], mounts: list[ClientMount]
    ) -> list[str]:
        """Notes a file system's security; what the mounts of this host get of it."""
        if self.security is None:
            return []
        parts = {_ROLE_OF[target.kind] for target in own} | ({"mgs"} if self.host in mgs.servers else set())
        parts |= {"client"} if mounts else set()
        owner = mgs.of if mgs.way == "of" else head.name
        nodes = tuple(tuple(node) for node in self._nodes(mgs)) if mgs.flavor else ()
        sharers = tuple(other for other in self.walked if owner in (other.raw.get("name"), _of(other)))
        member = Member(head.name, mgs, owner, security, frozenset(parts), nodes, sharers, tuple(mounts))
        self.security.add(member)
        return self.security.mount_options(member)

    # What they become

    def _nodes(self, mgs: Mgs) -> list[list[str]]:
        if mgs.nids:
            return [list(node) for node in mgs.nids]
        return [self.lnet.needed_nids(server, f"{mgs.path}.servers") for server in mgs.servers]

    def _add_target(self, target: Target, mgs: Mgs, keyed: list[str]) -> None:
        own_mgs = target.kind == "mgt" or target.mgs
        nodes = [] if own_mgs else self._nodes(mgs)
        fsname = None if target.kind == "mgt" else target.fsname
        primary = self.host == target.servers[0]
        here = primary and target.managed_by == "site"
        self.roles.update({_ROLE_OF[target.kind]} | ({"mgs"} if target.mgs else set()))
        self.backends.add(target.backend)
        self.peers.update(dict.fromkeys(target.servers))
        if own_mgs:
            self.mgs_users[target.mount_path] = self._users_of(target.fsname)
        if target.managed_by != "site":
            self.cluster_managed.append(target.label)
        container = container_options(target, self.host)
        if container is not None:
            self.containers.append(container)
        if primary:
            self.targets.append(target_options(target, fsname, nodes, self.lnet))
            if target.backend == "zfs":
                add_pool(self.pools, target)
        self._add_mount(
            (("mgt", "mdt", "ost").index(target.kind), target.index or 0),
            {
                "kind": "target",
                "path": target.mount_path,
                "device": target.device,
                "label": target.label,
                "fsname": fsname,
                "mgs_nids": nodes,
                "options": [*target.mount_options, *keyed],
                "state": "mounted" if here else "present",
                "boot": here,
                "automount": False,
                "timeout": 300,
            },
        )

    def _add_client(self, mount: ClientMount, head: Head, mgs: Mgs, keyed: list[str]) -> None:
        self.roles.add("client")
        options = [*mount.options, *(f"network={net}" for net in mount.networks), *keyed]
        wanted: dict[str, Any] = {
            "kind": "client",
            "path": mount.mount_path,
            "fsname": head.name,
            "mgs_nids": [node for node in map(self.lnet.reachable, self._nodes(mgs)) if node],
            "subdir": mount.subdir,
            "options": options,
            "state": mount.state,
            "boot": mount.boot,
            "automount": mount.automount,
            "timeout": mount.timeout,
        }
        if mount.tenant:
            wanted["tenant"] = mount.tenant
        self._add_mount((3, 0), wanted)

    def _users_of(self, owner: str) -> list[str]:
        """The file systems that have the MGS described under this one."""
        users = [(filesystem.raw.get("name"), filesystem.raw.get("mgs")) for filesystem in self.walked]
        return names(
            [name for name, mgs in users if name == owner or (isinstance(mgs, Mapping) and mgs.get("of") == owner)]
        )

    def _add_directories(self, head: Head, raw: Mapping[str, Any], security: Security) -> None:
        """Exactly one host makes them: the first of the first client mount that sees the whole file system."""
        if not raw.get("directories") and not security.tenants:
            return
        path = f"{head.path}.directories"
        for number, entry in entries(raw.get("clients")):
            mount = build_client(
                check(schema.CLIENTS, entry, f"{head.path}.clients[{number}]", self.findings), self.findings
            )
            if mount.whole and self.hosts.first(mount.hosts) is not None:
                break
        else:
            return
        if self.hosts.first(mount.hosts) != self.host:
            return
        clean = check(schema.FILESYSTEM.keys["directories"].type, raw.get("directories") or [], path, self.findings)
        for directory in build_directories([] if clean is UNUSABLE else clean, security.tenants):
            wanted = {
                "fsname": head.name,
                "path": mount.mount_path.rstrip("/") + directory.path,
                "owner": directory.owner,
                "group": directory.group,
                "mode": directory.mode,
                "project": directory.project,
            }
            self.directories.append(without_none(wanted))

    def _add_changelogs(self, head: Head, raw: Mapping[str, Any], mdts: list[Target]) -> None:
        """On each server that an MDT may run on: whoever has it then, registers."""
        if not mdts or not raw.get("changelog_users"):
            return
        path = f"{head.path}.changelog_users"
        clean = check(schema.FILESYSTEM.keys["changelog_users"].type, raw["changelog_users"], path, self.findings)
        for user in build_changelog_users([] if clean is UNUSABLE else clean):
            consented = f"{head.name}:{user.name}" in self.consent("changelog_users")
            self.changelogs += [changelog_options(target, user, self.host, consented) for target in mdts]

    def _add_mount(self, order: tuple[int, int], wanted: dict[str, Any]) -> None:
        wanted["remount"] = wanted["path"] in self.consent("remount")
        wanted["unmount"] = wanted["path"] in self.consent("unmount")
        self.mounts.append((order[0] * 100000 + order[1], wanted))

    def _mgs_params(self, head: Head, raw: Mapping[str, Any]) -> None:
        for param in self._params_of(head, raw):
            if param.scope == "persistent":
                self.params.append(_param(param, head.name))
        self.purge += names(raw.get("purge_params"))

    def _local_params(self, head: Head, raw: Mapping[str, Any], scopes: Sequence[str]) -> None:
        for param in self._params_of(head, raw):
            everywhere = param.scope == "mount" and not param.hosts
            if param.scope in scopes and (everywhere or self.hosts.named(self.host, param.hosts)):
                self.params.append(_param(param, head.name))

    def _params_of(self, head: Head, raw: Mapping[str, Any]) -> tuple[Param, ...]:
        if raw.get("params") is None:
            return ()
        path = f"{head.path}.params"
        clean = check(schema.FILESYSTEM.keys["params"].type, raw["params"], path, self.findings)
        return () if clean is UNUSABLE else build_params(clean, path)

    def _outside(self) -> Iterator[str]:
        """NIDs of an MGS outside the inventory that this host needs."""
        for filesystem in self.walked:
            mgs = self._mgs_of(filesystem)
            if mgs is not None and mgs.nids and self._head(filesystem).name in self.members:
                yield from (nid for node in mgs.nids for nid in node)

    def _assembled(self) -> dict[str, Any]:
        self.mounts.sort(key=lambda pair: pair[0])
        return {
            "firewall": {"port": self.lnet.port},
            "lnet": self.lnet.state(self.consent("remove_networks")),
            "targets": sorted(self.targets, key=lambda t: (("mgt", "mdt", "ost").index(t["kind"]), t["index"] or 0)),
            "mounts": [wanted for _order, wanted in self.mounts],
            **({"changelogs": self.changelogs} if self.changelogs else {}),
            "directories": self.directories,
            "params": self.params,
            "purge_params": self.purge,
            "services": [{"name": "lnet.service", "enabled": True, "started": True}],
            "roles": [role for role in ROLES if role in self.roles],
            "filesystems": self.members,
            "backends": sorted(self.backends),
            "zpools": list(self.pools.values()),
            **({"luks": self.containers} if self.containers else {}),
            "mgs_users": self.mgs_users,
            "cluster_managed": self.cluster_managed,
            "expected": self.lnet.expected([*self.peers, *self.lnet.routers], self._outside()),
            **(self.security.state() if self.security is not None else {}),
        }


def _of(filesystem: Walked) -> Any:
    mgs = filesystem.raw.get("mgs")
    return mgs.get("of") if isinstance(mgs, Mapping) else None


def _mdt0_servers(filesystem: Walked) -> tuple[str, ...]:
    for entry in filesystem.entries:
        try:
            if entry.kind == "mdt" and 0 in ranges.indexes(plain(entry.raw.get("index"))):
                return entry.servers
        except ValueError:
            continue
    return ()


def _param(param: Param, fsname: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "name": param.name,
        "value": param.value,
        "scope": param.scope,
        "state": param.state,
        "allow_unknown": param.allow_unknown,
        "fsname": fsname,
    }
    return without_none(wanted)
