# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lfs setstripe and getstripe: files of one object each, whose OST is kept in an attribute of the file.

An object's number is that of the file's inode in the site's folder, which stands for all OSTs; its sequence is that of the OST, so that
the simulated debugfs finds the object on the device of that OST and on no other.
"""

from __future__ import annotations

import contextlib
import errno
import getopt
import os
from typing import Any

#: Only root reads and writes it; a file without it lies on the first OST.
ATTRIBUTE = "trusted.lustre_sim.ost"
#: Recorded: 0x240000400 of OST0000, 0x280000401 of OST0001.
_FIRST, _NEXT = 0x240000400, 0x40000001


def sequence(index: int) -> int:
    return _FIRST + index * _NEXT


def ost_of(path: str, otherwise: int = 0) -> int:
    """The index of the OST of a file, in a mount or in the site's folder."""
    try:
        return int(os.getxattr(path, ATTRIBUTE))
    except (OSError, ValueError):
        return otherwise


def number(info: os.stat_result) -> int:
    return info.st_ino & 0xFFFFFFFF


def setstripe(words: list[str], context: Any) -> int:
    flags, paths = getopt.gnu_getopt(
        words, "c:S:i:p:o:C:E:L:N:d", ["stripe-count=", "stripe-size=", "stripe-index=", "pool="]
    )
    options = dict(flags)
    index = options.get("-i", options.get("--stripe-index", "-1"))
    for path in paths:
        fs = context.of_path(os.path.dirname(os.path.abspath(path)))
        if fs is None:
            context.err.write(f"lfs setstripe: setstripe error for '{path}': Inappropriate ioctl for device\n")
            return errno.ENOTTY
        if os.path.isfile(path):
            context.err.write(f"lfs setstripe: setstripe error for '{path}': stripe already set\n")
            return errno.EEXIST
        if os.path.isdir(path):
            continue
        with open(path, "x", encoding="utf-8"):
            pass
        if index != "-1":
            if not index.isdigit() or int(index) not in _osts(fs):
                # recorded: the file is left behind
                context.err.write(f"lfs setstripe: setstripe error for '{path}': Invalid argument\n")
                return errno.EINVAL
            with contextlib.suppress(OSError):
                os.setxattr(path, ATTRIBUTE, index.encode())
    return 0


def _osts(fs: Any) -> list[int]:
    return sorted(target["index"] for target in fs["targets"] if target["kind"] == "OST")


def getstripe(words: list[str], context: Any) -> int:
    flags, paths = getopt.gnu_getopt(words, "cSidpyvqrR", ["stripe-count", "directory", "yaml"])
    names = {name for name, _ in flags}
    for path in paths:
        if not os.path.lexists(path):
            context.err.write(f"lfs: getstripe for '{path}' failed: No such file or directory\n")
            return errno.ENOENT
        fs = context.of_path(path)
        if fs is None:
            text = os.strerror(errno.ENOTTY)
            context.err.write(
                f"lfs getstripe: cb_getstripe: '{path}' not on a Lustre fs?: {text} ({errno.ENOTTY})\n"
                f"lfs: getstripe for '{path}' failed: {text}\n"
            )
            return errno.ENOTTY
        if names & {"-c", "--stripe-count"}:
            context.out.write("1\n\n")
        elif os.path.isdir(path):
            head = "" if names & {"-d", "--directory"} else f"{path}\n"
            context.out.write(f"{head}stripe_count:  1 stripe_size:   4194304 pattern:       0 stripe_offset: -1\n\n")
        else:
            _show(path, (_osts(fs) or [0])[0], bool(names & {"-y", "--yaml"}), context)
    return 0


def _show(path: str, first: int, yaml: bool, context: Any) -> None:
    index, inode = ost_of(path, first), number(os.stat(path))
    context.out.write(
        ("" if yaml else f"{path}\n")
        + "lmm_stripe_count:  1\nlmm_stripe_size:   4194304\nlmm_pattern:       raid0\nlmm_layout_gen:    0\n"
        + f"lmm_stripe_offset: {index}\n"
    )
    if yaml:
        fid = f"{sequence(index):#x}:{inode:#x}:0x0"
        context.out.write(f"lmm_objects:\n      - l_ost_idx: {index}\n        l_fid:     {fid}\n")
    else:
        context.out.write(
            "\tobdidx\t\t objid\t\t objid\t\t group\n"
            f"\t{index:6d}\t{inode:14d}\t{inode:#13x}\t{sequence(index):#14x}\n\n"
        )
