"""Disks of a server, and the tools that read, format, rewrite and wipe them.

From the recordings ``mkfs/*``, mkfs.lustre(8), tunefs.lustre(8), e2mmpstatus(8).  A write on
what is not to be written to asserts: mkfs.lustre over anything but zeros, tunefs.lustre
under a running target, dd on a disk that carries something else than the target.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit import target_support as support

SPAN = 1 << 20
FLAGS = {"--mgs": 0x4, "--mdt": 0x1, "--ost": 0x2}
NEW, UPDATE, NO_PRIMNODE = 0x20, 0x40, 0x1000


@dataclass
class Target:
    """What mkfs.lustre wrote: flags, name, and parameters in their order."""

    fsname: str
    kind: str
    index: int | None
    flags: int
    params: list[tuple[str, str]]

    @property
    def label(self) -> str:
        if self.kind == "mgt":
            return "MGS"
        return f"{self.fsname}{':' if self.flags & NEW else '-'}{self.kind.upper()}{self.index or 0:04x}"

    def text(self) -> str:
        params = " ".join(f"{key}={value}" for key, value in self.params)
        index = "unassigned" if self.kind == "mgt" else str(self.index)
        block = (
            f"Target:     {self.label}\nIndex:      {index}\nLustre FS:  {self.fsname or 'lustre'}\nMount type: ldiskfs\n"
            f"Flags:      {self.flags:#x}\n              (MDT )\nPersistent mount opts: user_xattr,errors=remount-ro\n"
            f"Parameters: {params}\n\n"
        )
        return f"checking for existing Lustre data: found\n\n   Read previous values:\n{block}\n   Permanent disk data:\n{block}"


@dataclass
class Disk:
    """``holds``: ``""`` zeros, ``target``, ``half`` (a format that was killed), ``ext4`` (somebody's) or ``data``."""

    kname: str
    number: str
    holds: str = ""
    target: Target | None = None
    label: str = ""
    mounted: str = ""
    mmp: str = "clean"
    size: int = support.GIB

    @property
    def ext4(self) -> bool:
        return self.holds in ("target", "half", "ext4")

    @property
    def name(self) -> str:
        return self.target.label if self.target is not None else self.label


@dataclass
class DiskModel:
    """Call it like a runner; ``files`` of a resource is the model, too."""

    disks: dict[str, Disk] = field(default_factory=dict)
    udev: bool = False
    calls: list[tuple[str, ...]] = field(default_factory=list)

    # ---- the kernel's files ----

    def node(self, path: str) -> Node:
        for link, disk in self.disks.items():
            if path in (link, f"/dev/{disk.kname}"):
                return Node(f"/dev/{disk.kname}", disk.number)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def text(self, path: str) -> str:
        if path == "/proc/self/mountinfo":
            mounts = [
                f"90 29 0:{50 + place} / {disk.mounted} rw - lustre {link} rw\n"
                for place, (link, disk) in enumerate(self.disks.items())
                if disk.mounted
            ]
            return support.MOUNTINFO + "".join(mounts)
        if path == "/proc/swaps":
            return support.SWAPS
        for disk in self.disks.values():
            base = f"/sys/dev/block/{disk.number}"
            known = {
                f"{base}/uevent": f"DEVNAME={disk.kname}\nDEVTYPE=disk\n",
                f"{base}/size": f"{disk.size // 512}\n",
                f"{base}/ro": "0\n",
            }
            if self.udev:
                known[f"/run/udev/data/b{disk.number}"] = "E:ID_FS_TYPE=ext4\n" if disk.ext4 else "E:ID_SERIAL=1\n"
            if path in known:
                return known[path]
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def data(self, path: str) -> bytes:
        return self.text(path).encode()

    def names(self, path: str) -> list[str]:
        return [] if path.endswith("/holders") else ["dev", "holders", "ro", "size", "uevent"]

    def head(self, path: str, length: int) -> bytes:
        disk = self.disks[path]
        return (support.ext4_head(disk.name) if disk.ext4 else bytes(2048))[:length]

    def ends(self, path: str) -> Ends:
        disk = self.disks[path]
        if disk.mounted:
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        return Ends(disk.size, {"": None, "data": 512}.get(disk.holds, 1080))

    # ---- programs ----

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = list(argv)
        if words[0] == "tunefs.lustre" and "--dryrun" not in words:
            return self._tune(words)
        return getattr(self, f"_{words[0].replace('.', '_')}")(words)

    def _lsblk(self, argv: list[str]) -> Result:
        rows = []
        for path in argv[5:]:
            disk = self.disks[path]
            shown = "ext4" if self.udev and disk.ext4 else None
            rows.append(support.lsblk_row(disk.kname, disk.number, disk.size, fstype=shown))
        return Result(0, json.dumps({"blockdevices": rows}), "")

    def _wipefs(self, argv: list[str]) -> Result:
        if argv[1] == "--all":
            self.calls.append(tuple(argv))
            assert not self.disks[argv[2]].ext4 and not self.disks[argv[2]].mounted
            return Result(0, "", "")
        found = [
            {
                "device": path.rpartition("/")[2],
                "offset": "0x438",
                "type": "ext4",
                "uuid": "u",
                "label": self.disks[path].name,
            }
            for path in argv[3:]
            if self.disks[path].ext4
        ]
        return Result(0, json.dumps({"signatures": found}), "")

    def _blkid(self, argv: list[str]) -> Result:
        disk = self.disks[argv[-1]]
        if not disk.ext4:
            return Result(2, "", "")
        return Result(0, f"DEVNAME={argv[-1]}\nLABEL={disk.name}\nUUID=u\nTYPE=ext4\nUSAGE=filesystem\n", "")

    def _debugfs(self, argv: list[str]) -> Result:
        return Result(0, support.MOUNTDATA, "") if self.disks[argv[-1]].target else support.NO_MOUNTDATA

    def _e2mmpstatus(self, argv: list[str]) -> Result:
        state = self.disks[argv[1]].mmp
        return {
            "clean": Result(0, f"e2mmpstatus: it is safe to mount '{argv[1]}', MMP is clean\n", ""),
            "off": Result(2, "", "e2mmpstatus: MMP feature not enabled.\n"),
            "busy": Result(1, "", "e2mmpstatus: MMP is in use\n"),
        }[state]

    def _tunefs_lustre(self, argv: list[str]) -> Result:
        target = self.disks[argv[-1]].target
        return Result(0, target.text(), "") if target is not None else support.NOT_LUSTRE

    def _mkfs_lustre(self, argv: list[str]) -> Result:
        self.calls.append(tuple(argv))
        disk = self.disks[argv[-1]]
        assert disk.holds == "" and not disk.mounted, f"mkfs.lustre over {disk}"
        assert "--reformat" not in argv
        flags = NEW | UPDATE | sum(FLAGS.get(word, 0) for word in argv[1:-1])
        given = self._given(argv[1:-1])
        kind = "mdt" if flags & 1 else "ost" if flags & 2 else "mgt"
        assert kind != "mgt" or "index" not in dict(given), "prints the usage, formats nothing and ends with 0"
        values = dict(given)
        params = self._params(given)
        flags |= NO_PRIMNODE if "servicenode" in values else 0
        index = None if kind == "mgt" else int(values["index"])
        disk.holds, disk.target = "target", Target(values.get("fsname", ""), kind, index, flags, params)
        return Result(0, "", "")

    def _tune(self, argv: list[str]) -> Result:
        """``--erase-params`` drops every parameter; what is given then is appended."""
        self.calls.append(tuple(argv))
        disk = self.disks[argv[-1]]
        assert disk.target is not None and not disk.mounted and disk.mmp != "busy", f"tunefs.lustre on {disk}"
        assert argv[1] == "--erase-params" and "--writeconf" not in argv
        given = self._given(argv[2:-1])
        disk.target.params = self._params(given)
        disk.target.flags |= UPDATE | (NO_PRIMNODE if "servicenode" in dict(given) else 0)
        return Result(0, "", "")

    @staticmethod
    def _given(words: list[str]) -> list[tuple[str, str]]:
        return [_pair(word[2:]) for word in words if "=" in word]

    @staticmethod
    def _params(given: list[tuple[str, str]]) -> list[tuple[str, str]]:
        names = {
            "mgsnode": "mgsnode",
            "servicenode": "failover.node",
            "failnode": "failover.node",
            "network": "network",
        }
        found = [(names[key], value) for key, value in given if key in names]
        return found + [_pair(value) for key, value in given if key == "param"]

    def _dd(self, argv: list[str]) -> Result:
        self.calls.append(tuple(argv))
        words = dict(word.split("=", 1) for word in argv[1:])
        disk = self.disks[words["of"]]
        assert disk.holds in ("target", "half") and not disk.mounted and disk.mmp != "busy", f"dd over {disk}"
        assert words["if"] == "/dev/zero" and int(words["bs"]) == SPAN and words["count"] == "1"
        if "seek" in words:
            assert int(words["seek"]) == disk.size - SPAN and words["oflag"] == "seek_bytes"
        else:
            disk.holds, disk.target, disk.label = "", None, ""
        return Result(0, "", "")


def any_disks(model: DiskModel) -> list[Any]:
    """What is on all disks, to be compared with later."""
    return [(path, disk.holds, disk.label, disk.target and disk.target.text()) for path, disk in model.disks.items()]


def _pair(text: str) -> tuple[str, str]:
    key, _equals, value = text.partition("=")
    return key, value
