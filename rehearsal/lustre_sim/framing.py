# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON messages on a stream socket: four bytes of magic, four of length, then the text.

Used on TCP 988 between hosts and on the unix socket between tools and daemon. Whatever does not begin with the
magic, is too long, or is not a JSON object is a ``BadFrame``: the receiver closes the connection.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

MAGIC = b"LSim"
LIMIT = 32 * 1024 * 1024
_HEAD = struct.Struct("!4sI")


class BadFrame(Exception):
    """What came in is not one of our messages."""


def send_frame(connection: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message, separators=(",", ":")).encode()
    connection.sendall(_HEAD.pack(MAGIC, len(body)) + body)


def receive_frame(connection: socket.socket, deadline: float | None = None) -> dict[str, Any] | None:
    """The next message; None when the other side has closed. ``deadline`` (monotonic) bounds the whole of it."""
    head = _exactly(connection, _HEAD.size, deadline)
    if head is None:
        return None
    magic, length = _HEAD.unpack(head)
    if magic != MAGIC or length > LIMIT:
        raise BadFrame("unknown protocol")
    body = _exactly(connection, length, deadline)
    if body is None:
        raise BadFrame("the connection ended within a message")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFrame("the message is not JSON") from error
    if not isinstance(message, dict):
        raise BadFrame("the message is not an object")
    return message


def _exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the message did not arrive in time")
            connection.settimeout(left)
        piece = connection.recv(min(count - len(parts), 1 << 16))
        if not piece:
            if parts:
                raise BadFrame("the connection ended within a message")
            return None
        parts += piece
    return bytes(parts)
