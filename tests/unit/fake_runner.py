"""A runner for tests that knows which calls must come, in which order, and how often.

It never invents an answer: a call that was not planned fails the test and prints both
the call and what was expected instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Sequence

import yaml

from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.recordings import TRANSCRIPTS as TRANSCRIPTS
from tests.recordings import recording

CASES = Path(__file__).parent / "cases"


def load_transcript(name: str) -> Result:
    """The recorded exit code and output of ``tests/contract/transcripts/<name>.txt``."""
    found = recording(name)
    return Result(int(found.rc), found.out, found.err)


def load_cases(name: str) -> Any:
    """The content of ``tests/unit/cases/<name>.yml``: mostly a list of cases, each a mapping."""
    return yaml.safe_load((CASES / f"{name}.yml").read_text(encoding="utf-8"))


class FakeRunner:
    """Strict fake of the command runner.

    ``calls``: list of ``(argv, answer)`` or ``(argv, answer, stdin)``; ``answer`` is a
    Result, an ``(rc, out, err)`` tuple, a string (standard output, exit code 0) or an
    exception to raise.  A word of ``argv`` may be a compiled regular expression.
    """

    def __init__(self, calls: Sequence[tuple[Any, ...]], ordered: bool = True) -> None:
        self.planned = [call if len(call) == 3 else (*call, None) for call in calls]
        self.ordered = ordered
        self.made: list[tuple[str, ...]] = []
        self.timeouts: list[float] = []

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = tuple(argv)
        assert all(isinstance(word, str) for word in words), f"argv must be strings: {words!r}"
        self.made.append(words)
        self.timeouts.append(timeout)
        candidates = self.planned[:1] if self.ordered else self.planned
        for entry in candidates:
            if _matches(entry[0], words):
                assert entry[2] is None or entry[2] == stdin, (
                    f"{words!r}: standard input was {stdin!r}, planned {entry[2]!r}"
                )
                self.planned.remove(entry)
                return _answer(entry[1])
        expected = "\n".join(f"  {entry[0]!r}" for entry in self.planned) or "  nothing more"
        raise AssertionError(f"call {len(self.made)} was not planned: {words!r}\nplanned:\n{expected}")

    @property
    def count(self) -> int:
        return len(self.made)

    def finish(self) -> None:
        assert not self.planned, "planned calls that were never made:\n" + "\n".join(
            f"  {e[0]!r}" for e in self.planned
        )


def _matches(planned: Sequence[Any], words: tuple[str, ...]) -> bool:
    return len(planned) == len(words) and all(
        bool(p.fullmatch(w)) if isinstance(p, re.Pattern) else p == w for p, w in zip(planned, words)
    )


def _answer(answer: Any) -> Result:
    if isinstance(answer, BaseException):
        raise answer
    if isinstance(answer, str):
        return Result(0, answer, "")
    return Result(*answer)
