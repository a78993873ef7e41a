# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lsvcgssd: the daemon of a server that decides who gets a security context.

Recorded of 2.17.0: a service without a key of its own turns Kerberos off, which is the end (1) only where no other
mechanism was asked for; a second instance ends with 0 like the first; all it says goes to syslog, with ``-f`` to
standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

from ..client import SOCKET
from ..faults import Faults
from ..framing import BadFrame, receive_frame, send_frame
from ..keyring import Keyring
from ._accept import FAILURE, Acceptor
from ._getopt import NONE, REQUIRED, getopt_long
from ._log import Say, to_syslog

PROGRAM = "lsvcgssd"
SOCKET_NAME = "lsvcgssd.sock"
LETTERS = {letter: letter for letter in "fnvgmokszR"}
OPTIONS = {letter: REQUIRED if letter == "R" else NONE for letter in LETTERS}
USAGE = """\
usage: lsvcgssd [ -fnvmogkszR ]
     -f      - Run in foreground
     -g      - Service MGS
     -k      - Enable kerberos support
     -m      - Service MDS
     -n      - Don't establish kerberos credentials
     -o      - Service OSS
     -R REALM - Kerberos Realm to use
     -s      - Enable shared key support
     -v      - Verbosity
     -z      - Enable gssnull support
"""
_PR_SET_MM, _PR_SET_MM_ARG_END = 35, 9


def socket_path(kernel: Any) -> str:
    return os.path.join(os.path.dirname(getattr(kernel, "path", SOCKET)), SOCKET_NAME)


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    parsed = getopt_long(PROGRAM, argv, OPTIONS, LETTERS, err)
    if parsed.failed or parsed.words:
        err.write(USAGE)
        return 1

    def to_stderr(text: str) -> None:
        err.write(text + "\n")
        err.flush()

    say: Say = to_stderr if parsed.has("f") else to_syslog(PROGRAM)
    mechanisms = {name for letter, name in (("k", "krb5"), ("s", "sk"), ("z", "gssnull")) if parsed.has(letter)}
    if not mechanisms:
        say("WARNING: no mechanism was asked for: Kerberos is assumed")
        mechanisms.add("krb5")
    if "krb5" in mechanisms and not parsed.has("n") and not _kerberos(parsed.has, parsed.value("R"), say):
        mechanisms.discard("krb5")
        if not mechanisms:
            return 1
    acceptor = Acceptor(mechanisms, Keyring.of(kernel), say)
    if parsed.has("f"):
        return serve(acceptor, socket_path(kernel))
    if os.fork():
        return 0
    _detach(argv)
    acceptor.say = to_syslog(PROGRAM)
    os._exit(serve(acceptor, socket_path(kernel)))


def _kerberos(has: Callable[[str], bool], realm: str | None, say: Say) -> bool:
    from ._krb5_server import prepare

    asked = [
        service for letter, service in (("g", "lustre_mgs"), ("m", "lustre_mds"), ("o", "lustre_oss")) if has(letter)
    ]
    return prepare(asked or ["lustre_mgs", "lustre_mds", "lustre_oss"], bool(asked), realm, say)


def serve(acceptor: Acceptor, path: str) -> int:
    """Answers requests until a signal; 0 at once when another instance does."""
    if _answers(path):
        acceptor.say("Another instance is running, exit")
        return 0
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    if "sk" in acceptor.mechanisms:
        acceptor.say("will use default number of rounds for prime testing")

    def ended(number: int, _frame: object) -> NoReturn:
        acceptor.say(f"exiting on signal {number}")
        with contextlib.suppress(OSError):
            os.unlink(path)
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, acceptor), daemon=True).start()


def _converse(connection: socket.socket, acceptor: Acceptor) -> None:
    with connection:
        try:
            request = receive_frame(connection)
            if request:
                send_frame(connection, _decided(request, acceptor))
        except (OSError, BadFrame):
            return


def _decided(request: dict[str, Any], acceptor: Acceptor) -> dict[str, Any]:
    try:
        return acceptor.answer(request)
    except Exception as error:  # one bad request must not end the daemon
        acceptor.say(f"ERROR: {type(error).__name__}: {error}")
        return {"major": FAILURE}


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def _detach(argv: list[str]) -> None:
    os.setsid()
    os.chdir("/")
    with open(os.devnull, "r+b") as null:
        for number in (0, 1, 2):
            os.dup2(null.fileno(), number)
    with contextlib.suppress(OSError, ValueError):
        _rename([f"/usr/sbin/{PROGRAM}", *argv])


def _rename(argv: list[str]) -> None:
    """Have /proc show the command line of the real daemon, not of the interpreter that plays it."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    text = b"".join(word.encode() + b"\0" for word in argv)
    if not start or len(text) > end - start:
        return
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
    ctypes.CDLL(None).prctl(_PR_SET_MM, _PR_SET_MM_ARG_END, ctypes.c_ulong(start + len(text)), 0, 0)
