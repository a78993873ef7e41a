# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""/etc/fstab as text in which only our own lines change.

A line is known by its mount point.  Everything else, comments and blanks and odd
spacing included, comes out byte for byte as it went in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli.mounts import (
    LUSTRE_TYPES,
    client_source,
    escape,
    unescape,
)
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused

PATH = "/etc/fstab"
_FIELD = re.compile(r"[^ \t]+")


@dataclass(frozen=True)
class FstabEntry:
    """The fields of one line; dump and pass are 0 for all that we write (no fsck of Lustre at boot)."""

    source: str
    path: str
    fstype: str
    options: tuple[str, ...]
    dump: str = "0"
    passno: str = "0"

    def line(self) -> str:
        return f"{escape(self.source)} {escape(self.path)} {self.fstype} {','.join(self.options)} {self.dump} {self.passno}"

    def means(self, other: FstabEntry) -> bool:
        """Whether two lines say the same: options as a set, a client's source by file system and MGS nodes."""
        return (
            self.path == other.path
            and self.fstype == other.fstype
            and set(self.options) == set(other.options)
            and (self.dump, self.passno) == (other.dump, other.passno)
            and _same_source(self.source, other.source)
        )


def _same_source(left: str, right: str) -> bool:
    if left == right:
        return True
    one, two = client_source(left), client_source(right)
    if one is None or two is None or one.nodes is None or two.nodes is None:
        return False
    return (one.fsname, one.subdir, one.node_set) == (two.fsname, two.subdir, two.node_set)


def entry_of(line: str) -> FstabEntry | None:
    """The entry on one line; None for a comment, a blank line and what is no entry."""
    text = line.rstrip("\r\n").lstrip(" \t")
    if not text or text.startswith("#"):
        return None
    fields = _FIELD.findall(text)
    if len(fields) < 3:
        return None
    more = (fields[3:] + ["defaults", "0", "0"][len(fields) - 3 :])[:3]
    path = unescape(fields[1])
    return FstabEntry(
        unescape(fields[0]), path.rstrip("/") or path, fields[2], tuple(more[0].split(",")), more[1], more[2]
    )


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a newline ends one (str.splitlines would break at form feeds and others)."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def entries(text: str) -> dict[str, FstabEntry]:
    """All entries by mount point; of several for one mount point the first."""
    found: dict[str, FstabEntry] = {}
    for line in _lines(text):
        entry = entry_of(line)
        if entry is not None:
            found.setdefault(entry.path, entry)
    return found


def edit(text: str, wanted: Mapping[str, FstabEntry | None]) -> str:
    """The text with the line of each wanted mount point set (None: removed); unchanged where it already says so.

    Refused when a mount point's line is not one of Lustre: somebody else's.
    """
    left = dict(wanted)
    written: list[str] = []
    for number, line in enumerate(_lines(text), start=1):
        entry = entry_of(line)
        if entry is None or entry.path not in wanted:
            written.append(line)
            continue
        if entry.fstype not in LUSTRE_TYPES:
            raise Refused(
                f"change the line of {entry.path} in {PATH}",
                f"line {number} mounts {entry.source} of type {entry.fstype} there, which is not Lustre",
                "Choose another mount point, or remove that line yourself.",
            )
        new = left.pop(entry.path, None)
        if new is not None:
            written.append(line if entry.means(new) else new.line() + (line[len(line.rstrip("\r\n")) :] or "\n"))
    added = [entry.line() + "\n" for entry in left.values() if entry is not None]
    if added and written and not written[-1].endswith("\n"):
        written[-1] += "\n"
    return "".join(written + added)
