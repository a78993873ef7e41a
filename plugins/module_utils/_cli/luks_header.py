# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The header of a LUKS container, read from its first bytes: whose it is, without a program.

``cryptsetup luksDump`` is not asked: on a damaged header of LUKS2 it repairs before it tells (2.6.1), and a look writes nothing.
Layout of LUKS2 (on-disk format 1.1), numbers big-endian: magic ``LUKS\\xba\\xbe``, version (16 bits), size of the header (64),
sequence number (64), label[48], checksum algorithm[32], salt[64], UUID[40], subsystem[48], offset (64), 184 bytes, checksum[64].
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Callable, NamedTuple

MAGIC = b"LUKS\xba\xbe"
#: Read at first: the header proper.
START = 4096
#: The largest header that the format knows.
LARGEST = 4 << 20
_CHECKSUM = slice(448, 512)


class Header(NamedTuple):
    """``damage``: why its content is not to be believed; empty for a sound one. LUKS1 has no label and no subsystem.

    ``whole``: bytes of both headers and the key slots, without which they open nothing; 0 where the header does not say.
    """

    version: int
    uuid: str = ""
    label: str = ""
    subsystem: str = ""
    damage: str = ""
    whole: int = 0

    @property
    def text(self) -> str:
        """For messages."""
        label = f" labelled {self.label!r}" if self.label else " without a label"
        return f"a LUKS{self.version} container{label} (UUID {self.uuid or 'unknown'})"


def read(head: Callable[[int], bytes]) -> Header | None:
    """The header of what ``head(length)`` reads the first bytes of; None where no container begins."""
    start = head(START)
    if start[: len(MAGIC)] != MAGIC:
        return None
    version = int.from_bytes(start[6:8], "big")
    uuid = _text(start[168:208])
    if version != 2:
        return Header(version, uuid, damage="" if version == 1 else f"its version {version} is not known")
    size = int.from_bytes(start[8:16], "big")
    made = Header(2, uuid, _text(start[24:72]), _text(start[208:256]))
    if not START <= size <= LARGEST:
        return made._replace(damage=f"its header says that it has {size} bytes")
    whole = bytearray(head(size))
    told = bytes(whole[_CHECKSUM])
    whole[_CHECKSUM] = bytes(64)
    algorithm = _text(start[72:104])
    if algorithm not in hashlib.algorithms_available:
        return made._replace(damage=f"its checksum is made by {algorithm!r}, which this node cannot check")
    digest = hashlib.new(algorithm, whole).digest()
    if len(whole) != size or told[: len(digest)] != digest:
        return made._replace(damage="the checksum of its header does not fit")
    return made._replace(whole=_whole(whole))


def _whole(header: bytes | bytearray) -> int:
    """What the JSON behind the header proper says: two headers, then the key slots."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        slots = json.loads(bytes(header[START:]).split(b"\0", 1)[0])["config"]["keyslots_size"]
        return 2 * len(header) + int(slots)
    return 0


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")
