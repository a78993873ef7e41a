# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks ask what they report: an answer that nobody asked for would be missing without a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TASKS = sorted([*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")])
#: The names of registered results that the filter is given: one, or a list.
COLLECTED = re.compile(r"host_results\(\s*hostvars,\s*(\[[^\]]*\]|'\w+')")
REPORTING = [path for path in TASKS if COLLECTED.search(path.read_text(encoding="utf-8"))]


def collected(text: str) -> set[str]:
    return {name for given in COLLECTED.findall(text) for name in re.findall(r"'(\w+)'", given)}


def test_reports_are_found() -> None:
    assert len(REPORTING) >= 5
    assert "__lustre_verified" in collected((ROOT / "playbooks" / "verify.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", REPORTING, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_answer_that_is_collected_was_asked_for(path: Path) -> None:
    registered = {
        name for task in TASKS for name in re.findall(r"^ +register: (\w+)$", task.read_text(encoding="utf-8"), re.M)
    }
    missing = collected(path.read_text(encoding="utf-8")) - registered
    assert not missing, f"{path.name} collects {sorted(missing)}, which no task registers"
