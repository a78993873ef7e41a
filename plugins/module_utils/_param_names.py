# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known about a tunable from its name: its kind, whether there is such a name at all, which ones are near."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from ansible_collections.lustre.core.plugins.module_utils import _param_table
from ansible_collections.lustre.core.plugins.module_utils._units import KIB, MIB, Kind

_UNITS = {"1": 1, "K": KIB, "M": MIB}
_TOKEN = re.compile(r"\*+|\?|\[!?(?:[A-Za-z0-9_](?:-[A-Za-z0-9_])?)+\]|.", re.S)
#: ``fs1-OST0000-osc-ffff8f3a2c4d5000``: the last part is made at each mount anew.
_MOUNT_INSTANCE = re.compile(r"-(?:ff)?[0-9a-f]{14,16}(?=[.]|$)")


@dataclass(frozen=True)
class Known:
    """One name of the table, its instance parts written ``*``."""

    name: str
    kind: Kind

    @property
    def last(self) -> str:
        return self.name.rpartition(".")[2]


@cache
def table() -> tuple[Known, ...]:
    """The shipped names."""
    known = []
    for line in _param_table.LINES.strip().splitlines():
        prefix, kind_text, *names = line.split()
        kind_name, _colon, unit = kind_text.partition(":")
        kind = Kind(kind_name, _UNITS.get(unit, 1))
        for name in names:
            full = name if prefix == "-" else f"{prefix}.{name}"
            known.append(Known(full, kind))
    return tuple(known)


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """A name with ``*``, ``?`` and ``[...]`` as lctl expands them, over dotted names (an instance may hold dots: NIDs)."""
    out = "".join(_piece(pattern, token) for token in _TOKEN.finditer(pattern))
    try:
        return re.compile(out + r"\Z")
    except re.error:  # a range such as [z-a] stands for itself
        return re.compile(re.escape(pattern) + r"\Z")


def _piece(pattern: str, token: re.Match[str]) -> str:
    text = token[0]
    if text[0] == "*":
        return "[^/]+" if _whole_part(pattern, token.start(), len(text)) else "[^/]*"
    if text == "?":
        return "[^/]"
    return text.replace("[!", "[^", 1) if len(text) > 1 else re.escape(text)


def _whole_part(pattern: str, start: int, length: int) -> bool:
    """Is the star a whole part of the name (so that it stands for at least one letter)?"""
    before = pattern[start - 1] if start else "."
    after = pattern[start + length] if start + length < len(pattern) else "."
    return before == "." and after == "."


def is_pattern(name: str) -> bool:
    """Does lctl expand this name?"""
    return any(letter in name for letter in "*?[")


def normal(name: str) -> str:
    """One spelling of a name: dots between its parts (lctl takes slashes, too)."""
    return name.strip().replace("/", ".")


def names_mount_instance(name: str) -> bool:
    """Does the name hold the part that a client makes anew at each mount?"""
    return bool(_MOUNT_INSTANCE.search(name))


def matches(name: str) -> list[Known]:
    """Table entries that a declared name can mean; either side may hold wildcards."""
    declared = glob(name) if is_pattern(name) else None
    last = name.rpartition(".")[2]
    return [
        known
        for known in table()
        if (known.last in (last, "*") or is_pattern(last))
        and (glob(known.name).match(name) or (declared is not None and declared.match(known.name.replace("*", "0"))))
    ]


def kind_of(name: str) -> Kind:
    """The kind of a name; for one that is not in the table a guess from its ending, else text."""
    kinds = {known.kind for known in matches(name)}
    if len(kinds) == 1:
        return kinds.pop()
    last = name.rpartition(".")[2]
    for ending, unit in (("_mb", MIB), ("_kb", KIB), ("_bytes", 1)):
        if last.endswith(ending):
            return Kind("size", unit)
    return Kind()


def nearest(name: str, also: tuple[str, ...] = (), count: int = 3) -> list[str]:
    """Known names close to a mistyped one, with its own instance part put back."""
    last = name.rpartition(".")[2]
    settable = [known.name for known in table() if known.kind.name not in ("command", "readonly")]
    names = dict.fromkeys([_with_instance(entry, name) for entry in settable] + list(also))
    close = difflib.get_close_matches(name, list(names), count, 0.75)
    # The right tunable under a wrong prefix.
    close += [text for text in names if text.rpartition(".")[2] == last and text not in close]
    return close[:count]


def _with_instance(entry: str, name: str) -> str:
    """``osc.*.max_dirty_mb`` and ``osc.fs1-*.max_dirty`` → ``osc.fs1-*.max_dirty_mb``."""
    head, star, tail = entry.partition("*")
    middle = name.partition(".")[2].rpartition(".")[0]
    if not star or "*" in tail or not middle:
        return entry
    if name.startswith(head):
        middle = name[len(head) :].rpartition(".")[0]
    elif head.count(".") != 1:
        return entry
    return f"{head}{middle}{tail}" if middle else entry
