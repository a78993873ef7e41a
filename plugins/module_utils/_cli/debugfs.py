# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``debugfs`` of e2fsprogs: the bytes of an OST's object, read from the device of a target that runs, without mounting it.

``-c`` opens the device for reading only, and reads no bitmaps.  The exit code is 0 whatever happens; complaints are on standard
error, behind a line with the version (recorded with 1.47.0).

Where an object lies on ldiskfs (osd-ldiskfs, and sanity-sec of Lustre's own tests): ``O/SEQUENCE/dN/NUMBER``, N the number
modulo 32.  Sequence and number are hexadecimal without 0x.  Objects of MDT0000 from before they had a sequence of their
own (sequence 0, or one that stands for 0) are ``O/0/dN/NUMBER`` in decimal.
"""

from __future__ import annotations

import re

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 120.0
PACKAGE = "e2fsprogs, in the build for Lustre"
_VERSION = re.compile(r"debugfs \S+ \(\S+\)\Z")
_MISSING = re.compile(r"\S+: File not found by ext2_lookup\s*\Z")
_FID = re.compile(r"\[?0x(?P<seq>[0-9a-f]{1,16}):0x(?P<oid>[0-9a-f]{1,8}):0x(?P<ver>[0-9a-f]{1,8})\]?\Z")
_FOLDERS = 32
#: Sequences from here to the next stand for 0, with the upper bits of the number in their lower 16 (IDIF).
_IDIF, _AFTER = 0x100000000, 0x200000000


def object_path(fid: str) -> str:
    """From the FID of an object, as ``lfs getstripe`` shows it; UnknownOutput for what is none, or lies elsewhere."""
    match = _FID.match(fid)
    seq, oid = (int(match["seq"], 16), int(match["oid"], 16)) if match else (-1, 0)
    if match is None or int(match["ver"], 16) or 0 < seq < _IDIF:
        raise UnknownOutput("lfs getstripe", "the object of a file", fid)
    if seq >= _AFTER:
        return f"O/{seq:x}/d{oid % _FOLDERS}/{oid:x}"
    number = (seq & 0xFFFF) << 32 | oid
    return f"O/0/d{number % _FOLDERS}/{number}"


def dump(run: Runner, device: str, path: str, copy: str) -> bool:
    """Write a file of the device's file system to ``copy``; False when there is none.  ToolError with what it complained of."""
    argv = ("debugfs", "-c", "-R", f"dump {path} {copy}", device)
    try:
        rc, out, err = run(argv, None, TIMEOUT)
    except ToolMissing:
        raise ToolMissing("debugfs", PACKAGE) from None
    said = parse_complaints(err)
    if any(_MISSING.match(line) for line in said):
        return False
    if rc != 0 or said:
        raise ToolError(f"read {path} on {device}", argv, rc, out, "\n".join(said))
    return True


def parse_complaints(text: str) -> list[str]:
    """Standard error without the line that tells the version."""
    return [line.strip() for line in text.splitlines() if line.strip() and not _VERSION.match(line.strip())]
