# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer per node: the lock that every module of this collection holds while it may change something.

A module process outlives an ansible-playbook that is killed and an SSH connection that
is lost.  Without a lock, the next run would act beside it on the same devices.

The lock is flock(2) on ``/run/lustre-core.lock``.  It belongs to the open file, not to
its content: a holder that is killed gives it up by itself, unless a program it started
has inherited the descriptor.  That is used on purpose for programs that write on devices
(``CommandRunner.keeping``): the node stays closed until such a program is over, whatever
became of its module.  The content only tells people who is at work; it is never trusted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused

#: Only root may write here.  /run/lock is not used: some distributions let everybody make files in it.
FOLDER = "/run"
NAME = "lustre-core.lock"
#: How long to wait for a holder that shows no progress, and for any holders at all, in seconds.
WAIT = 120.0
WAIT_AT_MOST = 3600.0
#: Between steps, the holder reads the node's state.
READING = "reads the state of the node"
_WANTED = "change this node"


@dataclass(frozen=True)
class Record:
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

    def __init__(self, record: Record, keepers: Sequence[tuple[int, str]], waited: float, now: float) -> None:
        self.record, self.keepers, self.waited = record, tuple(keepers), waited
        super().__init__(
            f"Refused to {_WANTED}: another run of this collection is at work on it, and {waited:.0f} s of waiting did not see it "
            f"end. {at_work(record, keepers, now)} This run has changed nothing. {self._remedy()}"
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


def at_work(record: Record, keepers: Sequence[tuple[int, str]], now: float) -> str:
    """One sentence: who holds the node, since when, and what it is doing on which object."""
    running = ", ".join(f"{program} (process {pid})" for pid, program in keepers)
    if not record.pid:
        return f"It has not said who it is; the lock {path()} is held by {running or 'a process that cannot be seen from here'}."
    doing = f"for {_ago(record.step_since, now)} it has been at: {record.step}"
    if _orphans(record, keepers):
        return (
            f"The module {record.module} (process {record.pid}, begun {_at(record.since)}) is gone, but what it started still "
            f"runs: {running}; {doing}."
        )
    return f"The module {record.module} (process {record.pid}) began {_at(record.since)}, and {doing}."


def _orphans(record: Record, keepers: Sequence[tuple[int, str]]) -> bool:
    return bool(record.pid and keepers and record.pid not in {pid for pid, _ in keepers})


def _at(seconds: float) -> str:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return time.strftime("on %Y-%m-%d at %H:%M:%S", time.localtime(seconds))
    return "at an unknown time"


def _ago(since: float, now: float) -> str:
    return f"{now - since:.0f} s" if 0 <= now - since < 1e7 else "an unknown time"


def path(folder: str | None = None) -> str:
    return os.path.join(FOLDER if folder is None else folder, NAME)


class NodeLock:
    """A lock that is held.  ``descriptor`` may be handed to a child, which then keeps the node closed until it ends."""

    def __init__(self, descriptor: int, module: str, clock: Callable[[], float] = time.time) -> None:
        self.descriptor, self._clock = descriptor, clock
        self._told = {"pid": os.getpid(), "module": module, "since": round(clock(), 3)}
        self.note(READING)

    def note(self, step: str) -> None:
        """Write down what is being done now.  A full /run must not stop a step: the lock itself is what counts."""
        record = json.dumps({**self._told, "step": step, "step_since": round(self._clock(), 3)}).encode()
        with contextlib.suppress(OSError):
            os.pwrite(self.descriptor, record, 0)
            os.ftruncate(self.descriptor, len(record))

    def release(self) -> None:
        """Close only: LOCK_UN would take the lock from a child that still writes on a device."""
        os.close(self.descriptor)


def take(
    module: str,
    wait: float = WAIT,
    at_most: float = WAIT_AT_MOST,
    folder: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> NodeLock:
    """The node's lock, once nobody else has it.

    Waits ``wait`` seconds from the last change of what the holders say (another step,
    another holder), but no longer than ``at_most``; then NodeBusy.
    """
    descriptor = _open(folder)
    began = clock()
    seen, deadline, pause = b"", began + wait, 0.05
    while not _try(descriptor, fcntl.LOCK_EX):
        now, told = clock(), _content(descriptor)
        if told != seen:
            seen, deadline = told, min(now + wait, began + at_most)
        if now >= deadline:
            busy = NodeBusy(Record.from_bytes(told), keepers(descriptor), now - began, time.time())
            os.close(descriptor)
            raise busy
        sleep(pause)
        pause = min(pause * 1.5, 1.0)
    if not _still_there(descriptor, folder):
        # Somebody removed the file meanwhile: what we locked is not what the next one will lock.
        os.close(descriptor)
        return take(module, wait, at_most - (clock() - began), folder, sleep, clock)
    return NodeLock(descriptor, module)


def somebody(folder: str | None = None) -> str:
    """For a look, which never waits: the sentence of ``at_work`` when the node is held, else nothing.

    A look needs no privileges for this: whoever may not read the lock is told nothing.
    """
    try:
        descriptor = os.open(path(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or _try(descriptor, fcntl.LOCK_SH):
            return ""
        return at_work(Record.from_bytes(_content(descriptor)), keepers(descriptor), time.time())
    finally:
        os.close(descriptor)


def keepers(descriptor: int) -> list[tuple[int, str]]:
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


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(descriptor: int) -> bytes:
    with contextlib.suppress(OSError):
        return os.pread(descriptor, 4096, 0)
    return b""


def _still_there(descriptor: int, folder: str | None) -> bool:
    try:
        there = os.stat(path(folder), follow_symlinks=False)
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _open(folder: str | None) -> int:
    """The lock file, made when there is none; Refused when it is not beyond doubt ours alone."""
    where = path(folder)
    try:
        around = os.open(os.path.dirname(where), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _require_private(os.fstat(around), os.path.dirname(where))
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(NAME, flags, 0o600, dir_fd=around)
        finally:
            os.close(around)
    except OSError as problem:
        raise Refused(_WANTED, *_why_not(where, problem)) from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_nlink != 1:
        os.close(descriptor)
        raise Refused(_WANTED, f"the lock {where} is not a plain file of root's with one name", _remove(where))
    # Whoever can open it can hold it: a mode that somebody widened is narrowed again.
    os.fchmod(descriptor, 0o600)
    return descriptor


def _require_private(about: os.stat_result, folder: str) -> None:
    if about.st_uid not in (0, os.geteuid()) or stat.S_IMODE(about.st_mode) & 0o022:
        raise Refused(
            _WANTED,
            f"others than root may write into {folder}, where the lock that keeps two runs apart has to be",
            f"Give it back to root alone (`chown root: {folder}; chmod 0755 {folder}`), then run again.",
        )


def _why_not(where: str, problem: OSError) -> tuple[str, str]:
    if problem.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
        found = f"the module does not run as root (user id {os.geteuid()}), so it cannot take the lock {where}"
        return found, "Run with `become: true`."
    if problem.errno == errno.ELOOP:
        return f"the lock {where} is a symbolic link, which this collection never makes", _remove(where)
    if problem.errno == errno.EISDIR:
        return f"the lock {where} is a directory", _remove(where)
    return (
        f"the lock {where} that keeps two runs apart cannot be opened ({problem.strerror})",
        f"{os.path.dirname(where)} must be a folder that root can write to (normally a tmpfs); mend that, then run again.",
    )


def _remove(where: str) -> str:
    return f"Find out who put it there (`ls -ld {where}`), remove it, then run again."


def quiet(values: Any) -> str:
    """Text for one line of a log or of the lock: no control characters, not endless."""
    return "".join(c if c.isprintable() else " " for c in str(values))[:300]
