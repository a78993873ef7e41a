# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges in a namespace of the site's own, a fresh network namespace per boot of a host, veth pairs between them.

In the machine's own namespace there is one end of one veth pair: the uplink of the management
network.  Data networks cannot be reached from the machine, nor from another site.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field

from rehearsal.hosts import kernel
from rehearsal.hosts.errors import RehearsalError, run
from rehearsal.hosts.layout import Site
from rehearsal.hosts.spec import MANAGEMENT_INTERFACE, Host, Interface

MANAGEMENT_BRIDGE = "br-mgmt"
_POOL = ipaddress.IPv4Network("10.76.0.0/16")


def choose_subnet(
    wished: ipaddress.IPv4Network, hosts: int, taken: list[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> ipaddress.IPv4Network:
    """The wished management network, or the first free one of 10.76.0.0/16 that is large enough."""
    used = [network for network in taken if isinstance(network, ipaddress.IPv4Network)]
    # network, broadcast and the machine's own address are not for hosts
    prefix = min(24, 32 - (hosts + 2).bit_length())
    candidates = [wished] if wished.prefixlen <= 32 - (hosts + 2).bit_length() else []
    for candidate in candidates + list(_POOL.subnets(new_prefix=prefix)):
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise RehearsalError(
        f"No free network for the management of {hosts} hosts is left in {_POOL}: all of it overlaps routes of this "
        "machine or other sites. Give another one as `management` in the spec, or end sites that are not needed."
    )


def choose_addresses(subnet: ipaddress.IPv4Network, hosts: tuple[Host, ...]) -> dict[str, str]:
    """A management address per host: the wished one, else the one with the same last part, else the next free."""
    used = {str(subnet[0]), str(subnet[1]), str(subnet[-1])}
    chosen: dict[str, str] = {}
    for host in hosts:
        if not host.management:
            continue
        offset = int(ipaddress.ip_address(host.management)) & int(subnet.hostmask)
        address = str(subnet[offset])
        if address not in used:
            chosen[host.name] = address
            used.add(address)
    free = (str(address) for address in subnet.hosts() if str(address) not in used)
    return {host.name: chosen.get(host.name) or next(free) for host in hosts}


def routed_here() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks the machine has a route or an address for, the default route excepted."""
    routes = json.loads(run(["ip", "-json", "route", "show", "table", "all"], "list the routes of this machine"))
    return [
        ipaddress.ip_network(route["dst"], strict=False)
        for route in routes
        if route.get("dst", "default") != "default" and "/0" not in route["dst"]
    ]


def _veth(port: str, bridge: str, name: str, namespace: str, mac: str) -> list[str]:
    return [
        f"link add name {port} type veth peer name {name} address {mac} netns {namespace}",
        f"link set dev {port} master {bridge} up",
    ]


def bridge_commands(site: Site, machine: str) -> list[str]:
    """Commands for ``ip -batch`` in the site's namespace; ``machine`` names the machine's own namespace."""
    bridges = [MANAGEMENT_BRIDGE, *(f"br{number}" for number, _ in enumerate(site.spec.networks))]
    commands = ["link set dev lo up"]
    for bridge in bridges:
        commands += [
            f"link add name {bridge} type bridge forward_delay 0 mcast_snooping 0",
            f"link set dev {bridge} up",
        ]
    mac = _mac(site, "", "uplink")
    return commands + _veth("uplink", MANAGEMENT_BRIDGE, site.layout.uplink, machine, mac)


def uplink_commands(site: Site) -> list[str]:
    """Commands in the machine's namespace."""
    return [
        f"address add {site.gateway}/{site.subnet.prefixlen} dev {site.layout.uplink}",
        f"link set dev {site.layout.uplink} up",
    ]


def _wires(site: Site, host: Host) -> list[tuple[str, str, Interface]]:
    """(port in the site's namespace, bridge, interface in the host) for each cable of a host."""
    number = site.spec.hosts.index(host)
    address = f"{site.addresses[host.name]}/{site.subnet.prefixlen}"
    wires = [(f"p{number}.m", MANAGEMENT_BRIDGE, Interface(MANAGEMENT_INTERFACE, "", (address,)))]
    for position, interface in enumerate(host.interfaces):
        wires.append((f"p{number}.{position}", f"br{site.spec.networks.index(interface.network)}", interface))
    return wires


def plug_commands(site: Site, host: Host, namespace: str) -> list[str]:
    """Commands in the site's namespace that cable a host's new namespace to the bridges."""
    commands: list[str] = []
    for port, bridge, interface in _wires(site, host):
        commands += _veth(port, bridge, interface.name, namespace, _mac(site, host.name, interface.name))
    return commands


def address_commands(site: Site, host: Host) -> list[str]:
    """Commands in a host's namespace."""
    commands = ["link set dev lo up"]
    for _, _, interface in _wires(site, host):
        commands.append(f"link set dev {interface.name} up")
        for address in interface.addresses:
            # duplicate address detection would delay IPv6 addresses by a second for nothing
            extra = " nodad" if ":" in address else ""
            commands.append(f"address add {address} dev {interface.name}{extra}")
    return commands


def _mac(site: Site, host: str, interface: str) -> str:
    digits = site.layout.host(host).identity(f"mac {interface}", 10)
    return "02:" + ":".join(digits[i : i + 2] for i in range(0, 10, 2))


@dataclass
class Fabric:
    """The live networks of a site; file descriptors keep the namespaces, closing them ends all."""

    site: Site
    machine: int = field(default_factory=lambda: os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    bridges: int = field(default_factory=kernel.new_network_namespace)
    hosts: dict[str, int] = field(default_factory=dict)

    def build(self) -> None:
        _batch(bridge_commands(self.site, path_of(self.machine)), self.bridges, "make the bridges")
        _batch(uplink_commands(self.site), None, "connect this machine to the management network")

    def plug(self, host: Host) -> str:
        """Give a host a fresh namespace, cabled and with addresses; returns the path nspawn can open."""
        self.unplug(host)
        handle = self.hosts[host.name] = kernel.new_network_namespace()
        _batch(plug_commands(self.site, host, path_of(handle)), self.bridges, f"cable {host.name}")
        _batch(address_commands(self.site, host), handle, f"give {host.name} its addresses", _no_forwarding)
        return path_of(handle)

    def unplug(self, host: Host) -> None:
        """Pull a host's cables; what its kernel knew of networks is forgotten, as at a real power-off."""
        handle = self.hosts.pop(host.name, None)
        if handle is None:
            return
        os.close(handle)
        # the namespace is torn down later, in the background: free the names of the ports now
        _batch([f"link del dev {port}" for port, _, _ in _wires(self.site, host)], self.bridges, "", force=True)

    def close(self) -> None:
        for handle in [*self.hosts.values(), self.bridges]:
            os.close(handle)
        self.hosts.clear()
        remove_uplink(self.site.layout.uplink)


def remove_uplink(name: str) -> None:
    """Remove the machine's end of the management network if it is there."""
    if name in os.listdir("/sys/class/net"):
        _batch([f"link del dev {name}"], None, "", force=True)


def path_of(handle: int) -> str:
    return f"/proc/{os.getpid()}/fd/{handle}"


def _no_forwarding() -> None:
    """New namespaces inherit the machine's setting; only a router is to forward, and only LNet messages."""
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
        switch.write("0")


def _batch(commands: list[str], namespace: int | None, wanted: str, extra: object = None, force: bool = False) -> None:
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if namespace is not None:
            kernel.setns(namespace, kernel.CLONE_NEWNET)
        if callable(extra):
            extra()
        argv = ["ip", *(["-force"] if force else []), "-batch", "-"]
        try:
            run(argv, wanted, stdin="\n".join(commands) + "\n")
        except RehearsalError:
            if not force:
                raise
    finally:
        kernel.setns(here, kernel.CLONE_NEWNET)
        os.close(here)
