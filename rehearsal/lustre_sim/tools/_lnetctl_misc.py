# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lnetctl's commands ``lnet``, ``set``, ``global``, ``routing``, ``stats``, ``udsp``, ``ping``, ``discover``, ``export``.

These report errors in the older shapes; several of them swallow errors altogether.
"""

from __future__ import annotations

import errno
import os
from typing import Any, TextIO

from ..kernel.nids import expand_nids
from ..sim_error import NotLoaded, SimError
from . import _lnetctl_show as show
from ._getopt import NONE, REQUIRED, getopt_long
from ._lnetctl_net import EINVAL, NO_MODULE, number, silent_options
from ._parser import Io
from ._yaml_out import netlink, netlink_error, ping_error, tree, tree_error

NO_DEVICE = "opening /dev/lnet failed: No such file or directory\nhint: the kernel modules may not be loaded\n"
# lnetctl set NAME → what the message calls it.
SETTINGS = {
    "tiny_buffers": "buffers",
    "small_buffers": "buffers",
    "large_buffers": "buffers",
    "routing": "routing",
    "numa_range": "numa_range",
    "max_interfaces": "max interfaces",
    "discovery": "discovery",
    "drop_asym_route": "drop asym route",
    "retry_count": "retry count",
    "transaction_timeout": "transaction timeout",
    "health_sensitivity": "health sensitivity",
    "recovery_interval": "recovery interval",
    "router_sensitivity": "router health sensitivity",
    "response_tracking": "response tracking",
    "recovery_limit": "recovery limit",
    "max_recovery_ping_interval": "maximum recovery ping interval",
}


# -- lnet ------------------------------------------------------------------------------------------------------


def lnet_configure(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {"all": NONE, "large": NONE}, {"a": "all", "l": "large"}, io, help)
    if parsed.failed:
        return 0
    try:
        io.kernel.call("lnet.configure", all=parsed.has("all"), large=parsed.has("large"))
    except NotLoaded:
        io.err.write(NO_MODULE)
        return EINVAL
    except SimError as error:
        io.err.write(netlink_error("configure", "lnet", -error.errno, f"LNet configure error: {error.text}"))
        return -error.errno
    return 0


def lnet_unconfigure(_argv: list[str], io: Io, _help: str) -> int:
    try:
        io.kernel.call("lnet.unconfigure")
    except NotLoaded:
        io.err.write(NO_MODULE)
        return EINVAL
    except SimError as error:
        io.err.write(netlink_error("configure", "lnet", -error.errno, f"LNet configure error: {error.text}"))
        return -error.errno
    return 0


# -- set, global, routing, stats -------------------------------------------------------------------------------


def set_value(name: str, argv: list[str], io: Io, help: str) -> int:
    if not argv:
        io.out.write(help + "\n")
        return EINVAL
    value = number(argv[0])
    if value is None or (name == "routing" and value not in (0, 1)):
        text = f"cannot parse {name} value"
        if name == "routing":
            text = "cannot parse routing value.\nmust be 0 for disable or 1 for enable"
        io.err.write(tree_error("parser", "set", -1, text, quote=False))
        return -1
    try:
        io.kernel.call("lnet.set", key=name.removesuffix("_buffers"), value=value)
    except NotLoaded:
        io.err.write(NO_DEVICE)
        io.err.write(_set_error(name, value, errno.ENOENT))
        return -errno.ENOENT
    except SimError as error:
        io.err.write(_set_error(name, value, error.errno))
        return -error.errno
    return 0


def _set_error(name: str, value: int, code: int) -> str:
    reason = os.strerror(code)
    if name == "routing":
        verb = "enable" if value else "disable"
        return tree_error("add" if value else "del", "routing", -code, f"cannot {verb} routing {reason}")
    if name.endswith("_buffers"):
        return tree_error("add", "buf", -code, f"cannot configure buffers: {reason}")
    if name == "numa_range":
        return tree_error("add", name, -code, f"cannot configure numa_range to {value}: {reason}")
    return tree_error("add", name, -code, f"cannot configure {SETTINGS[name]}: {reason}")


def global_show(_argv: list[str], io: Io, _help: str) -> int:
    try:
        values = io.kernel.call("lnet.global_show")
    except NotLoaded:
        io.err.write(NO_DEVICE)
        io.err.write(tree_error("show", "global", -errno.ENOENT, "cannot get numa_range: No such file or directory"))
        return -errno.ENOENT
    if values["numa_range"] is None:
        io.err.write(_no_numa_range())
        return -errno.ENETDOWN
    io.out.write(tree({"global": values}))
    return 0


def _no_numa_range() -> str:
    return tree_error("show", "global", -errno.ENETDOWN, "cannot get numa_range: Unknown error -100")


def routing_show(_argv: list[str], io: Io, _help: str) -> int:
    try:
        io.out.write(tree(show.routing(io.kernel.call("lnet.routing_show"))))
    except NotLoaded:
        io.err.write(NO_DEVICE)
        io.err.write(
            tree_error("show", "routing", -errno.ENOENT, "cannot get routing information: No such file or directory")
        )
        return -errno.ENOENT
    except SimError as error:
        io.err.write(_no_routing(error))
        return -error.errno
    return 0


def _no_routing(error: SimError) -> str:
    return tree_error("show", "routing", -error.errno, f"cannot get routing information: {os.strerror(error.errno)}")


def stats_show(_argv: list[str], io: Io, _help: str) -> int:
    return _statistics(io, "show")


def stats_reset(_argv: list[str], io: Io, _help: str) -> int:
    return _statistics(io, "reset")


def _statistics(io: Io, action: str) -> int:
    try:
        found = io.kernel.call(f"lnet.stats_{action}")
    except SimError as error:
        code = errno.ENOENT if isinstance(error, NotLoaded) else error.errno
        io.err.write(NO_DEVICE if isinstance(error, NotLoaded) else "")
        verb = "get" if action == "show" else "reset"
        io.err.write(tree_error(action, "statistics", -code, f"cannot {verb} lnet statistics: {os.strerror(code)}"))
        return -code
    if action == "show":
        io.out.write(tree({"statistics": found}))
    return 0


# -- udsp ------------------------------------------------------------------------------------------------------


def udsp_add(argv: list[str], io: Io, help: str) -> int:
    longs = {"src": REQUIRED, "dst": REQUIRED, "rte": REQUIRED, "priority": REQUIRED, "idx": REQUIRED}
    parsed = silent_options(argv, longs, {"s": "src", "d": "dst", "r": "rte", "p": "priority", "i": "idx"}, io, help)
    if parsed.failed:
        return 0
    for name, word in (("priority", "priority"), ("idx", "index")):
        value = number(parsed.value(name))
        if parsed.has(name) and (value is None or value < 0):
            io.out.write(f'Invalid {word} "{parsed.value(name)}"\n')
            return EINVAL
    rule = {key: parsed.value(key) for key in ("src", "dst", "rte")}
    if not any(rule.values()):
        io.out.write(help + "\n")
        return 0
    idx = number(parsed.value("idx"))
    try:
        io.kernel.call(
            "lnet.udsp_add", priority=number(parsed.value("priority")), idx=-1 if idx is None else idx, **rule
        )
    except SimError as error:
        return _udsp_error("add", "add", error, io)
    return 0


def _udsp_error(section: str, verb: str, error: SimError, io: Io) -> int:
    """EALREADY is positive, everything else negative (recorded)."""
    code = error.errno if error.errno == errno.EALREADY else -error.errno
    io.err.write(tree_error(section, "udsp", code, error.text or f"cannot {verb} udsp: {os.strerror(error.errno)}"))
    return code


def udsp_del(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {"all": NONE, "idx": REQUIRED}, {"a": "all", "i": "idx"}, io, help)
    if parsed.failed:
        return 0
    idx = number(parsed.value("idx"))
    if parsed.has("idx") and (idx is None or idx < -1):
        io.out.write(f'Invalid index "{parsed.value("idx")}"\n')
        return EINVAL
    if parsed.has("all") == parsed.has("idx"):
        io.out.write("Cannot combine --all with --idx\n" if idx is not None else "Must specify --idx or --all\n")
        return EINVAL
    try:
        io.kernel.call("lnet.udsp_del", idx=-1 if idx is None else idx)
    except SimError as error:
        return _udsp_error("add", "del", error, io)
    return 0


def udsp_show(argv: list[str], io: Io, help: str) -> int:
    parsed = silent_options(argv, {"idx": REQUIRED}, {"i": "idx"}, io, help)
    idx = number(parsed.value("idx"))
    try:
        io.out.write(tree(show.udsp(io.kernel.call("lnet.udsp_show", idx=-1 if idx is None else idx))))
    except SimError as error:
        return _udsp_error("show", "get", error, io)
    return 0


# -- ping and discover -----------------------------------------------------------------------------------------


def ping(argv: list[str], io: Io, _help: str) -> int:
    longs = {"help": NONE, "timeout": REQUIRED, "source": REQUIRED}
    parsed = getopt_long("ping", argv, longs, {"h": "help", "t": "timeout", "s": "source"}, io.err)
    if parsed.failed:
        return 0
    if parsed.has("help"):
        io.out.write(
            "ping nid[,nid,...]\n\t --source: source nid\n\t --timeout: ping timeout\n\t --help: display this help\n"
        )
        return 0
    arguments: dict[str, Any] = {"timeout": float(number(parsed.value("timeout")) or 1)}
    if parsed.has("source"):
        arguments["source"] = parsed.value("source")
    return _ask("ping", parsed.words, arguments, io)


def discover(argv: list[str], io: Io, _help: str) -> int:
    parsed = getopt_long("discover", argv, {"force": NONE, "help": NONE}, {"f": "force", "h": "help"}, io.err)
    if parsed.failed:
        return 0
    if parsed.has("help"):
        io.out.write("discover nid[,nid,...]\n\t --force: force discovery\n\t --help: display this help\n")
        return 0
    if not parsed.words:
        io.out.write("Missing nid argument\n")
        return -1
    return _ask("discover", parsed.words, {"force": parsed.has("force")}, io)


def _ask(what: str, words: list[str], arguments: dict[str, Any], io: Io) -> int:
    """Answers are documents on stdout, errors too; the exit code is -1 when one of the NIDs failed."""
    nids: list[str] = []
    for word in words:
        found = expand_nids(word)
        if found is None:
            io.err.write(netlink_error("manage", what, EINVAL, '"Unable to parse nidlist: no valid NIDs in string"'))
            return EINVAL
        nids += found
    rc = 0
    for nid in nids:
        try:
            answer = io.kernel.call(f"lnet.{what}", nid=nid, **arguments)
        except NotLoaded:
            io.err.write(NO_MODULE)
            return EINVAL
        except SimError as error:
            if error.errno == errno.ENETDOWN and error.text == "Network is down":
                io.err.write(netlink_error("manage", what, -error.errno, error.text))
                return EINVAL
            io.out.write(ping_error(what, -error.errno, f"failed to {what} {nid}: {os.strerror(error.errno)}"))
            rc = -1
        else:
            io.out.write(netlink(show.discovery(what, answer), 2))
    return rc


# -- export ----------------------------------------------------------------------------------------------------


def export(argv: list[str], io: Io, _help: str) -> int:
    """Exit code 0 whatever happens; with a file, the peers still go to stdout (both as in the real tool)."""
    parsed = getopt_long("export", argv, {"backup": NONE, "help": NONE}, {"b": "backup", "h": "help"}, io.err)
    if parsed.failed or parsed.has("help"):
        io.out.write(
            "export > FILE.yaml : export configuration\n\t--backup: export only what's necessary for reconfig\n"
            "\t--help: display this help\n"
        )
        return 0
    backup = parsed.has("backup")
    name = argv[1] if backup and len(argv) >= 2 else argv[0] if not backup and argv else None
    if name is None:
        _export_to(io.out, backup, io)
        return 0
    try:
        with open(name, "w", encoding="utf-8") as stream:
            _export_to(stream, backup, io)
    except OSError:
        return -1
    return 0


def _export_to(stream: TextIO, backup: bool, io: Io) -> None:
    _netlink_part("net", stream, io, lambda found: show.nets_backup(found) if backup else show.nets(found, 2))
    _netlink_part("route", stream, io, lambda found: show.routes_backup(found) if backup else show.routes(found, True))
    late: list[str] = []
    try:
        found = io.kernel.call("lnet.routing_show")
    except SimError as error:
        stream.write(_no_routing(SimError(errno.ENOENT if isinstance(error, NotLoaded) else error.errno)))
    else:
        late.append(tree(show.routing_backup(found) if backup else show.routing(found)))
    _peers_part(backup, io)
    late.append(_globals_part(stream, io))
    stream.write("".join(late))


def _netlink_part(section: str, stream: TextIO, io: Io, shown: Any) -> None:
    try:
        found = io.kernel.call(f"lnet.{section}_show")
    except NotLoaded:
        io.err.write(NO_MODULE)
    except SimError as error:
        io.err.write(netlink_error("show", section, -error.errno, error.text))
    else:
        value = shown(found)
        if value[section]:
            stream.write(netlink(value))


def _peers_part(backup: bool, io: Io) -> None:
    try:
        found = io.kernel.call("lnet.peer_show")
    except SimError:
        return
    if found:
        io.out.write(netlink(show.peers_backup(found) if backup else show.peers(found, 3)))


def _globals_part(stream: TextIO, io: Io) -> str:
    """Global values and policies; while LNet is down the tool's bookkeeping of errors lands in the output."""
    try:
        values = io.kernel.call("lnet.global_show")
    except NotLoaded:
        return ""
    try:
        policies = tree(show.udsp(io.kernel.call("lnet.udsp_show")))
    except SimError:
        policies = ""
    if values["numa_range"] is not None:
        return tree({"global": values}) + policies
    fine = {"global": {"errno": 0, "descr": '"success"'}}
    stream.write(_no_numa_range())
    stream.write(
        tree(
            {
                "show": [
                    *[fine] * 8,
                    {"global": {"errno": -errno.ENOENT, "descr": '"cannot get LND timeout: -1"'}},
                ]
            }
        )
    )
    stream.write(
        tree(
            {
                "show": [
                    *[fine] * 3,
                    {"udsp": {"errno": -errno.ENETDOWN, "descr": '"cannot get udsp: Network is down"'}},
                ]
            }
        )
    )
    return tree({"global": {key: value for key, value in values.items() if value is not None}})
