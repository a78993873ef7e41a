# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes docs/site_description.md: the page's own text (site_description.in.md), then keys and rules from the code.

Run it with the collection importable (ANSIBLE_COLLECTIONS_PATH is not looked at), such as
``PYTHONPATH=PATH_OF_COLLECTIONS python docs/generate_site_reference.py``.  A unit test fails when the page is old.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, rules, schema, schema_security
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import (
    REQUIRED,
    Either,
    Index,
    Key,
    ListOf,
    Number,
    Shape,
    Text,
    Type,
    YesNo,
)

HERE = Path(__file__).parent
PAGE, TEXT = HERE / "site_description.md", HERE / "site_description.in.md"


def page() -> str:
    """The whole page."""
    parts = [TEXT.read_text(encoding="utf-8").rstrip(), "## Keys"]
    parts.append("A key without a default must be given.")
    parts.append("### `lustre_filesystems`: a list of file systems")
    parts += _sections(schema.FILESYSTEM, "lustre_filesystems[]")
    parts.append("### `lustre_lnet`")
    parts += _sections(schema.LNET, "lustre_lnet")
    parts.append("### `lustre_kerberos`")
    parts += _sections(schema_security.KERBEROS, "lustre_kerberos")
    parts.append("### `hosts` of a site file")
    parts.append("Names or ranges of names, each with an address for `ansible_host`, or with a mapping of these keys:")
    parts += _sections(inventory.HOST_ENTRY, "hosts.NAME")
    parts.append("And `vars`, a mapping of further variables of these hosts.")
    parts.append("## Rules")
    parts.append("What has to hold over several keys. The name of a rule is what `tests/bad_input` counts by.")
    parts.append(
        "\n".join(
            ["| rule | what it asks for |", "|---|---|", *(f"| {r.name} | {_cell(r.says)} |" for r in rules.RULES)]
        )
    )
    return "\n\n".join(parts) + "\n"


def _sections(shape: Shape, path: str) -> Iterator[str]:
    """A table of the shape's keys, then one for each shape inside it, under all its paths."""
    yield from _table(shape)
    inside: dict[int, tuple[Shape, list[str]]] = {}
    _collect(shape, path, inside)
    for inner, paths in inside.values():
        yield f"#### {', '.join(f'`{one}`' for one in paths)}"
        yield from _table(inner)


def _collect(shape: Shape, path: str, found: dict[int, tuple[Shape, list[str]]]) -> None:
    for name, key in shape.keys.items():
        inner = _inner(key.type)
        if inner is not None:
            below = f"{path}.{name}" + ("[]" if _is_list(key.type) else "")
            known = id(inner) in found
            found.setdefault(id(inner), (inner, []))[1].append(below)
            if not known:
                _collect(inner, below, found)


def _table(shape: Shape) -> Iterator[str]:
    if shape.doc:
        yield shape.doc
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, key in shape.keys.items():
        rows.append(f"| `{name}` | {_cell(_kind(key.type))} | {_default(key)} | {_cell(_meaning(key))} |")
    yield "\n".join(rows)


def _inner(kind: Type) -> Shape | None:
    if isinstance(kind, Shape):
        return kind
    if isinstance(kind, ListOf):
        return _inner(kind.item)
    if isinstance(kind, Either):
        return next((inner for inner in map(_inner, kind.options) if inner is not None), None)
    return None


def _is_list(kind: Type) -> bool:
    return isinstance(kind, ListOf) or (
        isinstance(kind, Either) and any(isinstance(option, ListOf) for option in kind.options)
    )


def _kind(kind: Type) -> str:
    """A type in one or two words."""
    if isinstance(kind, Text):
        return (
            " or ".join(f"`{choice}`" for choice in kind.choices)
            if kind.choices
            else "text or number"
            if kind.numbers
            else "text"
        )
    if isinstance(kind, (Number, YesNo, Index)):
        return {Number: "number", YesNo: "`true` or `false`", Index: "number or range"}[type(kind)]
    if isinstance(kind, ListOf):
        return "list" + (" of mappings" if isinstance(kind.item, Shape) else " or one item" if kind.single else "")
    if isinstance(kind, Either):
        return " or ".join(_kind(option) for option in kind.options)
    return "mapping"


def _default(key: Key) -> str:
    value: Any = key.default
    if value is REQUIRED:
        return "**required**"
    if value is None or value in ("", [], {}):
        return ""
    return f"`{'true' if value is True else 'false' if value is False else ', '.join(value) if isinstance(value, list) else value}`"


def _meaning(key: Key) -> str:
    form = f" It must be {key.type.hint}." if isinstance(key.type, Text) and key.type.pattern else ""
    return key.doc + form + (f" Example: `{key.example}`." if key.example else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
