# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The contract between the simulation and real Lustre: recorded command lines, run again on a simulated host.

``sessions/*.yml`` are the cases: a session is a fresh host, ``setup`` are command lines that run unseen, ``replay``
names recordings in the order of their commands. A recording must come out as it was recorded (exit code, standard
output and error, but for the masks of ``masks.yml``), or, with ``view``, the collection's own parser must read the
same from both (``views.py``). ``before`` are command lines that run unseen just before, ``without`` patterns that are
taken out of both outputs first. ``differs`` names a row of rehearsal/DIFFERENCES.md: then the test is that it still
differs. ``excused.yml`` has the recordings that nothing replays, by reason.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from functools import cache
from pathlib import Path
from pprint import pformat
from typing import Any, NamedTuple

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.contract.host import simulated_host
from tests.contract.shell import Done
from tests.contract.views import VIEWS
from tests.recordings import TRANSCRIPTS, recording
from tests.rehearsal_sim.support import REHEARSAL

HERE = Path(__file__).parent
EXCUSED: dict[str, list[str]] = yaml.safe_load((HERE / "excused.yml").read_text(encoding="utf-8"))
MASKS = {
    group: [(re.compile(mask["pattern"], re.M), mask["shown"]) for mask in masks.values()]
    for group, masks in yaml.safe_load((HERE / "masks.yml").read_text(encoding="utf-8")).items()
}
SESSIONS: dict[str, dict[str, Any]] = {
    f"{path.stem}: {name}": {**session, "host": {**content["host"], **session.get("host", {})}}
    for path in sorted((HERE / "sessions").glob("*.yml"))
    for content in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    for name, session in content["sessions"].items()
}


class Case(NamedTuple):
    session: str
    at: int
    name: str
    options: dict[str, Any]

    @property
    def view(self) -> str:
        return str(self.options.get("view", "text"))


def _cases() -> list[Case]:
    found = []
    for session, content in SESSIONS.items():
        for at, entry in enumerate(content["replay"]):
            name, options = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
            found.append(Case(session, at, name, options))
    return found


CASES = _cases()


def flat(steps: list[Any]) -> list[str]:
    return [one for step in steps for one in (flat(step) if isinstance(step, list) else [step])]


@cache
def replayed(session: str) -> list[Done | Exception]:
    """The whole session on a host of its own, which is gone afterwards; what each of its recordings gave."""
    content = SESSIONS[session]
    found: list[Done | Exception] = []
    with simulated_host(content["host"]) as host:
        for command in flat(content.get("setup", [])):
            done = host.run(command)
            assert done.rc == 0, f"{command}: {done.out}{done.err}"
        for case in (case for case in CASES if case.session == session):
            for command in case.options.get("before", []):
                host.run(command)
            try:
                found.append(host.run(recording(case.name).command))
            except Exception as error:  # of the simulation or of the shell: this case's failure, not the session's
                found.append(error)
    return found


def _masked(case: Case, rc: int, out: str, err: str) -> Result:
    masks = MASKS["always"] + (MASKS["text"] if case.view in ("text", "lines") else [])
    for pattern, shown in [*masks, *((re.compile(text, re.M), "") for text in case.options.get("without", []))]:
        out, err = pattern.sub(shown, out), pattern.sub(shown, err)
    return Result(rc, out, err)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}@{case.session}")
def test_replay(case: Case) -> None:
    recorded = recording(case.name)
    done = replayed(case.session)[case.at]
    if isinstance(done, Exception):
        raise done
    real, simulated = _masked(case, int(recorded.rc), recorded.out, recorded.err), _masked(case, *done)
    want, have = VIEWS[case.view](real, simulated, case.options)
    if "differs" in case.options:
        assert want != have, f"{case.name} does not differ any more: take `differs` and its row away"
        return
    if want != have:
        lines = unified_diff(_lines(want), _lines(have), "recorded", "simulated", lineterm="", n=1)
        pytest.fail("\n".join([f"$ {recorded.command}", *lines]), pytrace=False)


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and set(value) == {"rc", "stdout", "stderr"}:
        return [f"{key}: {line}" for key, text in value.items() for line in str(text).splitlines()]
    return pformat(value, width=150).splitlines()


def test_every_recording_is_replayed_or_excused() -> None:
    there = {str(path.relative_to(TRANSCRIPTS).with_suffix("")) for path in TRANSCRIPTS.rglob("*.txt")}
    played = {case.name for case in CASES}
    excused = [name for names in EXCUSED.values() for name in names]
    assert len(excused) == len(set(excused))
    assert not played & set(excused)
    assert played | set(excused) == there
    assert len(played) >= 400


def test_every_known_difference_stands_in_the_list() -> None:
    rows = (REHEARSAL / "DIFFERENCES.md").read_text(encoding="utf-8").splitlines()
    subjects = {row.split("|")[1].strip() for row in rows if row.startswith("|")}
    assert {case.options["differs"] for case in CASES if "differs" in case.options} <= subjects
