# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lnetctl``: command lines, what it prints as typed values, its errors.

What to know about the tool (Lustre 2.17.0 observed, 2.15 to 2.17 sources):

- Its exit code is the low byte of a negative number and not stable: over netlink nearly
  every failure is 234.  The errno that counts stands in the error document.
- ``export`` ends with 0 even without LNet, its error documents in between.
- It reads commands from standard input, too, but then loses its own command table
  after the first ``net``/``route`` command; batches are therefore never used.
- ``route del`` of an unknown gateway, ``set`` of an impossible value and a tunable that
  is no number all end with 0: only reading back tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl_yaml
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

TOOL = "lnetctl"
READ_TIMEOUT = 60.0
CHANGE_TIMEOUT = 120.0
#: ``net del`` of an idle network took 113 s, after peers that never answered (2.17.0).
SLOW_TIMEOUT = 300.0

#: What can be read beside the networks, and the one command that shows just that.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "routes": (TOOL, "route", "show", "-v"),
    "routing": (TOOL, "routing", "show"),
    "global": (TOOL, "global", "show"),
    "peers": (TOOL, "peer", "show", "-v"),
    "udsp": (TOOL, "udsp", "show"),
}
NET_SHOW = (TOOL, "net", "show", "-v")
EXPORT = (TOOL, "export")
_TOP = {
    "routes": ("route",),
    "routing": ("routing", "buffers"),
    "global": ("global",),
    "peers": ("peer",),
    "udsp": ("udsp",),
}
_ENETDOWN, _ESHUTDOWN = 100, 108
#: Bit of ``peer state``: entered by hand, not found by discovery.
_PEER_CONFIGURED = 1 << 3
_NO_MODULE = ("failed to resolve Netlink family id", "kernel modules may not be loaded")


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


def read(run: Runner, sections: Iterable[str] = ()) -> State:
    """LNet's state in at most two processes: the networks and one section, or one export for all."""
    wanted = [name for name in SECTIONS if name in set(sections)]
    try:
        if len(wanted) > 1:
            return _exported(run, wanted)
        shown = run(NET_SHOW, None, READ_TIMEOUT)
        down = not_up(shown)
        if down is not None:
            return down
        pairs = _checked(NET_SHOW, shown, "the local networks", ("net",))
        for name in wanted:
            pairs += _checked(SECTIONS[name], run(SECTIONS[name], None, READ_TIMEOUT), f"the {name}", _TOP[name])
        return _state(pairs, wanted, shown.out)
    except ToolMissing:
        raise ToolMissing(
            TOOL,
            "with Lustre's user tools (lustre-client or lustre on EL, lustre-client-utils or lustre-server-utils on Debian)",
        ) from None


def not_up(result: Result) -> State | None:
    """The state when LNet is not configured or its module not loaded; None when it may be up."""
    if any(sign in result.err for sign in _NO_MODULE):
        return State(loaded=False, up=False)
    found = lnetctl_yaml.errors(_documents(result, "the local networks"))
    if any(document.what == "net" and document.errno in (_ENETDOWN, _ESHUTDOWN) for document in found):
        return State(loaded=True, up=False)
    return None


def _exported(run: Runner, wanted: Sequence[str]) -> State:
    result = run(EXPORT, None, SLOW_TIMEOUT)
    down = not_up(result)
    if down is not None:
        return down
    tops = {"net"}.union(*(_TOP[name] for name in wanted))
    return _state(_checked(EXPORT, result, "LNet's whole state", tuple(tops)), wanted, result.out)


def _checked(argv: tuple[str, ...], result: Result, what: str, only: tuple[str, ...]) -> lnetctl_yaml.Pairs:
    """Parsed output of a reading command; ToolError when it failed or mixed in an error about what was asked."""
    found = [
        document
        for document in lnetctl_yaml.errors(_documents(result, what))
        if result.rc != 0 or document.what in only
    ]
    # `peer show` of nothing ends with 234 and no word (2.17.0); every other silence with a bad code is an error.
    silent = argv[1] == "peer" and not (result.out + result.err).strip()
    if found or (result.rc != 0 and not silent):
        raise error(f"read {what}", argv, result.rc, result.out, result.err)
    return lnetctl_yaml.parse(result.out, what, only)


def _documents(result: Result, what: str) -> list[Any]:
    found: list[Any] = list(lnetctl_yaml.parse(result.out, what, ()))
    try:
        found += lnetctl_yaml.parse(result.err, what)
    except UnknownOutput:
        if result.rc == 0 and not found:
            raise
    return found


def error(wanted: str, argv: Sequence[str], rc: int, out: str, err: str, remedy: str = "") -> ToolError:
    """The typed error of a failed command: errno from its error document, from the exit code only without one."""
    found: list[lnetctl_yaml.ErrorDocument] = []
    for text in (err, out):
        try:
            found += lnetctl_yaml.errors(lnetctl_yaml.parse(text, wanted))
        except UnknownOutput:
            continue
    code = found[0].errno if found else (256 - rc if 128 <= rc < 255 else None)
    return ToolError(wanted, argv, rc, out, err, code, remedy)


# ---- command lines ----------------------------------------------------------------------------

CONFIGURE = (TOOL, "lnet", "configure")
MODPROBE = ("modprobe", "lnet")
_OPTIONS = {
    "peer_timeout": "--peer-timeout",
    "peer_credits": "--peer-credits",
    "peer_buffer_credits": "--peer-buffer-credits",
    "credits": "--credits",
    "conns_per_peer": "--conns-per-peer",
    "tos": "--tos",
    "auth_key": "--auth-key",
    "traffic_class": "--traffic-class",
}
TUNABLES = ("peer_timeout", "peer_credits", "peer_buffer_credits", "credits")
LND_TUNABLES = ("conns_per_peer", "tos", "auth_key", "traffic_class")


def net_add(
    net: str,
    interfaces: Sequence[str],
    tunables: Mapping[str, Any] | None = None,
    lnd_tunables: Mapping[str, Any] | None = None,
    cpts: Sequence[int] = (),
) -> tuple[str, ...]:
    words = [TOOL, "net", "add", "--net", net, "--if", ",".join(interfaces)]
    given = {**(tunables or {}), **(lnd_tunables or {})}
    for name, option in _OPTIONS.items():
        if name in given:
            words += [option, str(given[name])]
    if cpts:
        words += ["--cpt", f"[{','.join(str(cpt) for cpt in cpts)}]"]
    return tuple(words)


def net_del(net: str, interface: str | None = None) -> tuple[str, ...]:
    return (TOOL, "net", "del", "--net", net, *(("--if", interface) if interface else ()))


def net_set_conns(nid: str, value: int) -> tuple[str, ...]:
    return (TOOL, "net", "set", "--nid", nid, "--conns-per-peer", str(value))


def route_add(net: str, gateway: str, hop: int | None, priority: int | None) -> tuple[str, ...]:
    words = [TOOL, "route", "add", "--net", net, "--gateway", gateway]
    words += ["--hop", str(hop)] if hop is not None and hop > 0 else []
    words += ["--priority", str(priority)] if priority is not None else []
    return tuple(words)


def route_del(net: str, gateway: str) -> tuple[str, ...]:
    return (TOOL, "route", "del", "--net", net, "--gateway", gateway)


def set_value(key: str, value: int) -> tuple[str, ...]:
    return (TOOL, "set", key, str(value))


def peer_add(primary: str, nids: Sequence[str], multi_rail: bool) -> tuple[str, ...]:
    words = [TOOL, "peer", "add", "--prim_nid", primary]
    words += ["--nid", ",".join(nids)] if nids else []
    return tuple(words + ([] if multi_rail else ["--non_mr"]))


def peer_del(primary: str, nids: Sequence[str] = ()) -> tuple[str, ...]:
    return (TOOL, "peer", "del", "--prim_nid", primary, *(("--nid", ",".join(nids)) if nids else ()))


def udsp_add(
    src: str | None, dst: str | None, rte: str | None, priority: int | None, idx: int | None
) -> tuple[str, ...]:
    words = [TOOL, "udsp", "add"]
    for option, value in (("--src", src), ("--dst", dst), ("--rte", rte), ("--priority", priority), ("--idx", idx)):
        words += [option, str(value)] if value is not None else []
    return tuple(words)


def udsp_del(idx: int) -> tuple[str, ...]:
    return (TOOL, "udsp", "del", "--idx", str(idx))


# ---- what it prints ---------------------------------------------------------------------------


def _state(pairs: lnetctl_yaml.Pairs, wanted: Sequence[str], text: str) -> State:
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
        raise UnknownOutput(TOOL, "LNet's state", text) from None


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
