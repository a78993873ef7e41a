# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reader for the YAML that ``lnetctl`` prints, and for nothing more than that.

Target hosts need not have PyYAML, and PyYAML would not do anyway: ``lnetctl`` prints
the same top-level key several times in one document (``export`` without LNet), plain
scalars that are not YAML (``dst: *@tcp``, ``descr: cannot open 'x': No such file``),
and three shapes of error documents, some with a ``!`` tag, on either channel.

Whatever does not fit raises UnknownOutput: a half-understood state must never
become a plan.
"""

from __future__ import annotations

import re
from typing import Any, Collection, NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

#: Deeper than anything lnetctl prints (6); a bound, so that garbage cannot exhaust the stack.
_DEEPEST = 12
_KEY = re.compile(r"(?P<key>[A-Za-z0-9_][A-Za-z0-9_()\[\] .-]*?):(?:[ ]+(?P<value>.*))?")
_ITEM = re.compile(r"-(?:[ ]+|$)")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"')
_SINGLE = re.compile(r"'(?:[^']|'')*'")
#: Top-level keys under which errors are reported; they are read whatever was asked for.
ERROR_KEYS = ("show", "add", "del", "set", "configure", "manage", "yaml")

Pairs = list[tuple[str, Any]]


class _Line(NamedTuple):
    indent: int
    text: str


class _Unreadable(ValueError):
    pass


class ErrorDocument(NamedTuple):
    """One reported error: on what, the positive errno, and lnetctl's own words."""

    what: str
    errno: int
    descr: str


def parse(text: str, what: str, only: Collection[str] | None = None) -> Pairs:
    """The top-level keys of ``text`` in order, each with its value (dict, list, int, str or None).

    Keys may repeat.  ``only`` names the keys that matter: the bodies of others are not
    read (the peers of a server with thousands of clients), errors always are.
    """
    try:
        return [
            (key, _section(key, body))
            for key, body in _sections(_lines(text))
            if only is None or key in only or key in ERROR_KEYS
        ]
    except _Unreadable:
        raise UnknownOutput("lnetctl", what, text) from None


def errors(value: Any) -> list[ErrorDocument]:
    """Every error document inside a parsed value; those that say success (errno 0) are none."""
    found: list[ErrorDocument] = []
    if isinstance(value, tuple):
        return errors(value[1])
    if isinstance(value, list):
        for item in value:
            found += errors(item)
        return found
    if not isinstance(value, dict):
        return found
    if "errno" in value and "descr" in value:
        subject = next((key for key in value if key not in ("errno", "descr")), "")
        if isinstance(value["errno"], int) and value["errno"] != 0:
            found.append(ErrorDocument(subject, abs(value["errno"]), str(value["descr"])))
        return found
    for key, inner in value.items():
        found += [document if document.what else document._replace(what=key) for document in errors(inner)]
    return found


def _lines(text: str) -> list[_Line]:
    kept = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if not line.strip() or line in ("---", "...") or line.lstrip().startswith("#"):
            continue
        if "\t" in line or not line.isprintable():
            raise _Unreadable(line)
        kept.append(_Line(len(line) - len(line.lstrip(" ")), line.lstrip(" ")))
    return kept


def _sections(lines: list[_Line]) -> list[tuple[str, list[_Line]]]:
    """The text cut at its top-level keys, each with the lines below it (its own value first, if it has one)."""
    found: list[tuple[str, list[_Line]]] = []
    for line in lines:
        if line.indent == 0 and not _ITEM.match(line.text):
            match = _KEY.fullmatch(line.text)
            if match is None:
                raise _Unreadable(line.text)
            value = match["value"]
            found.append((match["key"], [] if value is None else [_Line(-1, value)]))
        elif not found:
            raise _Unreadable(line.text)
        else:
            found[-1][1].append(line)
    return found


def _section(key: str, body: list[_Line]) -> Any:
    if not body:
        return None
    if body[0].indent < 0:
        if len(body) > 1:
            raise _Unreadable(key)
        return _scalar(body[0].text)
    value, end = _block(list(body), 0, 0)
    if end != len(body):
        raise _Unreadable(body[end].text)
    return value


def _block(lines: list[_Line], at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise _Unreadable("nested too deeply")
    if _ITEM.match(lines[at].text):
        return _sequence(lines, at, depth)
    return _mapping(lines, at, depth)


def _sequence(lines: list[_Line], at: int, depth: int) -> tuple[list[Any], int]:
    indent, items = lines[at].indent, []
    while at < len(lines) and lines[at].indent == indent:
        match = _ITEM.match(lines[at].text)
        if match is None:
            break
        rest = lines[at].text[match.end() :]
        if not rest:
            raise _Unreadable(lines[at].text)
        if _KEY.fullmatch(rest) is None:
            items.append(_scalar(rest))
            at += 1
            continue
        # "-     net type: lo": the item is a mapping whose column is where its first key stands.
        lines[at] = _Line(indent + match.end(), rest)
        value, at = _block(lines, at, depth + 1)
        items.append(value)
    return items, at


def _mapping(lines: list[_Line], at: int, depth: int) -> tuple[dict[str, Any], int]:
    indent, found = lines[at].indent, {}
    while at < len(lines) and lines[at].indent == indent and not _ITEM.match(lines[at].text):
        match = _KEY.fullmatch(lines[at].text)
        if match is None or match["key"] in found:
            raise _Unreadable(lines[at].text)
        at += 1
        if match["value"] is not None:
            found[match["key"]] = _scalar(match["value"])
        elif at < len(lines) and _belongs(lines[at], indent):
            found[match["key"]], at = _block(lines, at, depth + 1)
        else:
            found[match["key"]] = None
    if at < len(lines) and lines[at].indent > indent:
        raise _Unreadable(lines[at].text)
    return found, at


def _belongs(line: _Line, indent: int) -> bool:
    """Whether a line is the value of a key at ``indent``: deeper, or a list at the same column."""
    return line.indent > indent or (line.indent == indent and _ITEM.match(line.text) is not None)


def _scalar(text: str) -> Any:
    text = text[1:].lstrip(" ") if text.startswith("! ") else text
    if text.startswith('"'):
        if _DOUBLE.fullmatch(text) is None:
            raise _Unreadable(text)
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text.startswith("'") and _SINGLE.fullmatch(text):
        return text[1:-1].replace("''", "'")
    if text.startswith(("{", "|", ">", "&", "%", "@", "`")):
        raise _Unreadable(text)
    return int(text) if _INTEGER.fullmatch(text) else text
