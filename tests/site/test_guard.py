# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever a disk holds, consent to format it is not enough: it is refused, told why, and not a byte changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import signatures
from .recorded import Run
from .rehearsed import HERE, SMALL, Case, Rehearsed, cases, each

CASES = cases("guard", 10)
SIZE = 64 * signatures.MIB
SHARED = "/var/lib/lustre-sim/site"


def device(case: Case) -> str:
    return f"/dev/disk/by-id/scsi-{case['says']}"


def label(number: int) -> str:
    return f"guarded-OST{number:04x}"


def inventory(folder: Path) -> Path:
    """One host with blank disks for MGT and MDT0000, and a disk per case as an OST, all with consent."""
    (folder / "group_vars").mkdir(parents=True)
    variables = yaml.safe_load((SMALL / "group_vars" / "all.yml").read_text())
    sizes = {"mgt": "64M", "mdt": "128M", "ost": str(SIZE)}
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({**variables, "rehearsal_device_sizes": sizes}))
    filesystem: dict[str, Any] = {
        "name": "guarded",
        "format": True,
        "mgs": {"servers": ["box1"], "device": "/dev/disk/by-id/scsi-blank-mgt"},
        "mdts": [{"index": 0, "servers": ["box1"], "device": "/dev/disk/by-id/scsi-blank-mdt0"}],
        "osts": [{"index": n, "servers": ["box1"], "device": device(case)} for n, case in enumerate(CASES)],
    }
    site = {
        "plugin": "lustre.core.site",
        "hosts": {"box1": {"ansible_host": "10.76.0.11", "nids": "10.77.0.11@tcp"}},
        "lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]},
        "filesystems": [filesystem],
    }
    (folder / "site.lustre.yml").write_text(yaml.safe_dump(site, sort_keys=False))
    return folder


def fill(site: Rehearsed) -> None:
    """Put on each disk what its case says."""
    for number, case in enumerate(CASES):
        if "make" in case:
            site.sh("box1", f"dev={device(case)}; " + case["make"].replace("{index}", str(number)))
            continue
        pieces = signatures.KNOWN[case["bytes"]](SIZE)
        copies = []
        for part, (offset, content) in enumerate(pieces):
            name = f"{case['bytes']}-{part}"
            (site.layout.shared / name).write_bytes(content)
            copies.append(
                f"dd if={SHARED}/{name} of={device(case)} bs=64K oflag=seek_bytes seek={offset} conv=notrunc status=none"
            )
        site.sh("box1", " && ".join(copies))
    site.sh("box1", "sync")


def hashes(site: Rehearsed) -> dict[str, str]:
    told = site.sh("box1", f"sha256sum {' '.join(device(case) for case in CASES)}")
    return {path: digest for digest, path in (line.split() for line in told.splitlines())}


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
    with Rehearsed("guard", inventory(folder / "inventory")) as site:
        site.converge("--tags", "lustre_packages")
        fill(site)
        before = hashes(site)
        assert len(set(before.values())) == len(CASES), "each disk has something else on it"
        targets = folder / "targets.json"
        targets.write_text(json.dumps({"targets": [target(number, case) for number, case in enumerate(CASES)]}))
        alone = site.playbook(str(HERE / "playbooks" / "format.yml"), "-e", f"@{targets}")
        after_alone = hashes(site)
        yield Guarded(before, alone, after_alone, site.playbook("site"), hashes(site))


def target(number: int, case: Case) -> dict[str, Any]:
    return {
        "label": label(number),
        "kind": "ost",
        "fsname": "guarded",
        "index": number,
        "device": device(case),
        "mgs_nids": [["10.77.0.11@tcp"]],
        "format": True,
    }


@each(CASES)
def test_it_is_refused_by_itself(guarded: Guarded, case: Case) -> None:
    (item,) = [event for event in guarded.alone.items if event["result"]["item"]["device"] == device(case)]
    assert item["status"] == "failed", item
    message = item["result"]["msg"]
    assert "Refused to " in message and device(case) in message
    assert case["told"] in message, message
    assert guarded.after_alone[device(case)] == guarded.before[device(case)], "the disk was written to"


@each(CASES)
def test_a_run_of_the_site_refuses_it_with_the_others(guarded: Guarded, case: Case) -> None:
    refusals = re.split(r"\(\d+\) Refused to ", guarded.whole.failures["box1"])[1:]
    assert len(refusals) == len(CASES)
    own = refusals[CASES.index(case)]
    assert device(case) in own and case["told"] in own, own
    assert guarded.after_whole[device(case)] == guarded.before[device(case)], "the disk was written to"


def test_the_blank_disks_beside_them_were_formatted(guarded: Guarded) -> None:
    """What refuses everything would pass all of the above."""
    actions = [(step["action"], step["object"]) for step in guarded.whole.steps("box1")]
    assert ("format", "MGS on /dev/disk/by-id/scsi-blank-mgt") in actions, actions
