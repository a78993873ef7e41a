# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""modinfo of Lustre's modules: they are built for the running kernel, unless a fault says otherwise.

``data/modinfo_params.txt`` holds the parameters of the modules whose list was recorded.  Fault ``wrong-kernel``:
the modules belong to another kernel, so the running one has none.
"""

from __future__ import annotations

import os
from typing import Any, TextIO

from ..faults import Faults
from . import _modules
from ._getopt import NONE, REQUIRED, getopt_long
from ._real import run_real
from .modprobe import path_of

PROGRAM = "modinfo"
OPTIONS = {
    "author": NONE,
    "description": NONE,
    "license": NONE,
    "parameters": NONE,
    "filename": NONE,
    "field": REQUIRED,
    "null": NONE,
    "set-version": REQUIRED,
    "basedir": REQUIRED,
    "modname": NONE,
    "help": NONE,
    "version": NONE,
}
LETTERS = {
    "a": "author",
    "d": "description",
    "l": "license",
    "p": "parameters",
    "n": "filename",
    "F": "field",
    "0": "null",
    "k": "set-version",
    "b": "basedir",
    "m": "modname",
    "h": "help",
    "V": "version",
}
PARAMETERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "modinfo_params.txt")
VERSION = "2.17.0_dirty"
DESCRIPTIONS = {
    "lustre": "Lustre Client File System",
    "lnet": "Lustre Networking layer",
    "libcfs": "Lustre helper library",
}


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    parsed = getopt_long(PROGRAM, argv, OPTIONS, LETTERS, None)
    ours = [name for name in parsed.words if _modules.is_ours(name)]
    if parsed.failed or not ours:
        return _others(argv, parsed.words, out, err)
    faults = Faults.of(kernel)
    ended = faults.at_start(PROGRAM, out)
    if ended is not None:
        return ended
    release = parsed.value("set-version") or os.uname().release
    if faults.on("wrong-kernel") or release != os.uname().release:
        err.write(f"modinfo: ERROR: Module {ours[0]} not found.\n")
        return 1
    field = parsed.value("field") or next(
        (name for name in ("author", "description", "license", "filename", "parameters") if parsed.has(name)), None
    )
    for name in ours:
        out.write(_shown(_modules.canonical(name), field, release))
    return 0


def _shown(name: str, field: str | None, release: str) -> str:
    fields = {
        "filename": path_of(name),
        "license": "GPL",
        "version": VERSION,
        "description": DESCRIPTIONS.get(name, f"Lustre {name}"),
        "author": "OpenSFS, Inc. <http://www.lustre.org/>",
    }
    if name == "lustre":
        fields["alias"] = "fs-lustre"
    fields.update(
        {
            "depends": ",".join(_modules.MODULES[name][1].split()),
            "retpoline": "Y",
            "name": name,
            "vermagic": f"{release} SMP preempt mod_unload modversions ",
        }
    )
    if field in ("parameters", "parm"):
        return "".join(line + "\n" for line in _parameters(name))
    if field is not None:
        return f"{fields[field]}\n" if field in fields else ""
    lines = [f"{key + ':':<15} {value}\n" for key, value in fields.items()]
    return "".join(lines) + "".join(f"parm:           {line}\n" for line in _parameters(name))


def _parameters(name: str) -> list[str]:
    found: list[str] = []
    section = ""
    with open(PARAMETERS, encoding="utf-8") as stream:
        for line in stream.read().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif section == name:
                found.append(line)
    return found


def _others(argv: list[str], words: list[str], out: TextIO, err: TextIO) -> int:
    rc = run_real(PROGRAM, argv, out, err)
    if rc is not None:
        return rc
    err.write(
        f"modinfo: ERROR: Module {words[0]} not found.\n" if words else "modinfo: ERROR: missing module or filename.\n"
    )
    return 1
