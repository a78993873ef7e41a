# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wire of LNet: an acceptor on TCP 988 for every address that has an NI, and the connecting side.

One connection carries one message and its answer. What the other side of a real socket would see decides the
error: refused, reset, no route, time-out. The handler of the owner is always called without any lock held.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from ..framing import BadFrame, receive_frame, send_frame
from ..sim_error import SimError

Message = dict[str, Any]
# A message in, the answer out; None = refuse, the connection is reset.
Handler = Callable[[Message], Message | None]

ACCEPT_TIMEOUT = 5.0  # the real acceptor gives a connection as long to say hello
BACKLOG = 127  # accept_backlog
MAX_CONNECTIONS = 256

_RESET = struct.pack("ii", 1, 0)


class Acceptor:
    """A listening socket on one address."""

    def __init__(self, address: str, port: int, handler: Handler) -> None:
        self.address = address
        self._handler = handler
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._socket = socket.socket(_family(address), socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address, port))
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._serve, name=f"acceptor-{address}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._socket.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._socket.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    time.sleep(0.1)
                    continue
                if error.errno in (errno.ECONNABORTED, errno.EINTR):
                    continue
                return
            if not self._slots.acquire(blocking=False):
                _reset(connection)
                continue
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            message = receive_frame(connection, time.monotonic() + ACCEPT_TIMEOUT)
            answer = self._handler(message) if message is not None else None
            if answer is None:
                _reset(connection)
                return
            connection.settimeout(ACCEPT_TIMEOUT)
            send_frame(connection, answer)
        except (OSError, BadFrame):
            _reset(connection)
        finally:
            connection.close()
            self._slots.release()


class Wire:
    """All acceptors of a node, and the client side."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._acceptors: dict[str, Acceptor] = {}
        self._lock = threading.Lock()  # of the table only, never held over a handler

    def listen(self, addresses: set[str], port: int) -> dict[str, OSError]:
        """Listen on exactly these addresses; what could not be bound comes back with its error."""
        failed: dict[str, OSError] = {}
        with self._lock:
            surplus = [self._acceptors.pop(address) for address in set(self._acceptors) - addresses]
            for address in sorted(addresses - set(self._acceptors)):
                try:
                    self._acceptors[address] = Acceptor(address, port, self._handler)
                except OSError as error:
                    failed[address] = error
        for acceptor in surplus:
            acceptor.close()
        return failed

    @property
    def addresses(self) -> set[str]:
        with self._lock:
            return set(self._acceptors)

    @staticmethod
    def exchange(source: str, address: str, port: int, message: Message, connect: float, answer: float) -> Message:
        """Send one message from ``source`` and wait for the answer; SimError with the socket's error number.

        ``connect`` and ``answer`` are seconds. A peer that resets or closes without an answer is ECONNRESET:
        that is how "No matching NI" looks from here.
        """
        try:
            with socket.socket(_family(address), socket.SOCK_STREAM) as connection:
                connection.settimeout(connect)
                connection.bind((source, 0))
                connection.connect((address, port))
                connection.settimeout(answer)
                send_frame(connection, message)
                reply = receive_frame(connection, time.monotonic() + answer)
        except TimeoutError as error:
            raise SimError(errno.ETIMEDOUT, f"{address} does not answer") from error
        except OSError as error:
            number = error.errno or errno.EIO
            if number in (errno.EPIPE, errno.EADDRNOTAVAIL):
                number = errno.ECONNRESET if number == errno.EPIPE else errno.ENETDOWN
            raise SimError(number, f"connection to {address}: {error.strerror}") from error
        except BadFrame as error:
            raise SimError(errno.EPROTO, f"{address} does not speak this protocol") from error
        if reply is None:
            raise SimError(errno.ECONNRESET, f"{address} closed the connection")
        return reply


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.close()
    except OSError:
        return
