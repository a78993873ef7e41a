# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is at work since when, with what: the memory and the words of the callback lustre.core.progress.

Nothing here knows Ansible's classes, the terminal or the time of day: times come in as
seconds of any steady clock, lines go out as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

#: How many lines one beat may have, how many names one line, how many ended steps are told one by one.
LINES = 5
NAMES = 3
STEPS = 10
#: Steps that are over at once: named only where a plan has no others.
_QUICK = frozenset({"write", "write file", "remove file", "persist", "reload", "own", "permit", "hostid", "enable"})


@dataclass(frozen=True)
class Job:
    """One task of the play; ``kinds`` or ``phases`` say which steps of a host's plan it takes (empty: any)."""

    id: str
    name: str
    looks: bool = False
    kinds: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()

    def takes(self, step: Planned) -> bool:
        return (not self.kinds or step.kind in self.kinds) and (not self.phases or step.phase in self.phases)


@dataclass(frozen=True)
class Planned:
    """One step as a module returned it; ``seconds`` None: it was only planned."""

    kind: str
    action: str
    object: str
    phase: str = ""
    seconds: float | None = None

    @property
    def label(self) -> str:
        """``fs1-OST0003`` of ``fs1-OST0003 on /dev/disk/by-id/x``."""
        return self.object.partition(" on ")[0]

    @property
    def quick(self) -> bool:
        return self.action in _QUICK or (self.action == "create" and self.kind != "zpool")


def steps_of(result: Mapping[str, Any]) -> list[Planned]:
    """The steps in a module's return values: of its parts or its loop's items where it has such, else its own."""
    found: list[Planned] = []
    parts = result.get("results")
    for part in parts if isinstance(parts, (list, tuple)) else ():
        if isinstance(part, Mapping):
            found += _steps(part.get("plan"), str(part.get("phase", "")))
    return found or _steps(result.get("plan"), "")


def _parts_of(result: Mapping[str, Any]) -> set[str]:
    """The parts of the node that a module's return values speak of, whether or not they have steps."""
    parts = result.get("results")
    named = {str(part["phase"]) for part in parts if _has_phase(part)} if isinstance(parts, (list, tuple)) else set()
    return named | {_part(step) for step in steps_of(result)}


def _has_phase(part: Any) -> bool:
    return isinstance(part, Mapping) and "phase" in part


def _part(step: Planned) -> str:
    """Modules that know no phases have one kind of steps each."""
    return step.phase or f"kind {step.kind}"


def _steps(plan: Any, phase: str) -> list[Planned]:
    found = []
    for step in plan if isinstance(plan, (list, tuple)) else ():
        if isinstance(step, Mapping) and "action" in step and "object" in step:
            seconds = step.get("seconds")
            found.append(
                Planned(
                    str(step.get("kind", "")),
                    str(step["action"]),
                    str(step["object"]),
                    str(step.get("phase", phase)),
                    float(seconds) if isinstance(seconds, (int, float)) else None,
                )
            )
    return found


@dataclass
class Board:
    """``after``: how long a host works before it is spoken of; ``interval``: how often then, in seconds."""

    after: float
    interval: float
    _working: dict[tuple[str, str], tuple[float, Job]] = field(default_factory=dict)
    _plans: dict[str, list[Planned]] = field(default_factory=dict)
    _long: list[tuple[str, Planned]] = field(default_factory=list)
    _last: float | None = None

    @property
    def idle(self) -> bool:
        return not self._working

    def start(self, host: str, job: Job, now: float) -> None:
        self._working[host, job.id] = (now, job)

    def end(self, host: str, job_id: str, result: Mapping[str, Any]) -> None:
        """A host has finished a task: what it planned is remembered, what it did is struck out."""
        self._working.pop((host, job_id), None)
        steps = steps_of(result)
        done = [step for step in steps if step.seconds is not None]
        if not done:
            # A look at some parts says nothing about the others: what an earlier look planned for them stands.
            seen = _parts_of(result)
            self._plans[host] = [step for step in self._plans.get(host, ()) if _part(step) not in seen] + steps
        if done and host in self._plans:
            over = {(step.action, step.object) for step in done}
            self._plans[host] = [step for step in self._plans[host] if (step.action, step.object) not in over]
        self._long += [(host, step) for step in done if (step.seconds or 0.0) >= self.after]

    def due(self, now: float) -> float | None:
        """In how many seconds there is something to say (0 or less: now), or None while nobody works."""
        if not self._working:
            return None
        first = min(entry[0] for entry in self._working.values()) + self.after
        return max(first, self._last + self.interval if self._last is not None else first) - now

    def lines(self, now: float) -> list[str]:
        """One line per group of hosts that do the same; the longest at work first."""
        self._last = now
        groups: dict[str, list[tuple[float, str]]] = {}
        for key, (since, job) in self._working.items():
            if now - since >= self.after:
                groups.setdefault(self._doing(key[0], job), []).append((now - since, key[0]))
        ordered = sorted(groups.items(), key=lambda group: -max(group[1])[0])
        lines = [f"  ... {duration(max(hosts)[0])}: {_names(hosts)}: {doing}" for doing, hosts in ordered[:LINES]]
        rest = [entry for group in ordered[LINES:] for entry in group[1]]
        if rest:
            lines.append(f"  ... {duration(max(rest)[0])}: and {len(rest)} more {_plural(len(rest), 'host')} at work")
        return lines

    def took(self) -> list[str]:
        """What the long steps that ended since the last call took, the longest first."""
        steps, self._long = sorted(self._long, key=lambda entry: -(entry[1].seconds or 0.0)), []
        lines = [f"  {host}: {s.action} {s.object} took {duration(s.seconds or 0.0)}" for host, s in steps[:STEPS]]
        rest = [entry[1].seconds or 0.0 for entry in steps[STEPS:]]
        if rest:
            lines.append(
                f"  and {len(rest)} more {_plural(len(rest), 'step')} of {duration(rest[-1])} to {duration(rest[0])}"
            )
        return lines

    def _doing(self, host: str, job: Job) -> str:
        steps = [] if job.looks else [step for step in self._plans.get(host, ()) if job.takes(step)]
        return words([step for step in steps if not step.quick] or steps) or job.name


def words(steps: Sequence[Planned]) -> str:
    """``format fs1-OST0000, fs1-OST0002, then mount 2``: the first kind of step by name, the others by number."""
    if not steps:
        return ""
    first = [step.label for step in steps if step.action == steps[0].action]
    named = ", ".join(first[:NAMES]) + (f" and {len(first) - NAMES} more" if len(first) > NAMES else "")
    counts: dict[str, int] = {}
    for step in steps:
        if step.action != steps[0].action:
            counts[step.action] = counts.get(step.action, 0) + 1
    then = ", ".join(f"{action} {number}" for action, number in counts.items())
    return f"{steps[0].action} {named}" + (f", then {then}" if then else "")


def duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _names(hosts: Iterable[tuple[float, str]]) -> str:
    names = [entry[1] for entry in sorted(hosts, key=lambda entry: -entry[0])]
    if len(names) <= NAMES + 1:
        return ", ".join(names)
    return ", ".join(names[:NAMES]) + f" and {len(names) - NAMES} more"


def _plural(number: int, word: str) -> str:
    return word if number == 1 else word + "s"
