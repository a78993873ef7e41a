# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that must hold no secret, and the few that may: those only for root."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .spellings import Finder

_CHUNK = 1 << 22


def scan(finder: Finder, top: Path, allowed: Sequence[str] = ()) -> list[str]:
    """What is wrong below ``top``, as sentences.

    ``allowed`` are shell patterns of paths relative to ``top`` (of a host's root: ``etc/krb5.keytab``) where secrets
    belong; such a file must still be readable by its owner alone, and so must the place of one within a device.
    """
    wrong = []
    for path in _files(top):
        relative = str(path.relative_to(top))
        try:
            found, mode = _found(finder, path), path.stat().st_mode
        except FileNotFoundError:  # a log that was rotated meanwhile
            continue
        if not found:
            continue
        if not any(fnmatch.fnmatch(relative, pattern) for pattern in allowed):
            wrong.append(f"{path} holds {', '.join(found)}.")
        elif stat.S_IMODE(mode) & 0o077:
            wrong.append(f"{path} may hold {found[0]}, but its mode is {stat.S_IMODE(mode):04o} and not 0600.")
    return wrong


def _files(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
    for folder, _folders, names in os.walk(top):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _found(finder: Finder, path: Path) -> list[str]:
    """In pieces that overlap, so that a journal of a gigabyte takes no memory and hides nothing at an edge."""
    found: set[str] = set()
    with open(path, "rb") as stream:
        tail = b""
        while block := stream.read(_CHUNK):
            found.update(finder.find(tail + block))
            tail = block[-finder.longest :]
    return sorted(found)


def scan_texts(finder: Finder, texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """The same for what is no file: outputs, arguments of processes; pairs of place and content."""
    return [f"{place}: {', '.join(found)}." for place, data in texts if (found := finder.find(data))]
