# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults on demand. A file named ``<kind>:<subject>`` in a faults folder is a switch that is on (see FAULTS.md)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from typing import Any, TextIO

SITE_DIR = "/var/lib/lustre-sim/site"
NODE_DIR = "/var/lib/lustre-sim/node"

_GARBAGE = "\x1b[0m\ufffd\ufffd lustre \u2592\u2592 ?? 0xdeadbeef\nKey value = : without -- sense\n"


class Faults:
    """The switches that one node sees: those of the site and those of the node alone."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = list(folders)

    @classmethod
    def of(cls, kernel: Any) -> Faults:
        """The switches of the node behind a kernel; a tool of an installed host has the fixed folders."""
        folders = (getattr(kernel, "site_dir", SITE_DIR), getattr(kernel, "persistent_dir", NODE_DIR))
        return cls(os.path.join(folder, "faults") for folder in folders)

    def on(self, kind: str, subject: str = "") -> bool:
        """Whether the switch is on; the file ``kind`` alone is on for every subject.

        A file that holds a number is used up: each hit counts it down and the last one removes the file.
        """
        names = (f"{kind}:{subject.replace('/', '%')}", kind) if subject else (kind,)
        for folder in self._folders:
            for name in names:
                path = os.path.join(folder, name)
                if os.path.exists(path):
                    _count_down(path)
                    return True
        return False

    def at_start(self, tool: str, out: TextIO) -> int | None:
        """For the first line of a tool's main: hang, print garbage (-> 0) or fail (-> 1) when asked to."""
        if self.on("hang", tool):
            hang()
        if self.on("garbage", tool):
            out.write(_GARBAGE)
            return 0
        if self.on("fail", tool):
            return 1
        return None

    def half_way(self, tool: str) -> None:
        """For the point at which a killed tool leaves the most trouble behind."""
        if self.on("kill-half", tool):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.on("hang-half", tool):
            hang()


def hang() -> None:
    """As a mount in the kernel: nothing short of SIGKILL ends it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _count_down(path: str) -> None:
    try:
        with open(path, encoding="utf-8") as stream:
            left = int(stream.read().strip() or "0")
    except (OSError, ValueError):
        return
    if left <= 0:
        return
    if left == 1:
        os.unlink(path)
        return
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(str(left - 1))
