# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever a disk holds, consent to format it is not enough: it is refused, told why, and not a byte changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from . import signatures
from .guarding import HOST, SIZE, device, hashes, inventory, target
from .recorded import Run
from .rehearsed import HERE, Case, Rehearsed, cases, each

CASES = cases("guard", 21)
DEVICES = [device(case) for case in CASES]
SHARED = "/var/lib/lustre-sim/site"
BLANK = "/dev/disk/by-id/scsi-blank-mgt"
BLANK_TOO = "/dev/disk/by-id/scsi-blank-mdt0"
MGT = {"label": "MGS", "kind": "mgt", "device": BLANK, "mgs_nids": [], "format": True}


def fill(site: Rehearsed) -> None:
    """Put on each disk what its case says."""
    for number, case in enumerate(CASES):
        if "make" in case:
            site.sh(HOST, f"dev={device(case)}; " + case["make"].replace("{index}", str(number)))
        pieces = signatures.KNOWN[case["bytes"]](SIZE) if "bytes" in case else []
        copies = []
        for part, (offset, content) in enumerate(pieces):
            name = f"{case['bytes']}-{part}"
            (site.layout.shared / name).write_bytes(content)
            copies.append(
                f"dd if={SHARED}/{name} of={device(case)} bs=64K oflag=seek_bytes seek={offset} conv=notrunc status=none"
            )
        site.sh(HOST, " && ".join(copies) or "true")
    site.sh(HOST, "sync")


@dataclass
class Guarded:
    before: dict[str, str]
    alone: Run
    after_alone: dict[str, str]
    whole: Run
    after_whole: dict[str, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guard")
    with Rehearsed("guard", inventory(folder / "inventory", DEVICES)) as site:
        site.converge("--tags", "lustre_packages")
        fill(site)
        before = hashes(site, [*DEVICES, BLANK_TOO])
        assert len(set(before.values())) == len(CASES) + 1, "each disk has something else on it"
        targets = folder / "targets.json"
        batches = [*([target(number, path)] for number, path in enumerate(DEVICES)), [MGT]]
        targets.write_text(json.dumps({"batches": batches}))
        alone = site.playbook(str(HERE / "playbooks" / "format.yml"), "-e", f"@{targets}")
        after_alone = hashes(site, DEVICES)
        yield Guarded(before, alone, after_alone, site.playbook("site"), hashes(site, [*DEVICES, BLANK_TOO]))


@each(CASES)
def test_it_is_refused_by_itself(guarded: Guarded, case: Case) -> None:
    (item,) = [event for event in guarded.alone.items if event["result"]["item"][0]["device"] == device(case)]
    assert item["status"] == "failed", item
    message = item["result"]["msg"]
    assert "Refused to " in message and device(case) in message
    assert case["told"] in message, message
    assert guarded.after_alone[device(case)] == guarded.before[device(case)], "the disk was written to"


@each(CASES)
def test_a_run_of_the_site_refuses_it_with_the_others(guarded: Guarded, case: Case) -> None:
    refusals = re.split(r"\(\d+\) Refused to ", guarded.whole.failures[HOST])[1:]
    assert len(refusals) == len(CASES)
    own = refusals[CASES.index(case)]
    assert device(case) in own and case["told"] in own, own
    assert guarded.after_whole[device(case)] == guarded.before[device(case)], "the disk was written to"


def test_a_blank_disk_beside_them_was_formatted(guarded: Guarded) -> None:
    """What refuses everything would pass all of the above."""
    (item,) = [event for event in guarded.alone.items if event["result"]["item"][0]["device"] == BLANK]
    assert [(step["action"], step["object"]) for step in item["result"]["plan"]] == [("format", f"MGS on {BLANK}")]


def test_where_one_disk_is_refused_the_site_formats_none(guarded: Guarded) -> None:
    assert guarded.after_whole[BLANK_TOO] == guarded.before[BLANK_TOO], "a run that was refused formatted a blank disk"
