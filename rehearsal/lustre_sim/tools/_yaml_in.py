# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reader of block YAML that yields events one after the other, as ``lnetctl import`` consumes them.

That order matters: what came before a syntax error has been acted on already (a network was added although the file
is malformed).  It reads what LNet's files contain: block mappings and lists, plain and quoted scalars, short flow
lists, comments.  Anchors, tags, block scalars and flow mappings are syntax errors here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class YamlError(Exception):
    """Where the text stops being YAML; ``str()`` is what the tool writes after "Parser error: " and the like."""

    def __init__(
        self, kind: str, problem: str, line: int, column: int, context: str = "", start: tuple[int, int] = (1, 1)
    ) -> None:
        where = f"{problem} at line {line}, column {column}"
        since = f"{context} at line {start[0]}, column {start[1]}\n" if context else ""
        super().__init__(f"{kind} error: {since}{where}")


# What libyaml says of a block that goes on wrongly: context and problem.
_MAPPING = ("while parsing a block mapping", "did not find expected key")
_COLLECTION = ("while parsing a block collection", "did not find expected '-' indicator")


class Event(NamedTuple):
    """``kind``: ``{`` ``}`` mapping, ``[`` ``]`` sequence, ``=`` scalar with ``value``."""

    kind: str
    value: str = ""


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def events(text: str) -> Iterator[Event]:
    lines = _lines(text)
    if not lines:
        return
    start = (lines[0].number, lines[0].indent + 1)
    reader = _Reader(lines)
    yield from reader.node(lines[0].indent)
    if reader.lines:
        raise reader.unexpected(_MAPPING, start)


def _lines(text: str) -> list[_Line]:
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.lstrip().startswith("#") or raw.strip() in ("---", "..."):
            continue
        indent = len(raw) - len(raw.lstrip(" "))
        if raw[indent : indent + 1] == "\t":
            raise YamlError(
                "Scanner",
                "found character that cannot start any token",
                number,
                indent + 1,
                "while scanning for the next token",
                (number, indent + 1),
            )
        found.append(_Line(number, indent, _without_comment(raw.strip())))
    return found


def _without_comment(text: str) -> str:
    quote = ""
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and place and text[place - 1] in " \t":
            return text[:place].rstrip()
    return text


class _Reader:
    """Consumes ``lines`` from the front."""

    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines

    def node(self, indent: int) -> Iterator[Event]:
        """The block that begins at the first line, whose column is ``indent``."""
        first = self.lines[0]
        if first.text == "-" or first.text.startswith("- "):
            yield from self._sequence(indent)
        elif _key(first.text) is not None:
            yield from self._mapping(indent)
        else:
            self.lines.pop(0)
            yield from _value(first.text, first.number)

    def _sequence(self, indent: int, inside: int = -1) -> Iterator[Event]:
        """``inside``: column of the mapping that the list belongs to; equal for a list that is not indented."""
        start = (self.lines[0].number, indent + 1)
        yield Event("[")
        while self.lines and self.lines[0].indent == indent and (self.lines[0].text + " ").startswith("- "):
            line = self.lines[0]
            rest = line.text[1:].lstrip()
            if rest:
                inner = indent + len(line.text) - len(rest)
                self.lines[0] = _Line(line.number, inner, rest)
                yield from self.node(inner)
            else:
                self.lines.pop(0)
                yield from self._nested(indent, indent + 1)
            self._no_deeper(indent, _COLLECTION, start)
        if self.lines and self.lines[0].indent == indent != inside:
            raise self.unexpected(_COLLECTION, start)
        yield Event("]")

    def _mapping(self, indent: int) -> Iterator[Event]:
        start = (self.lines[0].number, indent + 1)
        yield Event("{")
        while self.lines and self.lines[0].indent == indent:
            line = self.lines[0]
            parts = _key(line.text)
            if parts is None or not parts[0]:
                if parts is not None or line.text[0] in "-[{":
                    raise self.unexpected(_MAPPING, start)
                raise YamlError(
                    "Scanner",
                    "could not find expected ':'",
                    line.number + 1,
                    1,
                    "while scanning a simple key",
                    (line.number, indent + 1),
                )
            self.lines.pop(0)
            key, value = parts
            yield Event("=", key)
            if value:
                inner = _key(value)
                if inner is not None:
                    yield Event("=", inner[0])
                    raise YamlError(
                        "Scanner",
                        "mapping values are not allowed in this context",
                        line.number,
                        indent + len(key) + 2 + value.index(":"),
                    )
                yield from _value(value, line.number)
                self._no_deeper(indent, None, start)
            else:
                yield from self._nested(indent, indent)
        self._no_deeper(indent, _MAPPING, start)
        yield Event("}")

    def _nested(self, outer: int, list_column: int) -> Iterator[Event]:
        """The value below a key or a lone dash; nothing there is an empty scalar."""
        following = self.lines[0] if self.lines else None
        if following is not None and following.indent > outer:
            yield from self.node(following.indent)
        elif following is not None and following.indent == list_column and (following.text + " ").startswith("- "):
            yield from self._sequence(list_column, inside=outer)
        else:
            yield Event("=", "")

    def _no_deeper(self, indent: int, block: tuple[str, str] | None, start: tuple[int, int]) -> None:
        if self.lines and self.lines[0].indent > indent:
            if block is not None:
                raise self.unexpected(block, start)
            line = self.lines[0]
            raise YamlError(
                "Scanner", "mapping values are not allowed in this context", line.number, line.indent + len(line.text)
            )

    def unexpected(self, block: tuple[str, str], start: tuple[int, int]) -> YamlError:
        """The next line does not continue a block that began at ``start``."""
        line = self.lines[0]
        return YamlError("Parser", block[1], line.number, line.indent + 1, block[0], start)


def _key(text: str) -> tuple[str, str] | None:
    """``key: value`` → both; None when the text is no key."""
    if text[:1] in "\"'":
        end = text.find(text[0], 1)
        if end > 0 and text[end + 1 : end + 2] == ":" and text[end + 2 : end + 3] in ("", " "):
            return text[1:end], text[end + 2 :].strip()
        return None
    if text[:1] in "[{":
        return None
    if text.endswith(":"):
        return text[:-1].strip(), ""
    key, colon, value = text.partition(": ")
    return (key.strip(), value.strip()) if colon else None


def _value(text: str, number: int) -> Iterator[Event]:
    if text[0] in "\"'":
        if len(text) < 2 or not text.endswith(text[0]):
            raise YamlError(
                "Scanner",
                "found unexpected end of stream",
                number + 1,
                1,
                "while scanning a quoted scalar",
                (number, 1),
            )
        yield Event("=", text[1:-1])
    elif text[0] == "[":
        if not text.endswith("]"):
            raise YamlError(
                "Parser",
                "did not find expected ',' or ']'",
                number + 1,
                1,
                "while parsing a flow sequence",
                (number, 1),
            )
        yield Event("[")
        for item in text[1:-1].split(","):
            if item.strip():
                yield Event("=", item.strip())
        yield Event("]")
    elif text[0] in "{&*!|>%@`}],":
        raise YamlError(
            "Scanner",
            "found character that cannot start any token",
            number,
            1,
            "while scanning for the next token",
            (number, 1),
        )
    else:
        yield Event("=", text)


def compose(stream: Iterator[Event]) -> Any:
    """The next whole value of an event stream: dict, list or str."""
    return _compose(next(stream), stream)


def _compose(event: Event, stream: Iterator[Event]) -> Any:
    if event.kind == "=":
        return event.value
    if event.kind == "[":
        items = []
        while (one := next(stream)).kind != "]":
            items.append(_compose(one, stream))
        return items
    found: dict[str, Any] = {}
    while (one := next(stream)).kind != "}":
        found[one.value] = compose(stream)
    return found
