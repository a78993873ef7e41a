# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known about hosts: group membership and a few variables, asked for one host at a time.

Reading the variables of a host costs ansible-core milliseconds, so nothing here ever
walks over all hosts; the answers of one evaluation are kept.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid
from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Lnet, Network
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain

#: Groups that hold by definition, also in an inventory that does not make them.
ALL, SERVERS = "lustre_all", "lustre_servers"


class Hosts:
    """Hosts of an inventory as ``hostvars`` and ``groups`` give them.

    ``servers`` are the hosts that the description names as servers: they are members of
    ``lustre_servers`` (and, with everybody, of ``lustre_all``) even where no such group exists.
    """

    def __init__(
        self,
        hostvars: Mapping[str, Any],
        groups: Mapping[str, Sequence[str]] | None,
        servers: Iterable[str] = (),
        own: str = "",
    ) -> None:
        self._hostvars, self._given, self._own_host = hostvars, groups, own
        self._servers = frozenset(servers)
        self._vars: dict[str, Any] = {}
        self._own: dict[str, frozenset[str] | None] = {}
        self._members: dict[str, frozenset[str]] = {}

    @cached_property
    def _groups(self) -> Mapping[str, Sequence[str]]:
        """ansible-core 2.16 copies the list of every group whenever somebody says ``groups``: 0.2 s in a site of 20,000
        hosts.  So they are looked up through the host's own variables, by those who really need the members of a group."""
        if self._given is not None:
            return self._given
        own = self._hostvars[self._own_host] if self.knows(self._own_host) else {}
        found: Mapping[str, Sequence[str]] = own.get("groups", {})
        return found

    def knows(self, host: str) -> bool:
        return host in self._hostvars

    def is_group(self, name: str) -> bool:
        return name in self._groups or name in (ALL, SERVERS)

    def group_names(self) -> list[str]:
        return [plain(name) for name in self._groups]

    def host_names(self) -> list[str]:
        """Every host of the inventory (for the check on the controller, never for one host's slice)."""
        return [plain(name) for name in self._groups.get("all", self._hostvars)]

    def members(self, group: str) -> frozenset[str]:
        """All hosts of a group (for the check on the controller)."""
        if group not in self._members:
            if group in self._groups:
                found = frozenset(plain(name) for name in self._groups[group])
            elif group == SERVERS:
                found = self._servers
            else:
                found = frozenset(self.host_names())
            self._members[group] = found
        return self._members[group]

    def variable(self, host: str, name: str) -> Any:
        """A variable of one host as plain data, None when it has none."""
        known = self._vars.get(host)
        if known is None:
            known = self._vars[host] = self._hostvars[host] if self.knows(host) else {}
        return plain(known[name]) if name in known else None

    def in_group(self, host: str, group: str) -> bool:
        """Whether a host is a member, without reading any group's list where ansible-core gives the host's groups."""
        if group in ("all", ALL) or (group == SERVERS and host in self._servers):
            return True
        if host not in self._own:
            names = self.variable(host, "group_names")
            self._own[host] = None if names is None else frozenset(plain(name) for name in names)
        own = self._own[host]
        return group in own if own is not None else group in self._groups and host in self.members(group)

    def named(self, host: str, patterns: Iterable[str]) -> bool:
        """Whether a list of hosts, groups and ranges stands for this host."""
        return any(
            pattern == host
            or (
                (ranges.readable(pattern) and ranges.covers(pattern, host))
                if ranges.is_range(pattern)
                else self.in_group(host, pattern)
            )
            for pattern in patterns
        )

    def first(self, patterns: Iterable[str]) -> str | None:
        """The first host that a list stands for; of a group, the first in the inventory's order (nothing is walked)."""
        for pattern in patterns:
            if ranges.is_range(pattern):
                if ranges.readable(pattern):
                    return ranges.first(pattern)
            elif self.knows(pattern) or pattern not in self._groups:
                return pattern
            elif self._groups[pattern]:
                return str(plain(self._groups[pattern][0]))
        return None

    def expanded(self, patterns: Iterable[str]) -> list[str]:
        """Every host that a list of hosts, groups and ranges stands for, each once (for the check on the controller)."""
        found: dict[str, None] = {}
        for pattern in patterns:
            if ranges.is_range(pattern):
                found.update(dict.fromkeys(ranges.expand(pattern)))
            elif not self.knows(pattern) and self.is_group(pattern):
                found.update(dict.fromkeys(sorted(self.members(pattern))))
            else:
                found[pattern] = None
        return list(found)


def networks_of(hosts: Hosts, lnet: Lnet, host: str) -> list[Network]:
    """The described networks that name this host."""
    return [network for network in lnet.networks if hosts.named(host, network.hosts)]


def nids_of(hosts: Hosts, lnet: Lnet, host: str) -> list[str]:
    """NIDs of a host in their normal form, [] when they cannot be known.

    ``lustre_nids``, else ``ansible_host`` (or a host name that is an address) on the one
    network that names the host.  Raises ValueError for a NID that is none.
    """
    given = hosts.variable(host, "lustre_nids")
    if given is not None:
        items = [given] if isinstance(given, str) else given
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ValueError(f"lustre_nids must be a list of NIDs such as 10.0.0.1@tcp, not {given!r}")
        return list(dict.fromkeys(normal_nid(item) for item in items))
    nets = list(dict.fromkeys(network.net for network in networks_of(hosts, lnet, host)))
    address = hosts.variable(host, "ansible_host") or host
    if len(nets) != 1 or not is_address(address):
        return []
    return [normal_nid(f"{address}@{nets[0]}")]


def interfaces_of(hosts: Hosts, host: str) -> dict[str, list[str]]:
    """``lustre_interfaces`` of a host: interfaces by network in its normal form.  ValueError when it has another shape."""
    given = hosts.variable(host, "lustre_interfaces")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"lustre_interfaces must map networks to interfaces, such as {{tcp0: [eth0]}}, not {given!r}")
    found: dict[str, list[str]] = {}
    for net, names in given.items():
        listed = [names] if isinstance(names, str) else names
        if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
            raise ValueError(f"lustre_interfaces.{net} must be a list of interface names, not {names!r}")
        found[normal_net(net)] = listed
    return found


def is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True
