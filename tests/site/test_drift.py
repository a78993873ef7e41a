# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A converged site that somebody changed: the plan names exactly that, a run repairs exactly that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Demo
from .recorded import Run
from .rehearsed import DEMO, Case, Rehearsed, cases

CASES = cases("drift", 25)
ROUNDS = sorted({case["round"] for case in CASES})
#: What the larger site describes beyond the demo: so that it can be lost.
MORE = {
    "global": {"transaction_timeout": 150},
    "module_options": {"lnet": {"accept_port": 988}},
    "routing": {"tiny": 2048},
    "peers": [{"hosts": ["client2"], "primary": "10.77.1.99@tcp1", "nids": ["10.77.1.99@tcp1"]}],
}


@dataclass
class Drifted:
    """All cases of a round done at once: what was planned, what was done, what was left."""

    site: Rehearsed
    cases: dict[str, Case]
    planned: Run
    verified: Run | None
    repaired: Run
    again: Run


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Rehearsed]]:
    """The larger site, made when the first round wants it."""
    made: list[Rehearsed] = []

    def site() -> Rehearsed:
        if not made:
            folder = tmp_path_factory.mktemp("described")
            (folder / "group_vars").symlink_to(DEMO / "group_vars")
            text = yaml.safe_load((DEMO / "site.lustre.yml").read_text())
            text["lnet"].update(MORE)
            (folder / "site.lustre.yml").write_text(yaml.safe_dump(text, sort_keys=False))
            new = Rehearsed("drift", folder)
            new.__enter__()
            try:
                for case in CASES:
                    if "prepare" in case:
                        new.sh(case["host"], case["prepare"])
                new.converge()
                assert new.converge().changed == dict.fromkeys(new.hosts, 0)
            except BaseException:
                new.__exit__()
                raise
            made.append(new)
        return made[0]

    yield site
    for new in made:
        new.__exit__()


def numbered(number: int) -> pytest.param:
    return pytest.param(number, id=f"round-{number}", marks=[] if number == 1 else [pytest.mark.long])


@pytest.fixture(scope="module", params=[numbered(number) for number in ROUNDS])
def drifted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drifted:
    chosen = [case for case in CASES if case["round"] == request.param]
    assert len({case["host"] for case in chosen}) == len(chosen), "each case of a round has a host of its own"
    if request.param == 1:
        demo: Demo = request.getfixturevalue("demo")
        site = demo.site
    else:
        site = request.getfixturevalue("described")()
    for case in chosen:
        site.sh(case["host"], case["break"])
    planned = site.playbook("plan")
    verified = site.playbook("verify", "-e", "lustre_verify_timeout=5") if request.param == 1 else None
    consents = tmp_path_factory.mktemp("consent") / "consent.json"
    consents.write_text(json.dumps({key: value for case in chosen for key, value in case.get("consent", {}).items()}))
    for case in chosen:
        if "repair" in case:
            site.sh(case["host"], case["repair"])
    repaired = site.playbook("site", "-e", f"@{consents}")
    again = site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    return Drifted(site, {case["host"]: case for case in chosen}, planned, verified, repaired, again)


def reduced(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was found, each by the keys that the case speaks of; what it does not speak of at all, whole."""
    keys = [list(one) for one in wanted]
    return [
        {key: one.get(key) for key in keys[place]} if place < len(keys) else dict(one)
        for place, one in enumerate(found)
    ]


def test_the_plan_names_exactly_it(drifted: Drifted) -> None:
    """On every host of the site: those without a case have an empty plan."""
    refused = {host: case["refused"] for host, case in drifted.cases.items() if "refused" in case}
    assert (drifted.planned.code != 0) == bool(refused), drifted.planned.told()
    for host, words in refused.items():
        assert words in drifted.planned.failures[host], drifted.planned.told()
    wrong = {}
    for host in drifted.site.hosts:
        case = drifted.cases.get(host, {})
        for key, found in (("plan", drifted.planned.steps(host)), ("drift", drifted.planned.drift(host))):
            wanted = case.get(key, [])
            if host not in refused and reduced(found, wanted) != wanted:
                wrong[f"{key} of {host}"] = {"found": found, "wanted": wanted}
    assert not wrong, json.dumps(wrong, indent=1)


def test_a_run_repairs_exactly_it(drifted: Drifted) -> None:
    assert drifted.repaired.code == 0, drifted.repaired.told()
    wrong = {}
    for host in drifted.site.hosts:
        case = drifted.cases.get(host, {})
        wanted = case.get("consented", case.get("plan", []))
        found = drifted.repaired.steps(host)
        if reduced(found, wanted) != wanted or bool(drifted.repaired.changed[host]) != bool(wanted):
            wrong[host] = {"found": found, "wanted": wanted, "changed": drifted.repaired.changed[host]}
    assert not wrong, json.dumps(wrong, indent=1)
    for host, case in drifted.cases.items():
        drifted.site.sh(host, case["after"])


def test_nothing_is_left_to_plan(drifted: Drifted) -> None:
    assert drifted.again.code == 0, drifted.again.told()
    assert [drifted.again.steps(host) for host in drifted.site.hosts] == [[]] * len(drifted.site.hosts)


def test_the_health_gate_is_closed_meanwhile(drifted: Drifted) -> None:
    """Asked once: in the round in which a target is unmounted."""
    if drifted.verified is None:
        assert {case["round"] for case in drifted.cases.values()} != {1}
        return
    assert drifted.verified.code != 0, drifted.verified.told()
    assert "fs1-OST0003" in drifted.verified.text and "Not all is as described" in drifted.verified.text


def test_a_host_without_a_case_shows_that_a_plan_can_be_empty() -> None:
    assert len({case["host"] for case in CASES if case["round"] == 1}) < 8
    assert len(CASES) >= 25 and Path(__file__).exists()
