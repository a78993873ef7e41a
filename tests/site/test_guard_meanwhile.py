# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tools that lie or are gone, disks that are held or cannot be read, and disks that change between proof and format."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import guarding
from .guarding import HOST, SIZE, device, hashes, image
from .recorded import Run
from .rehearsed import HERE, Case, Rehearsed, cases, each
from .turnstile import PLACE, Turnstile

CASES = cases("guard_meanwhile", 25)
OTHER = "/dev/disk/by-id/scsi-another-blank-one"
#: What is formatted by the same call before the disk of the case.
FIRST = "/dev/disk/by-id/scsi-formatted-before"
DEVICES = [OTHER, FIRST, *(device(case) for case in CASES)]
ASKED = ("tunefs.lustre", "lsblk", "wipefs", "blkid", "mkfs.lustre")


@dataclass
class Box:
    """The host, its doors, and what its disks hold."""

    site: Rehearsed
    doors: Turnstile
    folder: Path
    before: dict[str, str]

    def sh(self, case: Case, key: str) -> None:
        """The commands of a case under a key, with its words filled in."""
        words = f"dev={device(case)}; other={OTHER}; " + "".join(
            f"{name}kernel=$(basename $(readlink -f ${path})); {name}number=$(cat /sys/class/block/${name}kernel/dev); "
            for name, path in (("", "dev"), ("other_", "other"))
        )
        if key in case:
            # the link may be gone or lead elsewhere by now: what it was is kept
            kept = f"/run/words-{case['says']}"
            self.site.sh(
                HOST, f"[ -e {kept} ] || {{ {words} set | grep -E '^(other_)?(dev|other|kernel|number)=' >{kept}; }}"
            )
            self.site.sh(HOST, f". {kept}; {case[key]}")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("meanwhile")
    with Rehearsed("mean", guarding.inventory(folder / "inventory", DEVICES)) as site:
        site.converge("--tags", "lustre_packages")
        doors = Turnstile(site, HOST)
        doors.install(ASKED)
        yield Box(site, doors, folder, hashes(site, DEVICES))


def hide(box: Box, program: str) -> Callable[[], None]:
    """Take a program away, wherever the collection would find it; returns what brings it back."""
    box.doors.remove(program)
    real = box.site.sh(HOST, f"PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {program}")
    box.site.sh(HOST, f"mv {real} /root/{program}.away")
    return lambda: (box.site.sh(HOST, f"mv /root/{program}.away {real}"), box.doors.install([program]))[1]


@pytest.fixture
def prepared(box: Box, request: pytest.FixtureRequest) -> Iterator[None]:
    """What a case wants before the run, and what must end after it."""
    case: Case = request.getfixturevalue("case")
    repairs: list[Callable[[], Any]] = []
    for program, text in case.get("lie", {}).items():
        box.doors.lie(program, f'#!/bin/sh\necho "lie ${{0##*/}} $*" >>/run/turnstile/calls\n{text}\n')
        repairs.append(lambda program=program: box.doors.install([program]))
    if "away" in case:
        repairs.append(hide(box, case["away"]))
    box.sh(case, "before")
    if case.get("damage") == "unreadable":
        os.truncate(image(box.site, device(case)), SIZE // 2)
        box.site.sh(HOST, f"blockdev --flushbufs {device(case)}")
        box.before = hashes(box.site, DEVICES)
    yield
    box.doors.release()
    box.sh(case, "after")
    for repair in repairs:
        repair()
    if {"damage", "lose"} & set(case):
        os.truncate(image(box.site, device(case)), SIZE)
        box.site.sh(HOST, f"losetup --set-capacity {device(case)}; blockdev --flushbufs {device(case)}", code=None)
    box.before = hashes(box.site, DEVICES)


def run(box: Box, case: Case) -> Run:
    """The module for this one disk; at the moment of the case it waits until its act is done."""
    wanted = [*([FIRST] if case.get("second") else []), device(case)]
    targets = box.folder / f"{case['says']}.json"
    batch = [guarding.target(DEVICES.index(path), path) for path in wanted]
    targets.write_text(json.dumps({"batches": [batch]}))
    words = (str(HERE / "playbooks" / "format.yml"), "-e", f"@{targets}")
    box.doors.forget()
    if "at" not in case:
        return box.site.playbook(*words)
    program, call, side = case["at"].split()
    with box.doors.held(f"{program} *", side, int(call)):
        under_way = box.site.begin(*words)
        try:
            box.doors.wait(60)
            box.sh(case, "act")
            if case.get("lose"):
                os.truncate(image(box.site, device(case)), 0)
                box.site.sh(HOST, f"losetup --set-capacity {device(case)}")
            box.before = hashes(box.site, DEVICES)
        finally:
            box.doors.release()
            done = under_way.finish(120)
    return done


@each(CASES, all_of_them=False)
def test_it_is_refused_and_nothing_is_written(box: Box, prepared: None, case: Case) -> None:
    done = run(box, case)
    (item,) = done.items
    assert item["status"] == "failed", item
    message = " ".join(item["result"]["msg"].split())
    assert device(case) in message or case.get("nameless"), message
    missing = [part for part in case["told"] if part not in message]
    assert not missing, f"{missing} not in: {message}"
    calls = box.doors.calls()
    asked = [call for call in calls if device(case) in call]
    assert asked or case.get("nameless"), "no tool was asked about this disk"
    for program in case.get("lie", {}):
        assert any(call.startswith(f"lie {program} ") for call in calls), f"the {program} that lies was not asked"
    assert not [call for call in asked if call.startswith("mkfs.lustre")], "mkfs.lustre was started"
    now = hashes(box.site, DEVICES)
    assert now == box.before, [path for path in DEVICES if now[path] != box.before[path]]


def test_the_same_host_formats_a_disk_that_stays_blank(box: Box) -> None:
    """What refuses everything would pass all of the above."""
    assert box.site.sh(HOST, f"ls {PLACE}").split() == sorted(ASKED)
    box.doors.forget()
    case = {"says": OTHER.removeprefix("/dev/disk/by-id/scsi-")}
    done = run(box, case)
    (item,) = done.items
    assert item["status"] == "ok", item
    assert [call for call in box.doors.calls() if call.startswith("mkfs.lustre")]
    now = hashes(box.site, DEVICES)
    assert [path for path in DEVICES if now[path] != box.before[path]] == [OTHER]
