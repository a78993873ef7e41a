# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first and last bytes of things that rehearsal hosts have no tool to make, by their formats' own documents.

Each function takes the size of the disk and returns pieces: (offset, bytes).
"""

from __future__ import annotations

import random as randomness
import struct
import uuid
import zlib
from collections.abc import Callable

Pieces = list[tuple[int, bytes]]

SECTOR = 512
KIB, MIB = 1 << 10, 1 << 20
_ID = uuid.UUID("6f0c44b4-5a5f-4b7e-9a39-0123456789ab")


def xfs(size: int) -> Pieces:
    """A superblock of version 4: four allocation groups of 4 KiB blocks."""
    blocks = size // 4096
    head = struct.pack(">4sIQQQ16s", b"XFSB", 4096, blocks, 0, 0, _ID.bytes)
    inodes = struct.pack(">QQQQ", blocks // 2, 128, 129, 130)
    shape = struct.pack(">IIIIIHHHH", 1, blocks // 4, 4, 0, 855, 0xB4A4, 512, 512, 8)
    logs = struct.pack(">12sBBBBBBBB", b"", 12, 9, 9, 3, 12, 0, 0, 25)
    return [(0, (head + inodes + shape + logs).ljust(SECTOR, b"\0"))]


def lvm(size: int) -> Pieces:
    """The label of a physical volume in the second sector, with its checksum."""
    body = struct.pack("<I8s32s", 32, b"LVM2 001", b"a" * 32) + struct.pack("<Q", size)
    body = body.ljust(SECTOR - 20, b"\0")
    crc = zlib.crc32(body, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    return [(SECTOR, struct.pack("<8sQI", b"LABELONE", 1, crc) + body)]


def md(size: int) -> Pieces:
    """A member of a software RAID, metadata 1.2: 4 KiB from the start."""
    head = struct.pack("<IIII16s32s", 0xA92B4EFC, 1, 0, 0, _ID.bytes, b"host:0")
    array = struct.pack("<QIIQIIIIQIIII", 0, 1, 0, size // SECTOR - 2048, 0, 2, 0, 0, 0, 0, 0, 0, 0)
    member = struct.pack("<QQQQ", 2048, size // SECTOR - 2048, 8, 0)
    return [(4 * KIB, (head + array + member).ljust(256, b"\0"))]


def zfs(size: int) -> Pieces:
    """Uberblocks in all four labels: two at the start, two at the end."""
    labels = (0, 256 * KIB, size - 512 * KIB, size - 256 * KIB)
    uberblock = struct.pack("<QQQQQ", 0x00BAB10C, 5000, 7, 1, 1)
    return [(label + 128 * KIB + n * KIB, uberblock) for label in labels for n in range(8)]


def luks(_size: int) -> Pieces:
    head = struct.pack(">6sH32s32s32sII", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256", 4096, 64)
    return [(0, head + bytes(20 + 32 + 4) + str(_ID).encode())]


def ceph(_size: int) -> Pieces:
    return [(0, b"bluestore block device\n" + str(_ID).encode() + b"\n")]


def dos(_size: int) -> Pieces:
    """A table with one Linux partition."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0x83, b"\0\0\0", 2048, 65536)
    return [(440, b"\x78\x56\x34\x12\0\0" + entry + bytes(48) + b"\x55\xaa")]


def gpt_empty(size: int) -> Pieces:
    return _gpt(size, b"")


def gpt_partition(size: int) -> Pieces:
    kind = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
    name = "data".encode("utf-16-le")
    return _gpt(size, struct.pack("<16s16sQQQ72s", kind.bytes_le, _ID.bytes_le, 2048, 65535, 0, name))


def gpt_backup(size: int) -> Pieces:
    """What stays of a table when only the first MiB was overwritten."""
    return [piece for piece in gpt_partition(size) if piece[0] > MIB]


def _gpt(size: int, entry: bytes) -> Pieces:
    last = size // SECTOR - 1
    entries = entry.ljust(128 * 128, b"\0")

    def header(own: int, other: int, table: int) -> bytes:
        values = (own, other, 34, last - 33, _ID.bytes_le, table, 128, 128, zlib.crc32(entries))
        text = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *values)
        return text[:16] + struct.pack("<I", zlib.crc32(text)) + text[20:]

    protective = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, last)
    return [
        (446, protective + bytes(48) + b"\x55\xaa"),
        (SECTOR, header(1, last, 2)),
        (2 * SECTOR, entries),
        ((last - 32) * SECTOR, entries),
        (last * SECTOR, header(last, 1, last - 32)),
    ]


def random(_size: int) -> Pieces:
    """An unknown format; the same bytes at every run, and no zero first."""
    return [(0, b"\xfe" + randomness.Random(17).randbytes(MIB))]


def last(size: int) -> Pieces:
    """Something at the very end alone: metadata of an unknown RAID controller, say."""
    return [(size - 700, b"metadata of a controller")]


KNOWN: dict[str, Callable[[int], Pieces]] = {
    function.__name__: function
    for function in (xfs, lvm, md, zfs, luks, ceph, dos, gpt_empty, gpt_partition, gpt_backup, random, last)
}
