# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is there a Lustre target on this ext4, whatever tunefs.lustre of this node says?

Observed with 2.17.0: under a libext2fs that does not know Lustre's ``dirdata`` (every
distribution's own), ``tunefs.lustre`` calls a healthy, even a running MDT "not formatted
with mkfs.lustre", in the very words that it has for a disk without Lustre.  debugfs and
dumpe2fs of the same e2fsprogs cannot open it either ("unsupported feature(s)").  So the
superblock is read here without any of them, and debugfs only answers the rest.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing, ToolTimeout
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: How much of a device holds the superblock: it lies at 1024, and is as long.
HEAD = 2048
TIMEOUT = 60.0
_MAGIC = 0xEF53
#: No other file system than an MDT has this incompatible feature.
_DIRDATA = 0x1000

TARGET, NO_TARGET, UNSUPPORTED, UNKNOWN = "target", "no target", "unsupported", "unknown"


class Superblock(NamedTuple):
    """Of an ext2, ext3 or ext4: its label, and whether only Lustre makes such a one."""

    label: str
    dirdata: bool


class Inside(NamedTuple):
    """What debugfs finds: TARGET, NO_TARGET, UNSUPPORTED (it cannot open this ext4) or UNKNOWN, and its words."""

    kind: str
    said: str = ""


def superblock(head: bytes) -> Superblock | None:
    """The superblock in the first bytes of a device; None when there is none."""
    block = head[1024:HEAD]
    if len(block) < 0x88 or struct.unpack_from("<H", block, 0x38)[0] != _MAGIC:
        return None
    label = block[0x78:0x88].split(b"\0")[0].decode(errors="backslashreplace")
    return Superblock(label, bool(struct.unpack_from("<I", block, 0x60)[0] & _DIRDATA))


def inside_argv(device: str) -> tuple[str, ...]:
    """Only reads (``-c`` opens read-only and without the bitmaps), on a mounted device, too."""
    return ("debugfs", "-c", "-R", "stat CONFIGS/mountdata", device)


def inside(run: Runner, device: str) -> Inside:
    """Whether the ext4 on a device holds Lustre's own file; debugfs always ends with 0, so its words decide."""
    try:
        rc, out, err = run(inside_argv(device), None, TIMEOUT)
    except (ToolMissing, ToolTimeout) as error:
        return Inside(UNKNOWN, str(error))
    if re.search(r"^Inode: \d+ +Type: regular", out, re.M):
        return Inside(TARGET)
    if re.search(r"^CONFIGS/mountdata: File not found by ext2_lookup", err, re.M):
        return Inside(NO_TARGET)
    said = " / ".join(line.strip() for line in err.splitlines()[1:] if line.strip()) or f"nothing (exit code {rc})"
    return Inside(UNSUPPORTED if "unsupported feature" in err else UNKNOWN, said)
