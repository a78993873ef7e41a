"""Keytabs for tests: made of small records, and the real ones that a KDC wrote."""

from __future__ import annotations

import base64
import struct

from ansible_collections.lustre.core.plugins.module_utils._cli import keytab_file
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import Entry, FileState
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab import Local
from tests.unit.fake_runner import load_cases

REAL = {name: base64.b64decode(text) for name, text in load_cases("keytab_files").items()}
REALM = "LAB.EXAMPLE"


def record(
    principal: str,
    kvno: int = 1,
    enctype: int = 18,
    key: bytes = b"k" * 32,
    time: int = 1000,
    tail: bytes | None = None,
) -> bytes:
    """One record as ktadd writes it; ``tail`` in place of the 32-bit version."""
    name, _, realm = principal.partition("@")
    parts = [(realm or REALM).encode(), *(part.encode() for part in name.split("/"))]
    raw = struct.pack(">H", len(parts) - 1) + b"".join(struct.pack(">H", len(part)) + part for part in parts)
    raw += struct.pack(">IIBHH", 1, time, kvno & 0xFF, enctype, len(key)) + key
    return raw + (struct.pack(">I", kvno) if tail is None else tail)


def keytab(*records: bytes) -> bytes:
    return b"\x05\x02" + b"".join(struct.pack(">i", len(raw)) + raw for raw in records)


def content(*records: bytes) -> str:
    return base64.b64encode(keytab(*records)).decode()


def entries(data: bytes) -> list[Entry]:
    return keytab_file.parse_keytab(data, "a test")


class Node:
    """A node's keytab and root's ticket cache; ``writes`` are the changes that were made."""

    def __init__(
        self, data: bytes | None = None, mode: int = 0o600, uid: int = 0, cache: str = "", now: float = 1e9
    ) -> None:
        self.file = FileState("absent") if data is None else FileState("file", data, mode, uid, 0)
        self.cache, self.now, self.writes = cache, now, list[FileWrite]()

    def local(self) -> Local:
        return Local(lambda path: self.file, lambda path: self.cache, lambda: self.now, lambda: False)

    def write(self, change: FileWrite) -> None:
        self.writes.append(change)
        if "krb5cc" in change.path:
            self.cache = ""
            return
        assert isinstance(change.content, bytes) and change.exact
        self.file = FileState("file", change.content, change.mode, 0, 0)
