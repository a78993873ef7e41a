# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A converged site that somebody changed: the plan names exactly that, a run repairs exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import Demo
from .recorded import Run
from .rehearsed import Case, cases, each

CASES = cases("drift", 5)


@dataclass
class Drifted:
    """All cases done at once: what was planned, what was done, what was left."""

    planned: Run
    verified: Run
    repaired: Run
    again: Run


@pytest.fixture(scope="module")
def drifted(demo: Demo) -> Iterator[Drifted]:
    assert len({case["host"] for case in CASES}) == len(CASES), "each case has a host of its own"
    for case in CASES:
        demo.site.sh(case["host"], case["break"])
    planned = demo.site.playbook("plan")
    assert planned.code == 0, planned.told()
    verified = demo.site.playbook("verify", "-e", "lustre_verify_timeout=5")
    repaired = demo.site.converge()
    yield Drifted(planned, verified, repaired, demo.site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true"))


def expected(steps: list[dict[str, Any]], case: Case) -> list[dict[str, Any]]:
    """The steps, reduced to the keys that the case speaks of."""
    keys = [list(wanted) for wanted in case["plan"]] + [["kind", "action", "object"]] * len(steps)
    return [{key: step[key] for key in known} for known, step in zip(keys, steps, strict=False)]


@each(CASES)
def test_the_plan_names_exactly_it(drifted: Drifted, case: Case) -> None:
    assert expected(drifted.planned.steps(case["host"]), case) == case["plan"]


@each(CASES)
def test_a_run_repairs_exactly_it(drifted: Drifted, demo: Demo, case: Case) -> None:
    assert expected(drifted.repaired.steps(case["host"]), case) == case["plan"]
    demo.site.sh(case["host"], case["after"])


def test_the_health_gate_is_closed_meanwhile(drifted: Drifted) -> None:
    assert drifted.verified.code != 0, drifted.verified.told()
    assert "fs1-OST0003" in drifted.verified.text and "Not all is as described" in drifted.verified.text


def test_the_other_hosts_are_left_alone(drifted: Drifted, demo: Demo) -> None:
    others = sorted(set(demo.site.hosts) - {case["host"] for case in CASES})
    assert others, "a host without a case shows that a plan can be empty"
    for host in others:
        assert drifted.planned.steps(host) == drifted.repaired.steps(host) == []
        assert drifted.repaired.changed[host] == 0


def test_nothing_is_left_to_plan(drifted: Drifted, demo: Demo) -> None:
    assert drifted.again.code == 0, drifted.again.told()
    assert [drifted.again.steps(host) for host in demo.site.hosts] == [[]] * len(demo.site.hosts)
