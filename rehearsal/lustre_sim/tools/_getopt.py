# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""getopt_long as the C library does it: options anywhere, unique beginnings of long names, its own messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

NONE, REQUIRED, OPTIONAL = 0, 1, 2


class Parsed:
    """``failed``: the C function returned ``?``; what came before it is in ``options``."""

    def __init__(self) -> None:
        self.options: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.failed = False

    def value(self, name: str) -> str | None:
        """The last value given for an option."""
        return next((value for option, value in reversed(self.options) if option == name), None)

    def has(self, name: str) -> bool:
        return any(option == name for option, _value in self.options)


def getopt_long(
    program: str,
    argv: list[str],
    longs: Mapping[str, int],
    shorts: Mapping[str, str],
    err: TextIO | None,
) -> Parsed:
    """``longs``: long name → kind of argument; ``shorts``: letter → long name. ``err`` None = silent (opterr = 0)."""
    parsed = Parsed()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            parsed.words += rest
            break
        if word.startswith("--"):
            problem = _long(parsed, word[2:], rest, longs)
        elif word.startswith("-") and word != "-":
            problem = _short(parsed, word[1:], rest, longs, shorts)
        else:
            parsed.words.append(word)
            continue
        if problem is not None:
            if err is not None:
                err.write(f"{program}: {problem}\n")
            parsed.failed = True
            break
    return parsed


def _long(parsed: Parsed, text: str, rest: list[str], longs: Mapping[str, int]) -> str | None:
    name, equals, value = text.partition("=")
    matches = [name] if name in longs else [one for one in longs if one.startswith(name)]
    if not matches:
        return f"unrecognized option '--{name}'"
    if len(matches) > 1:
        options = "".join(f" '--{one}'" for one in matches)
        return f"option '--{name}' is ambiguous; possibilities:{options}"
    name = matches[0]
    if longs[name] == NONE and equals:
        return f"option '--{name}' doesn't allow an argument"
    if equals:
        parsed.options.append((name, value))
    elif longs[name] == REQUIRED:
        if not rest:
            return f"option '--{name}' requires an argument"
        parsed.options.append((name, rest.pop(0)))
    else:
        parsed.options.append((name, None))
    return None


def _short(
    parsed: Parsed, letters: str, rest: list[str], longs: Mapping[str, int], shorts: Mapping[str, str]
) -> str | None:
    while letters:
        letter, letters = letters[0], letters[1:]
        name = shorts.get(letter)
        if name is None:
            return f"invalid option -- '{letter}'"
        kind = longs[name]
        if kind == NONE:
            parsed.options.append((name, None))
            continue
        if letters:
            parsed.options.append((name, letters))
        elif kind == OPTIONAL:
            parsed.options.append((name, None))
        elif rest:
            parsed.options.append((name, rest.pop(0)))
        else:
            return f"option requires an argument -- '{letter}'"
        return None
    return None
