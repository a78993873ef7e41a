# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that is interrupted, by whatever, is finished by the next one; nothing is formatted twice and no data is lost."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator

import pytest

from .killing import CONTENT, DEVICES, HOSTS, Victim, good, told_once
from .recorded import Event
from .rehearsed import SMALL, Background, Case, Rehearsed, cases, each, until

CASES = cases("killed", 28)
#: Fates after which nothing of the run is left on the host, so that a format which had not begun may begin again.
GONE = ("everything", "power")
ROUNDS = 4
HALF = "without Lustre's own data, as a mkfs.lustre leaves it that was killed half-way"
REMEDY = "have it wiped"


@pytest.fixture(scope="module")
def victims() -> Iterator[Callable[[str], Victim]]:
    """The small site in the state that a case begins with: new hosts where it begins with nothing, else the same ones."""
    with contextlib.ExitStack() as stack:
        known: dict[str, Victim] = {}

        def give(state: str) -> Victim:
            if state == "nothing" or not known or not known["site"].sound:
                stack.close()
                known["site"] = Victim(stack.enter_context(Rehearsed("kill", SMALL)))
            known["site"].begin_with(state)
            return known["site"]

        yield give


def stand_beside(run: Background, host: str) -> None:
    """Until a run has looked at the host, and a moment longer: a look right at a format that goes on would refuse what it sees.

    Bounded: a look may itself need what stands at the door.
    """
    with contextlib.suppress(AssertionError):
        until(lambda: "" if any(event["host"] == host for event in looks(run)) else f"a look at {host}", 30, 0.2)
    time.sleep(2)


def looks(run: Background) -> list[Event]:
    return [event for event in run.events() if event["event"] == "result" and event["look"]]


@each(CASES, all_of_them=False)
def test_the_next_run_finishes_it(victims: Callable[[str], Victim], case: Case) -> None:
    victim, fate = victims(case["start"]), case.get("fate", "kill")
    with victim.stopped(case["host"], case["at"], case.get("side", "before"), case.get("number", 1)) as run:
        before, had_data = victim.formatted(), victim.mounted()
        if had_data and case["start"] != "broken":
            victim.site.sh("client1", "mkdir -p /mnt/small/projects")
            victim.keep()
        # what the host forgets when it loses its power; the others still know theirs
        begun = victim.formats(case["host"]) if fate == "power" else []
        victim.die(fate, case["host"], run)
        next_run = victim.site.begin("site")
        # what is left of the first run stands at its door for a moment more: the second one must not act beside it
        if fate not in GONE:
            stand_beside(next_run, case["host"])
    ended = next_run.finish()
    if "remedy" in case:
        message = " ".join(ended.failures.get(case["host"], "").split())
        missing = [command for command in case["remedy"] if f"`{command}`" not in message]
        assert not missing and "run again" in message, ended.told()
        for command in case["remedy"]:
            victim.obey(case["host"], command)
        ended = victim.site.playbook("site")
    good(ended)
    victim.has_packages()
    now = victim.formatted()
    assert sorted(now) == sorted(DEVICES)
    assert {device: now[device] for device in before} == before, "a target was formatted twice"
    twice = told_once([*begun, *victim.formats()])
    assert not set(twice) & set(before), f"mkfs.lustre was started again for {twice}"
    assert not twice or fate in GONE, f"mkfs.lustre was started twice for {twice}"
    if case["start"] == "broken":
        assert sorted(before) == sorted(DEVICES) and victim.formats() == []
    if had_data or case["start"] == "broken":
        assert victim.kept() == CONTENT
    else:
        victim.keep()
    until(victim.settled, 30)
    plan = victim.site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    assert good(plan) and [plan.steps(host) for host in HOSTS] == [[]] * len(HOSTS), plan.told()
    victim.sound = True


@pytest.mark.long
def test_runs_killed_at_random_times() -> None:
    """Again and again on the same hosts, with a repair run between; LUSTRE_TEST_SEED repeats a series."""
    seed = int(os.environ.get("LUSTRE_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"LUSTRE_TEST_SEED={seed}")
    dice = random.Random(seed)
    with Rehearsed("dice", SMALL) as site:
        victim = Victim(site)
        victim.begin_with("packages")
        began = time.monotonic()
        victim.converged()
        whole = time.monotonic() - began
        for number in range(ROUNDS):
            state = ("packages", "broken")[number % 2]
            victim.begin_with(state)
            known = victim.formatted()
            for _ in range(2):  # killed, and the run after it killed as well
                moment = dice.uniform(0.02, 0.95) * whole
                run = site.begin("site")
                with contextlib.suppress(AssertionError):
                    until(lambda run=run: "" if run.process.poll() is not None else "the end", moment, 0.2)
                run.kill()
                print(f"round {number + 1} ({state}): killed after {moment:.1f} of {whole:.1f} s")
                found = victim.formatted()
                assert {device: found.get(device) for device in known} == known, "a target was formatted again"
                known = found
            good(site.playbook("site"))
            found = victim.formatted()
            assert sorted(found) == sorted(DEVICES)
            assert {device: found[device] for device in known} == known, "a target was formatted again"
            assert not told_once(victim.formats()), victim.formats()
            if state == "broken":
                assert victim.kept() == CONTENT
            victim.keep()
            until(victim.settled, 30)
            again = good(site.playbook("site"))
            assert again.changed == dict.fromkeys(HOSTS, 0), again.told()


@pytest.mark.parametrize("cut", ["program", pytest.param("power", marks=pytest.mark.long)])
def test_a_format_that_died_half_way_is_refused_until_it_is_wiped(cut: str) -> None:
    """Between mke2fs and Lustre's own data: there is an ext4 then, and nobody but its administrator knows whose."""
    path = "/dev/disk/by-id/scsi-ost0"
    with Rehearsed("half", SMALL) as site:
        victim = Victim(site)
        if cut == "program":
            with site.fault("kill-half:mkfs.lustre", "oss1", hits=1):
                died = site.playbook("site")
            assert "oss1" in died.failures, died.told()
        else:
            with site.fault("hang-half:mkfs.lustre", "oss1"):
                run = site.begin("site")
                until(lambda: "" if "ext4" in site.sh("oss1", f"blkid -p {path}", code=None) else "an ext4", 200)
                site.rehearse("kill", "oss1")
                run.kill()
                site.rehearse("start", "oss1")
        before = victim.formatted()
        assert sorted(before) == ["scsi-mdt0", "scsi-mgt"]
        device = site.sh("oss1", f"sha256sum {path}")
        refused = site.playbook("site")
        assert "oss1" in refused.failures, refused.told()
        message = " ".join(refused.failures["oss1"].split())
        assert HALF in message and REMEDY in message and path in message, message
        assert site.sh("oss1", f"sha256sum {path}") == device
        zero = f"dd if=/dev/zero of={path} bs=1M count=1 conv=notrunc,fsync status=none"
        site.sh("oss1", f"{zero} && {zero} seek=$(( $(blockdev --getsize64 {path}) / 1048576 - 1 ))")
        site.converge()
        now = victim.formatted()
        assert sorted(now) == sorted(DEVICES)
        assert {device: now[device] for device in before} == before
