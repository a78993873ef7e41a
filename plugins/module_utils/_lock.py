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
import fcntl
import json
import os
import stat
import time
from typing import Any, Callable

#: Only root may write here.  /run/lock is not used: some distributions let everybody make files in it.
FOLDER = "/run"
NAME = "lustre-core.lock"
#: How long to wait for a holder that shows no progress, and for any holders at all, in seconds.
WAIT = 120.0
WAIT_AT_MOST = 3600.0
#: Between steps, the holder reads the node's state.
READING = "reads the state of the node"


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
    another holder), but no longer than ``at_most``; then NodeBusy (``_lock_told.py``, loaded only where it is needed).
    """
    descriptor = _open(folder)
    began = clock()
    seen, deadline, pause = b"", began + wait, 0.05
    while not _try(descriptor, fcntl.LOCK_EX):
        now, told = clock(), _content(descriptor)
        if told != seen:
            seen, deadline = told, min(now + wait, began + at_most)
        if now >= deadline:
            from ansible_collections.lustre.core.plugins.module_utils import _lock_told

            busy = _lock_told.busy(descriptor, path(folder), told, now - began)
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
    """For a look, which never waits: who is at work when the node is held, else nothing.

    A look needs no privileges for this: whoever may not read the lock is told nothing.
    """
    try:
        descriptor = os.open(path(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or _try(descriptor, fcntl.LOCK_SH):
            return ""
        from ansible_collections.lustre.core.plugins.module_utils import _lock_told

        return _lock_told.somebody(descriptor, path(folder), _content(descriptor))
    finally:
        os.close(descriptor)


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
            private = _of_root_alone(os.fstat(around))
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(NAME, flags, 0o600, dir_fd=around) if private else -1
        finally:
            os.close(around)
    except OSError as problem:
        from ansible_collections.lustre.core.plugins.module_utils import _lock_told

        raise _lock_told.not_opened(where, problem) from None
    if descriptor < 0:
        from ansible_collections.lustre.core.plugins.module_utils import _lock_told

        raise _lock_told.not_private(os.path.dirname(where))
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_nlink != 1:
        from ansible_collections.lustre.core.plugins.module_utils import _lock_told

        os.close(descriptor)
        raise _lock_told.not_plain(where)
    # Whoever can open it can hold it: a mode that somebody widened is narrowed again.
    os.fchmod(descriptor, 0o600)
    return descriptor


def _of_root_alone(folder: os.stat_result) -> bool:
    return folder.st_uid in (0, os.geteuid()) and not stat.S_IMODE(folder.st_mode) & 0o022


def quiet(values: Any) -> str:
    """Text for one line of a log or of the lock: no control characters, not endless."""
    return "".join(c if c.isprintable() else " " for c in str(values))[:300]
