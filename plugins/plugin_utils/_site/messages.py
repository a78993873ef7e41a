# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a description: the path, the finding, the fix; all of them, not only the first."""

from __future__ import annotations

import difflib
import heapq
from dataclasses import dataclass, field
from typing import Collection, Iterable

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError

#: Looking for a similar name among 20,000 hosts must not take a second per misspelt one.
_MANY = 200
#: Letters of a problem's path, finding and fix that are shown: a pasted page as the name of a host buries no other problem.
_LETTERS = (200, 900, 600)


@dataclass(frozen=True)
class Problem:
    """One finding.  ``rule`` is its short identity, used by the tests and the reference page."""

    path: str
    what: str
    fix: str
    rule: str

    def __str__(self) -> str:
        path, what, fix = (_cut(text, most) for text, most in zip((self.path, self.what, self.fix), _LETTERS))
        return f"{path}: {what.rstrip('.')}. {fix}".strip()


@dataclass
class Findings:
    """Collects problems (the description is refused) and warnings (it is not)."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add(self, path: str, what: str, fix: str, rule: str) -> None:
        # a key that is an empty text has no other name
        problem = Problem(path or '""', what, fix, rule)
        if problem not in self.problems:
            self.problems.append(problem)

    def warn(self, path: str, what: str, fix: str, rule: str) -> None:
        problem = Problem(path, what, fix, rule)
        if problem not in self.warnings:
            self.warnings.append(problem)

    def stop_if_any(self, title: str) -> None:
        """Raise SiteError when there is at least one problem."""
        if self.problems:
            raise SiteError(title, self.problems)


class SiteError(LustreError):
    """The description cannot be used; the message lists everything that was found."""

    def __init__(self, title: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"{title}: {count} problem{'s' if count != 1 else ''}. No host was touched."]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        super().__init__("\n".join(lines))

    def facts(self) -> dict[str, object]:
        return {"errors": [str(problem) for problem in self.problems]}


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``Did you mean "osts"?`` when one of the known names is close, else an empty string."""
    names: Iterable[str] = known
    if len(known) > _MANY:
        names = heapq.nlargest(_MANY, known, key=lambda name: _common(name, word))
    close = difflib.get_close_matches(word, list(names), n=1, cutoff=0.6)
    return f'Did you mean "{close[0]}"?' if close else ""


def _common(one: str, other: str) -> int:
    """How many letters two names begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def listed(names: Iterable[str], limit: int = 5) -> str:
    """``a, b and 3 more``."""
    every = list(names)
    shown = ", ".join(every[:limit])
    return f"{shown} and {len(every) - limit} more" if len(every) > limit else shown


def shown(value: object) -> str:
    """A value as the user wrote it, cut to a length that fits a sentence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing (null)"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return _cut(text, 80)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
