# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""debugfs -c -R "dump O/SEQ/dN/OID FILE" DEVICE: the bytes of an object of a simulated OST.

The device is a real ext4 without objects: data lies in the site's folder. Its label tells which OST it is, and only that one's
objects are found on it. Everything else that debugfs is asked goes to the real one; the script of the package sees to that.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, TextIO

from .. import disk
from ..faults import SITE_DIR, Faults
from ..sim_error import SimError
from . import lfs_layout
from ._real import run_real

PROGRAM = "debugfs"
_VERSION = "debugfs 1.47.0 (5-Feb-2023)\n"
_REQUEST = re.compile(r"dump (?P<path>O/(?P<seq>[0-9a-f]+)/d(?P<folder>\d+)/(?P<oid>[0-9a-f]+)) (?P<copy>\S+)\Z")


def main(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    request = _REQUEST.match(argv[2]) if len(argv) == 4 and argv[:2] == ["-c", "-R"] else None
    data = _mountdata(argv[3]) if request else None
    if request is None or data is None or not data.flags & disk.OST:
        rc = run_real(PROGRAM, argv, out, err)
        return 127 if rc is None else rc
    err.write(_VERSION)
    folder = os.path.join(getattr(kernel, "site_dir", SITE_DIR), "fs", data.fsname)
    found = _object(folder, data.index, request)
    if found is None:
        err.write(f"{request['path']}: File not found by ext2_lookup \n")
        return 0
    try:
        shutil.copyfile(found, request["copy"])
    except OSError as error:
        err.write(f"dump: {error.strerror} while opening {request['copy']} for dump_inode\n")
    return 0


def _mountdata(device: str) -> disk.MountData | None:
    try:
        return disk.read_mountdata(device)
    except SimError:
        return None


def _object(folder: str, index: int, request: re.Match[str]) -> str | None:
    oid = int(request["oid"], 16)
    if int(request["seq"], 16) != lfs_layout.sequence(index) or oid % 32 != int(request["folder"]):
        return None
    for above, _folders, files in os.walk(folder):
        for name in files:
            path = os.path.join(above, name)
            if os.path.isfile(path) and lfs_layout.number(os.lstat(path)) == oid:
                return path if lfs_layout.ost_of(path, index) == index else None
    return None
