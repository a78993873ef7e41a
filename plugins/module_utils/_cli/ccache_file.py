# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A ticket cache of the type FILE (format 0x0504): whose tickets, until when, and how far the KDC's clock is from ours.

With ``kdc_timesync`` (the default) MIT's library takes over the KDC's time silently and writes the difference into the
cache: a node whose clock is ten minutes wrong gets its tickets and is never told.  The head is where it can be seen.

Behind the head follow the tickets, all numbers big-endian: client, server, key (encryption type in 16 bits, then bytes),
four times, a byte, flags, addresses and authorizations (each a 16-bit kind and bytes), and two tickets.  Bytes are counted by
32 bits.  Of the keys and the tickets themselves nothing is kept.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

MAGIC = b"\x05\x04"
_DELTA = 1
#: The head of a cache is some dozen bytes.
_HEAD = 4096
#: The cache of a node with thousands of services is far below that.
LARGEST = 16 << 20
#: Settings of the library stand among the tickets, as tickets of this realm.
_SETTINGS = "@X-CACHECONF:"


@dataclass(frozen=True)
class CacheHead:
    """``offset``: seconds to add to this node's clock to get the KDC's; None when the cache does not tell."""

    principal: str
    offset: float | None = None


@dataclass(frozen=True)
class Ticket:
    """For which service, and until when (seconds since 1970)."""

    server: str
    ends: int

    @property
    def granting(self) -> bool:
        """Is it the one with which the others are got?"""
        return self.server.startswith("krbtgt/")


def parse_cache(data: bytes, where: str) -> CacheHead:
    """UnknownOutput for anything but format 0x0504."""
    try:
        return _head(data)[0]
    except (struct.error, IndexError, ValueError):
        raise _unknown(data, where) from None


def parse_tickets(data: bytes, where: str) -> tuple[str, list[Ticket]]:
    """Of a whole cache: whose it is, and its tickets; UnknownOutput for anything but format 0x0504."""
    try:
        head, at = _head(data)
        found = []
        while at < len(data):
            ticket, at = _ticket(data, at)
            found += [] if ticket.server.endswith(_SETTINGS) else [ticket]
    except (struct.error, IndexError, ValueError):
        raise _unknown(data, where) from None
    return head.principal, found


def _unknown(data: bytes, where: str) -> UnknownOutput:
    what = f"{where}, which begins with {data[:2].hex(' ') or 'nothing'} instead of 05 04 or ends too early"
    return UnknownOutput("The ticket cache", what, "")


def _head(data: bytes) -> tuple[CacheHead, int]:
    """And where it ends."""
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
    principal, at = _principal(data, end)
    return CacheHead(principal, offset), at


def _principal(data: bytes, at: int) -> tuple[str, int]:
    _kind, count = struct.unpack_from(">II", data, at)
    if not 1 <= count <= 16:
        raise ValueError
    at, words = at + 8, []
    for _component in range(count + 1):
        word, at = _counted(data, at)
        words.append(word.decode("latin-1"))
    realm, *names = words
    return f"{'/'.join(names)}@{realm}", at


def _counted(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">I", data, at)
    word = data[at + 4 : at + 4 + size]
    if len(word) != size:
        raise ValueError
    return word, at + 4 + size


def _ticket(data: bytes, at: int) -> tuple[Ticket, int]:
    _client, at = _principal(data, at)
    server, at = _principal(data, at)
    _key, at = _counted(data, at + 2)
    _since, _start, ends, _renewed = struct.unpack_from(">IIII", data, at)
    at += 16 + 1 + 4
    for _list in ("addresses", "authorizations"):
        (count,) = struct.unpack_from(">I", data, at)
        at += 4
        for _entry in range(count):
            _word, at = _counted(data, at + 2)
    for _copy in ("ticket", "second ticket"):
        _word, at = _counted(data, at)
    return Ticket(server, ends), at


def own_cache(path: str, most: int = LARGEST) -> bytes:
    """The begin of root's own cache at a path; empty when nothing is there, or something that is not root's file.

    Caches lie in /tmp, where everybody may put something: neither a link nor a file of somebody else is followed.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as stream:
        seen = os.fstat(stream.fileno())
        return stream.read(most) if stat.S_ISREG(seen.st_mode) and seen.st_uid == 0 else b""


def owner_of(path: str) -> str:
    """The principal of root's own cache at a path; empty where there is none that can be read."""
    try:
        return parse_cache(own_cache(path, _HEAD), path).principal
    except UnknownOutput:
        return ""
