# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local network interfaces of LNet (NIs): values, tunables and counters, without behaviour of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TUNABLES = ("peer_timeout", "peer_credits", "peer_buffer_credits", "credits")
DEFAULT_TUNABLES = {"peer_timeout": 180, "peer_credits": 8, "peer_buffer_credits": 0, "credits": 256}
LND_TUNABLES = ("conns_per_peer", "timeout", "tos")
DEFAULT_LND_TUNABLES = {"conns_per_peer": 1, "timeout": 50, "tos": -1}
MESSAGE_KINDS = ("put", "get", "reply", "ack", "hello")
HEALTHY = 1000


@dataclass
class Counters:
    """What an NI or a peer NI sent, received and dropped, by kind of message."""

    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MESSAGE_KINDS, 0))
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MESSAGE_KINDS, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MESSAGE_KINDS, 0))

    def public(self) -> dict[str, dict[str, int]]:
        return {"sent": dict(self.sent), "received": dict(self.received), "dropped": dict(self.dropped)}


@dataclass
class Ni:
    """``interface`` None = the loopback net ``lo``."""

    nid: str
    net: str
    interface: str | None
    address: str
    tunables: dict[str, int]
    lnd_tunables: dict[str, int]
    cpts: list[int] | None = None
    health: int = HEALTHY
    counters: Counters = field(default_factory=Counters)

    def public(self, status: str) -> dict[str, Any]:
        """JSON for the tools."""
        return {
            "nid": self.nid,
            "net": self.net,
            "interface": self.interface,
            "status": status,
            "tunables": dict(self.tunables),
            "lnd_tunables": dict(self.lnd_tunables),
            "cpts": self.cpts or [0],
            "health": self.health,
            "counters": self.counters.public(),
        }


def loopback_ni() -> Ni:
    return Ni("0@lo", "lo", None, "", dict.fromkeys(TUNABLES, 0), {}, health=100)


def chosen(defaults: Mapping[str, int], module: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, int]:
    """Defaults, overridden by module options, overridden by what the command said; what is no number is ignored."""
    values = dict(defaults)
    for key in defaults:
        for source in (module, given):
            number = as_number(source.get(key))
            if number is not None:
                values[key] = number
    return values


def as_number(value: Any) -> int | None:
    try:
        return int(str(value), 0)
    except ValueError:
        return None
