# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong with keys, rules and realms: nobody who worked is cut off, and the message says what is wrong and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from .recorded import Run
from .rehearsed import Case, cases, each, until
from .secured import SWITCHED, Secured, killed_after, secured, way_back

CASES = cases("security", 14)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Secured]]:
    """A site by its inventory, made when it is wanted first, or when a case left one that nobody knows; one at a time."""
    with contextlib.ExitStack() as stack:
        known: dict[str, Secured] = {}

        def give(inventory: str) -> Secured:
            if inventory not in known or not known[inventory].sound:
                known.clear()
                stack.close()
                folder = tmp_path_factory.mktemp(inventory) / "inventory"
                known[inventory] = stack.enter_context(secured("sec", inventory, folder))
            return known[inventory]

        yield give


@each(CASES, all_of_them=False)
def test_nobody_is_cut_off(sites: Callable[[str], Secured], case: Case) -> None:
    one = sites(case["site"])
    one.begin_with(case.get("start", one.flavor))
    before, had, old = one.untouched(), one.connections(), one.secrets()
    with one.working():
        one.describe(case.get("describe", {}))
        _give(one, case.get("break", {}))
        begun = one.site.begin(case["run"], *case.get("with", []))
        if "killed" in case:
            killed_after(begun, **case["killed"])
        run = begun.finish()
        if "killed" not in case:
            _as_told(one, case, run)
        if "rules" in case:
            assert one.rules() == case["rules"]
        if "in_force" in case:
            until(lambda: one.missing(case["in_force"]), SWITCHED)
    _give(one, case.get("after", {}))
    half = one.secrets()
    if case.get("back"):
        for command in way_back(run):
            one.site.sh(one.mgs, command)
        until(
            lambda: (
                ""
                if _of(one.connections(), case["back"]) == _of(had, case["back"])
                else f"{one.connections()} was {had}"
            ),
            SWITCHED,
        )
    _give(one, case.get("repair", {}))
    with one.working():
        if case.get("again"):
            good(one, one.site.playbook(case["run"], *case.get("with", [])))
        one.describe({})
        good(one, one.site.playbook("secure"))
        one.renewed()
        until(lambda: one.missing(one.flavor), SWITCHED)
    if "key" in case:
        _rotated(case["key"] == "new", old, half, one.secrets())
    if case.get("same"):
        assert one.untouched() == before
    again = good(one, one.site.playbook("secure"))
    assert again.changed == dict.fromkeys(one.site.hosts, 0), again.told()
    assert one.left_over() == ""
    one.sound = True


def _rotated(new: bool, old: set[str], half: set[str], now: set[str]) -> None:
    """All hosts have one key. A rotation that was interrupted is finished with the key that it had made."""
    assert len(old) == len(now) == 1 and (now != old) is new
    assert half <= old | now, "two keys were made"


def _of(connections: dict[str, tuple[str, bool]], hosts: list[str]) -> dict[str, tuple[str, bool]]:
    return {name: has for name, has in connections.items() if name.split()[0] in hosts}


def good(one: Secured, run: Run) -> Run:
    assert run.code == 0 and not run.failures and sorted(run.sums) == one.site.hosts, run.told()
    return run


def _give(one: Secured, commands: dict[str, str]) -> None:
    for host, command in commands.items():
        one.site.sh(host, command)


def _as_told(one: Secured, case: Case, run: Run) -> None:
    """The run ended as the case says, and said what it is to say."""
    if "message" in case:
        assert run.code != 0, run.told()
        for host, texts in case["message"].items():
            message = " ".join(run.failures.get(host, "").split())
            assert not [text for text in texts if text not in message], f"{host}: {message}\n{run.told()}"
    elif "told" not in case or "steps" in case or case.get("key") == "new":
        good(one, run)
    else:
        assert run.code != 0, run.told()
    output = " ".join(run.text.replace('\\"', '"').split())
    assert not [text for text in case.get("told", []) if text not in output], run.told()
    if "steps" in case:
        kinds = {host: sorted({step["kind"] for step in run.steps(host)}) for host in one.site.hosts}
        assert kinds == {host: case["steps"].get(host, []) for host in one.site.hosts}, run.told()
