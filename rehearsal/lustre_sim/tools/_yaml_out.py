# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The YAML that lnetctl writes. Two writers are at work in the real tool, and three shapes of an error come out.

``netlink(value)``: libyaml, indent 6 (2 for ping and discover), lists not indented; ``tree(value)``: the tool's own
writer, indent 4.  Python values go in: mapping, list, str, int, bool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Quoted(str):
    """Written in double quotes."""


def netlink(value: Mapping[str, Any], indent: int = 6) -> str:
    return "".join(line + "\n" for line in _netlink_mapping(value, 0, indent))


def _netlink_mapping(value: Mapping[str, Any], column: int, indent: int) -> Iterator[str]:
    pad = " " * column
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield f"{pad}{key}:"
            yield from _netlink_mapping(one, column + indent, indent)
        elif isinstance(one, list):
            yield f"{pad}{key}:"
            for item in one:
                lines = list(_netlink_mapping(item, column + indent, indent))
                yield pad + "-".ljust(indent) + lines[0].lstrip(" ")
                yield from lines[1:]
        else:
            yield f"{pad}{key}: {_scalar(one)}"


def tree(value: Mapping[str, Any]) -> str:
    return "".join(line + "\n" for line in _tree_mapping(value, 0))


def _tree_mapping(value: Mapping[str, Any], column: int) -> Iterator[str]:
    pad = " " * column
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield f"{pad}{key}:"
            yield from _tree_mapping(one, column + 4)
        elif isinstance(one, list):
            yield f"{pad}{key}:"
            for item in one:
                lines = list(_tree_mapping(item, column + 6))
                yield pad + "    - " + lines[0].lstrip(" ")
                yield from lines[1:]
        else:
            yield f"{pad}{key}: {_scalar(one)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Quoted):
        return f'"{value}"'
    return str(value)


def netlink_error(action: str, what: str, number: int, text: str) -> str:
    """First shape: netlink commands of lnetctl, a document of its own on stderr. ``number`` is negative."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'---\n{action}:\n-     {what}:\n      errno: {number}\n      descr: ! "{quoted}"\n...\n'


def tree_error(action: str, what: str, number: int, text: str, quote: bool = True) -> str:
    """Second shape: the old library."""
    return tree({action: [{what: {"errno": number, "descr": Quoted(text) if quote else text}}]})


def ping_error(what: str, number: int, text: str) -> str:
    """Third shape: ping and discover, on stdout."""
    return f"manage:\n- {what}:\n  errno: {number}\n  descr: ! '{text}'\n"


def cpt_expression(cpts: Sequence[int]) -> Quoted:
    """``[0-2,5]``."""
    parts: list[str] = []
    start = previous = None
    for cpt in [*sorted(set(cpts)), None]:
        if previous is not None and cpt != previous + 1:
            parts.append(str(start) if start == previous else f"{start}-{previous}")
            start = cpt
        elif start is None:
            start = cpt
        previous = cpt
    return Quoted("[" + ",".join(parts) + "]")
