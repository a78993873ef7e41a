# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""l_getauth: what a server's kernel starts to ask lsvcgssd. A daemon that is not there is restarted by its unit."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import Any, TextIO

from ..faults import Faults
from ..framing import BadFrame, receive_frame, send_frame
from ._log import to_syslog
from .lsvcgssd import socket_path

PROGRAM = "l_getauth"
_TRIES, _PAUSE = 5, 2.0


def main(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    for word in argv:
        if word.startswith("-") and word[1:2] != "d":
            err.write(f"{PROGRAM}: invalid option -- '{word[1:2]}'\n")
        return 1
    text = "" if stdin.isatty() else stdin.read()
    try:
        request = json.loads(text)
    except ValueError:
        return 1
    say = to_syslog(PROGRAM)
    path = socket_path(kernel)
    for _ in range(_TRIES):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        number = connection.connect_ex(path)
        if number == 0:
            return _ask(connection, request, out)
        connection.close()
        say(f"cannot connect to socket: -{number}")
        done = subprocess.run(
            ["systemctl", "restart", "lsvcgss"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            say("systemctl restart lsvcgss service failed: Operation not permitted")
            return 1
        time.sleep(_PAUSE)
    return 1


def _ask(connection: socket.socket, request: dict[str, Any], out: TextIO) -> int:
    with connection:
        try:
            send_frame(connection, request)
            answer = receive_frame(connection)
        except (OSError, BadFrame):
            return 1
    if answer is None:
        return 1
    out.write(json.dumps(answer))
    return 0
