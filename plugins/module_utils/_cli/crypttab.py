# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""/etc/crypttab as text in which only our own lines change; a line is known by its name (crypttab(5)).

Everything else, comments and blanks and odd spacing included, comes out byte for byte as it went in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

PATH = "/etc/crypttab"
#: ``nofail``: a server whose disk or key is away must come up, and serve its other targets. Not ``_netdev``: that leaves the
#: container to remote-cryptsetup.target, which not every system has enabled; with ``nofail`` nothing is ordered before the
#: network, and a device that the network brings is waited for.
OPTIONS = ("luks", "nofail")
_LINES = re.compile(r"[^\n]*\n|[^\n]+\Z")


@dataclass(frozen=True)
class Line:
    """One entry; ``key_file`` and ``options`` as they are written, ``-`` and nothing for none."""

    name: str
    device: str
    key_file: str = "none"
    options: tuple[str, ...] = ()

    def line(self) -> str:
        return f"{self.name} {self.device} {self.key_file} {','.join(self.options)}"


def line_of(text: str) -> Line | None:
    """The entry on one line; None for a comment, a blank line and what is no entry."""
    words = text.split()
    if len(words) < 2 or words[0].startswith("#"):
        return None
    options = tuple(words[3].split(",")) if len(words) > 3 else ()
    return Line(words[0], words[1], words[2] if len(words) > 2 else "none", options)


def entries(text: str) -> dict[str, Line]:
    """All entries by name; of several with one name the last."""
    return {entry.name: entry for entry in map(line_of, _LINES.findall(text)) if entry is not None}


def edit(text: str, wanted: Mapping[str, Line]) -> str:
    """The text with the lines of the wanted names set; what more options such a line has, it keeps."""
    left = dict(wanted)
    written: list[str] = []
    for raw in _LINES.findall(text):
        entry = line_of(raw)
        if entry is None or entry.name not in wanted:
            written.append(raw)
            continue
        new = left.pop(entry.name, None)
        if new is not None:
            written.append(raw if entry == merged(entry, new) else merged(entry, new).line() + "\n")
    if left and written and not written[-1].endswith("\n"):
        written[-1] += "\n"
    return "".join(written + [f"{entry.line()}\n" for entry in left.values()])


def merged(old: Line, new: Line) -> Line:
    """The wanted line with the options that only the old one has behind its own."""
    if set(new.options) <= set(old.options):
        return Line(new.name, new.device, new.key_file, old.options)
    return Line(new.name, new.device, new.key_file, (*new.options, *(o for o in old.options if o not in new.options)))
