# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Lustre target keeps on its device: a real ext4 made by the real mke2fs, reached without mounting it.

The identity lies in ``CONFIGS/mountdata`` as in real ldiskfs, but as JSON. The label is the authority for the
states "never registered" and "writeconf pending", as it is for the real tools.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import struct
import subprocess
import tempfile

from .sim_error import SimError

MDT, OST, MGS = 0x1, 0x2, 0x4
NEEDS_INDEX, VIRGIN, UPDATE, WRITECONF = 0x10, 0x20, 0x40, 0x100
NO_PRIMNODE, NO_LOCAL_LOGS = 0x1000, 0x10000
INDEX_UNASSIGNED = 0xFFFF

# printed in this order
FLAG_WORDS = (
    (MDT, "MDT"),
    (OST, "OST"),
    (MGS, "MGS"),
    (NEEDS_INDEX, "needs_index"),
    (VIRGIN, "first_time"),
    (UPDATE, "update"),
    (WRITECONF, "writeconf"),
    (NO_PRIMNODE, "no_primnode"),
    (NO_LOCAL_LOGS, "nolocallogs"),
)
SEPARATORS = {":": VIRGIN, "=": WRITECONF, "+": NO_LOCAL_LOGS}

MOUNTDATA = "CONFIGS/mountdata"
MGS_STATE = "CONFIGS/mgs-state"
#: Kept in a catalog of its own in the root by the real one.
CHANGELOG_USERS = "CONFIGS/changelog-users"
_MOUNTDATA_SIZE = 12288
_CHANGELOG_USERS_SIZE = 32768
_MGS_STATE_SIZE = 4 << 20
_SUPERBLOCK = 1024
_EXT_MAGIC = 0xEF53
_INCOMPAT_MMP = 0x100
_RO_COMPAT_METADATA_CSUM = 0x400
_MMP_MAGIC, _MMP_CLEAN, _MMP_MAX = 0x004D4D50, 0xFF4D4D50, 0xE24D4D4F
_LABEL_AT, _LABEL_SIZE = 120, 16
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENV = {"PATH": _PATH, "LC_ALL": "C", "HOME": "/", "DEBUGFS_PAGER": "__none__", "PAGER": "cat"}


@dataclasses.dataclass
class MountData:
    """The content of CONFIGS/mountdata. ``svname`` carries the separator; ``params`` is the text after the key."""

    flags: int = 0
    index: int = INDEX_UNASSIGNED
    fsname: str = ""
    svname: str = ""
    mount_type: str = "ldiskfs"
    mount_opts: str = ""
    params: list[str] = dataclasses.field(default_factory=list)
    comment: str = ""

    @property
    def kind(self) -> str:
        return "MDT" if self.flags & MDT else "OST" if self.flags & OST else "MGS"

    @property
    def stand_alone_mgs(self) -> bool:
        return bool(self.flags & MGS) and not self.flags & (MDT | OST)

    def name(self, separator: str | None = None) -> str:
        """The service name with a given separator, or with that of the flags."""
        if self.stand_alone_mgs:
            return "MGS"
        if separator is None:
            separator = next((mark for mark, flag in SEPARATORS.items() if self.flags & flag), "-")
        return f"{self.fsname}{separator}{self.kind}{self.index:04x}"

    def param(self, key: str) -> str | None:
        """The value of one stored parameter."""
        return next((text[len(key) + 1 :] for text in self.params if text.startswith(key + "=")), None)

    def nid_groups(self, key: str) -> list[list[str]]:
        """``mgsnode`` or ``failover.node``: per node (separated by colons) its NIDs (separated by commas)."""
        return [group.split(",") for group in (self.param(key) or "").split(":") if group]


@dataclasses.dataclass(frozen=True)
class Superblock:
    uuid: str
    label: str
    mmp: bool
    checksummed: bool
    block_size: int
    blocks: int
    blocks_reserved: int
    blocks_free: int
    inodes: int
    inodes_free: int
    overhead: int  # blocks that never hold data


def tool(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run one of e2fsprogs' tools, locale C, with a bound; its text is for us only."""
    return subprocess.run(  # our own argv, no shell
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
        env=_ENV,
    )


def superblock(device: str) -> Superblock | None:
    """The ext superblock, or None when the device holds none. SimError when the device cannot be read."""
    try:
        with open(device, "rb") as stream:
            stream.seek(_SUPERBLOCK)
            raw = stream.read(1024)
    except OSError as error:
        raise SimError(error.errno or errno.EIO, f"{device}: {error.strerror}") from error
    if len(raw) < 1024 or struct.unpack_from("<H", raw, 56)[0] != _EXT_MAGIC:
        return None
    inodes, blocks, reserved, free, inodes_free, _first, log_size = struct.unpack_from("<7I", raw, 0)
    raw_uuid = raw[104:120].hex()
    return Superblock(
        uuid="-".join((raw_uuid[:8], raw_uuid[8:12], raw_uuid[12:16], raw_uuid[16:20], raw_uuid[20:])),
        label=raw[_LABEL_AT : _LABEL_AT + _LABEL_SIZE].split(b"\0")[0].decode("utf-8", "replace"),
        mmp=bool(struct.unpack_from("<I", raw, 96)[0] & _INCOMPAT_MMP),
        checksummed=bool(struct.unpack_from("<I", raw, 100)[0] & _RO_COMPAT_METADATA_CSUM),
        block_size=1024 << log_size,
        blocks=blocks,
        blocks_reserved=reserved,
        blocks_free=free,
        inodes=inodes,
        inodes_free=inodes_free,
        overhead=struct.unpack_from("<I", raw, 0x248)[0],
    )


def size_kb(device: str) -> int:
    with open(device, "rb") as stream:
        return stream.seek(0, os.SEEK_END) // 1024


def read_file(device: str, path: str) -> bytes | None:
    """The content of a file of the unmounted ext4 up to its first NUL, or None when it is not there."""
    if superblock(device) is None:
        return None
    done = subprocess.run(
        ["debugfs", "-c", "-R", f"cat /{path}", device],
        capture_output=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
        env=_ENV,
    )
    return done.stdout.split(b"\0")[0] or None


def create_files(device: str, sizes: dict[str, int]) -> None:
    """Make empty files (full of NULs) of fixed sizes in the folder CONFIGS, with one debugfs.

    Later writes go to the blocks of these files in place (``write_file``): debugfs would wait 11 seconds for the
    multi-mount protection at each opening for writing, and a file that does not change its size needs no change
    of the file system's own data.
    """
    with tempfile.TemporaryDirectory(prefix="lustre-sim-") as scratch:
        lines = ["mkdir /CONFIGS"]
        for number, (path, size) in enumerate(sizes.items()):
            copy = os.path.join(scratch, str(number))
            with open(copy, "wb") as stream:
                stream.write(b"\1" * size)  # not NULs: debugfs would leave holes
            lines.append(f"write {copy} /{path}")
        script = os.path.join(scratch, "script")
        with open(script, "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        done = tool("debugfs", "-w", "-f", script, device)
    for path in sizes:
        if not _blocks(device, path):
            raise SimError(errno.EIO, f"{device}: {path} was not made: {done.stderr.strip()}")
        write_file(device, path, b"")


def write_file(device: str, path: str, data: bytes) -> None:
    """Overwrite a file of ``create_files`` in place; the data must not contain NULs and ends at the first one."""
    block = superblock(device)
    size = block.block_size if block else 4096
    numbers = _blocks(device, path)
    if not numbers:
        raise SimError(errno.ENOENT, f"{device}: no {path}")
    if len(data) >= len(numbers) * size:
        raise SimError(errno.ENOSPC, f"{device}: {path} has room for {len(numbers) * size} bytes, not {len(data)}")
    used = len(data) // size + 1
    data = data.ljust(used * size, b"\0")
    handle = os.open(device, os.O_WRONLY)
    try:
        for at, number in enumerate(numbers[:used]):
            os.pwrite(handle, data[at * size : (at + 1) * size], number * size)
        os.fsync(handle)
    finally:
        os.close(handle)


def _blocks(device: str, path: str) -> list[int]:
    done = tool("debugfs", "-c", "-R", f"blocks /{path}", device)
    words = done.stdout.split()
    return [int(word) for word in words] if words and all(word.isdigit() for word in words) else []


def read_mountdata(device: str) -> MountData | None:
    """The identity of a target, or None when the device holds no Lustre target."""
    raw = read_file(device, MOUNTDATA)
    if raw is None:
        return None
    try:
        data = MountData(**json.loads(raw))
    except (ValueError, TypeError) as error:
        raise SimError(errno.EINVAL, f"{device}: {MOUNTDATA} is damaged: {error}") from error
    block = superblock(device)
    label = block.label if block else ""
    data.flags &= ~(VIRGIN | WRITECONF | NO_LOCAL_LOGS)
    if not data.stand_alone_mgs:
        data.flags |= SEPARATORS.get(label[-8:-7], 0)
    data.svname = data.name()
    return data


def write_mountdata(device: str, data: MountData) -> None:
    """Write the identity into the existing file, and the label that belongs to it."""
    data.svname = data.name()
    write_file(device, MOUNTDATA, json.dumps(dataclasses.asdict(data), indent=1).encode())
    set_label(device, data.svname)


def first_mountdata(device: str, data: MountData) -> None:
    """What mkfs.lustre writes into a fresh file system."""
    sizes = {MOUNTDATA: _MOUNTDATA_SIZE}
    if data.flags & MGS:
        sizes[MGS_STATE] = _MGS_STATE_SIZE
    if data.flags & MDT:
        sizes[CHANGELOG_USERS] = _CHANGELOG_USERS_SIZE
    create_files(device, sizes)
    write_mountdata(device, data)


def set_label(device: str, label: str) -> None:
    """Change the label in the primary superblock, as the kernel does."""
    block = superblock(device)
    if block is None:
        raise SimError(errno.EINVAL, f"{device} holds no ext4")
    if block.label == label:
        return
    if block.checksummed:
        done = tool("tune2fs", "-L", label, device)
        if done.returncode != 0:
            raise SimError(errno.EIO, f"{device}: cannot set the label {label}: {done.stderr.strip()}")
        return
    handle = os.open(device, os.O_WRONLY)
    try:
        raw = label.encode()[:_LABEL_SIZE].ljust(_LABEL_SIZE, b"\0")
        os.pwrite(handle, raw, _SUPERBLOCK + _LABEL_AT)
        os.fsync(handle)
    finally:
        os.close(handle)


def write_mmp(device: str, sequence: int | None, node: str, now: float) -> None:
    """The multi-mount block as the kernel keeps it: a sequence that moves while mounted, None = clean.

    e2mmpstatus, fsck and tune2fs of any host that sees the device look at it. Nothing is done without the feature.
    """
    with open(device, "rb") as stream:
        stream.seek(_SUPERBLOCK)
        raw = stream.read(1024)
    if not struct.unpack_from("<I", raw, 96)[0] & _INCOMPAT_MMP:
        return
    if struct.unpack_from("<I", raw, 100)[0] & _RO_COMPAT_METADATA_CSUM:
        return  # the block would need a checksum of its own; mkfs.lustre never makes such a file system
    interval, number = struct.unpack_from("<HQ", raw, 0x166)
    block_size = 1024 << struct.unpack_from("<I", raw, 24)[0]
    value = _MMP_CLEAN if sequence is None else 1 + sequence % _MMP_MAX
    block = struct.pack(
        "<IIQ64s32sHH",
        _MMP_MAGIC,
        value,
        int(now),
        node.encode()[:63],
        os.path.basename(device).encode()[:31],
        max(interval, 5),
        0,
    )
    handle = os.open(device, os.O_WRONLY)
    try:
        os.pwrite(handle, block, number * block_size)
        os.fsync(handle)
    finally:
        os.close(handle)


def has_lustre_data(device: str) -> bool:
    return read_file(device, MOUNTDATA) is not None or read_file(device, "last_rcvd") is not None


def mounts_of(device: str, table: str = "/proc/self/mounts") -> list[str]:
    """Where a device is mounted according to the mount table (any type)."""
    real = os.path.realpath(device)
    with open(table, encoding="utf-8", errors="surrogateescape") as stream:
        rows = [line.split() for line in stream]
    return [row[1] for row in rows if row and row[0].startswith("/") and os.path.realpath(row[0]) == real]
