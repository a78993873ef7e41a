# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parts of a node gave, as the one answer of the composite: plan, state, summary and diff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._module import step_line, text_of
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome

#: Kinds whose state stands below their own name in the state of the node.
_BY_NAME = ("lnet", "firewall", "credentials", "gss", "luks", "encryption")


@dataclass(frozen=True)
class PartResult:
    """What one part gave; ``unplanned`` says why a check-mode run could not look at it yet."""

    phase: str
    outcome: Outcome
    unplanned: str = ""

    @property
    def changed(self) -> bool:
        return self.outcome.changed or bool(self.unplanned)

    def public(self) -> dict[str, Any]:
        shown = {"phase": self.phase, **self.outcome.public(), "changed": self.changed}
        if self.unplanned:
            shown["unplanned"] = self.unplanned
        return shown


def node_values(
    results: Sequence[PartResult], processes: int, show_diff: bool, packages: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The return values of the composite; ``packages``: what was found of them, and is to be planned (check mode)."""
    lacking = list(packages["plan"]) if packages else []
    plan = lacking + [step for result in results for step in result.outcome.steps()]
    values: dict[str, Any] = {
        "changed": any(result.changed for result in results) or bool(packages and (packages["todo"] or lacking)),
        "results": [result.public() for result in results],
        "plan": plan,
        "drift": [drift.public() for result in results for drift in result.outcome.plan.drift],
        "state": _merged([(result.outcome.kind, result.outcome.after) for result in results]),
        "summary": {
            "steps": len(plan),
            "disruptive": sum(step["disruptive"] for step in plan),
            "destructive": sum(step["destructive"] for step in plan),
            "unplanned": sum(bool(result.unplanned) for result in results),
        },
        "processes": processes,
    }
    if show_diff:
        values["diff"] = _diff(results, lacking)
    return values


def _merged(states: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The states of several parts as one: lists of the same name in a row, what is no list below its own name."""
    merged: dict[str, Any] = {}
    for kind, state in states:
        for name, value in ({kind: dict(state)} if kind in _BY_NAME else state).items():
            if isinstance(value, list) and isinstance(merged.get(name), list):
                merged[name] = merged[name] + value
            elif isinstance(value, Mapping) and isinstance(merged.get(name), dict):
                merged[name] = {**merged[name], **value}
            else:
                merged[name] = value
    return merged


def _diff(results: Sequence[PartResult], lacking: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    before = _merged([(result.outcome.kind, result.outcome.before) for result in results])
    after = _merged([(result.outcome.kind, result.outcome.after) for result in results])
    shown = text_of(after)
    planned = ["{action} {object} ({reason})".format(**step) for step in lacking]
    planned += [
        step_line(step) for result in results if not result.outcome.applied for step in result.outcome.plan.steps
    ]
    planned += [result.unplanned for result in results if result.unplanned]
    if planned:
        shown += "planned:\n" + text_of(planned)
    return {"before": text_of(before), "after": shown}
