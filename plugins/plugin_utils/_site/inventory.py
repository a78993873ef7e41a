# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a site file says about hosts: names, variables and the groups that follow from their parts in the file systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Collection, Iterable

from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, did_you_mean
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem, Site
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import (
    UNUSABLE,
    Either,
    Key,
    ListOf,
    MapOf,
    Shape,
    Text,
    check,
)

HOST_ENTRY = Shape(
    "a host entry",
    {
        "ansible_host": Key(
            Text(), "Address by which Ansible reaches the host, as a range or counted up for several hosts.", None
        ),
        "nids": Key(ListOf(Text(), single=True), "NIDs (`lustre_nids`), with ranges as in `ansible_host`.", []),
        "interfaces": Key(
            MapOf(ListOf(Text(), single=True)), "Interfaces by network (`lustre_interfaces`).", {}, "{tcp0: [eth0]}"
        ),
        "groups": Key(ListOf(Text(), single=True), "Further groups of these hosts.", []),
    },
)
HOSTS = MapOf(Either((HOST_ENTRY, Text(hint="an address"))))
TOP = ("plugin", "hosts", "filesystems", "lnet", "kerberos", "vars")

ROLE_GROUPS = ("lustre_mgs", "lustre_mds", "lustre_oss", "lustre_router", "lustre_client")
#: KDCs of our own; such a group is there only where the description asks for it.
KDC_GROUP = "lustre_kdc"
PARENTS = {
    "lustre_servers": ("lustre_mgs", "lustre_mds", "lustre_oss"),
    "lustre_all": ("lustre_servers", "lustre_router", "lustre_client"),
}


def fs_group(name: str) -> str:
    """``fs-1`` → ``lustre_fs_fs_1``: group names may not hold a dash."""
    return "lustre_fs_" + name.replace("-", "_")


@dataclass
class Declared:
    """Hosts of a site file with their variables, and their own groups."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)


def declared(raw: Any, findings: Findings) -> Declared:
    """The ``hosts`` of a site file."""
    found = Declared()
    if raw is None:
        return found
    variables = (
        {key: entry.get("vars") for key, entry in raw.items() if isinstance(entry, Mapping)}
        if isinstance(raw, Mapping)
        else {}
    )
    bare = _without_vars(raw)
    clean = check(HOSTS, bare, "hosts", findings)
    for pattern, entry in ({} if clean is UNUSABLE else clean).items():
        path = f"hosts.{pattern}"
        try:
            names = ranges.expand(pattern)
        except ValueError as error:
            findings.add(path, str(error), "Write it like oss[01-20].", "bad-range")
            continue
        _declare(found, names, {"ansible_host": entry} if isinstance(entry, str) else entry, path, findings)
        _own_vars(found, names, variables.get(pattern), path, findings)
    return found


def _without_vars(raw: Any) -> Any:
    """Variables of hosts are the user's own: any type, templates included."""
    if not isinstance(raw, Mapping):
        return raw
    return {
        key: {name: value for name, value in entry.items() if name != "vars"}
        if isinstance(entry, Mapping)
        else ({} if entry is None else entry)
        for key, entry in raw.items()
    }


def _own_vars(found: Declared, names: list[str], variables: Any, path: str, findings: Findings) -> None:
    if variables is None:
        return
    if not isinstance(variables, Mapping):
        findings.add(f"{path}.vars", "must be a mapping", "Write it as NAME: VALUE lines.", "wrong-type")
        return
    for name in names:
        found.hosts[name].update(variables)


def _declare(found: Declared, names: list[str], entry: dict[str, Any], path: str, findings: Findings) -> None:
    values = [dict[str, Any]() for _name in names]
    for number, address in enumerate(_spread(entry.get("ansible_host"), len(names), f"{path}.ansible_host", findings)):
        values[number]["ansible_host"] = address
    for position, nid in enumerate(entry.get("nids") or []):
        for number, text in enumerate(_spread(nid, len(names), f"{path}.nids[{position}]", findings)):
            values[number].setdefault("lustre_nids", []).append(text)
    interfaces = entry.get("interfaces")
    for name, own in zip(names, values):
        if name in found.hosts:
            findings.add(path, f"the host {name} is declared twice", "Declare each host in one entry.", "host-twice")
        if interfaces:
            own["lustre_interfaces"] = interfaces
        found.hosts.setdefault(name, {}).update(own)
    for group in entry.get("groups") or []:
        found.groups.setdefault(group, []).extend(names)


def _spread(pattern: Any, count: int, path: str, findings: Findings) -> list[str]:
    if not pattern:
        return []
    try:
        return ranges.addresses(pattern, count)
    except ValueError as error:
        findings.add(path, str(error), 'Write a range such as 10.0.0.[11-30], or a first address and "+".', "bad-range")
        return []


def members(site: Site, groups: Collection[str]) -> dict[str, list[str]]:
    """Members of the groups that follow from the description: hosts, and groups where the description names them."""
    found: dict[str, dict[str, None]] = {name: {} for name in ROLE_GROUPS}
    for filesystem in site.filesystems:
        own = found.setdefault(fs_group(filesystem.name), {})
        mgs = dict.fromkeys(mgs_servers(site, filesystem))
        found["lustre_mgs"].update(mgs)
        own.update(mgs)
        for group, targets in (("lustre_mds", filesystem.mdts), ("lustre_oss", filesystem.osts)):
            servers = dict.fromkeys(server for target in targets for server in target.servers)
            found[group].update(servers)
            own.update(servers)
        for mount in filesystem.clients:
            clients = dict.fromkeys(_names(mount.hosts, groups))
            found["lustre_client"].update(clients)
            own.update(clients)
    found["lustre_router"].update(dict.fromkeys(_names(site.lnet.routers, groups)))
    if site.kerberos is not None and site.kerberos.source == "own":
        found[KDC_GROUP] = dict.fromkeys(site.kerberos.kdcs)
    return {group: list(names) for group, names in found.items()}


def mgs_servers(site: Site, filesystem: FileSystem) -> tuple[str, ...]:
    """Servers of the MGS that a file system uses, () when it is outside or unknown."""
    mgs = filesystem.mgs
    if mgs.way == "of":
        owners = [
            other
            for other in site.filesystems
            if other.name == mgs.of and other is not filesystem and other.mgs.way != "of"
        ]
        return mgs_servers(site, owners[0]) if owners else ()
    if mgs.way == "combined":
        first = [target for target in filesystem.mdts if target.index == 0]
        return first[0].servers if first else mgs.servers
    return mgs.servers


def _names(patterns: Iterable[str], groups: Collection[str]) -> Iterable[str]:
    for pattern in patterns:
        if pattern in groups or not ranges.is_range(pattern):
            yield pattern
        else:
            yield from _expanded(pattern)


def _expanded(pattern: str) -> list[str]:
    try:
        return ranges.expand(pattern)
    except ValueError:
        return []


def check_top(config: Mapping[str, Any], findings: Findings) -> None:
    """Unknown keys of the file itself."""
    for key in config:
        if key not in TOP:
            fix = did_you_mean(str(key), TOP) or f"Known keys here: {', '.join(TOP)}."
            findings.add(str(key), "is not a key of a site file", fix, "unknown-key")


def overlay(
    known_hosts: Mapping[str, Mapping[str, Any]], known_groups: Mapping[str, Collection[str]], new: Declared, site: Site
) -> tuple[dict[str, Mapping[str, Any]], dict[str, list[str]]]:
    """Variables of hosts, and hosts of groups, as they will be once the site file is part of the inventory."""
    # Only a host that is known already gets a dictionary of its own: 20,000 new ones need no copy.
    hosts: dict[str, Mapping[str, Any]] = {**known_hosts, **new.hosts}
    for name in known_hosts.keys() & new.hosts.keys():
        hosts[name] = {**known_hosts[name], **new.hosts[name]}
    groups: dict[str, dict[str, None]] = {name: dict.fromkeys(names) for name, names in known_groups.items()}
    for group, names in new.groups.items():
        groups.setdefault(group, {}).update(dict.fromkeys(names))
    found: dict[str, list[str]] = {name: list(names) for name, names in groups.items()}
    derived = members(site, found)
    for group, parts in derived.items():
        own = {host: None for part in parts for host in (found[part] if part in groups else [part]) if host in hosts}
        found[group] = list({**groups.get(group, {}), **own})
    for group, children in PARENTS.items():
        found[group] = list({host: None for child in children for host in found.get(child, [])})
    found["all"] = list(hosts)
    return hosts, found


def self_contained(site: Site, new: Declared) -> bool:
    """Whether every server and router has its addresses in the file, so that all rules can be applied at once."""
    servers = {server for filesystem in site.filesystems for target in filesystem.targets for server in target.servers}
    named = servers | set(site.lnet.routers) | _in_nodemaps(site)
    return all(new.hosts.get(host, {}).keys() & {"lustre_nids", "ansible_host"} for host in named)


def _in_nodemaps(site: Site) -> set[str]:
    """Hosts that nodemaps name one by one or by range: their NIDs are asked for."""
    named: list[str] = []
    for filesystem in site.filesystems:
        security = filesystem.security
        maps = [tenant.nodemap for tenant in security.tenants]
        if security.nodemaps is not None:
            named += [*security.nodemaps.admins, *security.nodemaps.protect]
            maps += security.nodemaps.maps
        named += [host for nodemap in maps for host in nodemap.hosts]
    return set(_names(named, ()))
