"""Real output, spoilt: what a parser may meet when a tool is killed, changed, translated or lies.

``spoilt`` draws one of everything that can happen to a text; ``cut`` gives every text that
ends early; ``huge`` gives a few texts of a MiB (an eighth of one in a quick run), on which a quadratic parser never ends.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from tests.unit.hypotheses import LONG

NUMBERS = ("-1", "0", "99999999999999999999", "1e9", "NaN", "0x1f", "", "²", "٣", "1_000", "9" * 5000, "12abc", "1.5")
STRANGE = (
    "\ufffd",
    "\udcff",
    "\0",
    "\x1b[31m",
    "\t",
    "\r",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
    "é",
    "\ufeff",
    "\xa0",
    "\\777",
    "\\",
)
SPAN = 1 << (20 if LONG else 17)
_NUMBER = re.compile(r"\d+")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _replaced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


@st.composite
def spoilt(draw: st.DrawFn, texts: tuple[str, ...]) -> str:
    """One of the texts after one to four accidents."""
    text = draw(st.sampled_from(texts))
    for _number in range(draw(st.integers(1, 4))):
        text = draw(st.sampled_from(ACCIDENTS))(text, draw)
    return text


def _truncate(text: str, draw: st.DrawFn) -> str:
    return text[: draw(st.integers(0, len(text)))]


def _behead(text: str, draw: st.DrawFn) -> str:
    return text[draw(st.integers(0, len(text))) :]


def _strange(text: str, draw: st.DrawFn) -> str:
    place = draw(st.integers(0, len(text)))
    return _replaced(text, place, place + draw(st.integers(0, 1)), draw(st.sampled_from(STRANGE)))


def _flip(text: str, draw: st.DrawFn) -> str:
    """A bit of one byte, then read as the runner reads: what is no UTF-8 becomes U+FFFD."""
    data = bytearray(text.encode(errors="surrogateescape"))
    if data:
        data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return data.decode(errors="replace")


def _number(text: str, draw: st.DrawFn) -> str:
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    match = draw(st.sampled_from(found))
    return _replaced(text, match.start(), match.end(), draw(st.sampled_from(NUMBERS)))


def _drop(text: str, draw: st.DrawFn) -> str:
    lines = _lines(text)
    if lines:
        del lines[draw(st.integers(0, len(lines) - 1))]
    return "".join(lines)


def _double(text: str, draw: st.DrawFn) -> str:
    lines = _lines(text)
    if lines:
        place = draw(st.integers(0, len(lines) - 1))
        lines.insert(draw(st.integers(0, len(lines))), lines[place])
    return "".join(lines)


def _swap(text: str, draw: st.DrawFn) -> str:
    lines = _lines(text)
    if len(lines) > 1:
        one, two = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        lines[one], lines[two] = lines[two], lines[one]
    return "".join(lines)


def _join(text: str, draw: st.DrawFn) -> str:
    lines = _lines(text)
    if lines:
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = lines[place].rstrip("\n")
    return "".join(lines)


def _word(text: str, draw: st.DrawFn) -> str:
    words = list(re.finditer(r"\S+", text))
    if not words:
        return text
    match = draw(st.sampled_from(words))
    return _replaced(
        text,
        match.start(),
        match.end(),
        draw(st.sampled_from(["", "-", "null", "none", "[", "{}", '"', "=", ":", "@", "lo", "a b"])),
    )


def _indent(text: str, draw: st.DrawFn) -> str:
    lines = _lines(text)
    if lines:
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = draw(st.sampled_from([" ", "\t", "      ", "- "])) + lines[place]
    return "".join(lines)


def _windows(text: str, draw: st.DrawFn) -> str:
    return text.replace("\n", "\r\n")


def _tabs(text: str, draw: st.DrawFn) -> str:
    return text.replace(" ", "\t") if draw(st.booleans()) else text.replace("\t", " ")


def _latin(text: str, draw: st.DrawFn) -> str:
    """Written in one encoding and read in another."""
    return text.encode("utf-16", errors="replace").decode("utf-8", errors="replace")


def _twice(text: str, draw: st.DrawFn) -> str:
    return text + text


def _empty(text: str, draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "\n", " ", "\n\n\n", "\0"]))


def _foreign(text: str, draw: st.DrawFn) -> str:
    """A line of somebody else in between: a warning, a shell's complaint, another tool's answer."""
    line = draw(
        st.sampled_from(
            ["Segmentation fault\n", "WARNING: something: else\n", "bash: x: command not found\n", "...\n", "---\n"]
        )
    )
    lines = _lines(text)
    lines.insert(draw(st.integers(0, len(lines))), line)
    return "".join(lines)


ACCIDENTS: tuple[Callable[[str, Any], str], ...] = (
    _truncate, _behead, _strange, _flip, _number, _drop, _double, _swap, _join, _word, _indent, _windows, _tabs,
    _latin, _twice, _empty, _foreign, _number, _word, _strange, _flip,
)  # fmt: skip


def cut(text: str) -> Iterator[str]:
    """The text as it stands at the end of each line, and in the middle of each."""
    lines = _lines(text)
    for count, line in enumerate(lines):
        yield "".join(lines[:count])
        yield "".join(lines[:count]) + line[: len(line) // 2]


def huge(text: str) -> Iterator[str]:
    """Of SPAN letters each: the text again and again, one line of it made long, and endless runs of one letter of it."""
    lines = _lines(text) or ["x\n"]
    yield text * (SPAN // (len(text) or 1) + 1)
    for line in dict.fromkeys((lines[0], lines[len(lines) // 2], max(lines, key=len))):
        yield line.rstrip("\n") * (SPAN // len(line) + 1)
        yield line * (SPAN // len(line) + 1)
        middle = len(line) // 2
        for letter in " a0,:-{\"'":
            yield line[:middle] + letter * SPAN + line[middle:]
    for letter in " a0=-{[\t\n\\":
        yield letter * SPAN
    yield "a " * (SPAN // 2)
    yield " \n" * (SPAN // 2)
    yield "a: " * (SPAN // 3)


class Slow(AssertionError):
    """Something took longer than it may."""


def bounded(call: Callable[[], Any], seconds: float, what: str) -> Any:
    """Run within that many seconds of processor time; a busy machine does not count, an endless loop ends here."""

    def ring(number: int, frame: Any) -> None:
        raise Slow(f"{what} took more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
