# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mounts of this node, of targets and of clients, and what they need of the MGS."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..faults import Faults
from ..node import UNREACHABLE, Node, Operation, Subsystem
from ..sim_error import SimError
from . import fscrypt, identity, srpc
from . import targets as target_module

_CLIENT_SPEC = re.compile(r"(?P<nids>[^/]+):/(?P<fsname>[^/]+)(?P<subdir>/.*)?\Z")
_CLIENT_OPTIONS = {
    "flock",
    "noflock",
    "localflock",
    "lazystatfs",
    "nolazystatfs",
    "user_xattr",
    "nouser_xattr",
    "acl",
    "noacl",
    "always_ping",
    "noalways_ping",
    "verbose",
    "noverbose",
    "user_fid2path",
    "nouser_fid2path",
    "statfs_project",
    "nostatfs_project",
    "checksum",
    "nochecksum",
    "lruresize",
    "nolruresize",
    "32bitapi",
    "encrypt",
    "noencrypt",
    "test_dummy_encryption",
    "context",
    "fscontext",
    "defcontext",
    "rootcontext",
    "ro",
    "rw",
    "noatime",
    "relatime",
    "strictatime",
    "nodiratime",
    "diratime",
    "atime",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "sync",
    "async",
    "remount",
    "defaults",
    "_netdev",
    "noauto",
    "auto",
    "nouser",
    "nofail",
    "nodirsync",
    "lazy_statfs",
    "tiny_write",
    "default_permissions",
}
_CLIENT_KEYED = {
    "exclude",
    "mgssec",
    "skpath",
    "network",
    "retry",
    "mgsname",
    "foreign_symlink",
    "test_dummy_encryption",
}


@dataclasses.dataclass
class Mount:
    kind: str  # target | client
    source: str
    path: str
    fsname: str
    mgs_nids: list[list[str]]  # per node of the MGS
    options: list[str]
    device: str = ""  # target
    subdir: str = ""  # client
    instance: str = ""  # client: the hexadecimal part of its devices' names
    uuid: str = ""
    encryption: fscrypt.Encryption | None = None  # client
    shown: Any = None  # the FuseMount, or what a test's mounter made
    identity: dict[str, Any] | None = None  # client: as whom it works, when its nodemap says so

    @property
    def all_nids(self) -> list[str]:
        return [nid for group in self.mgs_nids for nid in group]


Shower = Callable[..., Any]


class Mounts(Subsystem):
    name = "mounts"

    def __init__(self, node: Node, show: Shower | None = None) -> None:
        super().__init__(node)
        self.table: dict[str, Mount] = {}
        self.configs: dict[str, dict[str, Any]] = {}  # by file system: what the MGS said last
        self.peers: dict[str, dict[str, Any]] = {}  # by target: {"state", "nid", numbers}
        self.mgs_state: dict[str, dict[str, Any]] = {}  # by first NID of an MGS: {"state", "nid"}
        self._show = show or _fuse
        self._next_look = 0.0
        self._ending = threading.RLock()

    def ops(self) -> Mapping[str, Operation]:
        return {"mount": self.mount, "list": self.list, "check": self.check, "remount": self.remount}

    # -- mounting ----------------------------------------------------------------------------------------------

    def mount(self, source: str, path: str, options: Sequence[str], fstype: str = "lustre") -> dict[str, Any]:
        """mount(2) of Lustre: a source with ``:/`` is a client's, any other a target's."""
        self.refresh()
        words = [word for word in options if word]
        spec = _CLIENT_SPEC.match(source)
        with self.node.gss.mounting():
            if spec is None:
                mount = self._mount_target(source, path, words, fstype)
            else:
                mount = self._mount_client(spec, source, path, words)
            with self.node.lock:
                self.table[path] = mount
        self.look(now=True)
        self.node.obd.devices()  # devices get their numbers in the order of the mounts
        return {"kind": mount.kind, "fsname": mount.fsname}

    def _mount_target(self, device: str, path: str, options: list[str], fstype: str) -> Mount:
        targets = self.node.targets
        target = targets.start(device, options)
        mount = Mount(
            kind="target",
            source=device,
            path=path,
            fsname=target.data.fsname,
            options=options,
            device=device,
            mgs_nids=([["0@lo"]] if self.node.mgs.device == device else []) + target.data.nid_groups("mgsnode"),
        )
        try:
            mount.shown = self._show(
                device,
                path,
                None,
                subtype=fstype,
                options=tuple(options),
                ended=self._ended,
                capacity=lambda: target_module.statfs(device),
            )
        except SimError:
            targets.stop(device)
            raise
        return mount

    def _mount_client(self, spec: re.Match[str], source: str, path: str, options: list[str]) -> Mount:
        _check_client(options)
        groups = [group.split(",") for group in spec["nids"].split(":") if group]
        fsname, subdir = spec["fsname"], (spec["subdir"] or "").rstrip("/")
        self.node.lnet.ensure_configured()
        if not self.node.lnet.nids():
            raise SimError(errno.ENETDOWN, "LNet has no network")
        nids = [nid for group in groups for nid in group]
        try:
            self.node.gss.connect_mgs(nids, srpc.mgssec(options))
            config = self.ask_mgs(nids, {"service": "mgs.config", "fsname": fsname})
        except SimError as error:
            if error.errno in UNREACHABLE:
                raise SimError(errno.EIO, "the MGS does not answer") from error
            raise
        self._need_servers(config)
        own = str(uuid.uuid4())
        admitted = identity.admit(self, config, subdir, options, own)
        folder = os.path.join(self.node.site_dir, "fs", fsname)
        os.makedirs(folder, exist_ok=True)
        inside = os.path.join(folder, admitted["root"].lstrip("/"))
        if not os.path.isdir(inside):
            raise SimError(errno.ENOENT, f"{fsname} has no folder {admitted['root']}")
        instance = f"ff{secrets.token_hex(5)}a800"
        self.node.gss.connect_fs(fsname, instance, config)
        with self.node.lock:
            self.configs[fsname] = config
        mount = Mount(
            kind="client",
            source=source,
            path=path,
            fsname=fsname,
            mgs_nids=groups,
            options=options,
            subdir=subdir,
            instance=instance,
            uuid=own,
            identity=admitted["identity"],
        )
        mount.encryption = fscrypt.for_mount(self.node, mount, bool(admitted.get("forbid_encryption")))
        mount.shown = self._show(
            source,
            path,
            inside,
            subtype="lustre",
            options=(*options, *(("ro",) if admitted["ro"] else ())),
            ended=self._ended,
            capacity=lambda: self.capacity(fsname),
            who=lambda: mount.identity,
            encryption=mount.encryption,
            readonly=bool(admitted["ro"]),
            gate=lambda uid: self.node.gss.user(instance, uid),
        )
        return mount

    def _need_servers(self, config: Mapping[str, Any]) -> None:
        """A client cannot come up without MDT0000; OSTs that are down it tolerates, none at all it does not."""
        targets = config["targets"]
        if not any(target["kind"] == "OST" for target in targets.values()):
            raise SimError(errno.ENOMEDIUM, "no OST")
        root = targets[f"{config['fsname']}-MDT0000"]
        deadline = self._deadline()
        while True:
            with contextlib.suppress(SimError):
                self._find(root)
                return
            if self.node.clock.time() >= deadline:
                raise SimError(errno.EIO, f"{root['name']} does not answer")
            self.node.clock.sleep(0.5)

    def _deadline(self) -> float:
        return self.node.clock.time() + float(self.node.settings["mgs_timeout"])

    def ask_mgs(self, nids: Sequence[str], request: Mapping[str, Any]) -> Any:
        """Ask until an MGS answers or ``mgs_timeout`` is over (the real one takes minutes)."""
        if Faults.of(self.node).on("mgs-hang"):
            while Faults.of(self.node).on("mgs-hang"):
                self.node.clock.sleep(1.0)
        deadline = self._deadline()
        while True:
            left = max(0.2, deadline - self.node.clock.time())
            try:
                return self.node.rpc_any(nids, request, min(left, float(self.node.settings["rpc_timeout"])))
            except SimError as error:
                if error.errno not in UNREACHABLE or self.node.clock.time() >= deadline:
                    raise
            self.node.clock.sleep(0.5)

    def remount(self, source: str, path: str, options: Sequence[str]) -> None:
        """``-o remount``: only the options change; of the mount table only ro and rw do (the helper sees to that)."""
        self.refresh()
        mount = self.table.get(path)
        if mount is None:
            raise SimError(errno.EINVAL, f"{path} is not mounted")
        words = [word for word in options if word and word != "remount"]
        if mount.kind == "client":
            _check_client(words)
            identity.check_remount(self, mount, words)
        mount.options = words

    # -- unmounting --------------------------------------------------------------------------------------------

    def _ended(self, shown: Any) -> None:
        """The mount's server thread saw the unmount.

        Without ``node.lock``: whoever holds it may be waiting in ``refresh`` for this to be over.
        """
        with self._ending:
            path = next((path for path, mount in list(self.table.items()) if mount.shown is shown), None)
            mount = self.table.pop(path, None) if path is not None else None
            if mount is None:
                return
            if mount.kind == "target":
                self.node.targets.stop(mount.device)
            else:
                self.node.log(f"Lustre: Unmounted {mount.fsname}-client")

    def refresh(self) -> None:
        """Notice unmounts now: umount(8) may be back before the server thread has done its part."""
        for mount in list(self.table.values()):
            if mount.shown is not None and not mount.shown.alive:
                self._ended(mount.shown)
        with self._ending:  # one that is just being taken down is waited for
            return

    def holds_lnet(self) -> bool:
        self.refresh()
        return bool(self.table)

    def unload(self) -> None:
        if self.holds_lnet():
            raise SimError(errno.EBUSY, "something is mounted")
        self.configs.clear()
        self.peers.clear()
        self.mgs_state.clear()

    # -- what other subsystems and tools ask -------------------------------------------------------------------

    def list(self) -> list[dict[str, Any]]:
        self.refresh()
        keys = ("kind", "source", "path", "fsname", "instance", "uuid", "subdir", "device", "options")
        return [{key: getattr(mount, key) for key in keys} for mount in self.table.values()]

    def clients(self) -> list[Mount]:
        return [mount for mount in self.table.values() if mount.kind == "client"]

    def management(self) -> list[tuple[list[str], list[str]]]:
        """Per MGS that this node talks to: its NIDs and the file systems that matter here."""
        found: dict[tuple[str, ...], set[str]] = {}
        for mount in list(self.table.values()):
            names = found.setdefault(tuple(mount.all_nids), set())
            if mount.fsname:
                names.add(mount.fsname)
        return [(list(nids), sorted(names)) for nids, names in found.items() if nids]

    def capacity(self, fsname: str, kind: str = "OST") -> dict[str, int]:
        """Sums over the targets that answer."""
        keys = ("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree")
        rows = [
            peer for name, peer in self.peers.items() if name.startswith(f"{fsname}-{kind}") and peer["state"] == "FULL"
        ]
        return {key: sum(row.get(key, 0) for row in rows) for key in keys}

    def check(self) -> None:
        """Look at all servers now (``lfs check``, ``lfs df``)."""
        self.refresh()
        self.look(now=True)

    # -- the servers -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        self.refresh()
        self.look()

    def look(self, now: bool = False) -> None:
        """Ask every MGS for news and every server node what runs there; imports take their state from it."""
        clock = self.node.clock.time()
        if not self.table:
            self.peers.clear()
            self.configs.clear()
            self.mgs_state.clear()
            return
        if not now and clock < self._next_look:
            return
        self._next_look = clock + float(self.node.settings["import_interval"])
        for nids, fsnames in self.management():
            self._look_at_mgs(nids, fsnames)
        answers: dict[str, dict[str, Any]] = {}
        for config in list(self.configs.values()):
            for target in config["targets"].values():
                self._look_at(target, answers)
        identity.refresh(self)

    def _look_at_mgs(self, nids: list[str], fsnames: list[str]) -> None:
        state = self.mgs_state.setdefault(nids[0], {"state": "CONNECTING", "nid": nids[0]})
        for nid in nids:
            try:
                self.node.rpc(nid, {"service": "mgs.ping"}, 1.5)
            except SimError:
                continue
            state.update(state="FULL", nid=nid)
            break
        else:
            state["state"] = "DISCONN"
            return
        for fsname in fsnames:
            with contextlib.suppress(SimError):
                config = self.node.rpc(state["nid"], {"service": "mgs.config", "fsname": fsname})
                with self.node.lock:
                    self.configs[fsname] = config
        for mount in [m for m in self.table.values() if m.kind == "target" and m.all_nids == nids]:
            self._tell_place(mount, state["nid"])

    def _tell_place(self, mount: Mount, nid: str) -> None:
        """Imperative recovery: the MGS learns where a target runs after a fail-over."""
        target = self.node.targets.running.get(mount.device)
        known = self.configs.get(mount.fsname, {}).get("targets", {}).get(target.name if target else "")
        if target and known and not target.nosvc and known["nids"] != self.node.lnet.nids():
            request = {"service": "mgs.moved", "name": target.name, "nids": self.node.lnet.nids()}
            with contextlib.suppress(SimError):
                self.node.rpc(nid, request)
                known["nids"] = self.node.lnet.nids()

    def _look_at(self, target: Mapping[str, Any], answers: dict[str, dict[str, Any]]) -> None:
        try:
            nid, numbers = self._find(target, answers)
        except SimError:
            old = self.peers.get(target["name"], {"nid": (target["nids"] or ["0@lo"])[0]})
            self.peers[target["name"]] = {**old, "state": "DISCONN"}
            return
        self.peers[target["name"]] = {**numbers, "state": "FULL", "nid": nid}

    def locate(self, target: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return self._find(target)

    def _find(
        self, target: Mapping[str, Any], answers: dict[str, dict[str, Any]] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """The NID at which a target runs, and its numbers; ENOTCONN when it runs nowhere."""
        answers = {} if answers is None else answers
        if "0@lo" not in answers:  # recorded: what runs here is reached even when its network was taken away
            answers["0@lo"] = self.node.targets.serve_running("0@lo")
        if target["name"] in answers["0@lo"]:
            return "0@lo", answers["0@lo"][target["name"]]
        nids = [*target["nids"], *(nid for group in target["failover"] for nid in group)]
        for nid in dict.fromkeys(nids):
            if nid not in answers:
                try:
                    answers[nid] = self.node.rpc(nid, {"service": "targets.running"}, 1.5)
                except SimError:
                    answers[nid] = {}
            if target["name"] in answers[nid]:
                return ("0@lo" if nid in self.node.lnet.nids() else nid), answers[nid][target["name"]]
        raise SimError(errno.ENOTCONN, f"{target['name']} runs nowhere")


def _check_client(options: Sequence[str]) -> None:
    for word in options:
        key, equals, _ = word.partition("=")
        if (equals and key not in _CLIENT_KEYED) or (not equals and word not in _CLIENT_OPTIONS):
            raise SimError(errno.EINVAL, f"unknown mount option {word}")


def _fuse(source: str, path: str, folder: str | None, **more: Any) -> Any:
    from .fuse import FuseMount

    return FuseMount(source, path, folder, **more)
