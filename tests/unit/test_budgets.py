# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many programs a module call starts, held to the number: batches stay batches, and what is converged stays cheap."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.budgets import NODES
from tests.unit.fake_runner import load_cases

CASES = load_cases("budgets")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['module']}-{case['case']}" for case in CASES])
def test_programs_per_module_call(case: dict[str, Any]) -> None:
    node = NODES[case["module"]](case["things"])
    changed, programs = node.run()
    assert changed, "the first call has something to do"
    if case["case"] == "converged":
        changed, programs = node.run()
        assert not changed, "the second call has nothing to do"
    assert programs == case["of"]
    assert sum(programs.values()) == case["programs"]


def test_every_kind_has_both_budgets() -> None:
    assert {(case["module"], case["case"]) for case in CASES} == {
        (module, case) for module in NODES for case in ("changing", "converged")
    }


@pytest.mark.parametrize(
    "module",
    ["param_local", "param_persistent", "mount", "zpool", "lnet", "nodemap", "service", "directory", "nodemap"],
)
def test_converged_costs_the_same_for_one_thing_and_for_ten(module: str) -> None:
    """Targets alone are read one by one, for tunefs.lustre takes one device."""
    seen = []
    for things in (1, 10):
        node = NODES[module](things)
        node.run()
        seen.append(node.run())
    assert seen[0] == seen[1]
    assert not seen[0][0]
