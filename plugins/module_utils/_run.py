# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How this collection starts a program: list of words, locale C, always with a bound.

``AnsibleModule.run_command`` knows no time-out, and a Lustre mount whose MGS is down can
hang for minutes and not even be killed (Lustre 2.17.0, observed).  So the production
runner lets a timer interrupt it, ends the program's whole process group, and gives up on
one that SIGKILL does not end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import Any, Iterator, NamedTuple, Protocol, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing, ToolTimeout

DEFAULT_TIMEOUT = 120.0
#: How long a process may take to die after SIGTERM, and again after SIGKILL, before we leave it behind.
KILL_GRACE = 5.0
_ENV = {"LC_ALL": "C", "LANG": "C", "LC_MESSAGES": "C", "LANGUAGE": "C", "TERM": "dumb"}
_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"]


class Result(NamedTuple):
    """What a program left behind: exit code, standard output, standard error."""

    rc: int
    out: str
    err: str


class Runner(Protocol):
    """``run(argv, stdin, timeout)``: the only way any layer reaches the system's programs.

    Raises ToolMissing when the program is not installed, ToolTimeout when it gives no
    answer within ``timeout`` seconds.  A non-zero exit code is a Result, not an error.
    """

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Result: ...


class _TimeIsUp(Exception):
    """Raised by the timer inside run_command; never leaves this file."""


class CommandRunner:
    """The production runner, around an AnsibleModule; ``count`` is the number of processes started so far."""

    def __init__(self, module: Any) -> None:
        self.count = 0
        self._module = module
        self._found: dict[str, str] = {}
        self._kept: tuple[int, ...] = ()

    @contextlib.contextmanager
    def keeping(self, descriptor: int) -> Iterator[None]:
        """Programs started inside inherit the descriptor: a lock on it lasts until the last of them has ended."""
        self._kept = (descriptor,)
        try:
            yield
        finally:
            self._kept = ()

    def _resolve(self, program: str) -> str:
        if program not in self._found:
            found = self._module.get_bin_path(program, required=False, opt_dirs=_FOLDERS)
            if found is None:
                raise ToolMissing(program)
            self._found[program] = found
        return self._found[program]

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Result:
        # setsid(1) makes the program the leader of a group of its own and then becomes it: no process more,
        # and mount(8) is ended together with the helper that it started
        words = [self._resolve("setsid"), self._resolve(argv[0]), *argv[1:]]
        self.count += 1
        started: list[Any] = []
        try:
            with _timer(timeout):
                rc, out, err = self._module.run_command(
                    words,
                    data=None if stdin is None else stdin.encode(),
                    binary_data=True,
                    environ_update=_ENV,
                    cwd="/",
                    errors="replace",
                    expand_user_and_vars=False,
                    handle_exceptions=False,
                    pass_fds=self._kept,
                    before_communicate_callback=started.append,
                )
        except BrokenPipeError:
            return _ended_early(started[0], timeout)
        except _TimeIsUp:
            left = [program for process in started for program in _end(process)]
            raise ToolTimeout(f"run {argv[0]}", argv, timeout, bool(left), left=left) from None
        return Result(rc, out, err)


def _ended_early(process: Any, timeout: float) -> Result:
    """The result of a program that ended without having read its input: what it said and its exit code tell why."""
    # Closing it may be what failed: it then counts as closed, and communicate() would flush it all the same.
    process.stdin = None
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        left = _end(process)
        raise ToolTimeout("run a program that reads no input", process.args, timeout, bool(left), left=left) from None
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


@contextlib.contextmanager
def _timer(seconds: float) -> Iterator[None]:
    """Raise _TimeIsUp in the main thread, where a module runs, when the body takes longer."""

    def ring(number: int, frame: Any) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _end(process: Any) -> list[str]:
    """End the program's group; what survives even SIGKILL (uninterruptible wait), as ``mount.lustre (process 4711)``.

    The leader may be gone while a helper that it started is not: mount(8) dies at once, mount.lustre waits on.
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        end = time.monotonic() + KILL_GRACE
        while _group_lives(process) and time.monotonic() < end:
            time.sleep(0.05)
        if not _group_lives(process):
            return []
    return _group(process.pid)


def _group_lives(process: Any) -> bool:
    if process.poll() is None:
        return True
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return bool(_group(process.pid))


def _group(leader: int) -> list[str]:
    """The living processes of a group (a dead one that nobody has waited for yet does nothing any more)."""
    found = []
    for pid in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                before, after = stream.read().rsplit(")", 1)
            state, group = after.split()[0], after.split()[2]
            if group == str(leader) and state not in "ZX":
                found.append(f"{before.partition('(')[2]} (process {pid})")
    return found
