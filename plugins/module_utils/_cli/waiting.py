# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who waits inside the kernel for a Lustre file system: read from /proc, without a process and without touching a mount.

A user without a ticket gets such processes (seen on Lustre 2.17.0, in ``ptlrpc_set_wait``).  A call that never returned
has opened nothing, so that no link in /proc shows the mount it holds: only where the process waits does.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._cli.holders import PROC, command_of, text_of, user_of

#: By type of mount the functions that wait for an answer of it; for one that a program serves they are those of FUSE.
_FUNCTIONS = {"lustre": r"s?ptlrpc_\w+", "fuse.lustre": r"request_wait_answer"}
_FRAME = re.compile(r"^\[<[0-9a-fx]*>\] ([A-Za-z_][\w.]*)\+0x", re.M)
_IDS = re.compile(r"^Uid:\s+\d+\s+\d+\s+\d+\s+(\d+)$", re.M)
#: Fields of /proc/PID/stat behind the name of the program: the start is the 22nd of all.
_STARTED = 19


@dataclass(frozen=True)
class Waiting:
    """One process; ``uid`` is the user that the file system sees, ``seconds`` how long ago the process began."""

    pid: int
    command: str
    user: str
    uid: int
    seconds: float

    def text(self) -> str:
        return f"process {self.pid} ({self.command}) of {self.user}, begun {self.seconds:.0f} s ago"


def waiting_of(proc: str = PROC) -> list[Waiting]:
    """Processes of users other than root, of which a thread waits for a Lustre mount; none where nothing is mounted."""
    functions = _functions(text_of(os.path.join(proc, "self", "mounts")))
    if functions is None:
        return []
    found = []
    for name in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        folder = os.path.join(proc, name)
        ids = _IDS.search(text_of(os.path.join(folder, "status")))
        if ids is not None and int(ids[1]) != 0 and _waits(folder, functions):
            found.append(Waiting(int(name), command_of(folder), user_of(folder), int(ids[1]), _age(folder, proc)))
    return found


def _functions(mounts: str) -> re.Pattern[str] | None:
    types = {fields[2] for line in mounts.splitlines() if len(fields := line.split(" ")) > 2}
    words = [functions for fstype, functions in _FUNCTIONS.items() if fstype in types]
    return re.compile("|".join(words)) if words else None


def _waits(folder: str, functions: re.Pattern[str]) -> bool:
    threads: list[str] = []
    # It may have ended in between.
    with contextlib.suppress(OSError):
        threads = os.listdir(os.path.join(folder, "task"))
    for thread in threads:
        place = os.path.join(folder, "task", thread)
        names = [text_of(os.path.join(place, "wchan")).strip(), *_FRAME.findall(text_of(os.path.join(place, "stack")))]
        if any(functions.fullmatch(name) for name in names):
            return True
    return False


def _age(folder: str, proc: str) -> float:
    """Seconds since the process began; 0 when that cannot be read."""
    try:
        ticks = int(text_of(os.path.join(folder, "stat")).rpartition(")")[2].split()[_STARTED])
        up = float(text_of(os.path.join(proc, "uptime")).split()[0])
    except (ValueError, IndexError):
        return 0.0
    return max(0.0, up - ticks / os.sysconf("SC_CLK_TCK"))
