# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lnetctl import``: acts while it reads.

What came before an error stays.  A network that exists is an error that ends the import; a malformed rest of the
file does not undo the networks before it; an unknown option is a message and exit code 0.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

from ..sim_error import SimError
from . import _lnetctl_show as show
from ._getopt import NONE, getopt_long
from ._parser import Io
from ._yaml_in import Event, YamlError, compose, events
from ._yaml_out import netlink, netlink_error, tree_error

HELP = (
    "import FILE\nimport < FILE : import a file\n\t--add: add configuration\n\t--del: delete configuration\n"
    "\t--show: show configuration\n\t--exec: execute command\n\t--help: display this help\n"
    "If no command option is given then --add is assumed by default\n"
)
OPTIONS = {"add": NONE, "del": NONE, "show": NONE, "exec": NONE, "help": NONE}
LETTERS = {"a": "add", "d": "del", "s": "show", "e": "exec", "h": "help"}
# Sections that go to the kernel as a whole; their errors come out at the end, under the name "import".
WHOLE_SECTIONS = ("peer", "route", "routing", "buffers", "numa", "ping", "discover")
GLOBALS = (
    "numa_range",
    "max_interfaces",
    "max_intf",
    "discovery",
    "drop_asym_route",
    "retry_count",
    "transaction_timeout",
    "health_sensitivity",
    "recovery_interval",
    "router_sensitivity",
    "lnd_timeout",
    "response_tracking",
    "recovery_limit",
    "max_recovery_ping_interval",
)
GLOBAL_DEFAULTS = {"numa_range": 0, "max_interfaces": 200, "discovery": 1}
TUNABLES = ("peer_timeout", "peer_credits", "peer_buffer_credits", "credits")
LND_TUNABLES = ("conns_per_peer", "tos")
NO_MATCH = 42


class Failure(Exception):
    """An import ends here with this exit code; the message is out already."""

    def __init__(self, rc: int) -> None:
        super().__init__(rc)
        self.rc = rc


def import_(argv: list[str], io: Io) -> int:
    parsed = getopt_long("import", argv, OPTIONS, LETTERS, io.err)
    if parsed.failed:
        return 0
    if parsed.has("help"):
        io.out.write(HELP)
        return 0
    action = parsed.options[-1][0] if parsed.options else "add"
    # The real tool looks at the number of words only: a file is taken with exactly one option, or with none.
    words = argv[-1:] if len(argv) == (2 if parsed.options else 1) else []
    try:
        if words:
            with open(words[0], encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        else:
            text = io.stdin.read()
    except OSError as error:
        io.err.write(
            tree_error("yaml", "builder", -1, f"cannot open '{words[0]}': {os.strerror(error.errno or 0)}", quote=False)
        )
        return -(error.errno or errno.EIO)
    try:
        return Importer(io, action).run(text)
    except Failure as failure:
        return failure.rc


class Importer:
    def __init__(self, io: Io, action: str) -> None:
        self._io = io
        self._action = {"exec": "add"}.get(action, action)
        self._exec = action == "exec"
        self._late: SimError | None = None  # first error of a whole section
        self._whole = False  # such a section was seen: unknown keys go unnoticed after it

    def run(self, text: str) -> int:
        try:
            stream = events(text)
            for event in stream:
                if event.kind == "=":
                    self._section(event.value, stream)
        except YamlError as error:
            self._io.err.write(f"{error}\n")
            return -errno.EINVAL
        return self._finish()

    def _finish(self) -> int:
        if self._action == "show":
            self._error(errno.EOPNOTSUPP, "Operation not supported")
            return -errno.EINVAL
        if self._late is not None:
            self._error(self._late.errno, self._late.text or os.strerror(self._late.errno))
            return -errno.EINVAL
        return 0

    def _section(self, key: str, stream: Iterator[Event]) -> None:
        if key in ("net", "ip2nets"):
            self._whole = False
            self._networks(stream, key == "ip2nets")
        elif key in WHOLE_SECTIONS:
            value = compose(stream)
            self._whole = True
            try:
                self._apply(key, value)
            except SimError as error:
                self._late = self._late or error
        elif key == "global":
            self._whole = False
            self._globals(compose(stream))
        elif key == "udsp":
            self._whole = False
            self._policies(compose(stream))
        elif self._whole:
            compose(stream)
        else:
            self._global(key, compose(stream))

    # -- networks ----------------------------------------------------------------------------------------------

    def _networks(self, stream: Iterator[Event], ip2nets: bool) -> None:
        start = next(stream)
        if start.kind != "[":
            return
        applied: list[str] = []
        for event in stream:
            if event.kind == "]":
                break
            if event.kind == "{":
                entry = _mapping_with_duplicates(stream)
                self._network(entry, ip2nets, applied)
        if ip2nets and not applied:
            self._fail(errno.EINVAL, "No ip2nets rules applied")

    def _network(self, entry: list[tuple[str, Any]], ip2nets: bool, applied: list[str]) -> None:
        want = "net-spec" if ip2nets else "net type"
        if not entry or entry[0][0] != want:
            found = entry[0][0] if entry else ""
            self._fail(errno.EINVAL, f"Malformed input. Expect '{want}' found '{found}'")
        net = str(entry[0][1])
        interfaces: list[str] = []
        options: dict[str, Any] = {"tunables": {}, "lnd_tunables": {}, "cpts": None}
        self._collect(entry[1:], interfaces, options)
        missing = self._io.kernel.call("lnet.resolve", names=interfaces)
        if missing and not ip2nets:
            self._fail(NO_MATCH, f"No interface matching '{missing[0]}'")
        if missing or (ip2nets and (net in applied or not self._matches(entry, interfaces))):
            return
        try:
            self._configure(net, interfaces, options)
        except SimError as error:
            what = "del" if self._action == "del" else "add"
            self._io.err.write(netlink_error(what, "net", -error.errno, error.text))
            self._fail(errno.EINVAL, f"Failed to configure NI on net '{net}' rc = -22")
        applied.append(net)

    def _collect(self, entry: list[tuple[str, Any]], interfaces: list[str], options: dict[str, Any]) -> None:
        """Interfaces of all ``local NI(s)`` add up; of several tunables the last count: so the real tool."""
        for key, value in entry:
            if key == "local NI(s)" and isinstance(value, list):
                for ni in value:
                    self._collect(list(ni.items()) if isinstance(ni, dict) else [], interfaces, options)
            elif key == "interfaces" and isinstance(value, dict):
                interfaces += [str(name) for name in value.values()]
            elif key == "tunables" and isinstance(value, dict):
                options["tunables"].update(self._numbers(value, TUNABLES, "tunables"))
            elif key == "lnd tunables" and isinstance(value, dict):
                options["lnd_tunables"].update(self._numbers(value, LND_TUNABLES, "lnd tunables"))
            elif key == "CPT":
                options["cpts"] = "[" + ",".join(value) + "]" if isinstance(value, list) else str(value)

    def _numbers(self, values: dict[str, Any], known: tuple[str, ...], section: str) -> dict[str, int]:
        found = {}
        for key, value in values.items():
            number = self._number(key, value)
            if key in known:
                found[key] = number
            else:
                self._io.err.write(f"Ignoring unrecognized key '{key}' for '{section}'\n")
        return found

    def _number(self, key: str, value: Any) -> int:
        if value == "":
            self._fail(errno.EINVAL, f"no value specified for key '{key}'")
        try:
            return int(str(value), 0)
        except ValueError:
            self._fail(errno.EINVAL, f"invalid value '{value}' for key '{key}'")
        raise AssertionError

    @staticmethod
    def _matches(entry: list[tuple[str, Any]], _interfaces: list[str]) -> bool:
        """ip2nets: a rule counts when its interface exists; address patterns are not looked at."""
        return any(key == "interfaces" for key, _value in entry)

    def _configure(self, net: str, interfaces: list[str], options: dict[str, Any]) -> None:
        kernel = self._io.kernel
        if self._action == "show":
            self._io.out.write(netlink(show.nets(kernel.call("lnet.net_show", net=net), 4)))
        elif self._action == "del":
            kernel.call("lnet.net_del", net=net, interfaces=interfaces)
        elif not interfaces:
            self._io.out.write("creating a local NI needs at least one interface\n")
            self._fail(errno.EINVAL, f"Failed to configure NI on net '{net}' rc = -22")
        else:
            kernel.call("lnet.net_add", net=net, interfaces=interfaces, **options)

    # -- whole sections ----------------------------------------------------------------------------------------

    def _apply(self, section: str, value: Any) -> None:
        if self._action == "show":
            return
        if section == "route":
            for route in _entries(value):
                self._route(route)
        elif section == "peer":
            for peer in _entries(value):
                self._peer(peer)
        elif section == "routing" and isinstance(value, dict):
            enable = self._number("enable", value.get("enable", "0"))
            self._set("routing", 0 if self._action == "del" else int(enable not in (0, 2)))
        elif section == "buffers" and isinstance(value, dict):
            for size in ("tiny", "small", "large"):
                if size in value and self._action == "add":
                    self._set(size, self._number(size, value[size]))
        elif section == "numa" and isinstance(value, dict) and "range" in value:
            self._set("numa_range", 0 if self._action == "del" else self._number("range", value["range"]))
        elif section in ("ping", "discover") and self._exec:
            for entry in _entries(value):
                found = self._io.kernel.call(f"lnet.{section}", nid=str(entry.get("primary nid", "")))
                self._io.out.write(netlink(show.discovery(section, found), 2))

    def _set(self, key: str, value: int) -> None:
        self._io.kernel.call("lnet.set", key=key, value=value)

    def _route(self, route: dict[str, Any]) -> None:
        net, gateway = str(route.get("net", "")), str(route.get("gateway", ""))
        if self._action == "del":
            self._io.kernel.call("lnet.route_del", net=net, gateway=gateway)
            return
        hop = self._number("hop", route.get("hop", "-1"))
        priority = self._number("priority", route.get("priority", "0"))
        self._io.kernel.call("lnet.route_add", net=net, gateway=gateway, hop=hop, priority=priority)

    def _peer(self, peer: dict[str, Any]) -> None:
        primary = str(peer.get("primary nid", ""))
        nids = ",".join(str(ni.get("nid", "")) for ni in _entries(peer.get("peer ni", [])))
        if self._action == "del":
            self._io.kernel.call("lnet.peer_del", prim_nid=primary)
        else:
            self._io.kernel.call("lnet.peer_add", prim_nid=primary, nids=nids or None)

    # -- numbers and policies ----------------------------------------------------------------------------------

    def _globals(self, value: Any) -> None:
        for key, one in value.items() if isinstance(value, dict) else ():
            self._global(str(key), one)

    def _global(self, key: str, value: Any) -> None:
        if key not in GLOBALS:
            self._fail(errno.EINVAL, f"invalid key '{key}'")
        number = self._number(key, value)
        name = "max_interfaces" if key == "max_intf" else key
        if self._action == "del":
            if name not in GLOBAL_DEFAULTS:
                return
            number = GLOBAL_DEFAULTS[name]
        if self._action == "show" or name == "lnd_timeout":
            return
        try:
            self._set(name, number)
        except SimError as error:
            self._io.err.write(
                tree_error(
                    "add", name, -error.errno, f"cannot configure {name.replace('_', ' ')}: {os.strerror(error.errno)}"
                )
            )
            raise Failure(-error.errno) from error

    def _policies(self, value: Any) -> None:
        for rule in _entries(value):
            action = rule.get("action")
            source = action if isinstance(action, dict) else rule
            arguments = {key: str(rule[key]) for key in ("src", "dst", "rte") if key in rule}
            priority = self._number("priority", source["priority"]) if "priority" in source else None
            idx = self._number("idx", rule.get("idx", "-1"))
            if self._action == "add":
                try:
                    self._io.kernel.call("lnet.udsp_add", priority=priority, idx=idx, **arguments)
                except SimError as error:
                    raise Failure(error.errno) from error
            elif self._action == "del":
                self._io.kernel.call("lnet.udsp_del", idx=idx)

    # -- errors ------------------------------------------------------------------------------------------------

    def _error(self, number: int, text: str) -> None:
        self._io.err.write(netlink_error(self._action, "import", -number, text))

    def _fail(self, number: int, text: str) -> None:
        self._error(number, text)
        raise Failure(-number)


def _entries(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _mapping_with_duplicates(stream: Iterator[Event]) -> list[tuple[str, Any]]:
    """The rest of a mapping whose start was read; keys may repeat."""
    pairs: list[tuple[str, Any]] = []
    for event in stream:
        if event.kind == "}":
            break
        pairs.append((event.value, compose(stream)))
    return pairs
