# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One program, run and measured: wall time, and the processor time of it and of everything it waited for."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE = 30.0


class BenchError(Exception):
    """Something did not work, so that there is no figure; a sentence."""


@dataclass(frozen=True)
class Measured:
    """``cpu`` does not hold what stays behind, such as the master of a kept SSH connection."""

    out: str
    wall: float
    cpu: float
    peak_kb: int


def run(argv: Sequence[str], environ: Mapping[str, str], cwd: Path, limit: float) -> Measured:
    """Run a program that must end well; its whole process group goes when it does not, and on Ctrl-C."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as stream:
        process = subprocess.Popen(
            argv, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            status, usage = _ended(process.pid, began + limit)
        except BaseException:
            _end(process.pid)
            raise
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        stream.seek(0)
        out = stream.read().decode(errors="replace")
    if process.returncode != 0:
        last = "\n".join(out.splitlines()[-40:])
        raise BenchError(f"{' '.join(argv)} ended with {process.returncode} after {wall:.0f} s. It said last:\n{last}")
    return Measured(out, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def _ended(pid: int, deadline: float) -> tuple[int, resource.struct_rusage]:
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() > deadline:
            raise BenchError(f"The process {pid} did not end in time.")
        time.sleep(0.02)


def _end(pid: int) -> None:
    """First as Ctrl-C does, so that Ansible ends its workers, then for good."""
    for sign, patience in ((signal.SIGINT, GRACE), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if os.wait4(pid, os.WNOHANG)[0]:
                return
            time.sleep(0.05)
