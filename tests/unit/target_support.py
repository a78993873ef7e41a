"""A blank disk as all probes see it, to be spoilt by a test in one place at a time."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli.blockdev import LSBLK_COLUMNS
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._run import Result as Result
from tests.unit.fake_runner import load_transcript

GIB = 1 << 30
PATH = "/dev/disk/by-id/scsi-ost3"
DISK = (PATH, "sdd", "8:48")
NO_SIGNATURE = '{\n   "signatures": [\n\n   ]\n}\n'
MOUNTINFO = "22 27 0:21 / /proc rw,relatime - proc proc rw\n29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
NOT_LUSTRE = load_transcript("mkfs/tunefs-unformatted")
MMP_CLEAN = (["e2mmpstatus", PATH], (0, f"e2mmpstatus: it is safe to mount '{PATH}', MMP is clean\n", ""))
MMP_OFF = (["e2mmpstatus", PATH], (2, "", "e2mmpstatus: MMP feature not enabled.\n"))
MMP_BUSY = (["e2mmpstatus", PATH], (1, "", "e2mmpstatus: MMP is in use\n"))


class FakeFiles:
    """What the kernel's files say; anything not told does not exist, an exception told is raised."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.texts: dict[str, Any] = {"/proc/self/mountinfo": MOUNTINFO, "/proc/swaps": SWAPS}
        self.folders: dict[str, Any] = {}
        self.contents: dict[str, Any] = {}
        self.heads: dict[str, Any] = {}

    def node(self, path: str) -> Node:
        return _told(self.nodes, path)

    def text(self, path: str) -> str:
        return _told(self.texts, path)

    def data(self, path: str) -> bytes:
        found = _told(self.texts, path)
        return found if isinstance(found, bytes) else found.encode()

    def names(self, path: str) -> list[str]:
        return _told(self.folders, path)

    def head(self, path: str, length: int) -> bytes:
        found = self.heads.get(path, bytes(length))
        if isinstance(found, BaseException):
            raise found
        return found[:length]

    def ends(self, path: str) -> Ends:
        return _told(self.contents, path)

    def add_disk(self, path: str, kname: str, number: str, size: int = GIB) -> None:
        self.nodes[path] = self.nodes[f"/dev/{kname}"] = Node(f"/dev/{kname}", number)
        base = f"/sys/dev/block/{number}"
        self.texts[f"{base}/uevent"] = f"MAJOR={number.split(':')[0]}\nDEVNAME={kname}\nDEVTYPE=disk\n"
        self.texts[f"{base}/size"] = f"{size // 512}\n"
        self.texts[f"{base}/ro"] = "0\n"
        self.folders[f"{base}/holders"] = []
        self.folders[base] = ["dev", "holders", "queue", "ro", "size", "slaves", "uevent"]
        self.contents[path] = Ends(size, None)


def _told(book: dict[str, Any], path: str) -> Any:
    answer = book.get(path, FileNotFoundError(2, "No such file or directory", path))
    if isinstance(answer, BaseException):
        raise answer
    return answer


def lsblk_row(kname: str, number: str, size: int = GIB, **changes: Any) -> dict[str, Any]:
    row = {
        "name": kname, "kname": kname, "maj:min": number, "type": "disk", "size": size, "ro": False,
        "fstype": None, "pttype": None, "mountpoints": [None],
    }  # fmt: skip
    return {**row, **changes}


def lsblk_call(paths: list[str], rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    return (["lsblk", "-J", "-b", "-o", LSBLK_COLUMNS, *paths], json.dumps({"blockdevices": rows}))


def wipefs_call(paths: list[str], answer: Any = NO_SIGNATURE) -> tuple[Any, ...]:
    return (["wipefs", "-n", "-J", *paths], answer)


def blkid_call(path: str, answer: Any = (2, "", "")) -> tuple[Any, ...]:
    return (["blkid", "-p", "-o", "export", path], answer)


def tunefs_call(path: str, answer: Any) -> tuple[Any, ...]:
    return (["tunefs.lustre", "--dryrun", path], answer)


def ext4_head(label: str, dirdata: bool = False) -> bytes:
    """The first 2 KiB of a device with an ext4 of that label."""
    block = bytearray(2048)
    block[1024 + 0x38 : 1024 + 0x3A] = (0xEF53).to_bytes(2, "little")
    block[1024 + 0x60 : 1024 + 0x64] = (0x1002 if dirdata else 0x2).to_bytes(4, "little")
    block[1024 + 0x78 : 1024 + 0x78 + len(label)] = label.encode()
    return bytes(block)


#: What debugfs of e2fsprogs 1.47.0 says: of a target, of an ext4 without Lustre, of an MDT it cannot open.
MOUNTDATA = "Inode: 14   Type: regular    Mode:  0644   Flags: 0x80000\n"
NO_MOUNTDATA = Result(0, "", "debugfs 1.47.0 (5-Feb-2023)\nCONFIGS/mountdata: File not found by ext2_lookup \n")
UNREADABLE = Result(
    0, "",
    "debugfs 1.47.0 (5-Feb-2023)\ndebugfs: Filesystem has unsupported feature(s) while trying to open /dev/sdd\n"
    "stat: Filesystem not open\n",
)  # fmt: skip


def debugfs_call(path: str, answer: Any) -> tuple[Any, ...]:
    return (["debugfs", "-c", "-R", "stat CONFIGS/mountdata", path], answer)


def blank_probes(disks: list[tuple[str, str, str]]) -> list[tuple[Any, ...]]:
    """The calls of a proof for blank disks ``(path, kernel name, major:minor)``, in their order."""
    paths = [path for path, _, _ in disks]
    rows = [lsblk_row(kname, number) for _, kname, number in disks]
    return [lsblk_call(paths, rows), wipefs_call(paths), *(blkid_call(path) for path in paths)]


def dryrun(
    label: str = "fs1-OST0003",
    flags: str = "0x2",
    params: str = "mgsnode=10.77.0.11@tcp",
    options: str = ",errors=remount-ro",
    backend: str = "ldiskfs",
) -> str:
    """``tunefs.lustre --dryrun`` of any target, in the shape of the transcripts."""
    fsname, _, tail = label.rpartition("-")
    index = "unassigned" if label == "MGS" else str(int(tail[3:], 16))
    block = (
        f"Target:     {label}\nIndex:      {index}\nLustre FS:  {fsname}\nMount type: {backend}\nFlags:      {flags}\n"
        f"              (flags )\nPersistent mount opts: {options}\nParameters: {params}\n\n"
    )
    head = "checking for existing Lustre data: found\n\n   Read previous values:\n"
    return f"{head}{block}\n   Permanent disk data:\n{block}exiting before disk write.\n"
