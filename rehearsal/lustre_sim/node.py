# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One simulated host: the composition of its kernel's subsystems, and the door through which tools enter.

Rules between the subsystems
- A tool calls ``node.call("<subsystem>.<operation>", **json_values)``. The value returned is JSON, too; an error is
  a ``SimError(errno, text)``. In a host the same call travels over the daemon's unix socket.
- Another host's kernel calls ``node.rpc(nid, {"service": "mgs.register", ...})``; it travels through this node's
  LNet and ends in ``handle_rpc`` there. A node that calls one of its own NIDs gets the answer without the network.
- ``node.lock`` protects state and is *never* held over an rpc, a sleep or a child process: two nodes that mount at
  the same time call each other.
- Time comes from ``node.clock`` only.
- Files: ``persistent_dir`` survives a reboot, ``runtime_dir`` does not, ``site_dir`` is shared by all hosts of a site.
- Kernel memory is this object: a daemon that ends has lost it, as a rebooted host has.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from .settings import on_disk
from .sim_error import NotLoaded, SimError

Operation = Callable[..., Any]

# The order is the order of construction; unloading goes backwards.
SUBSYSTEMS: dict[str, str] = {
    "lnet": "kernel.lnet:Lnet",
    "mgs": "kernel.mgs:Mgs",
    "targets": "kernel.targets:Targets",
    "mounts": "kernel.mounts:Mounts",
    "obd": "kernel.obd:Obd",
    "gss": "kernel.gss:Gss",
    "params": "kernel.params:Params",
    "nodemap": "kernel.nodemap:Nodemap",
    "changelog": "kernel.changelog:Changelog",
}

# Operations that make sense before any module is loaded; everything else raises NotLoaded then.
ALWAYS = ("node.load", "node.loaded", "node.ping")

#: Modules that do not pull ptlrpc in.
WITHOUT_PTLRPC = ("libcfs", "lnet", "ksocklnd", "ko2iblnd", "lnet_selftest", "ldiskfs")

DEFAULT_SETTINGS: dict[str, Any] = {
    "mgs_timeout": 5.0,  # seconds a mount waits for an MGS that does not answer (the real one: minutes)
    "rpc_timeout": 3.0,  # seconds for one request to one NID
    "param_delay": 8.0,  # seconds until a persistent parameter reaches a node (recorded: 7.4 to 8.6)
    "nodemap_delay": 4.0,  # seconds until changed nodemaps reach another server ("seconds" is all that is known)
    "poll_interval": 1.0,  # seconds between two looks at the mount table
    "import_interval": 5.0,  # seconds between two looks of a client at its servers
    "recovery_time": 0.0,  # seconds a restarted target stays in recovery
    "flavor_delay": 4.0,  # seconds until the first connection follows a changed rule (recorded: 20 to 37)
    "flavor_spread": 1.0,  # seconds between two connections of a node that follow
    "flush_delay": 2.0,  # seconds until a context that was flushed comes again, as with the next request
    "gss_retry": 0.5,  # seconds between two attempts that a server rejects
    "umount_delay": 0.0,  # seconds the kernel needs to release a target
}


class Clock(Protocol):
    def time(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Subsystem:
    """Base of the parts of a node; each overrides what it has."""

    name = ""

    def __init__(self, node: Node) -> None:
        self.node = node

    def ops(self) -> Mapping[str, Operation]:
        """What tools may call, without the prefix: {"net_show": method}; called with keyword arguments."""
        return {}

    def services(self) -> Mapping[str, Operation]:
        """What other nodes may call, without the prefix; called with from_nid=... and the request's other keys."""
        return {}

    def params(self) -> Mapping[str, Any]:
        """{full parameter name: str | int | callable() -> str | Param}: what ``lctl get_param`` may show."""
        return {}

    def tick(self) -> None:
        """Called about once a second by the daemon, and by tests when they want time to have passed."""

    def unload(self) -> None:
        """The modules are removed: forget everything. Raise SimError(EBUSY) to refuse."""


class Param:
    """A parameter that can be written, too. ``put`` gets the text and raises SimError on a bad value."""

    __slots__ = ("get", "put")

    def __init__(self, get: Callable[[], Any], put: Callable[[str], None] | None = None) -> None:
        self.get = get
        self.put = put


class Node:
    """A simulated host. ``subsystems`` replaces factories by name (tests give a fake LNet)."""

    # filled from SUBSYSTEMS; named here for the reader. Any = the classes of those modules, imported late.
    lnet: Any
    mgs: Any
    targets: Any
    mounts: Any
    obd: Any
    params: Any
    nodemap: Any
    gss: Any
    changelog: Any

    def __init__(
        self,
        name: str,
        persistent_dir: str,
        runtime_dir: str,
        site_dir: str,
        *,
        clock: Clock | None = None,
        settings: Mapping[str, Any] | None = None,
        subsystems: Mapping[str, Callable[[Node], Subsystem]] | None = None,
    ) -> None:
        self.name = name
        self.persistent_dir = persistent_dir
        self.runtime_dir = runtime_dir
        self.site_dir = site_dir
        self.clock: Clock = clock or SystemClock()
        self.lock = threading.RLock()
        self.log_lines: list[str] = []
        self._modules: set[str] = set()
        self.asker = threading.local()  # of each thread that serves a tool: ``gone()`` says that the tool has ended
        for folder in (persistent_dir, runtime_dir, site_dir):
            os.makedirs(folder, exist_ok=True)
        self.settings = {**DEFAULT_SETTINGS, **self._settings_on_disk(), **(settings or {})}
        self.parts: dict[str, Subsystem] = {}
        self._ops: dict[str, Operation] = {
            "node.load": self.load,
            "node.loaded": self.loaded,
            "node.unload": self.unload,
            "node.ping": lambda: self.name,
        }
        self._services: dict[str, Operation] = {}
        for part, where in SUBSYSTEMS.items():
            factory = (subsystems or {}).get(part) or _factory(where)
            if factory is not None:
                self._add(part, factory(self))

    # -- composition -------------------------------------------------------------------------------------------

    def _add(self, name: str, part: Subsystem) -> None:
        self.parts[name] = part
        setattr(self, name, part)
        self._ops.update({f"{name}.{op}": function for op, function in part.ops().items()})
        self._services.update({f"{name}.{service}": function for service, function in part.services().items()})

    def _settings_on_disk(self) -> dict[str, Any]:
        return on_disk((self.site_dir, self.persistent_dir))

    # -- the doors ---------------------------------------------------------------------------------------------

    def call(self, op: str, /, **args: Any) -> Any:
        """An operation asked for by a tool of this host."""
        if op not in self._ops:
            raise SimError(errno.EOPNOTSUPP, f"no operation {op}")
        if not self._modules and op not in ALWAYS:
            raise NotLoaded()
        return self._ops[op](**args)

    def asker_gone(self) -> bool:
        """Whether the tool that this thread works for was killed."""
        gone = getattr(self.asker, "gone", None)
        return bool(gone is not None and gone())

    def rpc(self, nid: str, request: Mapping[str, Any], timeout: float | None = None) -> Any:
        """Ask the node behind ``nid``; SimError(ETIMEDOUT, EHOSTUNREACH, ...) when LNet does not get there."""
        return self.lnet.rpc(nid, dict(request), timeout or self.settings["rpc_timeout"])

    def rpc_any(self, nids: Iterable[str], request: Mapping[str, Any], timeout: float | None = None) -> Any:
        """Ask the first of several NIDs that is reachable *and* answers the service (fail-over of a server)."""
        failure = SimError(errno.EHOSTUNREACH, "no NID to ask")
        for nid in nids:
            try:
                return self.rpc(nid, request, timeout)
            except SimError as error:
                if error.errno not in UNREACHABLE:
                    raise
                failure = error
        raise failure

    def handle_rpc(self, request: Mapping[str, Any], from_nid: str) -> Any:
        """A request that came in through LNet; SimError travels back to the caller as an error."""
        args = dict(request)
        service = args.pop("service", "")
        if service not in self._services or not self._modules:
            raise SimError(errno.EHOSTUNREACH, f"{self.name} has no service {service}")
        return self._services[service](from_nid=from_nid, **args)

    # -- modules -----------------------------------------------------------------------------------------------

    def load(self, module: str = "lustre") -> list[str]:
        """modprobe: ``lnet`` alone, or any module of Lustre, which needs lnet, too."""
        with self.lock:
            self._modules.update({"libcfs", "lnet"})
            if module not in WITHOUT_PTLRPC:
                self._modules.update({"lustre", module})
            loaded = sorted(self._modules)
        if module not in WITHOUT_PTLRPC and "lnet" in self.parts:
            # ptlrpc brings LNet up by itself: the module options count, else tcp on the first interface
            self.lnet.ensure_configured()
        return loaded

    def holds_lnet(self) -> bool:
        """Whether ptlrpc is loaded, which keeps LNet configured."""
        with self.lock:
            return not self._modules <= set(WITHOUT_PTLRPC)

    def loaded(self) -> list[str]:
        return sorted(self._modules)

    def unload(self) -> None:
        """lustre_rmmod: EBUSY while something is mounted; afterwards kernel memory is empty."""
        for name in reversed(list(self.parts)):
            self.parts[name].unload()
        with self.lock:
            self._modules.clear()

    # -- helpers for the subsystems ----------------------------------------------------------------------------

    def tick(self) -> None:
        for part in self.parts.values():
            part.tick()

    def param_tree(self) -> dict[str, Any]:
        """Every parameter that the subsystems show just now (G's engine adds its own on top)."""
        tree: dict[str, Any] = {}
        for part in self.parts.values():
            tree.update(part.params())
        return tree

    def log(self, text: str) -> None:
        """A line of the kernel log, kept in ``runtime_dir/dmesg`` (a container cannot write the real one)."""
        line = f"[{self.clock.time():.6f}] {text}"
        self.log_lines.append(line)
        try:
            with open(os.path.join(self.runtime_dir, "dmesg"), "a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError:
            return


# What a server that is not there looks like from here; the next NID of a fail-over list is tried.
UNREACHABLE = (
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.ENOTCONN,
)


def _factory(where: str) -> Callable[[Node], Subsystem] | None:
    module, _, name = where.partition(":")
    full = f"{__package__}.{module}"
    if importlib.util.find_spec(full) is None:
        return None
    return getattr(importlib.import_module(full), name)
