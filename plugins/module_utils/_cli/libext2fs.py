# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the libext2fs that Lustre's own tools load know Lustre's features?

mke2fs may be the right one and the library the wrong one: with a Lustre-aware mke2fs in
/usr/local and the distribution's libext2fs in the loader's path, mkfs.lustre formats an
MDT, and then neither tunefs.lustre nor mount.lustre can read it (2.17.0, observed: "has
not been formatted with mkfs.lustre").  They reach the library through a plug-in, so the
loader is asked about that one, and the library itself whether it opens an ext4 with
``dirdata``: a scratch file that holds nothing but such a superblock.  A process of its
own does that, since a foreign library may do anything.
"""

from __future__ import annotations

import glob
import os
import re
import struct
import sys
import tempfile
from typing import NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

#: Where packages and `make install` put the plug-in.
PLUGINS = ("usr/lib*/lustre/mount_osd_ldiskfs.so", "usr/lib/*/lustre/mount_osd_ldiskfs.so")
_LIBRARY = re.compile(r"^\s*libext2fs\.so\.\d+ => (?P<path>/\S+|not found)", re.M)
#: Says the library's version, what opening the file gave, and the library's own words for that.
_OPEN = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
version, opened = ctypes.c_char_p(), ctypes.c_void_p()
library.ext2fs_get_library_version(ctypes.byref(version), None)
library.ext2fs_open.restype = ctypes.c_long
library.error_message.restype, library.error_message.argtypes = ctypes.c_char_p, [ctypes.c_long]
library.initialize_ext2_error_table()
manager = ctypes.c_void_p.in_dll(library, "unix_io_manager")
code = library.ext2fs_open(sys.argv[2].encode(), 0, 0, ctypes.c_uint(0), manager, ctypes.byref(opened))
print(version.value.decode(), code, library.error_message(code).decode() if code else "opened")
"""
_SAID = re.compile(r"(?P<version>\S+) (?P<code>-?\d+) (?P<words>.+)\n")
_BLOCKS, _BLOCK = 2048, 4096


class Library(NamedTuple):
    """The library behind Lustre's tools: its path (empty: the loader finds none), its version, whether it knows Lustre."""

    path: str
    version: str
    lustre_aware: bool


def loaded(run: Runner, root: str = "/") -> Library | None:
    """The library that tunefs.lustre and mount.lustre use; None while Lustre's plug-in for ldiskfs is not installed."""
    plugins = sorted(path for pattern in PLUGINS for path in glob.glob(os.path.join(root, pattern)))
    if not plugins:
        return None
    argv = ("ldd", plugins[0])
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        raise ToolError(f"see which libraries {plugins[0]} loads", argv, rc, out, err)
    match = _LIBRARY.search(out)
    if match is None:
        raise UnknownOutput("ldd", f"the libext2fs of {plugins[0]}", out)
    return Library("", "", False) if match["path"] == "not found" else _asked(run, match["path"])


def _asked(run: Runner, library: str) -> Library:
    with tempfile.TemporaryDirectory(prefix="lustre-libext2fs-") as scratch:
        path = os.path.join(scratch, "file")
        with open(path, "wb") as stream:
            stream.write(bytes(1024) + superblock())
            stream.truncate(_BLOCKS * _BLOCK)
        return parse(library, run((sys.executable, "-c", _OPEN, library, path), None, 30.0))


def superblock() -> bytes:
    """A superblock of an ext4 with ``dirdata``: features are judged before anything behind it is looked at."""
    block = bytearray(1024)
    struct.pack_into("<II", block, 0x0, 512, _BLOCKS)
    struct.pack_into("<II", block, 0x18, 2, 2)
    struct.pack_into("<III", block, 0x20, 32768, 32768, 512)
    struct.pack_into("<HH", block, 0x38, 0xEF53, 1)
    struct.pack_into("<I", block, 0x4C, 1)
    struct.pack_into("<IH", block, 0x54, 11, 256)
    struct.pack_into("<I", block, 0x60, 0x1002)
    return bytes(block)


def parse(library: str, result: Result) -> Library:
    """What the library said; only "unsupported feature" means that it does not know ``dirdata``."""
    match = _SAID.fullmatch(result.out)
    if result.rc != 0 or match is None:
        raise UnknownOutput(library, "opening an ext4 with the feature dirdata", result.out + result.err)
    return Library(library, match["version"], "unsupported feature" not in match["words"])
