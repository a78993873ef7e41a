# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Talking to a site's keeper from another process: start it, ask it, end it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

from rehearsal.hosts import kernel
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.layout import Layout

Say = Callable[[str], None]
_CODE = Path(__file__).resolve().parents[2]


def alive(layout: Layout) -> kernel.ProcessId | None:
    """The keeper of a site, None when there is none.  It holds a lock as long as it lives."""
    try:
        with open(layout.keeper_lock, encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _identity(layout)


def _identity(layout: Layout, seconds: float = 2.0) -> kernel.ProcessId | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:  # between taking the lock and writing the file there is a moment
        try:
            found = kernel.ProcessId(**json.loads(layout.keeper_file.read_text()))
            if found.alive():
                return found
        except (OSError, ValueError, TypeError):
            pass
        time.sleep(0.02)
    return None


def start(layout: Layout, owner: int | None, lock: int, say: Say) -> None:
    """Start the keeper and wait until all hosts have been started; it outlives the caller.

    ``lock``: the descriptor of the site's lock.  The keeper has it until it can be seen alive: whoever comes after a
    caller that was killed meanwhile waits for that, and does not clear the site under a keeper it cannot see.
    """
    receive, send = os.pipe()
    argv = [sys.executable, "-P", "-m", "rehearsal.hosts", "_keep", layout.site, str(send), str(owner or 0), str(lock)]
    environment = {key: value for key, value in os.environ.items() if key.startswith("LUSTRE_CORE_")}
    environment |= {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(_CODE)}
    with open(layout.keeper_log, "ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment,
            start_new_session=True, pass_fds=[send, lock],
        )  # fmt: skip
    os.close(send)
    with open(receive, encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            if event["event"] == "step":
                say(event["text"])
            elif event["event"] == "error":
                process.wait()
                raise RehearsalError(event["text"])
            elif event["event"] == "ready":
                return
    code = process.wait()
    tail = " / ".join(layout.keeper_log.read_text(errors="replace").splitlines()[-3:])
    raise RehearsalError(
        f"The keeper of site {layout.site} ended with code {code} before the hosts were started: {tail}"
    )


def ask(layout: Layout, op: str, host: str = "", timeout: float = 30.0) -> dict[str, Any]:
    """One question or order to the keeper; its answer."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        with connection:
            connection.connect(str(layout.control_socket))
            connection.sendall(json.dumps({"op": op, "host": host}).encode() + b"\n")
            reply: dict[str, Any] = json.loads(connection.makefile().readline())
    except (OSError, ValueError) as error:
        raise RehearsalError(
            f"The site {layout.site} is not running ({error}). "
            f"Make it with `rehearse up --site {layout.site}`, or clear its remains with `rehearse down --site {layout.site}`."
        ) from error
    if not reply["ok"]:
        raise RehearsalError(reply["error"])
    return reply


def stop(layout: Layout, seconds: float = 30.0) -> None:
    """End the keeper: asked first, then forced; the kernel then takes down what it owned."""
    for number, bound in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        keeper = alive(layout)
        if keeper is None:
            return
        keeper.signal(number)
        deadline = time.monotonic() + bound
        while keeper.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
    if alive(layout):
        raise RehearsalError(f"The keeper of site {layout.site} does not end, not even by SIGKILL.")
