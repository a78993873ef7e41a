# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small language for the shape of a description, and its checker.

``check`` never raises for what a user may have written: it reports, and returns plain
data (exact ``str``/``int``/``bool``/``list``/``dict``, without ansible-core's tags or
lazy containers) with every default filled in.  What cannot be used becomes the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, did_you_mean, shown


class Required:
    """Marks a key without a default."""


REQUIRED = Required()
#: Key under which a clean mapping keeps the path it was written at.
WHERE = "@"
_JINJA = re.compile(r"\{\{|\{%")


@dataclass(frozen=True)
class Text:
    """A string; ``pattern`` must match all of it, ``hint`` says in words what it asks for.

    ``numbers``: a number stands for its text; ``switches``: a boolean stands for on or off.
    """

    pattern: str = ""
    hint: str = ""
    choices: tuple[str, ...] = ()
    numbers: bool = False
    switches: bool = False


@dataclass(frozen=True)
class Number:
    """A whole number within bounds (both included)."""

    least: int = 0
    most: int = 2**31 - 1


@dataclass(frozen=True)
class YesNo:
    """A YAML boolean, never a string: consent must not hang on how a word is read."""


@dataclass(frozen=True)
class Index:
    """A number or a range of them; the clean value is a tuple of integers."""


@dataclass(frozen=True)
class ListOf:
    """A list; ``single`` accepts one bare item for a list of one."""

    item: Type
    least: int = 0
    single: bool = False


@dataclass(frozen=True)
class MapOf:
    """A mapping with free keys."""

    value: Type


@dataclass(frozen=True)
class Either:
    """A choice by the value's own type: mapping, list or text."""

    options: tuple[Type, ...]


@dataclass(frozen=True)
class Key:
    """One key of a shape; ``doc`` goes into the reference page."""

    type: Type
    doc: str
    default: Any = REQUIRED
    example: str = ""


@dataclass(frozen=True)
class Shape:
    """A mapping with fixed keys."""

    title: str
    keys: dict[str, Key] = field(hash=False)
    doc: str = ""


Type = Text | Number | YesNo | Index | ListOf | MapOf | Either | Shape


class Unusable:
    """What ``check`` returns for a value that was reported and has no clean form."""


UNUSABLE = Unusable()


def plain(value: Any) -> Any:
    """The same data in exact built-in types (ansible-core wraps and tags what passes its templating)."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def below(path: str, key: object) -> str:
    """Path of a key; one that has dots or blanks itself is put in brackets."""
    return f"{path}.{key}" if re.fullmatch(r"[\w-]+", str(key)) else f'{path}["{key}"]'


def described(kind: Type) -> str:
    """A type in words, for messages and the reference page."""
    if isinstance(kind, Text):
        return "one of " + ", ".join(kind.choices) if kind.choices else (kind.hint or "a string")
    if isinstance(kind, Number):
        return f"a whole number from {kind.least}" + (f" to {kind.most}" if kind.most < 2**31 - 1 else "")
    if isinstance(kind, YesNo):
        return "true or false"
    if isinstance(kind, Index):
        return "a number such as 3, or a range such as 0-3 or 0-3,8"
    if isinstance(kind, ListOf):
        inner = kind.item.title if isinstance(kind.item, Shape) else described(kind.item)
        return f"a list (each item {inner})" + (" or one such item" if kind.single else "")
    if isinstance(kind, MapOf):
        return f"a mapping of names to values (each {described(kind.value)})"
    if isinstance(kind, Either):
        return ", or ".join(described(option) for option in kind.options)
    return f"a mapping ({kind.title})"


def check(kind: Type, value: Any, path: str, findings: Findings) -> Any:
    """The clean value, or UNUSABLE after reporting why not."""
    if isinstance(kind, Either):
        return _either(kind, value, path, findings)
    if isinstance(kind, Shape):
        return _shape(kind, value, path, findings)
    if isinstance(kind, ListOf):
        return _list(kind, value, path, findings)
    if isinstance(kind, MapOf):
        return _map(kind, value, path, findings)
    return _scalar(kind, value, path, findings)


def _wrong(kind: Type, value: Any, path: str, findings: Findings, fix: str = "") -> Unusable:
    found = (
        "a mapping"
        if isinstance(value, Mapping)
        else "a list"
        if isinstance(value, (list, tuple))
        else shown(plain(value))
    )
    findings.add(path, f"must be {described(kind)}, not {found}", fix or "Correct the value.", "wrong-type")
    return UNUSABLE


def _scalar(kind: Text | Number | YesNo | Index, value: Any, path: str, findings: Findings) -> Any:
    if isinstance(value, str) and _JINJA.search(value):
        fix = "Give the value itself, or define the variable that the template needs."
        findings.add(path, f"{shown(value)} is a Jinja template that was not rendered", fix, "template-left")
        return UNUSABLE
    if isinstance(kind, YesNo):
        if isinstance(value, bool):
            return value
        fix = "Write true or false without quotes." if isinstance(value, str) else "Write true or false."
        return _wrong(kind, value, path, findings, fix)
    if isinstance(kind, Index):
        return _index(value, path, findings)
    if isinstance(kind, Number):
        if isinstance(value, bool) or not isinstance(value, int):
            fix = "Write the number without quotes." if isinstance(value, str) and value.isdigit() else ""
            return _wrong(kind, value, path, findings, fix)
        if not kind.least <= value <= kind.most:
            findings.add(path, f"{value} is out of range", f"It must be {described(kind)}.", "out-of-range")
            return UNUSABLE
        return int.__int__(value)
    return _text(kind, value, path, findings)


def _text(kind: Text, value: Any, path: str, findings: Findings) -> Any:
    if kind.numbers and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(plain(value))
    if kind.switches and isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, bool):
        fix = "YAML reads yes, no, on, off, true and false as booleans: put the word in quotes, or write 1 or 0."
        return _wrong(kind, value, path, findings, fix)
    if not isinstance(value, str):
        fix = "Put it in quotes." if isinstance(value, (int, float)) else ""
        return _wrong(kind, value, path, findings, fix)
    text = str.__str__(value)
    if kind.choices and text not in kind.choices:
        fix = did_you_mean(text, kind.choices) or f"Use {described(kind)}."
        findings.add(path, f"{shown(text)} is not known here", fix, "unknown-choice")
        return UNUSABLE
    if kind.pattern and re.fullmatch(kind.pattern, text) is None:
        findings.add(path, f"{shown(text)} cannot be used here", f"It must be {kind.hint}.", "bad-text")
        return UNUSABLE
    return text


def _index(value: Any, path: str, findings: Findings) -> Any:
    try:
        return ranges.indexes(value)
    except ValueError as error:
        fix = f"Give a number or a range such as 0-3 or 0-3,8, with indexes of at most {ranges.MAX_INDEX}."
        findings.add(path, str(error), fix, "bad-index")
        return UNUSABLE


def _list(kind: ListOf, value: Any, path: str, findings: Findings) -> Any:
    if not isinstance(value, (list, tuple)):
        if not kind.single or isinstance(value, Mapping) or value is None:
            return _wrong(kind, value, path, findings, 'Put a "-" before each item, also if there is only one.')
        value = [value]
    clean = [check(kind.item, item, f"{path}[{number}]", findings) for number, item in enumerate(value)]
    if len(clean) < kind.least:
        findings.add(path, "is empty", f"List at least one: {described(kind.item)}.", "empty-list")
    return [item for item in clean if item is not UNUSABLE]


def _map(kind: MapOf, value: Any, path: str, findings: Findings) -> Any:
    if not isinstance(value, Mapping):
        return _wrong(kind, value, path, findings, "Write it as NAME: VALUE lines.")
    clean = {str(plain(key)): check(kind.value, value[key], below(path, plain(key)), findings) for key in value}
    return {key: item for key, item in clean.items() if item is not UNUSABLE}


def _shape(kind: Shape, value: Any, path: str, findings: Findings) -> Any:
    if not isinstance(value, Mapping):
        return _wrong(
            kind, value, path, findings, f"Write it as KEY: VALUE lines with the keys {', '.join(kind.keys)}."
        )
    for key in value:
        if key not in kind.keys:
            fix = did_you_mean(str(key), kind.keys) or f"Known keys here: {', '.join(sorted(kind.keys))}."
            findings.add(
                f"{path}.{plain(key)}" if path else str(plain(key)), "is not a key of " + kind.title, fix, "unknown-key"
            )
    clean: dict[str, Any] = {WHERE: path}
    for name, key in kind.keys.items():
        inner = f"{path}.{name}" if path else name
        given = value.get(name)
        if given is None:
            if key.default is REQUIRED:
                example = f", such as {key.example}" if isinstance(key.type, Shape) and key.example else ""
                findings.add(inner, "is missing", f"Add it: {described(key.type)}{example}.", "missing-key")
            clean[name] = None if key.default is REQUIRED else key.default
            continue
        found = check(key.type, given, inner, findings)
        clean[name] = found if found is not UNUSABLE else (None if key.default is REQUIRED else key.default)
    return clean


def _either(kind: Either, value: Any, path: str, findings: Findings) -> Any:
    """The first option of the value's own kind; its findings are then the ones that help."""
    for option in kind.options:
        fits = (
            isinstance(value, Mapping)
            if isinstance(option, (Shape, MapOf))
            else isinstance(value, (list, tuple))
            if isinstance(option, ListOf)
            else isinstance(value, str)
        )
        if fits:
            return check(option, value, path, findings)
    return _wrong(kind, value, path, findings)
