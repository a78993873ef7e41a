# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's own modprobe, modinfo and lsmod, moved aside by the package (dpkg-divert to ``<path>.real``)."""

from __future__ import annotations

import os
import subprocess
from typing import TextIO

FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")


def real(tool: str) -> str | None:
    for folder in FOLDERS:
        path = os.path.join(folder, tool + ".real")
        if os.access(path, os.X_OK):
            return os.path.realpath(path)
    return None


def run_real(tool: str, argv: list[str], out: TextIO, err: TextIO) -> int | None:
    """Its exit code; None when the host has none. It is a kmod that knows its job by the name it is called with."""
    path = real(tool)
    if path is None:
        return None
    done = subprocess.run(
        [tool, *argv], executable=path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    out.write(done.stdout)
    err.write(done.stderr)
    return done.returncode
