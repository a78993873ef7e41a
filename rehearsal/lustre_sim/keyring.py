# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root's user keyring of one host, as far as Lustre uses it.

The kernel's own keyrings belong to a user and are shared by all hosts of a machine that run in one user namespace, so a
key that one host loads would be there on all of them. These keys are kept per host instead, in a file on the host's
``/run`` that is gone with a power cut, readable by root alone: it is memory of the simulated kernel, not a file of the host.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import SOCKET

NAME = "keyring"


class Keyring:
    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def of(cls, kernel: Any) -> Keyring:
        """The keyring of the host behind a kernel (a tool's client of it, or a node of a test)."""
        folder = getattr(kernel, "runtime_dir", "") or os.path.dirname(getattr(kernel, "path", SOCKET))
        return cls(os.path.join(folder, NAME))

    def add(self, description: str, payload: bytes) -> int:
        """Its number; a key of the same description gets the new payload and keeps its number."""
        with self._open() as keys:
            known = keys.get(description, {})
            serial = known.get("serial") or secrets.randbits(29) | 1 << 20
            keys[description] = {"serial": serial, "payload": base64.b64encode(payload).decode()}
        return int(serial)

    def remove(self, description: str) -> bool:
        with self._open() as keys:
            return keys.pop(description, None) is not None

    def read(self, description: str) -> bytes | None:
        with self._open() as keys:
            key = keys.get(description)
        return base64.b64decode(key["payload"]) if key else None

    def serials(self) -> dict[str, int]:
        """{description: number}, in the order in which they were added."""
        with self._open() as keys:
            return {description: int(key["serial"]) for description, key in keys.items()}

    @contextmanager
    def _open(self) -> Iterator[dict[str, dict[str, Any]]]:
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(handle, "r+", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            before = stream.read()
            keys = json.loads(before or "{}")
            yield keys
            after = json.dumps(keys)
            if after != before:
                stream.seek(0)
                stream.truncate()
                stream.write(after)
