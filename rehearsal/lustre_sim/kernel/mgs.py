# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The management server: who belongs to which file system, and the configuration logs that say so.

Runs where the MGT (or an MDT0000 that carries the MGS) is mounted; its state lies on that device in
``CONFIGS/mgs-state``, is loaded at the mount and written after each change, so that it moves with the device.
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
from collections.abc import Mapping
from typing import Any

from .. import disk
from ..faults import Faults
from ..node import Node, Operation, Subsystem
from ..sim_error import SimError
from . import mgs_records as records
from .llog import LogStore
from .srpc import SELF, Rules

_TARGET_LOG = re.compile(r"(?P<fs>.{1,8})-(?P<kind>MDT|OST)(?P<index>[0-9a-f]{4})\Z")

_IR_TIMEOUT = 400  # seconds until a restarted MGS calls its table of NIDs complete


class Mgs(Subsystem):
    name = "mgs"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.device: str | None = None
        self.started = 0.0
        self.state: dict[str, Any] = {}
        self.logs = LogStore(self.state)
        self.srpc = Rules(self)

    @property
    def running(self) -> bool:
        return self.device is not None

    def ops(self) -> Mapping[str, Operation]:
        return {"erase_fs": self.erase_fs}

    def services(self) -> Mapping[str, Operation]:
        return {"register": self.register, "config": self.config, "ping": self.ping, "moved": self.moved}

    def params(self) -> Mapping[str, Any]:
        if not self.running:
            return {}
        found: dict[str, Any] = {
            "mgs.MGS.filesystems": lambda: "\n".join(self.filesystems()),
            "mgs.MGS.ir_timeout": str(_IR_TIMEOUT),
            "mgs.MGS.num_exports": "1",
            "mgs.MGS.uuid": "MGS",
            "mgs.MGS.srpc_rules": "",
        }
        written = [fsname for fsname in self.filesystems() if self.logs.live(f"{fsname}-client")]
        if f"{SELF}-sptlrpc" in self.logs.names():
            written.append(SELF)
        for fsname in (*written, "params"):  # recorded: an empty log is listed and not live
            found[f"mgs.MGS.live.{fsname}"] = lambda fsname=fsname: self.live(fsname)
        return found

    def unload(self) -> None:
        self.stop()

    # -- start and stop ----------------------------------------------------------------------------------------

    def start(self, device: str) -> None:
        raw = disk.read_file(device, disk.MGS_STATE)
        with self.node.lock:
            self.state = json.loads(raw) if raw else {}
            self.state.setdefault("targets", {})
            self.logs = LogStore(self.state)
            self.logs.create("params")
            self.device = device
            self.started = self.node.clock.time()

    def stop(self) -> None:
        """Takes no lock, see Mounts._ended."""
        if self.device is not None and self.node.nodemap.unsaved:
            with contextlib.suppress(SimError, OSError):
                disk.write_file(self.device, disk.MGS_STATE, json.dumps(self.state).encode())
        self.device = None
        self.state = {}
        self.logs = LogStore(self.state)

    def save(self) -> None:
        """Write the state to the device; called by whoever changed it."""
        with self.node.lock:
            if self.device is not None:
                disk.write_file(self.device, disk.MGS_STATE, json.dumps(self.state).encode())

    def _must_run(self) -> None:
        if not self.running or Faults.of(self.node).on("mgs-down"):
            raise SimError(errno.ENOTCONN, f"no MGS on {self.node.name}")

    # -- what other nodes ask ----------------------------------------------------------------------------------

    def ping(self, from_nid: str) -> str:
        self._must_run()
        return "MGS"

    def config(self, from_nid: str, fsname: str) -> dict[str, Any]:
        """The targets of a file system. ENOENT: never heard of it; EINVAL: its log is there but says nothing."""
        self._must_run()
        with self.node.lock:
            if f"{fsname}-client" not in self.logs.names():
                raise SimError(errno.ENOENT, f"no file system {fsname}")
            targets = {
                name: target
                for name, target in self.state["targets"].items()
                if target["fsname"] == fsname and not target.get("gone")
            }
            if f"{fsname}-MDT0000" not in targets:
                raise SimError(errno.EINVAL, f"the log {fsname}-client names no MDT0000")
            return {"fsname": fsname, "targets": targets, "srpc": self.srpc.of(fsname)}

    def register(self, from_nid: str, target: dict[str, Any]) -> dict[str, Any]:
        """A target that starts introduces itself.

        ``target``: name, fsname, kind, index, uuid (of its disk), nids (of its node), failover (list of lists),
        params, and the flags virgin, writeconf, update. EADDRINUSE: a new target wants an index that is taken;
        ENOENT: a target that says it is registered (or replaces one that is), and nothing is known of it.
        """
        self._must_run()
        name, fsname = target["name"], target["fsname"]
        with self.node.lock:
            known = name in self.logs.names()
            if target["virgin"] and known:
                raise SimError(errno.EADDRINUSE, f"{name}: the index is in use")
            if target["writeconf"]:
                self._forget(target)
            elif not target["virgin"] and not known:
                if name.endswith("-MDT0000"):
                    # recorded: MDT0000 starts from its own copy of the log
                    return self._entry(target)
                raise SimError(errno.ENOENT, f"{name}: no log")
            if name not in self.logs.names():
                records.add_target(self.logs, self.node.clock.time(), target, self._others(fsname))
            elif target["update"]:
                records.update_target(self.logs, self.node.clock.time(), target)
            self.state["targets"][name] = self._entry(target)
            self._bump(fsname)
        self.save()
        return self._entry(target)

    def moved(self, from_nid: str, name: str, nids: list[str]) -> None:
        """Imperative recovery: a target runs on another of its nodes now."""
        self._must_run()
        with self.node.lock:
            target = self.state["targets"].get(name)
            if target is None or target["nids"] == nids:
                return
            target["nids"] = nids
            self._bump(target["fsname"])
        self.save()

    @staticmethod
    def _entry(target: Mapping[str, Any]) -> dict[str, Any]:
        return {key: target[key] for key in ("name", "fsname", "kind", "index", "uuid", "nids", "failover")}

    def _others(self, fsname: str) -> list[dict[str, Any]]:
        return [target for target in self.state["targets"].values() if target["fsname"] == fsname]

    def _forget(self, target: Mapping[str, Any]) -> None:
        """--writeconf: MDT0000 takes every log of the file system with it, another target its own."""
        fsname, name = target["fsname"], target["name"]
        if name.endswith("-MDT0000"):
            self.logs.erase(log for log in self.logs.names() if log.rsplit("-", 1)[0] == fsname)
            self.srpc.forget(fsname)
            self.state["targets"] = {
                key: value for key, value in self.state["targets"].items() if value["fsname"] != fsname
            }
            return
        self.logs.erase([name])
        self.state["targets"].pop(name, None)
        records.remove_target(self.logs, self.node.clock.time(), name)

    def _bump(self, fsname: str) -> None:
        table = self.state.setdefault("nidtbl", {})
        table[fsname] = table.get(fsname, 1) + 1

    # -- what the MGS node's own tools ask ---------------------------------------------------------------------

    def filesystems(self) -> list[str]:
        return [name.removesuffix("-client") for name in self.logs.names() if name.endswith("-client")]

    def live(self, fsname: str) -> str:
        names = sorted(log for log in self.logs.names() if (m := _TARGET_LOG.match(log)) and m["fs"] == fsname)
        generation = len(self.logs.logs.get(f"{fsname}-client" if fsname != "params" else fsname, []))
        version = self.state.get("nidtbl", {}).get(fsname, 2)
        state = "startup" if self.node.clock.time() - self.started < _IR_TIMEOUT else "full"
        lines = [
            f"fsname: {fsname}",
            f"flags: 0x20     gen: {generation}",
            *names,
            "",
            "Secure RPC Config Rules:",
            *self.srpc.lines(fsname),
            "",
            "imperative_recovery_state:",
            f"    state: {state}",
            "    nonir_clients: 0",
            f"    nidtbl_version: {version}",
            "    notify_duration_total: 0.000000000",
            "    notify_duation_max: 0.000000000",
            "    notify_count: 0",
        ]
        return "\n".join(lines)

    def erase_fs(self, name: str) -> None:
        """``lcfg_erase``: asks nothing. The client log of a file system that had targets stays as an empty one."""
        self._must_run()
        with self.node.lock:
            if f"{name}-client" not in self.logs.names():
                raise SimError(errno.ENOENT, name)
            logs = [log for log in self.logs.names() if log.rsplit("-", 1)[0] == name]
            self.logs.erase(logs)
            self.srpc.forget(name)
            if len(logs) > 1:
                self.logs.create(f"{name}-client")
            for key in [key for key, target in self.state["targets"].items() if target["fsname"] == name]:
                del self.state["targets"][key]
        self.save()
