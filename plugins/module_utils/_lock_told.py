# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said when the node's lock cannot be had: who holds it and what to do, or what is wrong with the file.

Apart from ``_lock.py``, because a module is compiled anew each time it runs on a node,
and this is needed by hardly any run.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from typing import NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused

_WANTED = "change this node"
#: A process that has the lock: its id and its program's name.
Keeper = tuple[int, str]


class Record(NamedTuple):
    """What a holder wrote about itself; zero or empty where it wrote nothing usable.  Times are seconds since 1970."""

    pid: int = 0
    module: str = ""
    since: float = 0.0
    step: str = ""
    step_since: float = 0.0

    @classmethod
    def from_bytes(cls, content: bytes) -> Record:
        """Never fails: the content may be stale, half written or somebody's joke."""
        try:
            told = json.loads(content)
            return cls(
                int(told["pid"]),
                str(told["module"])[:100],
                float(told["since"]),
                str(told["step"])[:300],
                float(told["step_since"]),
            )
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return cls()


class NodeBusy(LustreError):
    """Another run holds the node; nothing was touched."""

    def __init__(self, record: Record, keepers: Sequence[Keeper], where: str, waited: float, now: float) -> None:
        self.record, self.keepers, self.waited = record, tuple(keepers), waited
        super().__init__(
            f"Refused to {_WANTED}: another run of this collection is at work on it, and {waited:.0f} s of waiting did not see it "
            f"end. {at_work(record, keepers, where, now)} This run has changed nothing. {self._remedy()}"
        )

    def _remedy(self) -> str:
        follow = "`journalctl -f | grep ansible-lustre.core` on the node shows its steps"
        if _orphans(self.record, self.keepers):
            return (
                f"Wait until it is over ({follow}): a device must not be touched while it is written; then run again."
            )
        return (
            f"Wait until it is over ({follow}), then run again. If its controller is gone it goes on by itself to its end; "
            "a mount that waits for a server that is down ends when that server is back."
        )

    def facts(self) -> dict[str, object]:
        return {
            "held_by": {
                "pid": self.record.pid,
                "module": self.record.module,
                "since": self.record.since,
                "step": self.record.step,
                "step_since": self.record.step_since,
                "processes": [{"pid": pid, "program": program} for pid, program in self.keepers],
            }
        }


def busy(descriptor: int, where: str, content: bytes, waited: float) -> NodeBusy:
    """The error of a wait in vain; ``content`` is what stands in the lock, ``where`` its path."""
    return NodeBusy(Record.from_bytes(content), keepers(descriptor), where, waited, time.time())


def somebody(descriptor: int, where: str, content: bytes) -> str:
    """The sentence that tells a look who is at work."""
    return at_work(Record.from_bytes(content), keepers(descriptor), where, time.time())


def at_work(record: Record, keepers: Sequence[Keeper], where: str, now: float) -> str:
    """One sentence: who holds the node, since when, and what it is doing on which object."""
    running = ", ".join(f"{program} (process {pid})" for pid, program in keepers)
    if not record.pid:
        return f"It has not said who it is; the lock {where} is held by {running or 'a process that cannot be seen from here'}."
    doing = f"for {_ago(record.step_since, now)} it has been at: {record.step}"
    if _orphans(record, keepers):
        return (
            f"The module {record.module} (process {record.pid}, begun {_at(record.since)}) is gone, but what it started still "
            f"runs: {running}; {doing}."
        )
    return f"The module {record.module} (process {record.pid}) began {_at(record.since)}, and {doing}."


def _orphans(record: Record, keepers: Sequence[Keeper]) -> bool:
    return bool(record.pid and keepers and record.pid not in {keeper[0] for keeper in keepers})


def _at(seconds: float) -> str:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return time.strftime("on %Y-%m-%d at %H:%M:%S", time.localtime(seconds))
    return "at an unknown time"


def _ago(since: float, now: float) -> str:
    return f"{now - since:.0f} s" if 0 <= now - since < 1e7 else "an unknown time"


def keepers(descriptor: int) -> list[Keeper]:
    """Processes (pid, program) whose copy of the file has the lock; not those that only wait for it.

    From /proc/PID/fdinfo, which has a line ``lock:`` exactly for such descriptors.
    """
    about = os.fstat(descriptor)
    found = []
    for name in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{name}/fd"):
                other = os.stat(f"/proc/{name}/fd/{number}")
                if (other.st_dev, other.st_ino) == (about.st_dev, about.st_ino) and _locks(name, number):
                    found.append((int(name), _program(name)))
                    break
    return found


def _locks(pid: str, number: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii", errors="replace") as stream:
        return any(line.startswith("lock:") for line in stream)


def _program(pid: str) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()


def not_private(folder: str) -> Refused:
    return Refused(
        _WANTED,
        f"others than root may write into {folder}, where the lock that keeps two runs apart has to be",
        f"Give it back to root alone (`chown root: {folder}; chmod 0755 {folder}`), then run again.",
    )


def not_plain(where: str) -> Refused:
    return Refused(_WANTED, f"the lock {where} is not a plain file of root's with one name", _remove(where))


def not_opened(where: str, problem: OSError) -> Refused:
    """What the kernel's answer to opening the lock means for whoever reads it."""
    if problem.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
        found = f"the module does not run as root (user id {os.geteuid()}), so it cannot take the lock {where}"
        return Refused(_WANTED, found, "Run with `become: true`.")
    if problem.errno == errno.ELOOP:
        found = f"the lock {where} is a symbolic link, which this collection never makes"
        return Refused(_WANTED, found, _remove(where))
    if problem.errno == errno.EISDIR:
        return Refused(_WANTED, f"the lock {where} is a directory", _remove(where))
    return Refused(
        _WANTED,
        f"the lock {where} that keeps two runs apart cannot be opened ({problem.strerror})",
        f"{os.path.dirname(where)} must be a folder that root can write to (normally a tmpfs); mend that, then run again.",
    )


def _remove(where: str) -> str:
    return f"Find out who put it there (`ls -ld {where}`), remove it, then run again."
