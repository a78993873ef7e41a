# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain-text tables and sizes, for a terminal of any width and for e-mail."""

from __future__ import annotations

from typing import Iterable, Sequence

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
GAP = "  "


def table(head: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Lines with aligned columns; the last column is not padded, columns that are empty in every row are left out."""
    every = [[str(cell) for cell in row] for row in rows]
    kept = [number for number in range(len(head)) if any(row[number] for row in every)]
    chosen = [[row[number] for number in kept] for row in [list(head), *every]]
    widths = [max(len(row[column]) for row in chosen) for column in range(len(kept))]
    return [(indent + GAP.join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip() for row in chosen]


def size(kilobytes: int | None) -> str:
    """``1536`` (KiB) → ``1.5 MiB``."""
    if kilobytes is None:
        return ""
    value, unit = float(kilobytes), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 100 or unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
