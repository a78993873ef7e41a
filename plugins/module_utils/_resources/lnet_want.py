# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node's LNet shall be: the options of ``lustre.core.lnet``, checked and in one normal form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_state
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net, normal_net, normal_nid

PURGEABLE = ("networks", "routes", "peers", "udsp")
POOLS = ("tiny", "small", "large")
#: Keys of ``lnetctl set`` with their smallest and largest sensible value: the tool itself
#: takes ``numa_range -5`` and ``discovery 7`` and ends with 0 (2.17.0).
SETTINGS: Mapping[str, tuple[int, int]] = {
    "numa_range": (0, 2**31),
    "max_interfaces": (16, 65535),
    "drop_asym_route": (0, 1),
    "retry_count": (0, 255),
    "transaction_timeout": (1, 65535),
    "health_sensitivity": (0, 1000),
    "recovery_interval": (1, 65535),
    "router_sensitivity": (0, 100),
    "response_tracking": (0, 3),
    "recovery_limit": (0, 2**31),
    "max_recovery_ping_interval": (1, 65535),
}
_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_MODULE = re.compile(r"[a-z][a-z0-9_]*")
_STATIC = ("networks", "ip2nets", "routes")
#: LNDs whose interface is an ordinary one of Linux, with an IP address that becomes the NID.
IP_NETS = ("tcp", "o2ib")


@dataclass(frozen=True)
class Network:
    net: str
    interfaces: tuple[str, ...]
    tunables: Mapping[str, int] = field(default_factory=dict)
    lnd_tunables: Mapping[str, Any] = field(default_factory=dict)
    cpts: tuple[int, ...] = ()


@dataclass(frozen=True)
class WantRoute:
    """A route; None for ``hop`` or ``priority``: not declared, whatever is there is right."""

    net: str
    gateway: str
    hop: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class WantRouting:
    enabled: bool
    buffers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class WantPeer:
    primary: str
    nids: tuple[str, ...]
    multi_rail: bool = True


@dataclass(frozen=True)
class WantUdsp:
    src: str | None = None
    dst: str | None = None
    rte: str | None = None
    priority: int | None = None

    @property
    def effective(self) -> int | None:
        """The priority the rule gets: a rule on one end without one means 0 (lnetctl's own default)."""
        alone = (self.src is None) != (self.dst is None) and self.rte is None
        return 0 if self.priority is None and alone else self.priority


@dataclass(frozen=True)
class LnetWant:
    """The wanted LNet of one node; None: this list was not declared at all and is left alone."""

    networks: tuple[Network, ...] = ()
    nids: tuple[str, ...] = ()
    routes: tuple[WantRoute, ...] = ()
    routing: WantRouting | None = None
    peers: tuple[WantPeer, ...] = ()
    settings: Mapping[str, int] = field(default_factory=dict)
    udsp: tuple[WantUdsp, ...] = ()
    module_options: Mapping[str, Mapping[str, str]] | None = None
    purge: frozenset[str] = frozenset()
    remove_networks: frozenset[str] = frozenset()

    def sections(self) -> list[str]:
        """What must be read beside the networks: only what is declared (or to be purged)."""
        # A network that is taken down takes its routes and peers with it; they must be known to be put back.
        going = bool(self.remove_networks) or "networks" in self.purge
        asked = {
            "routes": bool(self.routes) or "routes" in self.purge or going,
            "routing": self.routing is not None,
            "global": bool(self.settings),
            "peers": bool(self.peers) or "peers" in self.purge or going,
            "udsp": bool(self.udsp) or "udsp" in self.purge,
        }
        return [name for name, needed in asked.items() if needed]

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "lnet") -> LnetWant:
        """Build from plain data; BadValue names the first value that cannot be used, by its path."""
        networks = _each(options, path, "networks", _network)
        want = cls(
            networks=networks,
            nids=tuple(_call(f"{path}.nids[{i}]", normal_nid, nid) for i, nid in enumerate(options.get("nids") or ())),
            routes=_each(options, path, "routes", _route),
            routing=_routing(options.get("routing"), f"{path}.routing"),
            peers=_each(options, path, "peers", _peer),
            settings=_settings(options, path),
            udsp=_each(options, path, "udsp", _udsp),
            module_options=_module_options(options.get("module_options"), f"{path}.module_options"),
            purge=frozenset(options.get("purge") or ()),
            remove_networks=frozenset(
                _call(f"{path}.remove_networks[{i}]", normal_net, net)
                for i, net in enumerate(options.get("remove_networks") or ())
            ),
        )
        _cross_check(want, path)
        return want


def _each(
    options: Mapping[str, Any], path: str, key: str, build: Callable[[Mapping[str, Any], str], Any]
) -> tuple[Any, ...]:
    items = options.get(key) or ()
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise BadValue(f"{path}.{key}[{number}]", f"{item!r} is not a mapping", "Write it as keys and values.")
    return tuple(build(item, f"{path}.{key}[{number}]") for number, item in enumerate(items))


def _call(path: str, function: Callable[[Any], str], value: Any) -> str:
    try:
        return function(value)
    except ValueError as error:
        raise BadValue(path, str(error), "Correct it in the site description.") from None


def _number(path: str, value: Any, low: int, high: int) -> int:
    """Whole numbers only: lnetctl ignores an option whose value is no number and ends with 0."""
    try:
        number = int(str(value).strip())
    except ValueError:
        raise BadValue(path, f"{value!r} is not a whole number", f"Give a number from {low} to {high}.") from None
    if isinstance(value, bool) or not low <= number <= high:
        raise BadValue(path, f"{value!r} is out of range", f"Give a number from {low} to {high}.")
    return number


def _network(item: Mapping[str, Any], path: str) -> Network:
    net = _call(f"{path}.net", normal_net, item.get("net", ""))
    if net == "lo":
        raise BadValue(f"{path}.net", "lo is LNet's own loopback", "Name a real network, such as tcp.")
    interfaces = tuple(str(name) for name in item.get("interfaces") or ())
    if not interfaces or len(set(interfaces)) != len(interfaces):
        raise BadValue(
            f"{path}.interfaces",
            f"{list(interfaces)!r} must name at least one interface, each once",
            "Name them, such as [eth0].",
        )
    for name in interfaces:
        if not _INTERFACE.fullmatch(name):
            raise BadValue(
                f"{path}.interfaces",
                f"{name!r} is not the name of a network interface",
                "Write it as `ip link` shows it.",
            )
    return Network(net, interfaces, _tunables(item, path), _lnd_tunables(item, path, net), _cpts(item, path))


def _tunables(item: Mapping[str, Any], path: str) -> dict[str, int]:
    given = {key: value for key, value in (item.get("tunables") or {}).items() if value is not None}
    for key in given:
        if key not in lnetctl.TUNABLES:
            raise BadValue(
                f"{path}.tunables.{key}", "this is no tunable of a network", f"Known are {', '.join(lnetctl.TUNABLES)}."
            )
    # lnetctl takes 0 credits for "not given" and would say nothing.
    lowest = {"peer_credits": 1, "credits": 1}
    numbers = {
        key: _number(f"{path}.tunables.{key}", value, lowest.get(key, 0), 2**31 - 1) for key, value in given.items()
    }
    if numbers.get("peer_credits", 0) > numbers.get("credits", 2**31):
        raise BadValue(
            f"{path}.tunables",
            "peer_credits is larger than credits, and LNet would lower it in silence",
            "Raise credits.",
        )
    return numbers


def _lnd_tunables(item: Mapping[str, Any], path: str, net: str) -> dict[str, Any]:
    given = {key: value for key, value in (item.get("lnd_tunables") or {}).items() if value is not None}
    kfi = net.startswith("kfi")
    known = ("auth_key", "traffic_class") if kfi else ("conns_per_peer", "tos")
    for key in given:
        if key not in known:
            module = "kkfilnd" if kfi else "ko2iblnd" if net.startswith("o2ib") else "ksocklnd"
            raise BadValue(
                f"{path}.lnd_tunables.{key}",
                f"Lustre does not set this for one network (2.17 reads it and ignores it); for {net} it knows {', '.join(known)}",
                f"Set it for the whole module: module_options: {{{module}: {{{key}: {given[key]}}}}}.",
            )
    ranges = {"conns_per_peer": (0, 127), "tos": (-1, 255), "auth_key": (1, 2**31 - 1)}
    return {
        key: _number(f"{path}.lnd_tunables.{key}", value, *ranges[key]) if key in ranges else str(value)
        for key, value in given.items()
    }


def _cpts(item: Mapping[str, Any], path: str) -> tuple[int, ...]:
    given = item.get("cpts") or ()
    return tuple(sorted({_number(f"{path}.cpts[{number}]", value, 0, 4095) for number, value in enumerate(given)}))


def _route(item: Mapping[str, Any], path: str) -> WantRoute:
    hop, priority = item.get("hop"), item.get("priority")
    return WantRoute(
        net=_call(f"{path}.net", normal_net, item.get("net", "")),
        gateway=_call(f"{path}.gateway", normal_nid, item.get("gateway", "")),
        # -1 is how lnet.conf writes "not given"
        hop=None if hop is None or str(hop) == "-1" else _number(f"{path}.hop", hop, 1, 255),
        priority=None if priority is None else _number(f"{path}.priority", priority, 0, 2**31 - 1),
    )


def _routing(item: Any, path: str) -> WantRouting | None:
    if item is None:
        return None
    if not isinstance(item, Mapping) or not isinstance(item.get("enabled"), bool):
        raise BadValue(
            path, f"{item!r} does not say whether this node forwards", "Give enabled: true or enabled: false."
        )
    buffers = {
        pool: _number(f"{path}.{pool}", item[pool], 1, 2**31 - 1) for pool in POOLS if item.get(pool) is not None
    }
    if buffers and not item["enabled"]:
        raise BadValue(
            path,
            "buffers are given while routing is off; LNet forgets them then",
            "Leave them out or set enabled: true.",
        )
    return WantRouting(bool(item["enabled"]), buffers)


def _peer(item: Mapping[str, Any], path: str) -> WantPeer:
    primary = _call(f"{path}.primary", normal_nid, item.get("primary", ""))
    nids = tuple(_call(f"{path}.nids[{number}]", normal_nid, nid) for number, nid in enumerate(item.get("nids") or ()))
    rest = tuple(nid for nid in dict.fromkeys(nids) if nid != primary)
    multi_rail = item.get("multi_rail")
    if multi_rail is False and rest:
        raise BadValue(
            f"{path}.nids", "a peer that is not multi-rail has one NID", "Leave nids out, or say multi_rail: true."
        )
    return WantPeer(primary, (primary, *rest), multi_rail is not False)


def _settings(options: Mapping[str, Any], path: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in (options.get("global") or {}).items():
        if value is None:
            continue
        if key == "discovery":
            raise BadValue(
                f"{path}.global.discovery",
                "discovery has an option of its own",
                f"Write {path}.discovery: true or false.",
            )
        if key not in SETTINGS:
            hint = " (LNet derives it from transaction_timeout and retry_count)" if key == "lnd_timeout" else ""
            raise BadValue(
                f"{path}.global.{key}", f"this is no setting of lnetctl set{hint}", f"Known are {', '.join(SETTINGS)}."
            )
        low, high = SETTINGS[key]
        found[key] = _number(f"{path}.global.{key}", int(value) if isinstance(value, bool) else value, low, high)
    if found.get("transaction_timeout", 2**16) <= found.get("retry_count", 0):
        raise BadValue(
            f"{path}.global",
            "transaction_timeout must be larger than retry_count",
            "LNet divides the one by the other; raise the time-out.",
        )
    if options.get("discovery") is not None:
        if not isinstance(options["discovery"], bool):
            raise BadValue(
                f"{path}.discovery", f"{options['discovery']!r} is not true or false", "Write true or false."
            )
        found["discovery"] = int(options["discovery"])
    return found


def _udsp(item: Mapping[str, Any], path: str) -> WantUdsp:
    ends = {end: lnetctl_state.normal_selector(str(item[end])) for end in ("src", "dst", "rte") if item.get(end)}
    if not ends or ("src" in ends and "rte" in ends):
        raise BadValue(
            path,
            f"the policy names {' and '.join(ends) or 'neither src nor dst nor rte'}, so nobody knows what it is for",
            "Give src, dst, src and dst, rte, or dst and rte.",
        )
    for end, selector in ends.items():
        if ":" in selector:
            raise BadValue(
                f"{path}.{end}",
                f"{selector} has an IPv6 address, which Lustre's policies cannot name (2.17 refuses it)",
                "Name the network instead, such as tcp1.",
            )
    priority = item.get("priority")
    return WantUdsp(priority=None if priority is None else _number(f"{path}.priority", priority, 0, 2**31 - 1), **ends)


def _module_options(item: Any, path: str) -> dict[str, dict[str, str]] | None:
    if item is None:
        return None
    found: dict[str, dict[str, str]] = {}
    for module, options in item.items():
        if not _MODULE.fullmatch(str(module)):
            raise BadValue(f"{path}.{module}", "this is not the name of a kernel module", "Write it as lsmod shows it.")
        for name, value in (options or {}).items():
            if module == "lnet" and name in _STATIC:
                raise BadValue(
                    f"{path}.lnet.{name}",
                    "networks and routes are configured through lnetctl here, and LNet must not be given both ways",
                    "Describe them under networks and routes.",
                )
            text = str(int(value)) if isinstance(value, bool) else str(value)
            if not _MODULE.fullmatch(str(name).lower()) or any(sign in text for sign in '\n"\\'):
                raise BadValue(
                    f"{path}.{module}.{name}",
                    f"{text!r} cannot be written to a modprobe file",
                    "Use a plain name and value.",
                )
            found.setdefault(str(module), {})[str(name)] = text
    return found


def _cross_check(want: LnetWant, path: str) -> None:
    nets = [network.net for network in want.networks]
    _unique(nets, f"{path}.networks", "Give one entry per network; several interfaces go into its list.")
    _unique([(route.net, route.gateway) for route in want.routes], f"{path}.routes", "Keep one of them.")
    _unique([peer.primary for peer in want.peers], f"{path}.peers", "Keep one of them.")
    _unique([(rule.src, rule.dst, rule.rte) for rule in want.udsp], f"{path}.udsp", "Keep one of them.")
    for number, nid in enumerate(want.nids):
        if nid_net(nid) not in nets:
            raise BadValue(
                f"{path}.nids[{number}]",
                f"{nid} is expected, but {nid_net(nid)} is not among this node's networks ({', '.join(nets) or 'none'})",
                "Declare the network with its interfaces, or correct the NID.",
            )
    for number, route in enumerate(want.routes):
        if nets and nid_net(route.gateway) not in nets:
            raise BadValue(
                f"{path}.routes[{number}].gateway",
                f"{route.gateway} is on {nid_net(route.gateway)}, where this node has no interface (it has {', '.join(nets)})",
                "A gateway is named by its NID on a network of this node.",
            )
        if route.net in nets:
            raise BadValue(
                f"{path}.routes[{number}].net", f"{route.net} is a network of this node itself", "Leave the route out."
            )
    for name in want.purge:
        if name not in PURGEABLE:
            raise BadValue(f"{path}.purge", f"{name!r} cannot be purged", f"Known are {', '.join(PURGEABLE)}.")


def _unique(names: Sequence[Any], path: str, remedy: str) -> None:
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            shown = name if isinstance(name, str) else " ".join(str(part) for part in name if part is not None)
            raise BadValue(path, f"{shown} is there twice", remedy)
        seen.add(name)


def net_kind(net: str) -> str:
    """``o2ib1`` → ``o2ib``."""
    return net.rstrip("0123456789")


def named(items: Iterable[str]) -> str:
    return ", ".join(items) or "none"
