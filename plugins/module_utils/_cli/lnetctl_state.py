# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of LNet as values, and how they are found in what ``lnetctl`` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl_yaml
from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid

#: More CPU partitions than any machine has; a bound, so that garbage cannot exhaust the memory.
_MOST_CPTS = 65535
#: Bit of ``peer state``: entered by hand, not found by discovery.
_PEER_CONFIGURED = 1 << 3


@dataclass(frozen=True)
class Interface:
    """One local network interface (NI) of LNet."""

    net: str
    nid: str
    status: str
    interfaces: tuple[str, ...] = ()
    tunables: Mapping[str, Any] = field(default_factory=dict)
    lnd_tunables: Mapping[str, Any] = field(default_factory=dict)
    cpts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Route:
    """A route to ``net``; ``hop`` -1 is "not given"."""

    net: str
    gateway: str
    hop: int = -1
    priority: int = 0
    state: str = ""


@dataclass(frozen=True)
class Routing:
    """Message forwarding: LNet's own state number, partitions, and buffers in total.

    States of 2.17: 0 off, 1 on, 2 stopping, 3 starting (on after some two minutes).
    """

    state: int = 0
    partitions: int = 0
    buffers: Mapping[str, int] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        return self.state in (1, 3)


@dataclass(frozen=True)
class Peer:
    primary: str
    nids: tuple[str, ...]
    multi_rail: bool
    configured: bool | None = None


@dataclass(frozen=True)
class Udsp:
    """A user-defined selection policy; ``priority`` None: a rule that only links its NIDs."""

    idx: int
    src: str | None = None
    dst: str | None = None
    rte: str | None = None
    priority: int | None = None


@dataclass(frozen=True)
class State:
    """What LNet has.  A section that was not asked for is None; while LNet is not up, all are."""

    loaded: bool
    up: bool
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] | None = None
    routing: Routing | None = None
    settings: Mapping[str, int] | None = None
    peers: tuple[Peer, ...] | None = None
    udsp: tuple[Udsp, ...] | None = None


def state_of(pairs: lnetctl_yaml.Pairs, wanted: Sequence[str], text: str) -> State:
    def items(key: str) -> list[Any]:
        found: list[Any] = []
        for name, value in pairs:
            if name == key and value is not None:
                found += value if isinstance(value, list) else [value]
        return found

    try:
        return State(
            loaded=True,
            up=True,
            interfaces=tuple(ni for net in items("net") for ni in _interfaces(net)),
            routes=tuple(_route(item) for item in items("route")) if "routes" in wanted else None,
            routing=_routing(items("routing"), items("buffers")) if "routing" in wanted else None,
            settings=_settings(items("global")) if "global" in wanted else None,
            peers=tuple(_peer(item) for item in items("peer")) if "peers" in wanted else None,
            udsp=tuple(_udsp(item) for item in items("udsp")) if "udsp" in wanted else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnknownOutput("lnetctl", "LNet's state", text) from None


def _interfaces(net: Mapping[str, Any]) -> Iterable[Interface]:
    name = normal_net(net["net type"])
    if name == "lo":
        return
    for ni in net["local NI(s)"] or ():
        yield Interface(
            net=name,
            nid=normal_nid(ni["nid"]),
            status=str(ni["status"]),
            interfaces=tuple(str(value) for value in (ni.get("interfaces") or {}).values()),
            tunables=dict(ni.get("tunables") or {}),
            lnd_tunables=dict(ni.get("lnd tunables") or {}),
            cpts=parse_cpts(ni["CPT"]) if ni.get("CPT") is not None else None,
        )


def parse_cpts(text: str) -> tuple[int, ...]:
    """``[0,2-3]`` → ``(0, 2, 3)``."""
    inner = re.fullmatch(r"\[?([0-9,\- ]*)\]?", str(text).strip())
    if inner is None:
        raise ValueError(text)
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in inner[1].split(","))):
        first, dash, last = part.partition("-")
        if int(last if dash else first) > _MOST_CPTS:
            raise ValueError(text)
        found.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(found))


def _route(item: Mapping[str, Any]) -> Route:
    hop = int(item["hop"])
    return Route(
        net=normal_net(item["net"]),
        gateway=normal_nid(item["gateway"]),
        hop=-1 if hop in (-1, 0xFFFFFFFF) else hop,
        priority=int(item["priority"]),
        state=str(item.get("state", "")),
    )


def _routing(routing: list[Any], buffers: list[Any]) -> Routing:
    """No output at all means that routing was never on since LNet came up."""
    state, partitions, totals = 0, 0, {"tiny": 0, "small": 0, "large": 0}
    for item in routing:
        if "enable" in item:
            state = int(item["enable"])
            continue
        for pools in item.values():
            partitions += 1
            for name in totals:
                totals[name] += int(pools[name]["nbuffers"])
    if not partitions and buffers:
        totals = {name: int(buffers[0][name]) for name in totals}
    return Routing(state, partitions, totals)


def _settings(items: list[Any]) -> dict[str, int]:
    return {str(key): int(value) for key, value in (items[0] if items else {}).items()}


def _peer(item: Mapping[str, Any]) -> Peer:
    state = item.get("peer state")
    return Peer(
        primary=normal_nid(item["primary nid"]),
        nids=tuple(normal_nid(ni["nid"]) for ni in item.get("peer ni") or ()),
        multi_rail=str(item.get("Multi-Rail", "false")).lower() == "true",
        configured=None if state is None else bool(int(state) & _PEER_CONFIGURED),
    )


def _udsp(item: Mapping[str, Any]) -> Udsp:
    action = item.get("action") or {}
    priority = action.get("priority", item.get("priority"))
    ends = {end: None if item.get(end) is None else normal_selector(str(item[end])) for end in ("src", "dst", "rte")}
    return Udsp(int(item["idx"]), priority=None if priority is None else int(priority), **ends)


def normal_selector(text: str) -> str:
    """A UDSP selector (network, NID or NID range) in the tools' short form: ``*@tcp0`` → ``*@tcp``."""
    address, at, net = text.strip().rpartition("@")
    try:
        return f"{address}{at}{normal_net(net)}"
    except ValueError:
        return text.strip()
