# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's network interfaces, read live: LNet's NIs follow them (``status: down`` when one goes away)."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_RUNNING = 0x40


@dataclass(frozen=True)
class Interface:
    """``running`` = administratively up *and* with a carrier; address None = no IPv4 address."""

    name: str
    address: str | None
    prefix: int
    running: bool
    loopback: bool = False

    @property
    def subnet(self) -> str:
        if self.address is None:
            return ""
        number = struct.unpack("!I", socket.inet_aton(self.address))[0]
        mask = (0xFFFFFFFF << (32 - self.prefix)) & 0xFFFFFFFF
        return f"{socket.inet_ntoa(struct.pack('!I', number & mask))}/{self.prefix}"


class Reader(Protocol):
    def get(self, name: str) -> Interface | None: ...

    def all(self) -> list[Interface]: ...


class SystemInterfaces:
    """The real ones, by ioctl: no child process, no dependence on iproute2."""

    def get(self, name: str) -> Interface | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            flags = _ioctl(probe, _SIOCGIFFLAGS, name)
            if flags is None:
                return None
            bits = struct.unpack_from("H", flags, 16)[0]
            address = _ioctl(probe, _SIOCGIFADDR, name)
            mask = _ioctl(probe, _SIOCGIFNETMASK, name)
        return Interface(
            name,
            socket.inet_ntoa(address[20:24]) if address is not None else None,
            bin(struct.unpack_from("!I", mask, 20)[0]).count("1") if mask is not None else 32,
            bits & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
            bool(bits & _IFF_LOOPBACK),
        )

    def all(self) -> list[Interface]:
        found = (self.get(name) for _index, name in sorted(socket.if_nameindex()))
        return [interface for interface in found if interface is not None]


class StaticInterfaces:
    """Interfaces of a test: ``{"eth0": "127.0.0.11/24", "eth1": None}``; None = no address, ``!`` before it = no link."""

    def __init__(self, addresses: Mapping[str, str | None]) -> None:
        self.addresses = dict(addresses)

    def get(self, name: str) -> Interface | None:
        if name not in self.addresses:
            return None
        text = self.addresses[name]
        if text is None:
            return Interface(name, None, 32, True)
        address, _, prefix = text.lstrip("!").partition("/")
        return Interface(name, address, int(prefix or 24), not text.startswith("!"), name == "lo")

    def all(self) -> list[Interface]:
        found = (self.get(name) for name in self.addresses)
        return [interface for interface in found if interface is not None]


def _ioctl(probe: socket.socket, request: int, name: str) -> bytes | None:
    try:
        return fcntl.ioctl(probe.fileno(), request, struct.pack("256s", name.encode()[:15]))
    except OSError:
        return None
