# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lustre_rmmod: unloads everything, or says what is in use."""

from __future__ import annotations

from typing import Any, TextIO

from ..faults import Faults
from ..sim_error import NotLoaded, SimError

PROGRAM = "lustre_rmmod"


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    for word in argv:
        if word in ("-h", "--help"):
            out.write(f"usage: {PROGRAM} [-d|--debug-kernel] [-w SECS] [MODULE ...]\n")
            return 0
        if word.startswith("-") and word not in ("-d", "--debug-kernel", "-w"):
            err.write(f"{PROGRAM}: unrecognized option '{word}'\n")
            return 2
    try:
        kernel.call("node.unload")
    except NotLoaded:
        return 0
    except SimError:
        err.write("rmmod: ERROR: Module lustre is in use\n")
        return 1
    return 0
