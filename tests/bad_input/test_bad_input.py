# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every broken description gives exactly the messages that its case lists."""

from __future__ import annotations

import re

import pytest

from ansible_collections.lustre.core.plugins.plugin_utils._site import rules
from tests.bad_input import harness

#: A harness that finds no cases would pass.
LEAST = 110


def test_the_cases_are_there() -> None:
    assert len(harness.CASES) >= LEAST


def test_the_base_has_no_fault() -> None:
    found = harness.findings(harness.base())
    assert [str(problem) for problem in found.problems + found.warnings] == []


@pytest.mark.parametrize("path", harness.CASES, ids=lambda path: path.stem)
def test_case(path) -> None:
    case = harness.load(path)
    found = harness.findings(harness.changed(case, harness.base()))
    assert [str(problem) for problem in found.problems] == case.get("errors", [])
    assert [str(problem) for problem in found.warnings] == case.get("warnings", [])
    assert found.problems or found.warnings


@pytest.mark.parametrize("path", harness.CASES, ids=lambda path: path.stem)
def test_messages_have_path_finding_and_fix(path) -> None:
    for message in harness.load(path).get("errors", []):
        assert re.match(r"(lustre_filesystems|lustre_lnet|lustre_kerberos|host )", message), message
        assert len(re.findall(r"[.?](?: |$)", message)) >= 2, f"no fix in: {message}"


def test_every_rule_has_a_case() -> None:
    """A rule nobody can break is dead, or nobody knows what it says."""
    broken = set()
    for path in harness.CASES:
        found = harness.findings(harness.changed(harness.load(path), harness.base()))
        broken |= {problem.rule for problem in found.problems + found.warnings}
    known = {rule.name for rule in rules.RULES}
    assert broken <= known, f"rules that the reference does not list: {sorted(broken - known)}"
    assert known <= broken, f"rules without a case: {sorted(known - broken)}"
