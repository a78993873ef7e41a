# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lnetctl: its table of commands. The exit code is the raw negative result, so 256 - errno in the shell."""

from __future__ import annotations

from functools import partial
from typing import Any, TextIO

from ..faults import Faults
from . import _lnetctl_misc as misc
from . import _lnetctl_net as net
from ._lnetctl_import import import_
from ._parser import Command, Function, Interpreter, Io, Table, interpret

PROGRAM = "lnetctl"
VERSION = "2.17.0_dirty"
ABORTED = 134


def _group(name: str, table: Table) -> Function:
    """A command that has commands: without one it prints their help and fails."""

    def run(argv: list[str], io: Io) -> int:
        if not argv:
            for command in table:
                io.out.write(f"{name} {command.name}: {command.help}\n")
            return net.EINVAL
        return interpret(io).nested(argv, table)

    return run


def _leaf(group: str, name: str, help: str, function: Any) -> Command:
    text = f"{group} {name}: {help}\n"

    def run(argv: list[str], io: Io) -> int:
        if argv in (["-h"], ["--help"]):
            io.out.write(text + "\n")
            return 1
        return int(function(argv, io, text))

    return Command(name, run, help + "\n")


def _table(group: str, *entries: tuple[str, str, Any]) -> Table:
    return [_leaf(group, name, help, function) for name, help, function in entries]


def _nothing(_argv: list[str], _io: Io, _help: str) -> int:
    """Accepted, and without effect in the simulation."""
    return 0


def _fault_reset(_argv: list[str], io: Io, help: str) -> int:
    io.out.write(help + "\n")
    return net.EINVAL


def _fault_show(_argv: list[str], io: Io, _help: str) -> int:
    """The real one frees its memory twice."""
    io.err.write("free(): double free detected in tcache 2\nAborted\n")
    return ABORTED


LNET = _table(
    "lnet",
    ("configure", "configure lnet", misc.lnet_configure),
    ("unconfigure", "unconfigure lnet", misc.lnet_unconfigure),
)
ROUTE = _table(
    "route",
    ("add", "add a route", net.route_add),
    ("del", "delete a route", net.route_del),
    ("show", "show routes", net.route_show),
)
NET = _table(
    "net",
    ("add", "add a network", net.net_add),
    ("del", "delete a network", net.net_del),
    ("show", "show networks", net.net_show),
    ("set", "set local NI specific parameter", net.net_set),
)
ROUTING = _table("routing", ("show", "show routing information", misc.routing_show))
SET = _table("set", *[(name, f"set {name}", partial(misc.set_value, name)) for name in misc.SETTINGS])
STATS = _table(
    "stats", ("show", "show LNET statistics", misc.stats_show), ("reset", "reset LNET statistics", misc.stats_reset)
)
DEBUG = _table(
    "debug",
    ("recovery", "list recovery queues", _nothing),
    ("peer", "show peer debug info", _nothing),
    ("nidlist", "debug nidlist parsing", _nothing),
)
GLOBAL = _table("global", ("show", "show global variables", misc.global_show))
PEER = _table(
    "peer",
    ("add", "add a peer NID", net.peer_add),
    ("del", "delete a peer NID", net.peer_del),
    ("show", "show peer information", net.peer_show),
    ("list", "list all peers", net.peer_list),
    ("set", "set peer ni specific parameter", net.peer_set),
)
UDSP = _table(
    "udsp",
    ("add", "add a udsp", misc.udsp_add),
    ("del", "delete a udsp", misc.udsp_del),
    ("show", "show udsps", misc.udsp_show),
)


def _fault_table(kind: str) -> Table:
    return _table(
        kind,
        ("add", f"add LNet {kind} rule", _nothing),
        ("del", f"delete LNet {kind} rules", _nothing),
        ("reset", f"reset counters for all {kind} rules", _fault_reset),
        ("show", f"show {kind} rules", _fault_show),
    )


FAULT = [Command(kind, _group(kind, _fault_table(kind)), f"Manage {kind} rules\n") for kind in ("drop", "delay")]


def _plain(function: Any) -> Function:
    return lambda argv, io: int(function(argv, io, ""))


COMMANDS: Table = [
    Command("lnet", _group("lnet", LNET), "lnet {configure | unconfigure} [--all|--large]"),
    Command("route", _group("route", ROUTE), "route {add | del | show | help}"),
    Command("net", _group("net", NET), "net {add | del | show | set | help}"),
    Command("routing", _group("routing", ROUTING), "routing {show | help}"),
    Command("set", _group("set", SET), "set {" + " | ".join(misc.SETTINGS) + "}"),
    Command("import", import_, "import FILE.yaml"),
    Command("export", _plain(misc.export), "export FILE.yaml"),
    Command("stats", _group("stats", STATS), "stats {show | help}"),
    Command("debug", _group("debug", DEBUG), "debug {recovery {local | peer} | peer}"),
    Command("global", _group("global", GLOBAL), "global {show | help}"),
    Command("peer", _group("peer", PEER), "peer {add | del | show | list | set | help}"),
    Command("ping", _plain(misc.ping), "ping nid,[nid,...]"),
    Command("discover", _plain(misc.discover), "discover nid[,nid,...]"),
    Command("service-id", _plain(_nothing), "Calculate IB Lustre service ID\n"),
    Command("udsp", _group("udsp", UDSP), "udsp {add | del | help}"),
    Command("fault", _group("fault", FAULT), "{drop | delay | help}"),
    Command("setup-mrrouting", lambda _argv, io: net.mr_setup(io), "setup linux routing tables\n"),
    Command("setup-sysctl", _plain(_nothing), "setup linux sysctl parameter for large systems\n"),
    Command("cpt-of-nid", _plain(_nothing), "Calculate the CPTs associated with NIDs\n"),
]


def main(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    return Interpreter(Io(PROGRAM, stdin, out, err, kernel), COMMANDS, VERSION).main(argv) & 0xFF
