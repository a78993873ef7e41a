# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done, before it is done: steps, and what applying them gave.

Check mode, ``--diff``, the plan playbook and the real run all consume the same list
of steps, so they cannot disagree.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, TypeVar

from ansible_collections.lustre.core.plugins.module_utils._errors import Refused

Want = TypeVar("Want")


@dataclass(frozen=True)
class FileWrite:
    """One file written whole and atomically; ``content`` None removes it.

    ``exact``: the file is root's and has ``mode`` afterwards, whoever had it before and however it was readable (keys);
    else those of a file that is there are kept.
    """

    path: str
    content: str | bytes | None = field(repr=False)
    mode: int = 0o644
    exact: bool = False


@dataclass(frozen=True)
class Step:
    """One action on one object: a command, or a file written, never both.

    ``kind`` is the resource (``target``, ``mount``, ``lnet``, ``param``, ``service``),
    ``action`` a verb (``format``, ``tune``, ``mount``, ...), ``object`` what an
    administrator calls the thing (``fs1-OST0003 on /dev/disk/by-id/x``).
    ``destructive``: data on the object is gone afterwards.  ``disruptive``: somebody
    using it notices.  ``timeout`` bounds the command in seconds.
    """

    kind: str
    action: str
    object: str
    reason: str
    argv: tuple[str, ...] = ()
    stdin: str | None = field(default=None, repr=False)
    write: FileWrite | None = None
    disruptive: bool = False
    destructive: bool = False
    timeout: float = 120.0

    def public(self) -> dict[str, Any]:
        """The step as modules return it (no file content, no standard input: they may hold secrets)."""
        shown: dict[str, Any] = {
            "kind": self.kind,
            "action": self.action,
            "object": self.object,
            "reason": self.reason,
            "disruptive": self.disruptive,
            "destructive": self.destructive,
        }
        if self.argv:
            shown["command"] = shlex.join(self.argv)
        if self.write is not None:
            shown["file"] = self.write.path
        return shown


@dataclass(frozen=True)
class Drift:
    """A difference that is shown, but not repaired by this run; ``remedy`` says who repairs it."""

    kind: str
    object: str
    found: str
    wanted: str
    remedy: str

    def public(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "object": self.object,
            "found": self.found,
            "wanted": self.wanted,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Plan:
    """Ordered steps, and the drift that stays."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steps + other.steps, self.drift + other.drift)


def plan_each(wants: Iterable[Want], plan_one: Callable[[Want], Plan], what: str, remedy: str) -> Plan:
    """The plans of all, in their order, or one Refused that tells every reason: half of a node's wants are no plan.

    ``what`` and ``remedy`` are said where several are refused: ``touch any target of this node``.
    """
    plan, refusals = Plan(), []
    for want in wants:
        try:
            plan += plan_one(want)
        except Refused as refusal:
            refusals.append(refusal)
    if len(refusals) > 1:
        told = "; ".join(f"({number}) {refusal}" for number, refusal in enumerate(refusals, 1))
        raise Refused(what, told, remedy)
    if refusals:
        raise refusals[0]
    return plan


@dataclass
class Outcome:
    """What converging one resource gave; ``before``/``after`` are its state as plain data, for ``--diff``.

    ``seconds``: how long each step of the plan took, in its order; empty when they were only planned.
    """

    kind: str
    plan: Plan
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    applied: bool = False
    warnings: list[str] = field(default_factory=list)
    seconds: tuple[float, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.plan.steps)

    def steps(self) -> list[dict[str, Any]]:
        """The steps as modules return them, those that were applied with their ``seconds``."""
        shown = [step.public() for step in self.plan.steps]
        for step, seconds in zip(shown, self.seconds):
            step["seconds"] = round(seconds, 1)
        return shown

    def public(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "changed": self.changed,
            "plan": self.steps(),
            "drift": [drift.public() for drift in self.plan.drift],
            "state": dict(self.after),
        }
