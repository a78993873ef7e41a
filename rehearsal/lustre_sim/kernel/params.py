# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameter tree of a node, and how persistent parameters reach it.

A parameter exists where its device exists: a client that mounts a file system has ``osc.*`` and ``llite.*``
instances, a server has ``obdfilter.*``; they go with the device, their changed values with them. The values of
devices come from ``data/params.json`` (recorded defaults) and from the other subsystems (what is alive: health,
recovery, imports, capacity).

``set_param -P`` and ``conf_param`` only write a record into a log of the MGS. Every node that talks to that MGS
looks for news and applies a record ``param_delay`` seconds after it was written; whether the record makes sense
nobody asks (facts of 2.17.0: a typo is stored for ever, an unchanged value is not applied again).
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..node import Node, Operation, Param, Subsystem
from ..sim_error import SimError
from . import srpc
from .param_values import checked

DATA = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "params.json")
#: top-level parameters that live in debugfs (the path appears in error texts)
LNET_DEBUG = (
    "debug",
    "subsystem_debug",
    "printk",
    "debug_mb",
    "panic_on_lbug",
    "console_ratelimit",
    "catastrophe",
    "fail_loc",
)
#: Refused whatever the value (recorded).
_NOT_BY_CONF = re.compile(r"mdt\.(root_squash|nosquash_nids)$")
_IN_DEBUGFS = re.compile(r"mdt/[^/]+/(root_squash|nosquash_nids)$|mdd/[^/]+/changelog_(mask|users)$")
DEBUGFS = ("sptlrpc/gss/rsc_info", "sptlrpc/gss/rsi_info", "sptlrpc/gss/replays")
_IS_TARGET = re.compile(r"-(MDT|OST)[0-9a-f]{4}$")
READ_ONLY = re.compile(
    r"(^|/)(version|health_check|devices|num_exports|uuid|blocksize|maxbytes|namelen_max|fstype|kbytes\w+|files\w+|"
    r"recovery_status|import|state|\w*conn_uuid|\w*server_uuid|instance|memused|memused_max|lnet_memused|threads_started|"
    r"sync_changes|prealloc_\w+|tot_\w+|exports/.*|filesystems|live/.*|target_obd|srpc_info|srpc_contexts|cur_\w+)$"
)


class Params(Subsystem):
    name = "params"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        with open(DATA, encoding="utf-8") as stream:
            self._defaults: dict[str, dict[str, str]] = json.load(stream)
        self._changed: dict[str, str] = {}
        self._seen: dict[str, set[tuple[str, int, int]]] = {}
        self._devices_seen: set[str] = set()

    def ops(self) -> Mapping[str, Operation]:
        return {
            "get": self.get,
            "set": self.set,
            "list": self.list,
            "store": self.store,
            "conf": self.conf,
            "log_print": self.log_print,
            "log_names": self.log_names,
            "log_info": self.log_info,
            "log_cancel": self.log_cancel,
        }

    def services(self) -> Mapping[str, Operation]:
        return {"news": self._serve_news}

    def unload(self) -> None:
        self._changed.clear()
        self._seen.clear()

    # -- the tree ----------------------------------------------------------------------------------------------

    def tree(self) -> dict[str, Any]:
        """Every parameter of this node just now, by path (``osc/fs1-OST0000-osc-ffff/max_dirty_mb``)."""
        found: dict[str, Any] = dict(self._defaults[""])
        for prefix in self._device_prefixes():
            kind = prefix[: prefix.index("/")]
            if kind in ("ldlm", "ost", "mds"):
                kind = ".".join(prefix.split("/")[:2])
            elif kind == "osp" and "-osp-" in prefix:
                kind = "osp.mdt"  # a connection to another MDT creates no objects
            for name, value in self._defaults.get(kind, {}).items():
                found[f"{prefix}/{name.replace('.', '/')}"] = value
        for name, value in self.node.param_tree().items():
            found[to_path(name)] = value
        present = {path: value for path, value in self._changed.items() if path in found}
        self._changed = present
        return {**found, **{path: value for path, value in present.items() if not isinstance(found[path], Param)}}

    def _device_prefixes(self) -> Iterator[str]:
        """Where the devices of this node put their parameters."""
        kinds = set()
        for _, kind, name in self._devices():
            kinds.add(kind)
            if kind == "lov" and "-clilov-" in name:
                yield "llite/" + name.replace("-clilov-", "-")
            elif kind in ("osd-ldiskfs", "osd-zfs"):
                yield f"{kind}/{name.removesuffix('-osd')}"
            elif kind in self._defaults:
                yield f"{kind}/{name}"
            if kind in ("osc", "mdc", "mgc"):
                yield f"ldlm/namespaces/{name}"
            if kind == "osp" and "-osc-" in name:
                # an MDT's connection to an OST shows under both names, as recorded
                yield f"osc/{name}"
        if "ost" in kinds:
            yield "ost/OSS"
        if "mds" in kinds:
            yield "mds/MDS"

    def _devices(self) -> list[tuple[str, str, str]]:
        obd = self.node.parts.get("obd")
        return [] if obd is None else [(d["status"], d["type"], d["name"]) for d in obd.devices()]

    # -- get, list, set ----------------------------------------------------------------------------------------

    def get(self, pattern: str, recursive: bool = False) -> list[tuple[Any, ...]]:
        """Names and values that a pattern stands for; ENOENT when it stands for nothing."""
        tree = self.tree()
        try:
            found = self._match(tree, pattern, recursive)
        except SimError:
            folder = re.compile(f"(?:{_regex(pattern).pattern})/.*")
            if not any(folder.fullmatch(path) for path in tree):
                raise
            return []  # recorded: a folder is there and prints nothing
        return [_shown(path, tree[path]) for path in found]

    def value(self, name: str) -> str:
        """One parameter as text, for the other subsystems; empty when this node has none."""
        return _read(self.tree().get(to_path(name), ""))

    def list(self, pattern: str, recursive: bool = False) -> list[tuple[str, str]]:
        """Names with the suffix that ``list_param -F`` shows: ``/`` folder, ``=`` writable, nothing else."""
        tree = self.tree()
        nodes: dict[str, str] = {}
        for path in tree:
            parts = path.split("/")
            for depth in range(1, len(parts)):
                nodes["/".join(parts[:depth])] = "/"
            nodes[path] = "" if _read_only(path, tree[path]) else "="
        regex = _regex(pattern)
        found = [path for path in sorted(nodes) if regex.fullmatch(path)]
        if recursive:
            inside = tuple(path + "/" for path in found)
            found = [path for path in sorted(nodes) if path in found or path.startswith(inside)]
        if not found:
            raise SimError(errno.ENOENT, pattern)
        return [(to_name(path), nodes[path]) for path in found]

    def set(self, pattern: str, value: str) -> list[dict[str, Any]]:
        """Write a value to everything a pattern stands for: per instance its name, path and errno (0 = done)."""
        with self.node.lock:
            tree = self.tree()
            return [self._set_one(path, tree[path], value) for path in self._match(tree, pattern, False)]

    def _set_one(self, path: str, current: Any, value: str) -> dict[str, Any]:
        result = {"name": to_name(path), "path": sysfs(path), "errno": 0, "opened": True}
        try:
            if _read_only(path, current):
                result["opened"] = False
                raise SimError(errno.EACCES, path)
            if isinstance(current, Param):
                assert current.put is not None
                current.put(value)
            else:
                self._changed[path] = self._changed[_twin(path)] = checked(path, _read(current), value)
        except SimError as error:
            result["errno"] = error.errno
        return result

    @staticmethod
    def _match(tree: Mapping[str, Any], pattern: str, recursive: bool) -> list[str]:
        regex = _regex(pattern)
        found = [path for path in tree if regex.fullmatch(path)]
        if recursive:
            below = re.compile(f"(?:{regex.pattern})(?:/.*)?")
            found = [path for path in tree if below.fullmatch(path)]
        if not found:
            raise SimError(errno.ENOENT, pattern)
        return sorted(found)

    # -- the MGS's logs ----------------------------------------------------------------------------------------

    def _mgs(self) -> Any:
        mgs = self.node.parts.get("mgs")
        if mgs is None or not mgs.running:
            raise SimError(errno.ENODEV, "no MGS on this node")
        return mgs

    def store(self, name: str, value: str | None) -> None:
        """``set_param -P NAME=VALUE``, or ``-P -d NAME`` when value is None (ENOENT when it is not stored)."""
        mgs = self._mgs()
        with self.node.lock:
            stored = {r["fields"]["parameter"]: r["fields"]["value"] for r in mgs.logs.live("params")}
            if value is None:
                if not mgs.logs.cancel(
                    "params", self.node.clock.time(), lambda r: r["fields"].get("parameter") == name
                ):
                    raise SimError(errno.ENOENT, name)
            elif stored.get(name) == value:
                return
            else:
                fields = {"device": "general", "parameter": name, "value": value}
                same = _same_parameter(name)
                mgs.logs.replace("params", self.node.clock.time(), same, ("set_param", fields))
        mgs.save()

    def conf(self, text: str, delete: bool = False) -> None:
        """``conf_param [-d] TARGET.TYPE.PARAM[=VALUE]``; EINVAL for a malformed one or an unknown file system."""
        mgs = self._mgs()
        name, equals, value = text.partition("=")
        target, dot, parameter = name.partition(".")
        fsname = target.rsplit("-", 1)[0] if _IS_TARGET.search(target) else target
        with self.node.lock:
            log = f"{fsname}-client"
            known = bool(mgs.logs.live(log)) and bool(dot and parameter) and bool(equals) != delete
            known = known and not _NOT_BY_CONF.match(parameter)
            if parameter.startswith("srpc.") and (known or fsname == srpc.SELF):
                known = True
                mgs.srpc.set(target, parameter, value)
            elif known:
                self._conf_record(mgs, fsname, target, parameter, value, delete)
            elif fsname:
                # the real MGS leaves an empty file system behind when it refuses the name (recorded for `nofs.x=1` and `foo`)
                mgs.logs.create(log)
        mgs.save()
        if not known:
            raise SimError(errno.EINVAL, text)

    def _conf_record(self, mgs: Any, fsname: str, target: str, parameter: str, value: str, delete: bool) -> None:
        now = self.node.clock.time()

        def same(record: Mapping[str, Any]) -> bool:
            return bool(
                record["event"] == "conf_param"
                and record["fields"].get("_target", "") == target
                and record["fields"]["parameter"].split("=")[0] == parameter
            )

        done = 0
        places = list(_conf_places(mgs.logs.names(), fsname, target, parameter, value))
        for name, fields in places:
            done += mgs.logs.cancel(name, now, same)
            if not delete:
                mgs.logs.add(name, now, ("conf_param", {**fields, "_target": target}))
        if delete and places and not done:
            raise SimError(errno.ENOENT, parameter)

    def log_print(self, log: str, raw: bool = False) -> list[str]:
        return list(self._mgs().logs.print(log, raw))

    def log_names(self) -> list[str]:
        return [name for name in self._mgs().logs.names() if name != "params"]

    def log_info(self, log: str) -> list[str]:
        return list(self._mgs().logs.info(log))

    def log_cancel(self, log: str, index: int) -> None:
        mgs = self._mgs()
        mgs.logs.cancel_index(log, index)
        mgs.save()

    # -- from the MGS to the nodes -----------------------------------------------------------------------------

    def _serve_news(self, from_nid: str, logs: list[str]) -> dict[str, list[dict[str, Any]]]:
        mgs = self._mgs()
        with self.node.lock:
            return {log: mgs.logs.live(log) for log in logs if log in mgs.logs.names()}

    def tick(self) -> None:
        """Look for news at every MGS this node depends on, and apply what is old enough."""
        for nids, fsnames in self._management():
            logs = ["params", *(f"{fsname}-client" for fsname in fsnames), *self._own_logs()]
            try:
                news = self.node.rpc_any(nids, {"service": "params.news", "logs": logs})
            except SimError:
                continue
            self._apply_news(",".join(nids), news)

    def _management(self) -> list[tuple[list[str], list[str]]]:
        """Pairs (NIDs of an MGS, file systems of it) that the mounts of this node depend on."""
        mounts = self.node.parts.get("mounts")
        return [] if mounts is None else list(mounts.management())

    def _own_logs(self) -> list[str]:
        """Each target that runs here follows its own log."""
        running = getattr(self.node.parts.get("targets"), "running", {})
        return [target.name for target in list(running.values())]

    def _apply_news(self, mgs: str, news: Mapping[str, list[dict[str, Any]]]) -> None:
        """A record is applied once, ``param_delay`` after it was written; on a new device all records at once."""
        now, delay = self.node.clock.time(), float(self.node.settings["param_delay"])
        devices = {name for _, _, name in self._devices()}
        fresh = devices - self._devices_seen
        self._devices_seen = devices
        seen = self._seen.setdefault(mgs, set())
        for log, records in news.items():
            for record in records:
                key = (log, record["index"], record["group"])
                if now - record["time"] >= delay and key not in seen:
                    self._apply(record, None)
                    seen.add(key)
                elif fresh:
                    # a device reads the log when it is set up, however young a record is
                    self._apply(record, fresh)

    def _apply(self, record: Mapping[str, Any], only: set[str] | None) -> None:
        """Set a stored value here, silently where it does not fit; ``only`` limits it to devices that are new."""
        pattern, value = live_name(record)
        if not pattern:
            return
        with self.node.lock:
            tree = self.tree()
            regex = _regex(pattern)
            for path in [path for path in tree if regex.fullmatch(path)]:
                if only is None or any(f"/{name}/" in f"/{path}/" for name in only):
                    self._set_one(path, tree[path], value)


def _conf_places(
    logs: list[str], fsname: str, target: str, parameter: str, value: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The logs that a conf_param goes into, with the record's fields, as recorded; a type nobody knows goes nowhere.

    ``sys`` goes to everybody, a server's setting into the log of its target, an ``osc`` also to the MDTs.
    """
    kind, setting, client = parameter.partition(".")[0], f"{parameter}={value}", f"{fsname}-client"
    own = sorted(log for log in logs if _IS_TARGET.search(log) and log.startswith(f"{fsname}-"))
    if kind == "sys":
        for log in (client, *own):
            yield log, {"parameter": setting, "value": value}
    elif kind in ("ost", "obdfilter", "mdt", "mdd", "lod"):
        short = "-OST" if kind in ("ost", "obdfilter") else "-MDT"
        for log in own:
            if log == target or (target == fsname and short in log):
                yield log, {"device": log, "parameter": setting}
    elif kind in ("osc", "mdc", "llite", "lov", "lmv"):
        yield client, {"device": f"{target}-{kind}" if _IS_TARGET.search(target) else client, "parameter": setting}
        if kind == "osc" and _IS_TARGET.search(target):
            for log in own:
                if "-MDT" in log:
                    yield log, {"device": f"{target}-osc-{log.rsplit('-', 1)[1]}", "parameter": setting}


def live_name(record: Mapping[str, Any]) -> tuple[str, str]:
    """The set_param pattern and value that a stored record means; an empty pattern when it means none."""
    fields = record["fields"]
    if record["event"] == "set_param":
        return str(fields["parameter"]), str(fields["value"])
    if record["event"] != "conf_param":
        return "", ""
    name, _, value = fields["parameter"].partition("=")
    kind, _, rest = name.partition(".")
    target = fields.get("_target") or fields.get("device", "")
    if kind == "sys":
        return rest, value
    if kind == "ost":
        kind = "obdfilter"
    # a target's own parameter has its name, those of clients its name and more, a file system's every target
    return f"{kind}.{target}{'' if kind in ('obdfilter', 'mdt') and _IS_TARGET.search(target) else '-*'}.{rest}", value


def _same_parameter(name: str) -> Any:
    return lambda record: record["fields"].get("parameter") == name


def _shown(path: str, value: Any) -> tuple[Any, ...]:
    """(name, text), or (name, None, errno, file) of one that cannot be read."""
    try:
        return to_name(path), _read(value)
    except SimError as error:
        return to_name(path), None, error.errno, sysfs(path)


def _read(value: Any) -> str:
    if isinstance(value, Param):
        value = value.get()
    return str(value() if callable(value) else value)


def _read_only(path: str, value: Any) -> bool:
    if isinstance(value, Param):
        return value.put is None
    return callable(value) or bool(READ_ONLY.search(path))


def _twin(path: str) -> str:
    """The other name of the same value: an MDT's connection to an OST stands below ``osc`` and ``osp``."""
    kind, _, rest = path.partition("/")
    other = {"osc": "osp", "osp": "osc"}.get(kind)
    return f"{other}/{rest}" if other and "-osc-MDT" in rest else path


def to_path(name: str) -> str:
    """``mgc.MGC10.0.0.1@tcp.import`` → ``mgc/MGC10.0.0.1@tcp/import``: the dots of a NID are no separators."""
    match = re.fullmatch(r"((?:[a-z_-]+\.)+)([^/]*@[a-z0-9]+)(?:\.(.*))?", name)
    if match is None:
        return name.replace(".", "/")
    rest = "/" + match[3].replace(".", "/") if match[3] else ""
    return match[1].replace(".", "/") + match[2] + rest


def to_name(path: str) -> str:
    return path.replace("/", ".")


def sysfs(path: str) -> str:
    """Where the real tool would have opened the file; it stands in error texts."""
    if path in DEBUGFS or _IN_DEBUGFS.match(path):
        return f"/sys/kernel/debug/lustre/{path}"
    if path in LNET_DEBUG:
        return f"/sys/kernel/debug/lnet/{path}"
    if path.startswith("nodemap/"):
        return f"/sys/kernel/debug/lustre/{path}"
    return f"/sys/fs/lustre/{path}"


def _regex(pattern: str) -> re.Pattern[str]:
    """A shell pattern as lctl understands it: dots or slashes separate, ``*`` stays within one part."""
    path = pattern if "/" in pattern else to_path(pattern)
    shell = {"*": "[^/]*", "?": "[^/]"}
    words = re.findall(r"\[[^\]/]*\]|.", path)
    return re.compile("".join(shell.get(w, w if len(w) > 1 else re.escape(w)) for w in words))
