# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lustre-simd: the "kernel" of a rehearsal host.

Its memory is kernel memory: what the tools configure is lost when it ends, as at a reboot.  It never starts by
itself: modprobe (``lnet.service``, a mount) starts it, see client.py.  Tools talk to it over a unix socket; other
hosts over TCP 988 as soon as LNet has an NI.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import struct
import sys
import threading
import traceback
from typing import Any

from .client import SOCKET
from .framing import BadFrame, receive_frame, send_frame
from .node import Node
from .sim_error import NotLoaded, SimError

PERSISTENT = "/var/lib/lustre-sim/node"
SITE = "/var/lib/lustre-sim/site"
TICK = 1.0
# What users other than root may ask: everything that only reads. The real tools need no privilege for these, either.
UNPRIVILEGED = re.compile(
    r"(node\.(ping|loaded)|lnet\.(nids|ping|which_nid)|obd\.(devices|filesystems|check)|gss\.flush|"
    r"\w+\.(\w+_)?(show|list|get|info|df|read))\Z"
)


class Daemon:
    def __init__(self, node: Node, path: str) -> None:
        self.node = node
        self.path = path
        self.ended = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def open(self) -> None:
        """EADDRINUSE when another daemon serves this socket; a socket that nobody serves is replaced."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(self.path)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path)
            else:
                raise SimError(errno.EADDRINUSE, f"{self.path} is served already")
        self._listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self._listener.listen(64)

    def run(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()
        while not self.ended.wait(TICK):
            try:
                self.node.tick()
            except Exception:  # a bug in one subsystem must not take the kernel down
                self.node.log("BUG: tick failed: " + traceback.format_exc())
        with contextlib.suppress(OSError):
            self._listener.shutdown(
                socket.SHUT_RDWR
            )  # wakes accept(), which else waits on, and on the next socket of this number
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            privileged = _peer_uid(connection) == 0
            self.node.asker.gone = lambda: _closed(connection)
            try:
                while (request := receive_frame(connection)) is not None:
                    send_frame(connection, self.answer(request, privileged))
            except (OSError, BadFrame):
                return

    def answer(self, request: dict[str, Any], privileged: bool) -> dict[str, Any]:
        op, args = request.get("op"), request.get("args", {})
        if not isinstance(op, str) or not isinstance(args, dict):
            return {"errno": errno.EINVAL, "text": "malformed request"}
        if not privileged and not UNPRIVILEGED.match(op):
            return {"errno": errno.EPERM, "text": "Operation not permitted"}
        try:
            return {"value": self.node.call(op, **args)}
        except NotLoaded as error:
            return {"errno": error.errno, "text": error.text, "not_loaded": True}
        except SimError as error:
            return {"errno": error.errno, "text": error.text}
        except Exception as error:  # the tool gets an error, the kernel goes on, the log has the place
            self.node.log(f"BUG: {op} failed: " + traceback.format_exc())
            return {"errno": errno.EFAULT, "text": f"{type(error).__name__}: {error}"}


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _detach() -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")


def _notify_systemd(state: bytes) -> None:
    """Type=notify: the tool that started us waits until the socket is open."""
    target = os.environ.get("NOTIFY_SOCKET")
    if target:
        address = "\0" + target[1:] if target.startswith("@") else target
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
            channel.sendto(state, address)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lustre-simd", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--socket", default=SOCKET)
    parser.add_argument("--persistent", default=PERSISTENT)
    parser.add_argument("--site", default=SITE)
    parser.add_argument("--name", default=os.uname().nodename)
    parser.add_argument("--detach", action="store_true")
    options = parser.parse_args(argv)
    if options.detach:
        _detach()
    runtime = os.path.dirname(options.socket)
    daemon = Daemon(Node(options.name, options.persistent, runtime, options.site), options.socket)
    daemon.node.gss.background = True
    try:
        daemon.open()
    except SimError as error:
        print(f"lustre-simd: {error.text}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.ended.set())
    _notify_systemd(b"READY=1")
    daemon.run()
    return 0
