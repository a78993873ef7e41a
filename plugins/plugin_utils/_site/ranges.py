# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges: target indexes ``0-3,8``, host names ``oss[01-20]``, addresses ``10.1.[0-79].[1-254]`` and ``10.1.0.1+``.

All functions raise ValueError with a sentence (without path or full stop) for text they cannot read.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import re
from typing import Iterator, Sequence

#: Lustre reserves the indexes above (0xffe0 and up) for itself.
MAX_INDEX = 65503
MAX_NAMES = 200_000

_PART = re.compile(r"(\d+)(?:\s*[-:]\s*(\d+))?")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_COUNTED = re.compile(r"(?P<address>[0-9A-Fa-f:.]+)\+(?P<step>\d*)(?P<net>@.*)?")


def _spans(text: str, largest: int) -> Iterator[tuple[int, int, int]]:
    """``01-03,7`` → (1, 3, width 2), (7, 7, width 1)."""
    for piece in text.split(","):
        match = _PART.fullmatch(piece.strip())
        if match is None:
            raise ValueError(f'"{piece.strip()}" is neither a number nor FIRST-LAST')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f'the range "{piece.strip()}" runs backwards')
        if last > largest:
            raise ValueError(f"{last} is too large: at most {largest}")
        yield first, last, len(match[1])


def indexes(value: object) -> tuple[int, ...]:
    """``3`` → (3,); ``"0-2,8"`` → (0, 1, 2, 8)."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is not an index: write a number such as 3, or a range such as 0-3 or 0-3,8")
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"{value} is negative")
        if value > MAX_INDEX:
            raise ValueError(f"{value} is too large: at most {MAX_INDEX}")
        return (int(value) + 0,)
    found: list[int] = []
    for first, last, _width in _spans(value, MAX_INDEX):
        found.extend(range(first, last + 1))
    if len(set(found)) != len(found):
        raise ValueError(f'"{value}" names an index twice')
    return tuple(found)


def is_range(name: str) -> bool:
    return "[" in name or "]" in name


@functools.lru_cache(maxsize=4096)
def _split(pattern: str) -> tuple[tuple[str, tuple[tuple[int, int, int], ...]], ...]:
    """``a[1-2]b`` → (("a", spans of 1-2), ("b", ()))."""
    parts: list[tuple[str, tuple[tuple[int, int, int], ...]]] = []
    position, total = 0, 1
    for match in _BRACKETS.finditer(pattern):
        spans = tuple(_spans(match[1], 10**9))
        parts.append((pattern[position : match.start()], spans))
        total *= sum(last - first + 1 for first, last, _width in spans)
        position = match.end()
    parts.append((pattern[position:], ()))
    if any(is_range(text) for text, _spans_ in parts):
        raise ValueError(f'"{pattern}" has a bracket that is not closed (write it as NAME[FIRST-LAST])')
    if total > MAX_NAMES:
        raise ValueError(f'"{pattern}" stands for {total} names: more than {MAX_NAMES}')
    return tuple(parts)


def readable(pattern: str) -> bool:
    """Whether ``expand`` takes it."""
    try:
        _split(pattern)
    except ValueError:
        return False
    return True


def expand(pattern: str) -> list[str]:
    """``oss[01-03]`` → oss01, oss02, oss03; several brackets give every combination, the last one running fastest."""
    choices: list[list[str]] = []
    for text, spans in _split(pattern):
        choices.append([text])
        if spans:
            choices.append([f"{n:0{width}d}" for first, last, width in spans for n in range(first, last + 1)])
    return ["".join(parts) for parts in itertools.product(*choices)]


def first(pattern: str) -> str:
    """The first name that a range stands for, without expanding it."""
    return "".join(text + (f"{spans[0][0]:0{spans[0][2]}d}" if spans else "") for text, spans in _split(pattern))


@functools.lru_cache(maxsize=4096)
def _matcher(pattern: str) -> tuple[re.Pattern[str], tuple[tuple[tuple[int, int, int], ...], ...]]:
    parts = _split(pattern)
    expression = "".join(re.escape(text) + (r"(\d+)" if spans else "") for text, spans in parts)
    return re.compile(expression), tuple(spans for _text, spans in parts if spans)


def covers(pattern: str, name: str) -> bool:
    """Whether the (range) name stands for this one, without expanding it."""
    if not is_range(pattern):
        return pattern == name
    expression, groups = _matcher(pattern)
    match = expression.fullmatch(name)
    return match is not None and all(
        any(first <= int(digits) <= last and f"{int(digits):0{width}d}" == digits for first, last, width in spans)
        for digits, spans in zip(match.groups(), groups)
    )


def addresses(pattern: str, count: int) -> list[str]:
    """As many addresses as there are hosts.

    ``10.0.0.[11-30]``: expanded like host names, exactly one per host (several brackets may give more); ``10.1.0.1+``: counted up from there, ``+N`` in
    steps of N, carrying over the dots; a text after ``@`` is kept behind each.
    """
    counted = _COUNTED.fullmatch(pattern)
    if counted:
        first = ipaddress.ip_address(counted["address"])
        step, net = int(counted["step"] or 1), counted["net"] or ""
        try:
            return [f"{first + step * number}{net}" for number in range(count)]
        except ipaddress.AddressValueError:
            raise ValueError(f'"{pattern}" runs past the last address') from None
    if not is_range(pattern):
        if count == 1:
            return [pattern]
        raise ValueError(
            f'"{pattern}" is one address for {count} hosts: write a range ([1-{count}]) or a first address and "+"'
        )
    found = expand(pattern)
    if len(found) < count:
        raise ValueError(f'"{pattern}" stands for {len(found)} addresses, but there are {count} hosts')
    if len(found) > count and len(_BRACKETS.findall(pattern)) == 1:
        # Several brackets rarely give the very number of hosts; one does, or somebody miscounted.
        raise ValueError(f'"{pattern}" stands for {len(found)} addresses, but the hosts are {count}')
    return found[:count]


def compact(numbers: Sequence[int]) -> str:
    """(0, 1, 2, 8) → ``0-2,8``."""
    pieces: list[str] = []
    for _key, group in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        run = [number for _position, number in group]
        pieces.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ",".join(pieces)
