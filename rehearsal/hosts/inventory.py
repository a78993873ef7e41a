# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spec made from an Ansible inventory, so that a site is written down once.

The hosts' NIDs become addresses on one bridge per LNet network, the targets' devices become
loop devices under the same stable paths.  The description is read by the collection's own code.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Sequence

from rehearsal.hosts import spec as spec_module
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.spec import Spec


def _make_collection_importable() -> None:
    """The checkout is the collection lustre.core, though its folder need not be called so."""
    try:
        if importlib.util.find_spec("ansible_collections.lustre.core") is not None:
            return
    except ModuleNotFoundError:
        pass
    for name in ("ansible_collections", "ansible_collections.lustre", "ansible_collections.lustre.core"):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        module.__path__ = []
    sys.modules["ansible_collections.lustre.core"].__path__ = [str(Path(__file__).resolve().parents[2])]


_make_collection_importable()

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._nid import split_nid
from ansible_collections.lustre.core.plugins.plugin_utils._site import model, parse
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts, interfaces_of, networks_of, nids_of
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings

MANY = 200
SIZES = {"mgt": "128M", "mdt": "512M", "ost": "1G"}
_OURS = ("rehearsal_networks", "rehearsal_device_sizes")
_READ = ("lustre_filesystems", "lustre_lnet", "lustre_nids", "lustre_interfaces", "ansible_host", *_OURS)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


class Port(NamedTuple):
    """One address of a host on one LNet network."""

    host: str
    interface: str
    net: str
    address: Address


def from_paths(paths: Sequence[str], only: Sequence[str] = ()) -> Spec:
    """The spec for an inventory: sources as for ``ansible -i``, or one file with the JSON of ``ansible-inventory --list``."""
    if len(paths) == 1 and paths[0].endswith(".json"):
        try:
            listed = _decoded(Path(paths[0]).read_text())
        except (OSError, ValueError) as error:
            raise RehearsalError(f"Could not read the inventory {paths[0]}: {error}.") from error
    else:
        listed = _list(paths)
    return spec_from_inventory(listed, only)


def _list(paths: Sequence[str]) -> dict[str, Any]:
    beside = Path(sys.executable).parent / "ansible-inventory"
    program = str(beside) if beside.exists() else shutil.which("ansible-inventory")
    if program is None:
        raise RehearsalError(
            "Could not read the inventory: ansible-inventory was found neither beside this Python nor in PATH. "
            "Activate the environment of ansible-core, or give the output of `ansible-inventory --list` as a .json file."
        )
    for path in paths:
        if "," not in path and not Path(path).exists():
            raise RehearsalError(f"The inventory {path} does not exist.")
    argv = [program, *(word for path in paths for word in ("-i", path)), "--list"]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env={**os.environ}
    )
    if done.returncode != 0:
        raise RehearsalError(f"Could not read the inventory: `{' '.join(argv)}` said: {done.stderr.strip()}")
    return _decoded(done.stdout)


def _decoded(text: str) -> dict[str, Any]:
    """Values that come from an inventory plugin are listed as ``{"__ansible_unsafe": value}``: templates in them never run."""
    found: dict[str, Any] = json.loads(text, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return found


def spec_from_inventory(listed: dict[str, Any], only: Sequence[str] = ()) -> Spec:
    """The spec for an inventory in the form of ``ansible-inventory --list``; ``only`` names hosts and groups to make."""
    hostvars: dict[str, dict[str, Any]] = listed.get("_meta", {}).get("hostvars", {})
    groups = {name: _members(listed, name) for name in listed if name != "_meta"}
    groups["all"] = sorted({*hostvars, *(host for members in groups.values() for host in members)})
    _refuse_templates(hostvars)
    try:
        site = _site(hostvars)
    except LustreError as error:
        raise RehearsalError(str(error)) from error
    servers = {server for filesystem in site.filesystems for target in filesystem.targets for server in target.servers}
    hosts = Hosts({name: hostvars.get(name, {}) for name in groups["all"]}, groups, servers)
    chosen = _choose(hosts, site, only)
    try:
        ports = [port for host in chosen for port in _ports(hosts, site.lnet, host)]
    except ValueError as error:
        raise RehearsalError(f"The inventory cannot be rehearsed: {error}.") from error
    sizes = {**SIZES, **_merged(hostvars, "rehearsal_device_sizes")}
    management = _management(hosts, chosen, ports)
    segments = _segments(ports)
    subnets = _subnets(ports, _merged(hostvars, "rehearsal_networks"))
    data = {
        "networks": list(dict.fromkeys(segments.values())),
        "management": str(management or spec_module.DEFAULT_MANAGEMENT),
        "hosts": [_host(hosts, host, ports, segments, subnets, management) for host in chosen],
        "devices": _devices(site, set(chosen), sizes),
    }
    return spec_module.parse(data)


def _members(listed: dict[str, Any], group: str, above: tuple[str, ...] = ()) -> list[str]:
    entry = listed.get(group, {})
    found = dict.fromkeys(entry.get("hosts", []))
    for child in entry.get("children", []):
        if child not in above:
            found.update(dict.fromkeys(_members(listed, child, (*above, group))))
    return list(found)


def _refuse_templates(hostvars: dict[str, dict[str, Any]]) -> None:
    for host, variables in hostvars.items():
        for name in _READ:
            if "{{" in json.dumps(variables.get(name), default=str):
                raise RehearsalError(
                    f"The variable {name} of {host} holds a template, which only a running play can render. "
                    "Write the value itself, or rehearse with a spec of your own (`rehearse up --spec FILE`)."
                )


def _distinct(hostvars: dict[str, dict[str, Any]], name: str) -> list[Any]:
    """The different values that a variable has, in the order of the hosts."""
    return list({json.dumps(v[name], sort_keys=True): v[name] for v in hostvars.values() if v.get(name)}.values())


def _merged(hostvars: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in _distinct(hostvars, name):
        if not isinstance(value, dict):
            raise RehearsalError(f"The variable {name} must be a mapping, not {value!r}.")
        merged |= value
    return merged


def _site(hostvars: dict[str, dict[str, Any]]) -> model.Site:
    described = {}
    for value in _distinct(hostvars, "lustre_filesystems"):
        for item in value if isinstance(value, list) else []:
            described[json.dumps(item, sort_keys=True)] = item
    findings = Findings()
    lnet = _distinct(hostvars, "lustre_lnet")
    site = parse.site(list(described.values()), lnet[0] if lnet else {}, findings)
    findings.stop_if_any("The description of the site cannot be used")
    return site


def _choose(hosts: Hosts, site: model.Site, only: Sequence[str]) -> list[str]:
    """The hosts that are part of a file system, or those named."""
    known = hosts.host_names()
    if only:
        wanted = set(hosts.expanded(only))
    else:
        wanted = {host for group in hosts.group_names() if group.startswith("lustre_") for host in hosts.members(group)}
        for filesystem in site.filesystems:
            wanted.update(server for target in filesystem.targets for server in target.servers)
            wanted.update(host for mount in filesystem.clients for host in hosts.expanded(mount.hosts))
        wanted.update(host for network in site.lnet.networks for host in hosts.expanded(network.hosts))
    if absent := sorted(wanted - set(known)):
        raise RehearsalError(f"These hosts are named, but are not in the inventory: {', '.join(absent[:10])}.")
    chosen = [host for host in known if host in wanted] or known
    if not chosen:
        raise RehearsalError("The inventory has no hosts: there is nothing to rehearse.")
    if len(chosen) > MANY:
        raise RehearsalError(
            f"The inventory has {len(chosen)} hosts for this machine, more than {MANY}. "
            "Choose the ones to rehearse, for example: --hosts lustre_servers,client001,client002."
        )
    return chosen


def _ports(hosts: Hosts, lnet: model.Lnet, host: str) -> list[Port]:
    """The addresses of a host; the NIDs of a network belong to its interfaces in order."""
    named = interfaces_of(hosts, host)
    for network in networks_of(hosts, lnet, host):
        if network.interfaces:
            named.setdefault(network.net, list(network.interfaces))
    ports: list[Port] = []
    free = (name for number in range(1000) if (name := f"eth{number}") not in {n for ns in named.values() for n in ns})
    for nid in nids_of(hosts, lnet, host):
        text, net = split_nid(nid)
        position = sum(1 for port in ports if port.net == net)
        names = named.setdefault(net, [])
        if position == len(names):
            names.append(next(free))
        try:
            ports.append(Port(host, names[position], net, ipaddress.ip_address(text)))
        except ValueError as error:
            raise ValueError(f"the NID {nid} of {host} is not an IP address") from error
    return ports


def _segments(ports: Iterable[Port]) -> dict[str, str]:
    """LNet network -> bridge: networks that share an interface somewhere share the wire."""
    segment: dict[str, str] = {}
    wires: dict[tuple[str, str], str] = {}
    for port in ports:
        segment.setdefault(port.net, port.net)
        first = wires.setdefault((port.host, port.interface), port.net)
        old, new = segment[port.net], segment[first]
        segment = {net: new if name == old else name for net, name in segment.items()}
    return segment


def _subnets(ports: Iterable[Port], given: dict[str, Any]) -> dict[str, Net]:
    """The IP network of each LNet network: as given, else the smallest from /24 (/64) up that holds all its NIDs."""
    subnets: dict[str, Net] = {}
    for net, value in given.items():
        try:
            subnets[_normal(net)] = ipaddress.ip_network(value)
        except ValueError as error:
            raise RehearsalError(f"rehearsal_networks.{net}: {error}. Write it as 10.77.0.0/24.") from error
    for port in ports:
        if port.net not in subnets:
            subnets[port.net] = ipaddress.ip_network(
                f"{port.address}/{24 if port.address.version == 4 else 64}", strict=False
            )
        while port.address not in subnets[port.net] and _normal(port.net) not in map(_normal, given):
            subnets[port.net] = subnets[port.net].supernet()
        if port.address not in subnets[port.net]:
            raise RehearsalError(
                f"rehearsal_networks.{port.net}: {subnets[port.net]} does not hold {port.address} of {port.host}. Widen it."
            )
    return subnets


def _normal(net: str) -> str:
    return split_nid(f"0.0.0.0@{net}")[1]


def _management(hosts: Hosts, chosen: Sequence[str], ports: Sequence[Port]) -> ipaddress.IPv4Network | None:
    """The network of ``ansible_host``, where it is one network of its own beside the data networks."""
    found = set()
    for host in chosen:
        try:
            found.add(ipaddress.IPv4Network(f"{hosts.variable(host, 'ansible_host')}/24", strict=False))
        except ValueError:
            return None
    if len(found) != 1 or any(port.address in network for port in ports for network in found):
        return None
    return found.pop()


def _host(
    hosts: Hosts,
    host: str,
    ports: Sequence[Port],
    segments: dict[str, str],
    subnets: dict[str, Net],
    management: ipaddress.IPv4Network | None,
) -> dict[str, Any]:
    interfaces: dict[str, dict[str, Any]] = {}
    for port in (port for port in ports if port.host == host):
        entry = {"name": port.interface, "network": segments[port.net], "addresses": []}
        addresses: list[str] = interfaces.setdefault(port.interface, entry)["addresses"]
        text = f"{port.address}/{subnets[port.net].prefixlen}"
        if text not in addresses:
            addresses.append(text)
    wished = str(hosts.variable(host, "ansible_host")) if management else ""
    found: dict[str, Any] = {"name": host, "interfaces": list(interfaces.values()), "management": wished}
    if interfaces and hosts.variable(host, "lustre_nids") is None:
        # They follow from ansible_host, and that is another address during the rehearsal.
        found["variables"] = {"lustre_nids": [f"{port.address}@{port.net}" for port in ports if port.host == host]}
    return found


def _devices(site: model.Site, chosen: set[str], sizes: dict[str, Any]) -> list[dict[str, Any]]:
    """One device per path and group of hosts that share it: the same path on hosts of different pairs is another disk."""
    found: list[dict[str, Any]] = []
    for target in (target for filesystem in site.filesystems for target in filesystem.targets):
        reach = [server for server in target.servers if server in chosen]
        vdevs = target.pool.vdevs if target.pool else ()
        paths = [path for vdev in vdevs for path in vdev.devices] if target.backend == "zfs" else [target.raw]
        for path in paths if reach else []:
            same = [d for d in found if d["path"] == path and set(d["hosts"]) & set(reach)]
            if same:
                same[0]["hosts"] += [host for host in reach if host not in same[0]["hosts"]]
            elif path.startswith("/dev/"):
                name = path.rpartition("/")[2]
                taken = {device["name"] for device in found}
                unique = name if name not in taken else f"{name}-{reach[0]}"
                size = str(sizes[target.kind])
                found.append({"name": unique, "size": size, "hosts": reach, "path": path})
                if target.luks is not None:
                    inner = {"name": f"{unique}.luks", "size": size, "hosts": reach, "behind": unique}
                    found.append({**inner, "path": f"/dev/rehearsal-luks/{path.removeprefix('/dev/')}"})
    return found
