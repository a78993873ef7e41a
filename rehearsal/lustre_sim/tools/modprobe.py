# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""modprobe for Lustre's modules; everything else goes to the host's own.

Loading a module is what starts the simulated kernel.  Options of ``/etc/modprobe.d`` are read in that moment and
count until the modules are unloaded.
"""

from __future__ import annotations

import errno
import os
from typing import Any, TextIO

from ..faults import Faults
from ..sim_error import NotLoaded, SimError
from . import _modules
from ._getopt import NONE, REQUIRED, getopt_long
from ._real import run_real

PROGRAM = "modprobe"
OPTIONS = {
    "all": NONE,
    "remove": NONE,
    "dry-run": NONE,
    "show": NONE,
    "quiet": NONE,
    "verbose": NONE,
    "syslog": NONE,
    "first-time": NONE,
    "ignore-install": NONE,
    "use-blacklist": NONE,
    "show-depends": NONE,
    "resolve-alias": NONE,
    "config": REQUIRED,
    "dirname": REQUIRED,
    "set-version": REQUIRED,
    "help": NONE,
    "version": NONE,
    "showconfig": NONE,
    "force": NONE,
    "wait": REQUIRED,
    "remove-dependencies": NONE,
    "remove-holders": NONE,
}
LETTERS = {
    "a": "all",
    "r": "remove",
    "n": "dry-run",
    "q": "quiet",
    "v": "verbose",
    "s": "syslog",
    "b": "use-blacklist",
    "D": "show-depends",
    "R": "resolve-alias",
    "C": "config",
    "d": "dirname",
    "S": "set-version",
    "h": "help",
    "V": "version",
    "c": "showconfig",
    "f": "force",
    "i": "ignore-install",
    "w": "wait",
}
FOLDER = "kernel/fs/lustre"


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    parsed = getopt_long(PROGRAM, argv, OPTIONS, LETTERS, None)
    names = parsed.words if parsed.has("all") or parsed.has("remove") else parsed.words[:1]
    ours = [_modules.canonical(name) for name in names if _modules.is_ours(name)]
    if parsed.failed or not ours:
        return _others(argv, names, parsed.has("quiet"), out, err)
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    if parsed.has("show-depends"):
        for name in reversed(_modules.closure(ours)):
            out.write(f"insmod {path_of(name)} \n")
        return 0
    if parsed.has("dry-run") or parsed.has("show") or parsed.has("resolve-alias"):
        return 0
    return _remove(ours, err, kernel) if parsed.has("remove") else load(ours, err, kernel)


def load(names: list[str], err: TextIO, kernel: Any) -> int:
    """Also for mount.lustre, which loads its modules itself."""
    for name in names:
        try:
            kernel.call("node.load", module=name)
            kernel.call("lnet.module_options")
        except SimError as error:
            err.write(f"modprobe: ERROR: could not insert '{name}': {error.text or os.strerror(error.errno)}\n")
            return 1
    return 0


def _remove(names: list[str], err: TextIO, kernel: Any) -> int:
    """Real modules go one by one; the simulated ones go together, and only when nothing uses them."""
    try:
        loaded = kernel.call("node.loaded")
        if not loaded:
            return 0
        kernel.call("node.unload")
    except NotLoaded:
        return 0
    except SimError as error:
        text = f"Module {names[0]} is in use." if error.errno == errno.EBUSY else os.strerror(error.errno)
        err.write(f"modprobe: FATAL: {text}\n")
        return 1
    return 0


def _others(argv: list[str], names: list[str], quiet: bool, out: TextIO, err: TextIO) -> int:
    rc = run_real(PROGRAM, argv, out, err)
    if rc is not None:
        return rc
    if not names:
        err.write("modprobe: ERROR: missing parameters. See -h.\n")
        return 1
    if not quiet:
        folder = f"/lib/modules/{os.uname().release}"
        err.write(f"modprobe: FATAL: Module {names[0]} not found in directory {folder}\n")
    return 1


def path_of(name: str) -> str:
    folder = "kernel/net/lustre" if name in ("lnet", "libcfs", "ksocklnd", "ko2iblnd", "lnet_selftest") else FOLDER
    return f"/lib/modules/{os.uname().release}/updates/{folder}/{name}.ko"
