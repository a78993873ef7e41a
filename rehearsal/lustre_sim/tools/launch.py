# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a tool as a program: the name it was called by picks the module. Only that module is imported."""

from __future__ import annotations

import importlib
import os
import sys

from ..client import open_kernel
from ..sim_error import SimError


def run(path: str, argv: list[str]) -> int:
    """``mount.lustre_tgt`` → tools/mount_lustre_tgt.py; ``lctl`` → tools/lctl.py; ``lustre-simd`` → the daemon."""
    program = os.path.basename(path)
    name = program.replace(".", "_").replace("-", "_")
    if name == "lustre_simd":
        from ..daemon import main

        return main(argv)
    try:
        tool = importlib.import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{name}":
            raise
        sys.stderr.write(f"{program}: not in the simulation\n")
        return 127
    try:
        rc = int(tool.main(argv, sys.stdin, sys.stdout, sys.stderr, open_kernel()))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SimError as error:  # the tool had no words of its own for it
        sys.stdout.flush()
        sys.stderr.write(f"{program}: {error.text or os.strerror(error.errno)}\n")
        return error.errno & 0xFF or 1
    return rc
