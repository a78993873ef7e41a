# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a node about key files without a program, and a place where a key may lie while it is read."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from typing import Callable, ContextManager, Iterator, NamedTuple


class Seen(NamedTuple):
    """What is at a path, links not followed: ``kind`` is ``file``, ``folder`` or ``other``."""

    kind: str
    mode: int
    uid: int

    @property
    def private(self) -> bool:
        """Root's alone, for reading and writing (lgss_sk itself makes files that nobody may write)."""
        return self.uid == 0 and not self.mode & 0o177 and bool(self.mode & 0o400)


def look(path: str) -> Seen | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = "file" if stat.S_ISREG(found.st_mode) else "folder" if stat.S_ISDIR(found.st_mode) else "other"
    return Seen(kind, stat.S_IMODE(found.st_mode), found.st_uid)


def read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(65536)


@contextlib.contextmanager
def private(content: bytes, folder: str = "/run") -> Iterator[str]:
    """A file with this content, in memory (/run) and root's alone from its first byte on, for as long as the body takes."""
    place = tempfile.mkdtemp(prefix="lustre-ssk-", dir=folder)
    try:
        path = os.path.join(place, "key")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        yield path
    finally:
        shutil.rmtree(place)


@dataclass(frozen=True)
class Local:
    """Tests put their own functions here."""

    look: Callable[[str], Seen | None] = look
    read: Callable[[str], bytes] = read
    private: Callable[[bytes], ContextManager[str]] = private
