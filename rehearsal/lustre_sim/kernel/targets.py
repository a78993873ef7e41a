# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The targets that run on this node: starting them from a device, and what other nodes may ask of them."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
from collections.abc import Iterable, Mapping
from typing import Any

from .. import disk
from ..disk import MountData
from ..faults import Faults
from ..node import UNREACHABLE, Node, Operation, Subsystem
from ..sim_error import SimError
from . import srpc

_OPTIONS = {
    "abort_recov",
    "abort_recov_mdt",
    "acl",
    "noacl",
    "defaults",
    "noatime",
    "relatime",
    "strictatime",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "rw",
    "ro",
    "sync",
    "async",
    "no_create",
    "nomgs",
    "noscrub",
    "nosvc",
    "skip_lfsck",
    "user_xattr",
    "nouser_xattr",
    "noprimnode",
    "remount",
    "loop",
    "localrecov",
    "resetoi",
    "lazy_statfs",
    "noir",
    "writeconf",
    "_netdev",
    "nofail",
    "noauto",
    "auto",
    "nouser",
}
_KEYED = {
    "errors",
    "exclude",
    "extents_bs",
    "max_sectors_kb",
    "md_stripe_cache_size",
    "mgsnode",
    "mgssec",
    "network",
    "osd",
    "param",
    "recovery_time_hard",
    "recovery_time_soft",
    "retry",
    "skpath",
    "svname",
}
_BEAT = 5.0  # seconds between two marks of the multi-mount protection
_RESERVED_KB = 8192  # ldiskfs keeps this much from what statfs shows


@dataclasses.dataclass
class Target:
    """A running target."""

    data: MountData
    name: str  # service name with '-', or MGS
    device: str
    uuid: str  # of the disk
    options: list[str]
    mgs_nids: list[str]  # every NID of every MGS node; empty for a stand-alone MGS
    lock: int | None = None  # the open multi-mount file
    registered: bool = True  # False: the MGS did not answer, the target runs from its copy of the log
    nosvc: bool = False
    instance: int = 1
    beat: float = 0.0
    recovery: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def osd(self) -> str:
        return f"osd-{self.data.mount_type}"


class Targets(Subsystem):
    name = "targets"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.running: dict[str, Target] = {}  # by path of the device: nosvc mounts have no service

    def services(self) -> Mapping[str, Operation]:
        return {"running": self.serve_running}

    def by_name(self, name: str) -> Target | None:
        return next((t for t in self.running.values() if t.name == name and not t.nosvc), None)

    # -- start -------------------------------------------------------------------------------------------------

    def start(self, device: str, options: Iterable[str]) -> Target:
        """Mount a target: read it, reserve it, start its MGS, register it, clear its first-time state."""
        options = [word for word in options if word]
        if Faults.of(self.node).on("device-vanishes", device):
            raise SimError(errno.EIO, f"{device} is gone")
        data = disk.read_mountdata(device)
        block = disk.superblock(device)
        if data is None or block is None:
            raise SimError(errno.ENODEV, f"{device} is no Lustre target")
        _check(options)
        target = self._describe(data, device, block.uuid, options)
        with self.node.lock:
            if device in self.running or (not target.nosvc and self.by_name(target.name)):
                raise SimError(errno.EALREADY, f"{target.name} runs already")
        target.lock = self._reserve(target, block.mmp)
        try:
            self._start_services(target)
        except SimError:
            if data.flags & disk.MGS and self.node.mgs.device == device:
                self.node.mgs.stop()
            self._release(target)
            raise
        with self.node.lock:
            self.running[device] = target
        self._beat(target)
        return target

    def _describe(self, data: MountData, device: str, uuid: str, options: list[str]) -> Target:
        groups = [word.partition("=")[2].split(":") for word in options if word.startswith("mgsnode=")]
        nids = [nid for group in groups for part in group for nid in part.split(",")]
        nids = nids or [nid for group in data.nid_groups("mgsnode") for nid in group]
        if data.flags & disk.MGS and "nomgs" not in options:
            nids = ["0@lo", *nids]
        return Target(
            data=data,
            name=data.name("-"),
            device=device,
            uuid=uuid,
            options=options,
            mgs_nids=nids,
            nosvc="nosvc" in options,
        )

    def _start_services(self, target: Target) -> None:
        data = target.data
        self.node.lnet.ensure_configured()
        if data.flags & disk.MGS and "nomgs" not in target.options:
            self.node.mgs.start(target.device)
        if target.nosvc:
            return
        if data.stand_alone_mgs:
            self._settle(target)
            return
        if not self.node.lnet.nids():
            raise SimError(errno.ENETDOWN, "LNet has no network")
        if not target.mgs_nids:
            raise SimError(errno.EINVAL, f"{target.name}: no MGS given")
        self._register(target)
        self._recover(target)
        self._settle(target)

    def registration(self, target: Target) -> dict[str, Any]:
        flags = target.data.flags
        hidden = ("mgsnode=", "failover.node=", "network=")
        return {
            "name": target.name,
            "fsname": target.data.fsname,
            "kind": target.data.kind,
            "index": target.data.index,
            "uuid": target.uuid,
            "nids": self.node.lnet.nids(),
            "failover": target.data.nid_groups("failover.node"),
            "params": [text for text in target.data.params if not text.startswith(hidden)],
            "virgin": bool(flags & disk.VIRGIN),
            "writeconf": bool(flags & disk.WRITECONF),
            "update": bool(flags & disk.UPDATE),
        }

    def _register(self, target: Target) -> None:
        """A new or changed target needs the MGS; another one goes on with its own copy of the log without it."""
        request = {"service": "mgs.register", "target": self.registration(target)}
        flavor = srpc.mgssec([*target.options, *target.data.params])
        try:
            self.node.gss.connect_mgs(target.mgs_nids, flavor)
            self.node.mounts.ask_mgs(target.mgs_nids, request)
        except SimError as error:
            if error.errno not in (*UNREACHABLE, errno.EIO):
                self.node.log(
                    f"LustreError: {target.name}: cannot register this server with the MGS: rc = -{error.errno}."
                )
                raise
            self.node.log(
                f"LustreError: {target.name}: cannot register this server with the MGS: rc = -5. Is the MGS running?"
            )
            if target.data.flags & (disk.VIRGIN | disk.WRITECONF | disk.UPDATE):
                raise SimError(errno.EIO, "the MGS does not answer") from error
            target.registered = False

    def _recover(self, target: Target) -> None:
        """Recovery is needed when the target ran before; without clients to wait for it is over at once."""
        now = self.node.clock.time()
        first = bool(target.data.flags & (disk.VIRGIN | disk.WRITECONF))
        if first:
            return
        seconds = 0.0 if "abort_recov" in target.options else float(self.node.settings["recovery_time"])
        target.recovery = {"start": int(now), "end": now + seconds}
        target.instance = 2

    def _settle(self, target: Target) -> None:
        """The target is known: no first time, no writeconf, no update any more; the label says so."""
        if target.data.flags & (disk.VIRGIN | disk.WRITECONF | disk.UPDATE | disk.NO_LOCAL_LOGS) and target.registered:
            target.data.flags &= ~(disk.VIRGIN | disk.WRITECONF | disk.UPDATE | disk.NO_LOCAL_LOGS)
            disk.write_mountdata(target.device, target.data)

    # -- the one node that has the device ----------------------------------------------------------------------

    def _reserve(self, target: Target, mmp: bool) -> int:
        """Multi-mount protection: a lock that all hosts see and that dies with the simulated kernel.

        A device without the feature gives no protection, as in reality: the damage is written down instead.
        """
        folder = os.path.join(self.node.site_dir, "mmp")
        os.makedirs(folder, exist_ok=True)
        handle = os.open(os.path.join(folder, target.uuid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = self.node.clock.time() + float(self.node.settings.get("mmp_wait", 3.0))
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self.node.clock.time() < deadline:
                    self.node.clock.sleep(0.2)
                    continue
                if mmp:
                    os.close(handle)
                    self.node.log(f"LDISKFS-fs ({target.device}): Device is already active on another node.")
                    raise SimError(errno.EBUSY, f"{target.device} is active on another node") from None
                self._damage(target)
            return handle

    def _beat(self, target: Target) -> None:
        """Move the multi-mount sequence on the device, as the kernel does every few seconds."""
        target.beat = self.node.clock.time()
        with contextlib.suppress(OSError):
            disk.write_mmp(target.device, int(target.beat * 10), self.node.name, target.beat)

    def _damage(self, target: Target) -> None:
        self.node.log(f"LDISKFS-fs error ({target.device}): two nodes have mounted it: real data would be lost now")
        folder = os.path.join(self.node.site_dir, "damage")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, target.uuid), "a", encoding="utf-8") as stream:
            stream.write(f"{target.name} on {target.device} mounted twice, now on {self.node.name}\n")

    @staticmethod
    def _release(target: Target) -> None:
        if target.lock is not None:
            os.close(target.lock)
            target.lock = None

    # -- stop --------------------------------------------------------------------------------------------------

    def stop(self, device: str) -> None:
        """The mount is gone. Takes no lock, see Mounts._ended."""
        target = self.running.pop(device, None)
        if target is None:
            return
        if self.node.mgs.device == device:
            self.node.mgs.stop()
        with contextlib.suppress(OSError):
            disk.write_mmp(device, None, self.node.name, self.node.clock.time())
        self._release(target)
        self.node.log(f"Lustre: server umount {target.name} complete")

    def unload(self) -> None:
        for device in list(self.running):
            self.stop(device)

    # -- for other nodes ---------------------------------------------------------------------------------------

    def serve_running(self, from_nid: str) -> dict[str, Any]:
        """{service name: its numbers} of all services that run here."""
        self.node.mounts.refresh()
        with self.node.lock:
            targets = list(self.running.values())
        return {
            t.name: {**statfs(t.device), "instance": t.instance}
            for t in targets
            if not t.nosvc and not t.data.stand_alone_mgs
        }

    def tick(self) -> None:
        """The multi-mount beat; a target that started without the MGS introduces itself when the MGS is back."""
        for target in list(self.running.values()):
            if self.node.clock.time() - target.beat >= _BEAT:
                self._beat(target)
            if target.registered or target.nosvc:
                continue
            try:
                self.node.rpc_any(target.mgs_nids, {"service": "mgs.register", "target": self.registration(target)})
            except SimError:
                continue
            target.registered = True
            self._settle(target)

    # -- parameters --------------------------------------------------------------------------------------------

    def params(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for target in list(self.running.values()):
            if target.nosvc:
                continue
            prefixes = [f"{target.osd}.{target.name}"]
            if target.data.flags & disk.OST:
                prefixes.append(f"obdfilter.{target.name}")
            found[f"{target.osd}.{target.name}.mntdev"] = target.device
            found[f"{target.osd}.{target.name}.fstype"] = target.data.mount_type
            found[f"{target.osd}.{target.name}.uuid"] = f"{target.name}-osd_UUID"
            for prefix in prefixes:
                for key in ("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree"):
                    found[f"{prefix}.{key}"] = lambda device=target.device, key=key: str(statfs(device)[key])
            if not target.data.stand_alone_mgs:
                kind = "obdfilter" if target.data.flags & disk.OST else "mdt"
                found[f"{kind}.{target.name}.recovery_status"] = lambda t=target: self.recovery_status(t)
                found[f"{kind}.{target.name}.uuid"] = f"{target.name}_UUID"
                found[f"{kind}.{target.name}.instance"] = str(target.instance)
        return found

    def recovery_status(self, target: Target) -> str:
        if not target.recovery:
            return "status: INACTIVE"
        start, end = target.recovery["start"], target.recovery["end"]
        now = self.node.clock.time()
        if now < end:
            return (
                f"status: RECOVERING\nrecovery_start: {start}\ntime_remaining: {int(end - now)}\n"
                "connected_clients: 0/1\nreq_replay_clients: 0\nlock_repay_clients: 0\ncompleted_clients: 0\n"
                "evicted_clients: 0\nreplayed_requests: 0\nqueued_requests: 0\nnext_transno: 4294967297"
            )
        return (
            f"status: COMPLETE\nrecovery_start: {start}\nrecovery_duration: {int(end - start)}\n"
            "completed_clients: 0/0\nreplayed_requests: 0\nlast_transno: 4294967296\nVBR: DISABLED\nIR: DISABLED"
        )


def statfs(device: str) -> dict[str, int]:
    """Capacity in KiB and inodes, from the real superblock."""
    try:
        block = disk.superblock(device)
    except SimError:
        block = None
    if block is None:
        return dict.fromkeys(("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree"), 0)
    per = block.block_size // 1024
    total = max(0, (block.blocks - block.overhead) * per - _RESERVED_KB)
    free = max(0, min(total, block.blocks_free * per - _RESERVED_KB))
    return {
        "kbytestotal": total,
        "kbytesfree": free,
        "kbytesavail": max(0, free - block.blocks_reserved * per),
        "filestotal": block.inodes,
        "filesfree": block.inodes_free,
    }


def _check(options: Iterable[str]) -> None:
    for word in options:
        key, equals, _ = word.partition("=")
        if (equals and key not in _KEYED) or (not equals and word not in _OPTIONS):
            raise SimError(errno.EINVAL, f"unknown mount option {word}")
