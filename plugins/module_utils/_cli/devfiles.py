# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel's files and a read of the device itself say; no process is started.

``Files`` is the only door to them, so that tests can hand in other answers; every
failure is an OSError.  Parsers of /proc/self/mountinfo, /proc/swaps, /proc/mdstat and
udev's database entries are below.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import stat
from typing import NamedTuple, Protocol

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

#: How much of a device's start and end is read: every label and superblock of util-linux's list lies within.
SPAN = 1 << 20
_MEMBER = re.compile(r"([^\[]+)\[\d+\]")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Node(NamedTuple):
    """What a path leads to: the real path, and ``major:minor`` (empty when it is no block device)."""

    real: str
    number: str


class Ends(NamedTuple):
    """Size in bytes, and the offset of the first byte that is not zero in the first and last MiB (None: all zero)."""

    size: int
    nonzero: int | None


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo; ``type`` without the prefix that FUSE gives to its subtypes."""

    number: str
    path: str
    type: str
    source: str
    options: tuple[str, ...]


class Files(Protocol):
    def node(self, path: str) -> Node: ...

    def text(self, path: str) -> str: ...

    def data(self, path: str) -> bytes: ...

    def names(self, path: str) -> list[str]: ...

    def head(self, path: str, length: int) -> bytes: ...

    def ends(self, path: str) -> Ends: ...


class LocalFiles:
    """The production reader."""

    def node(self, path: str) -> Node:
        real = os.path.realpath(path)
        found = os.stat(real)
        number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}" if stat.S_ISBLK(found.st_mode) else ""
        return Node(real, number)

    def text(self, path: str) -> str:
        return self.data(path).decode(errors="replace")

    def data(self, path: str) -> bytes:
        with open(path, "rb") as stream:
            return stream.read()

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def head(self, path: str, length: int) -> bytes:
        """The first bytes of a device that others may have open."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            return os.pread(handle, length, 0)
        finally:
            os.close(handle)

    def ends(self, path: str) -> Ends:
        """Open for ourselves alone (EBUSY when a mount, a RAID, LVM or another program holds it) and read both ends.

        The reads pass the page cache by: on shared storage another node may have written since this node
        last looked, and a cache that somebody else holds open is not dropped.
        """
        handle = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            size = os.lseek(handle, 0, os.SEEK_END)
            if stat.S_ISBLK(os.fstat(handle).st_mode):
                fcntl.fcntl(handle, fcntl.F_SETFL, os.O_DIRECT)
            starts = {0, max(0, size - SPAN)}
            found = [offset for start in sorted(starts) for offset in _nonzero(handle, start, min(SPAN, size - start))]
            return Ends(size, found[0] if found else None)
        finally:
            os.close(handle)


def _nonzero(handle: int, start: int, length: int) -> list[int]:
    """The offset of the first byte that is not zero, as a list of none or one; a short read is an OSError."""
    if not length:
        return []
    done = 0
    # Memory that begins with a page, as reads that pass the cache by want it.
    with mmap.mmap(-1, length) as area:
        while done < length:
            with memoryview(area) as whole, whole[done:] as rest:
                got = os.preadv(handle, [rest], start + done)
            if not got:
                raise OSError(f"the device ended at byte {start + done}, before its own size")
            done += got
        left = area[:].lstrip(b"\0")
    return [start + length - len(left)] if left else []


def parse_mountinfo(text: str) -> list[Mount]:
    """/proc/self/mountinfo (proc(5)); UnknownOutput on a line without its separator or fields."""
    mounts = []
    for line in filter(None, text.split("\n")):
        left, dash, right = line.partition(" - ")
        head, tail = left.split(" "), right.split(" ")
        if not dash or len(head) < 6 or len(tail) < 3:
            raise UnknownOutput("/proc/self/mountinfo", "what is mounted", line)
        kind = tail[0][len("fuse.") :] if tail[0].startswith("fuse.") else tail[0]
        mounts.append(Mount(head[2], _plain(head[4]), kind, _plain(tail[1]), tuple(tail[2].split(","))))
    return mounts


def _plain(word: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)


def parse_swaps(text: str) -> list[str]:
    """The paths of /proc/swaps."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Filename"):
        raise UnknownOutput("/proc/swaps", "which devices are swap space", text)
    return [_plain(line.split()[0]) for line in lines[1:] if line.strip()]


def parse_mdstat(text: str) -> set[str]:
    """The kernel names of all members in /proc/mdstat (``md0 : active raid1 sdb1[1] sda1[0]``)."""
    if not text.startswith("Personalities"):
        raise UnknownOutput("/proc/mdstat", "which devices are RAID members", text)
    words = [word for line in text.splitlines() if " : " in line for word in line.split()]
    return {match[1] for match in map(_MEMBER.match, words) if match}


def parse_uevent(text: str) -> dict[str, str]:
    """``KEY=value`` lines of sysfs's ``uevent``, and the ``E:KEY=value`` lines of /run/udev/data."""
    pairs = (line[2:] if line.startswith("E:") else line for line in text.splitlines())
    return {key: value for key, equals, value in (pair.partition("=") for pair in pairs) if equals}
