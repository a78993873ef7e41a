# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cross-field rules share: the site, its hosts, and answers that several rules need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterable

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts, networks_of, nids_of
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem, Mgs, Site, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.reach import Reach
from ansible_collections.lustre.core.plugins.plugin_utils._site.routing import Topology


@dataclass
class Context:
    """``complete``: all variables and inventories are there.  False while an inventory plugin reads its file, when
    variables of hosts may still come from ``host_vars`` or another source: what depends on them is checked later."""

    site: Site
    hosts: Hosts
    findings: Findings
    complete: bool = True
    _nids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _members: dict[str, frozenset[str]] = field(default_factory=dict)
    _topology: Topology | None = None
    _reach: Reach | None = None

    def add(self, path: str, what: str, fix: str, rule: str) -> None:
        self.findings.add(path, what, fix, rule)

    def warn(self, path: str, what: str, fix: str, rule: str) -> None:
        self.findings.warn(path, what, fix, rule)

    def broken(self, *prefixes: str) -> bool:
        """Whether something there (or below) was reported already: what follows from it would only hide the cause."""
        return any(
            problem.path == prefix or problem.path.startswith((f"{prefix}.", f"{prefix}["))
            for problem in self.findings.problems
            for prefix in prefixes
        )

    # File systems

    def mgs_of(self, filesystem: FileSystem) -> Mgs | None:
        """Where a file system's MGS really is, its servers included; None when the description does not tell."""
        mgs = filesystem.mgs
        if mgs.way == "of":
            owner = self.owner(filesystem)
            return None if owner is None or owner.mgs.way in ("of", "") else self.mgs_of(owner)
        if mgs.way == "combined":
            first = next((target for target in filesystem.mdts if target.index == 0), None)
            return None if first is None else Mgs(mgs.path, mgs.way, first.servers, target=first)
        return mgs if mgs.way else None

    def owner(self, filesystem: FileSystem) -> FileSystem | None:
        """The other file system that ``mgs.of`` names."""
        return next(
            (other for other in self.site.filesystems if other.name == filesystem.mgs.of and other is not filesystem),
            None,
        )

    def sharers(self, filesystem: FileSystem) -> list[FileSystem]:
        """All file systems with the same MGS, this one included."""
        owner = self.owner(filesystem) if filesystem.mgs.way == "of" else filesystem
        name = owner.name if owner is not None else filesystem.name
        return [
            other for other in self.site.filesystems if other is owner or other is filesystem or other.mgs.of == name
        ]

    def targets(self) -> list[Target]:
        return [target for filesystem in self.site.filesystems for target in filesystem.targets]

    def servers(self) -> dict[str, str]:
        """Every server that the inventory knows, with the first path that names it."""
        found: dict[str, str] = {}
        for filesystem in self.site.filesystems:
            for number, server in enumerate(filesystem.mgs.servers):
                found.setdefault(server, f"{filesystem.mgs.path}.servers[{number}]")
            for target in filesystem.targets:
                for number, server in enumerate(target.servers):
                    found.setdefault(server, f"{target.path}.servers[{number}]")
        return {server: path for server, path in found.items() if self.hosts.knows(server)}

    # Hosts and networks

    def routers(self) -> list[str]:
        return [host for host in self.hosts.expanded(_readable(self.site.lnet.routers)) if self.hosts.knows(host)]

    def nids(self, host: str) -> tuple[str, ...]:
        """NIDs of a server or router; what is wrong with them is reported by a rule of its own."""
        if host not in self._nids:
            try:
                self._nids[host] = tuple(nids_of(self.hosts, self.site.lnet, host))
            except ValueError:
                self._nids[host] = ()
        return self._nids[host]

    def nets(self, host: str) -> frozenset[str]:
        """Networks of a server or router, none of a host that the inventory does not know."""
        if not self.hosts.knows(host):
            return frozenset()
        named = {network.net for network in networks_of(self.hosts, self.site.lnet, host)}
        return frozenset(named | {nid_net(nid) for nid in self.nids(host)})

    def lnet_broken(self) -> bool:
        """Whether networks, routers or routes were reported: then nobody can say who reaches whom."""
        whole = any(problem.path == "lustre_lnet" for problem in self.findings.problems)
        routers = (f"host {router}" for router in self.routers())
        return whole or self.broken("lustre_lnet.networks", "lustre_lnet.routers", "lustre_lnet.routes", *routers)

    def described_nets(self) -> set[str]:
        return {network.net for network in self.site.lnet.networks} | self.topology.nets

    @property
    def topology(self) -> Topology:
        if self._topology is None:
            self._topology = Topology({router: self.nids(router) for router in self.routers()})
        return self._topology

    @property
    def reach(self) -> Reach:
        if self._reach is None:
            self._reach = Reach(self)
        return self._reach

    def expanded(self, patterns: Iterable[str]) -> frozenset[str]:
        """Hosts of the inventory that a list stands for; unknown ones are reported by a rule of their own."""
        key = "\0".join(patterns)
        if key not in self._members:
            found = self.hosts.expanded(_readable(patterns))
            self._members[key] = frozenset(host for host in found if self.hosts.knows(host))
        return self._members[key]


def _readable(patterns: Iterable[str]) -> list[str]:
    return [pattern for pattern in patterns if ranges.readable(pattern)]


@dataclass(frozen=True)
class Rule:
    """A family of findings: ``name`` is in each of them, ``says`` is what must hold."""

    name: str
    says: str


Checker = Callable[[Context], None]
