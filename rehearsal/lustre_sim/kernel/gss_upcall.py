# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the kernel asks programs of its host about security: by request-key on a client, by ``rsi_upcall`` on a server.

A client's kernel wants a key of the type ``lgssc``; request-key looks up in its configuration who makes such keys and
starts that program, which must not be missing: neither keyutils, nor the line, nor the program. A server's kernel starts
the program of ``sptlrpc.gss.rsi_upcall``, which hands the request to lsvcgssd.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from ..sim_error import SimError

CONFIGURATION = ("/etc/request-key.d", "/etc/request-key.conf")
REQUEST_KEY = ("/sbin/request-key", "/usr/sbin/request-key")
TIMEOUT = 120.0
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def request_key(key: str, description: str, callout: str) -> None:
    """Have the host make a key of type lgssc; ENOKEY when nobody can. How it went, the program tells the kernel."""
    if not any(os.access(path, os.X_OK) for path in REQUEST_KEY):
        raise SimError(errno.ENOKEY, "no /sbin/request-key")
    words = {
        "o": "create", "k": key, "t": "lgssc", "d": description, "c": callout, "u": "0", "g": "0", "T": "0", "P": "0", "S": "0",
    }  # fmt: skip
    command = maker(_lines(), words)
    if command is None:
        raise SimError(errno.ENOKEY, "no line of request-key's configuration makes keys of type lgssc")
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT,
            check=False, env=_ENVIRONMENT, cwd="/",
        )  # fmt: skip


def maker(lines: Sequence[str], words: dict[str, str]) -> list[str] | None:
    """The command of the first line that fits: ``create lgssc PATTERN PATTERN PROGRAM [%x ...]``."""
    for line in lines:
        fields = line.split()
        if len(fields) < 5 or fields[0].startswith("#"):
            continue
        fits = (words["o"], words["t"], words["d"], words["c"])
        if all(fnmatch.fnmatchcase(text, pattern) for text, pattern in zip(fits, fields, strict=False)):
            return [words.get(word[1:], "") if word.startswith("%") else word for word in fields[4:]]
    return None


def _lines() -> list[str]:
    return [line for path in CONFIGURATION for file in _files(path) for line in _text(file)]


def _files(path: str) -> Iterator[str]:
    if os.path.isdir(path):
        yield from (os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".conf"))
    else:
        yield path


def _text(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def ask_daemon(program: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """What lsvcgssd says to a request; None when the upcall got no answer."""
    try:
        done = subprocess.run(
            [program], input=json.dumps(request), capture_output=True, text=True, timeout=TIMEOUT, check=False,
            env=_ENVIRONMENT, cwd="/",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
