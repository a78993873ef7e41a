# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The head of a ticket cache of the type FILE (format 0x0504): whose tickets, and how far the KDC's clock is from ours.

With ``kdc_timesync`` (the default) MIT's library takes over the KDC's time silently and writes the difference into the
cache: a node whose clock is ten minutes wrong gets its tickets and is never told.  This head is where it can be seen.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

MAGIC = b"\x05\x04"
_DELTA = 1
#: The head of a cache is some dozen bytes; tickets are never read.
_HEAD = 4096


@dataclass(frozen=True)
class CacheHead:
    """``offset``: seconds to add to this node's clock to get the KDC's; None when the cache does not tell."""

    principal: str
    offset: float | None = None


def parse_cache(data: bytes, where: str) -> CacheHead:
    """UnknownOutput for anything but format 0x0504."""
    try:
        return _head(data)
    except (struct.error, IndexError, ValueError):
        what = f"{where}, which begins with {data[:2].hex(' ') or 'nothing'} instead of 05 04 or ends too early"
        raise UnknownOutput("The ticket cache", what, "") from None


def _head(data: bytes) -> CacheHead:
    if data[:2] != MAGIC:
        raise ValueError
    (length,) = struct.unpack_from(">H", data, 2)
    at, end, offset = 4, 4 + length, None
    while at < end:
        tag, size = struct.unpack_from(">HH", data, at)
        if tag == _DELTA and size == 8:
            seconds, micros = struct.unpack_from(">ii", data, at + 4)
            offset = seconds + micros / 1e6
        at += 4 + size
    _kind, count = struct.unpack_from(">II", data, end)
    if not 1 <= count <= 16:
        raise ValueError
    at, words = end + 8, []
    for _component in range(count + 1):
        (size,) = struct.unpack_from(">I", data, at)
        word = data[at + 4 : at + 4 + size]
        if len(word) != size:
            raise ValueError
        words.append(word.decode("latin-1"))
        at += 4 + size
    realm, *names = words
    return CacheHead(f"{'/'.join(names)}@{realm}", offset)


def owner_of(path: str) -> str:
    """The principal of root's own cache at a path; empty when nothing is there, or something that is not root's file.

    Caches lie in /tmp, where everybody may put something: neither a link nor a file of somebody else is followed.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as stream:
        seen = os.fstat(stream.fileno())
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != 0:
            return ""
        data = stream.read(_HEAD)
    try:
        return parse_cache(data, path).principal
    except UnknownOutput:
        return ""
