# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long keys, principals, tickets and contexts of a site last: of thousands of them, the first to end of each kind."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._table import table

#: In the order of what they stand on; a kind that is not listed comes last.
_ORDER = ("principal", "key of a principal", "keytab", "shared key", "ticket", "context")


def lasting_table(ends: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines: per kind how many there are, and of the one that ends first, or (without an end) is the oldest, the days.

    ``ends`` as the modules verify_expiry and verify_security return them, each with its ``host``.
    """
    kinds = sorted(
        dict.fromkeys(str(one["kind"]) for one in ends), key=lambda kind: (_place(kind), kind)
    )  # fmt: skip
    return table(
        ("WHAT LASTS", "COUNT", "DAYS LEFT", "DAYS OLD", "THE FIRST TO END, OR THE OLDEST"),
        [_row(kind, ends) for kind in kinds],
    )


def _place(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _row(kind: str, ends: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    own = [one for one in ends if one["kind"] == kind]
    first = min(own, key=_urgency)
    return (
        kind,
        str(len(own)),
        _days(first, "days_left"),
        _days(first, "days_old"),
        f"{first['object']} on {first['host']}",
    )


def _urgency(one: Mapping[str, Any]) -> tuple[bool, float]:
    left, old = one.get("days_left"), one.get("days_old")
    return left is None, -float(old or 0) if left is None else float(left)


def _days(one: Mapping[str, Any], key: str) -> str:
    return "" if one.get(key) is None else f"{one[key]:.1f}"
