# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""User-defined selection policies: an ordered list, changed rule by rule.

LNet evaluates the rules in the order of their index and renumbers them after each
change, so removals run from the highest index down and additions say where they go.
"""

from __future__ import annotations

from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_state
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import WantUdsp

#: Name, reason and command of a change.
Change = tuple[str, str, tuple[str, ...]]
_Ends = tuple[str, str, str]


def plan_udsp(
    want: Sequence[WantUdsp], have: Sequence[lnetctl_state.Udsp], purge: bool
) -> tuple[list[Change], list[Change]]:
    """The removals and the additions that make the declared rules appear in the declared order.

    Undeclared rules stay where they are, unless ``purge``.
    """
    live = sorted(have, key=lambda rule: rule.idx)
    wanted = {_ends(rule): rule for rule in want}
    keep = _in_order(live, list(wanted))
    removals: list[Change] = []
    for rule in reversed(live):
        reason = _why_remove(rule, wanted, keep, purge)
        if reason:
            removals.append((_name(_ends(rule)), reason, lnetctl.udsp_del(rule.idx)))
            keep.discard(_ends(rule))
    stays = [_ends(rule) for rule in live if _ends(rule) in keep or (_ends(rule) not in wanted and not purge)]
    return removals, _additions(want, stays)


def _additions(want: Sequence[WantUdsp], there: list[_Ends]) -> list[Change]:
    additions: list[Change] = []
    place = 0
    for number, rule in enumerate(want):
        ends = _ends(rule)
        if ends in there:
            place = there.index(ends) + 1
            continue
        if number == 0 or _ends(want[number - 1]) not in there:
            later = [there.index(_ends(other)) for other in want[number + 1 :] if _ends(other) in there]
            place = min(later) if later else len(there)
        idx = place if place < len(there) else None
        argv = lnetctl.udsp_add(rule.src, rule.dst, rule.rte, rule.priority, idx)
        additions.append((_name(ends), "declared and not there, or not in its place", argv))
        there.insert(place, ends)
        place += 1
    return additions


def _why_remove(rule: lnetctl_state.Udsp, wanted: dict[_Ends, WantUdsp], keep: set[_Ends], purge: bool) -> str:
    declared = wanted.get(_ends(rule))
    if declared is None:
        return "not declared, and purge names udsp" if purge else ""
    if rule.priority != declared.effective:
        return f"to add it again: priority is {rule.priority}, wanted {declared.effective}"
    return "" if _ends(rule) in keep else "to add it again in the declared order"


def _in_order(live: Sequence[lnetctl_state.Udsp], order: list[_Ends]) -> set[_Ends]:
    """The largest set of live rules that are in the declared order already (their longest increasing run)."""
    best: list[list[_Ends]] = []
    for rule in live:
        ends = _ends(rule)
        if ends not in order:
            continue
        runs: list[list[_Ends]] = [run for run in best if order.index(run[-1]) < order.index(ends)]
        best.append([*_longest(runs), ends])
    return set(_longest(best))


def _longest(runs: list[list[_Ends]]) -> list[_Ends]:
    return max(runs, key=len, default=[])


def _ends(rule: WantUdsp | lnetctl_state.Udsp) -> _Ends:
    return rule.src or "", rule.dst or "", rule.rte or ""


def _name(ends: _Ends) -> str:
    return ", ".join(f"{end} {value}" for end, value in zip(("src", "dst", "rte"), ends) if value)
