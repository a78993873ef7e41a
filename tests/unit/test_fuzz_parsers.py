"""Whatever a tool prints, a reader returns or raises its typed error: nothing else, and soon."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fuzz_cases import CASES, ELSEWHERE, WHOLE
from tests.unit.fuzzing import NO_READERS, Case, parsers_elsewhere, readers
from tests.unit.hypotheses import LONG, examples
from tests.unit.mutations import bounded, cut, huge, spoilt

ALL = {**CASES, **ELSEWHERE, **WHOLE}
#: Seconds of processor time for SPAN letters; a quadratic reader takes minutes.
BOUND = 20.0 if LONG else 5.0


def test_every_reader_has_a_case() -> None:
    """A new parser without real texts to spoil is a hole: write its case in fuzz_cases.py."""
    found = (set(readers()) | set(parsers_elsewhere())) - set(NO_READERS)
    assert len(found) > 70, "the readers were not found"
    assert sorted(found - set(CASES) - set(ELSEWHERE)) == []
    assert sorted((set(CASES) | set(ELSEWHERE)) - found) == [], "cases of readers that are no more"


@pytest.mark.parametrize("name", ALL)
def test_the_real_texts_are_of_some_use(name: str) -> None:
    """At least one of a reader's texts is understood: else only its complaints were ever tested."""
    case = ALL[name]
    answers = [answer for text in case.texts for answer in _flat(case.feed(text))]
    assert any(not isinstance(answer, Exception) for answer in answers), answers


def _flat(answer: Any) -> list[Any]:
    return [one for item in answer for one in _flat(item)] if isinstance(answer, list) and answer else [answer]


@pytest.mark.parametrize("name", ALL)
def test_a_text_that_ends_early(name: str) -> None:
    case = ALL[name]
    for text in case.texts:
        parts = list(cut(text))
        for part in parts[:: len(parts) * len(case.texts) // (400 if LONG else 80) + 1]:
            case.feed(part)


@pytest.mark.parametrize("name", ALL)
def test_a_spoilt_text(name: str) -> None:
    case = ALL[name]

    @examples(25)
    @given(text=spoilt(case.texts))
    def run(text: str) -> None:
        case.feed(text)

    run()


@pytest.mark.parametrize("name", ALL)
def test_any_text_at_all(name: str) -> None:
    case = ALL[name]

    @examples(6)
    @given(text=st.text() | st.text(alphabet=" \t\n-:=,@'\"\\[]{}0a"))
    def run(text: str) -> None:
        case.feed(text)

    run()


@pytest.mark.parametrize("name", ALL)
def test_a_very_long_text_ends_soon(name: str) -> None:
    case = ALL[name]
    texts = list(huge(max(case.texts, key=len)))
    for text in texts[:: 4 if LONG else 3]:
        bounded(lambda text=text: case.feed(text), BOUND, f"{name} of {text[:80]!r}...")


def test_an_untyped_error_would_be_seen() -> None:
    """The harness itself: a reader that lets a ValueError out fails it."""
    with pytest.raises(ValueError, match="invalid literal"):
        Case(int, ("1",)).feed("x")
    assert isinstance(Case(int, ("1",), (ValueError,)).feed("x"), ValueError)
