# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keytab files of MIT Kerberos (format 0x0502), read and written here, so that no key is ever a word of a command.

Layout, all numbers big-endian: two bytes 05 02, then records of a signed 32-bit length and that many bytes; a negative
length is a hole, zero the end.  A record: number of components, realm, components (each a 16-bit length and bytes),
name type, time, 8 bits of the key's version, encryption type, key; then perhaps the version in 32 bits, which counts when
it is not zero.  What else follows in a record is kept: a record that is not ours is written back byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from dataclasses import dataclass, field
from typing import Iterable

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

MAGIC = b"\x05\x02"
#: A keytab of thousands of principals is far below that; what is larger is no keytab.
LARGEST = 16 << 20
_TOOL = "The keytab file"

#: RFC 3961, 3962, 4757, 6803, 8009: what klist and kadmin print for a type.
ENCTYPES = {
    1: "des-cbc-crc",
    3: "des-cbc-md5",
    16: "des3-cbc-sha1",
    17: "aes128-cts-hmac-sha1-96",
    18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192",
    23: "arcfour-hmac",
    25: "camellia128-cts-cmac",
    26: "camellia256-cts-cmac",
}


@dataclass(frozen=True)
class Entry:
    """One key of one principal; ``raw`` is its record without the length. Neither shows when it is printed."""

    principal: str
    kvno: int
    enctype: int
    time: int
    key_hash: str = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def identity(self) -> tuple[str, int, int]:
        return self.principal, self.kvno, self.enctype

    @property
    def enctype_name(self) -> str:
        return ENCTYPES.get(self.enctype, f"enctype {self.enctype}")

    def public(self) -> dict[str, object]:
        return {"principal": self.principal, "kvno": self.kvno, "enctype": self.enctype_name, "time": self.time}


class _Words:
    """A record, read from its beginning; EOFError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise EOFError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def counted(self) -> bytes:
        return self.take(self.number(">H"))


def parse_keytab(data: bytes, where: str) -> list[Entry]:
    """All keys in their order; UnknownOutput (which names ``where`` and shows no byte of it) for anything but format 0x0502."""
    if data[:2] != MAGIC:
        begins = data[:2].hex(" ") or "nothing"
        raise _unknown(where, f"it begins with {begins} instead of 05 02")
    entries, at = [], 2
    while at < len(data):
        if at + 4 > len(data):
            raise _unknown(where, f"it ends within the length of a record, at byte {at}")
        (length,) = struct.unpack(">i", data[at : at + 4])
        at += 4
        if length == 0:
            if data[at:].strip(b"\0"):
                raise _unknown(where, f"something follows its end, at byte {at}")
            break
        size = abs(length)
        if at + size > len(data):
            raise _unknown(where, f"a record of {size} bytes at byte {at} is longer than the file")
        if length > 0:
            entries.append(_entry(data[at : at + size], where, at))
        at += size
    return entries


def _unknown(where: str, why: str) -> UnknownOutput:
    return UnknownOutput(_TOOL, where, why)


def _entry(raw: bytes, where: str, at: int) -> Entry:
    words = _Words(raw)
    try:
        count = words.number(">H")
        realm = words.counted()
        names = [words.counted() for _component in range(count)]
        words.number(">I")
        time = words.number(">I")
        kvno = words.number(">B")
        enctype = words.number(">H")
        key = words.counted()
    except EOFError:
        raise _unknown(where, f"the record at byte {at} ends too early") from None
    if len(raw) - words.at >= 4:
        kvno = words.number(">I") or kvno
    if not names or not key:
        raise _unknown(where, f"the record at byte {at} has no {'key' if names else 'name'}")
    # Of the key only a hash is ever compared or kept beside the record.
    digest = hashlib.sha256(key).hexdigest()
    return Entry(_principal(names, realm), kvno, enctype, time, digest, raw)


def _principal(names: list[bytes], realm: bytes) -> str:
    parts = [_escaped(name, b"/@") for name in names]
    return f"{'/'.join(parts)}@{_escaped(realm, b'@')}"


def _escaped(name: bytes, marks: bytes) -> str:
    text = ""
    for byte in name:
        sign = bytes([byte])
        if sign in (b"\\", *(bytes([mark]) for mark in marks)):
            text += "\\"
        text += sign.decode("latin-1") if 32 <= byte < 127 else f"\\x{byte:02x}"
    return text


def render(entries: Iterable[Entry]) -> bytes:
    """A keytab of these keys, each record as it was read."""
    return MAGIC + b"".join(struct.pack(">i", len(entry.raw)) + entry.raw for entry in entries)


@dataclass(frozen=True)
class FileState:
    """What is at a keytab's path: ``kind`` is ``absent``, ``file``, or what else is there; ``data`` the whole content."""

    kind: str
    data: bytes = field(default=b"", repr=False)
    mode: int = 0
    uid: int = 0
    gid: int = 0


def read_state(path: str) -> FileState:
    """The file itself, not what a link leads to. Raises OSError for what cannot be read."""
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return FileState("absent")
    if not stat.S_ISREG(seen.st_mode):
        return FileState("a symbolic link" if stat.S_ISLNK(seen.st_mode) else "something that is no file")
    if seen.st_size > LARGEST:
        raise _unknown(path, f"it has {seen.st_size} bytes, more than any keytab")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        data = stream.read()
    return FileState("file", data, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
