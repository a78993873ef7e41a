# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How this collection starts a program: list of words, locale C, always with a bound.

``AnsibleModule.run_command`` knows no time-out, and a Lustre mount whose MGS is down
can hang for minutes and not even be killed (Lustre 2.17.0, observed).  So the
production runner is ours; it gives up on a process that SIGKILL does not end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import NamedTuple, Protocol, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing, ToolTimeout

DEFAULT_TIMEOUT = 120.0
#: How long a process may take to die after SIGKILL before we leave it behind.
KILL_GRACE = 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENV = {"LC_ALL": "C", "LANG": "C", "LANGUAGE": "", "PATH": _PATH, "HOME": "/root", "TERM": "dumb"}


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


class CommandRunner:
    """The production runner; ``count`` is the number of processes started so far."""

    def __init__(self) -> None:
        self.count = 0
        self._found: dict[str, str] = {}

    def _resolve(self, program: str) -> str:
        if program not in self._found:
            found = shutil.which(program, path=_PATH)
            if found is None:
                raise ToolMissing(program)
            self._found[program] = found
        return self._found[program]

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Result:
        words = [self._resolve(argv[0]), *argv[1:]]
        self.count += 1
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENV,
            cwd="/",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(stdin.encode() if stdin is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise ToolTimeout(f"run {argv[0]}", argv, timeout, still_running=not _kill(process)) from None
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> bool:
    """End the process group; False when it survives even SIGKILL (uninterruptible wait)."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(KILL_GRACE)
            break
        except subprocess.TimeoutExpired:
            continue
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return process.poll() is not None
