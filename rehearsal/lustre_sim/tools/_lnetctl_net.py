# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lnetctl's commands ``net``, ``route`` and ``peer``: netlink commands, errors in the netlink shape.

An option that is not known prints the command's help on stdout and does nothing, with exit code 0; a number that is
none is ignored, as in the real tool.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from ..kernel.nids import canonical_nid, expand_nids, net_of
from ..sim_error import NotLoaded, SimError
from . import _lnetctl_show as show
from ._getopt import NONE, OPTIONAL, REQUIRED, Parsed, getopt_long
from ._parser import Io
from ._yaml_out import netlink, netlink_error, tree_error

NO_MODULE = "Writer error: failed to resolve Netlink family id\n"
EINVAL = -errno.EINVAL

NET_ADD = {
    "auth-key": REQUIRED,
    "peer-buffer-credits": REQUIRED,
    "peer-credits": REQUIRED,
    "if": REQUIRED,
    "skip-mr-route-setup": NONE,
    "conns-per-peer": REQUIRED,
    "net": REQUIRED,
    "nid": REQUIRED,
    "ip2net": REQUIRED,
    "credits": REQUIRED,
    "cpt": REQUIRED,
    "peer-timeout": REQUIRED,
    "traffic-class": REQUIRED,
    "tos": REQUIRED,
}
NET_ADD_LETTERS = {
    "a": "auth-key",
    "b": "peer-buffer-credits",
    "c": "peer-credits",
    "i": "if",
    "k": "skip-mr-route-setup",
    "m": "conns-per-peer",
    "n": "net",
    "p": "ip2net",
    "r": "credits",
    "s": "cpt",
    "t": "peer-timeout",
    "T": "traffic-class",
}
ROUTE = {"net": REQUIRED, "gateway": REQUIRED, "hop": REQUIRED, "hop-count": REQUIRED, "priority": REQUIRED}
ROUTE_LETTERS = {"n": "net", "g": "gateway", "c": "hop", "p": "priority"}
PEER = {
    "prim_nid": REQUIRED,
    "nid": REQUIRED,
    "non_mr": NONE,
    "ip2nets": REQUIRED,
    "lock_prim": NONE,
    "force": NONE,
}
PEER_LETTERS = {"k": "prim_nid", "n": "nid", "m": "non_mr", "i": "ip2nets", "l": "lock_prim", "f": "force"}


def number(text: str | None) -> int | None:
    """strtol of the whole text; None = the option is ignored."""
    try:
        return int(text, 0) if text is not None else None
    except ValueError:
        return None


def netlink_call(io: Io, action: str, what: str, call: Callable[[], Any]) -> int:
    """Run ``call``; an error is the tool's document on stderr and always exit code -22."""
    try:
        call()
    except NotLoaded:
        io.err.write(NO_MODULE)
        return EINVAL
    except SimError as error:
        if error.text:
            io.err.write(netlink_error(action, what, -error.errno, error.text))
        return EINVAL
    return 0


def silent_options(argv: list[str], longs: Mapping[str, int], letters: Mapping[str, str], io: Io, help: str) -> Parsed:
    parsed = getopt_long("", argv, longs, letters, None)
    if parsed.failed:
        io.out.write(help + "\n")
    return parsed


def verbose_level(argv: list[str], parsed: Parsed) -> int:
    """``-v`` is 1; a number after it is the level."""
    if not parsed.has("verbose"):
        return 0
    given = parsed.value("verbose") or next((word for word in parsed.words if word.isdigit()), None)
    level = number(given)
    return 1 if level is None else level


# -- net -------------------------------------------------------------------------------------------------------


def net_add(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, NET_ADD, NET_ADD_LETTERS, io, help)
    if parsed.failed:
        return 0
    net, interfaces, nids = parsed.value("net"), _list(parsed.value("if")), _list(parsed.value("nid"))
    if nids:
        if net is not None:
            io.out.write("--net is invalid with --nid option\n")
            return EINVAL
        net = net_of(canonical_nid(nids[0]) or nids[0])
    if net is None:
        io.out.write("missing mandatory parameters in NI config: 'network'\n")
        return EINVAL
    if not interfaces and not nids:
        io.out.write("creating a local NI needs at least one interface\n")
        return EINVAL
    tos = parsed.value("tos")
    if tos is not None and ((value := number(tos)) is None or not -1 <= value <= 255):
        io.err.write(tree_error("ni", "add", -1, "Invalid ToS argument", quote=False))
        return EINVAL
    rc = netlink_call(
        io,
        "add",
        "net",
        lambda: io.kernel.call(
            "lnet.net_add",
            net=net,
            interfaces=interfaces,
            nids=nids,
            cpts=parsed.value("cpt"),
            tunables=_numbers(parsed, "peer-timeout", "peer-credits", "peer-buffer-credits", "credits"),
            lnd_tunables=_numbers(parsed, "conns-per-peer", "tos"),
        ),
    )
    if rc == 0 and not parsed.has("skip-mr-route-setup"):
        mr_setup(io)
    return rc


def mr_setup(io: Io) -> int:
    """ksocklnd-config's output: route lines of the interfaces that it had seen before."""
    for line in io.kernel.call("lnet.mr_setup"):
        io.out.write(line + "\n")
    return 0


def _numbers(parsed: Parsed, *names: str) -> dict[str, int]:
    """Options that were given and are numbers the real tool passes on (credits of 0 are not)."""
    found = {}
    for name in names:
        value = number(parsed.value(name))
        if value is not None and value >= (0 if name in ("peer-timeout", "conns-per-peer", "tos") else 1):
            found[name.replace("-", "_")] = value
    return found


def _list(text: str | None) -> list[str]:
    """``eth0,eth1[0,1]`` → names; commas in brackets do not separate."""
    names, depth = [""], 0
    for char in text or "":
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            names.append("")
        else:
            names[-1] += char
    return [name for name in names if name]


def net_del(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(
        argv, {"net": REQUIRED, "if": REQUIRED, "nid": REQUIRED}, {"n": "net", "i": "if", "N": "nid"}, io, help
    )
    if parsed.failed:
        return 0
    net, nids = parsed.value("net"), _list(parsed.value("nid"))
    if nids and net is None:
        net = net_of(canonical_nid(nids[0]) or nids[0])
    elif nids:
        io.out.write("--net is invalid with --nid option\n")
        return EINVAL
    if net is None:
        io.out.write("missing mandatory parameters in NI config: 'network'\n")
        return EINVAL
    interfaces = _list(parsed.value("if"))
    return netlink_call(
        io, "del", "net", lambda: io.kernel.call("lnet.net_del", net=net, interfaces=interfaces, nids=nids)
    )


def net_show(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {"net": REQUIRED, "verbose": OPTIONAL}, {"n": "net", "v": "verbose"}, io, help)
    if parsed.failed:
        return 0
    level = verbose_level(argv, parsed)

    def run() -> None:
        io.out.write(netlink(show.nets(io.kernel.call("lnet.net_show", net=parsed.value("net")), level)))

    return netlink_call(io, "show", "net", run)


def net_set(argv: list[str], io: Io, _help: str) -> int:
    longs = {
        "all": NONE,
        "net": REQUIRED,
        "lnd-timeout": REQUIRED,
        "conns-per-peer": REQUIRED,
        "nid": REQUIRED,
        "state": REQUIRED,
        "health": REQUIRED,
    }
    letters = {
        "a": "all",
        "i": "net",
        "l": "lnd-timeout",
        "m": "conns-per-peer",
        "n": "nid",
        "s": "state",
        "t": "health",
    }
    parsed = getopt_long("", argv, longs, letters, None)
    lnd_timeout = number(parsed.value("lnd-timeout"))
    problem = ""
    if parsed.failed:
        problem = "Invalid option or missing argument"
    elif lnd_timeout is not None and not parsed.has("net"):
        problem = "Specified --lnd-timeout without --net option"
    if problem:
        io.err.write(tree_error("net", "set", EINVAL, problem))
        return EINVAL
    rc = netlink_call(
        io,
        "set",
        "net",
        lambda: io.kernel.call(
            "lnet.net_set",
            nid=parsed.value("nid"),
            net=parsed.value("net"),
            all=parsed.has("all"),
            health=number(parsed.value("health")),
            conns_per_peer=number(parsed.value("conns-per-peer")),
            lnd_timeout=lnd_timeout,
        ),
    )
    if rc == EINVAL and parsed.has("nid"):
        # both layers complain, one after the other
        io.err.write(tree_error("net", "set", EINVAL, "", quote=False))
    return rc


# -- route -----------------------------------------------------------------------------------------------------


def route_add(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, ROUTE, ROUTE_LETTERS, io, help)
    if parsed.failed or _incomplete_route(parsed, io):
        return 0 if parsed.failed else EINVAL
    hop = number(parsed.value("hop") or parsed.value("hop-count"))
    priority = number(parsed.value("priority"))
    return netlink_call(
        io,
        "add",
        "route",
        lambda: io.kernel.call(
            "lnet.route_add",
            net=parsed.value("net"),
            gateway=parsed.value("gateway"),
            hop=-1 if hop is None else hop,
            priority=priority or 0,
        ),
    )


def route_del(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, ROUTE, ROUTE_LETTERS, io, help)
    if parsed.failed or _incomplete_route(parsed, io):
        return 0 if parsed.failed else EINVAL
    return netlink_call(
        io,
        "del",
        "route",
        lambda: io.kernel.call("lnet.route_del", net=parsed.value("net"), gateway=parsed.value("gateway")),
    )


def _incomplete_route(parsed: Parsed, io: Io) -> bool:
    net, gateway = parsed.value("net"), parsed.value("gateway")
    if net and gateway:
        return False
    missing = "net , gateway" if not net and not gateway else "net" if not net else "gateway"
    io.out.write(f"missing mandatory parameters:'{missing}'\n")
    return True


def route_show(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {**ROUTE, "verbose": OPTIONAL}, {**ROUTE_LETTERS, "v": "verbose"}, io, help)
    if parsed.failed:
        return 0

    def run() -> None:
        found = io.kernel.call(
            "lnet.route_show",
            net=parsed.value("net"),
            gateway=parsed.value("gateway"),
            hop=number(parsed.value("hop")),
            priority=number(parsed.value("priority")),
        )
        if found:
            io.out.write(netlink(show.routes(found, parsed.has("verbose"))))

    return netlink_call(io, "show", "route", run)


# -- peer ------------------------------------------------------------------------------------------------------


def peer_add(argv: list[str], io: Io, help: str) -> int:
    return _peer_change("add", argv, io, help)


def peer_del(argv: list[str], io: Io, help: str) -> int:
    return _peer_change("del", argv, io, help)


def _peer_change(action: str, argv: list[str], io: Io, help: str) -> int:
    """Every failure of the kernel is exit code -22 without a word (recorded)."""
    parsed = silent_options(argv, PEER, PEER_LETTERS, io, help)
    if parsed.failed:
        return 0
    primary, nids = parsed.value("prim_nid") or "", parsed.value("nid")
    if nids is not None and expand_nids(nids) is None:
        io.out.write(f'can\'t parse nidrange: "{nids}"\n')
        return EINVAL
    extra = {"multi_rail": not parsed.has("non_mr")} if action == "add" else {"force": parsed.has("force")}
    return netlink_call(
        io, action, "peer", lambda: io.kernel.call(f"lnet.peer_{action}", prim_nid=primary, nids=nids, **extra)
    )


def peer_show(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {"nid": REQUIRED, "verbose": OPTIONAL}, {"n": "nid", "v": "verbose"}, io, help)
    if parsed.failed:
        return 0
    level = verbose_level(argv, parsed)

    def run() -> None:
        found = io.kernel.call("lnet.peer_show", nid=parsed.value("nid"))
        if found:
            io.out.write(netlink(show.peers(found, level)))

    return netlink_call(io, "show", "peer", run)


def peer_list(_argv: list[str], io: Io, _help: str) -> int:
    def run() -> None:
        found = io.kernel.call("lnet.peer_list")
        if found:
            io.out.write(netlink({"peer": [{"nid": nid} for nid in found]}))

    return netlink_call(io, "show", "peer", run)


def peer_set(argv: list[str], io: Io, _help: str) -> int:
    longs = {"all": NONE, "nid": REQUIRED, "health": REQUIRED, "state": REQUIRED}
    parsed = getopt_long("", argv, longs, {"a": "all", "n": "nid", "t": "health", "s": "state"}, None)
    if parsed.failed:
        io.err.write(tree_error("net", "set", EINVAL, "Invalid option or missing argument"))
        return EINVAL
    return netlink_call(
        io,
        "set",
        "peer",
        lambda: io.kernel.call(
            "lnet.peer_set", nid=parsed.value("nid"), all=parsed.has("all"), health=number(parsed.value("health"))
        ),
    )
