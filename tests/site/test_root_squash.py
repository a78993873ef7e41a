# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root squash of a whole site: in force for mounted clients, unchanged by a second run, repaired, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from .rehearsed import HERE, Rehearsed, until

SQUASHED = HERE / "inventories" / "squashed"
TOP = "/mnt/squashed"
NAMES = [f"mdt.squashed-*.{key}" for key in ("nosquash_nids", "root_squash")]
LIST = "0@lo 10.77.0.11@tcp 10.77.0.41@tcp 10.77.8.[0-255]@tcp"
#: A parameter reaches a server, and then the client asks as whom its root works.
BOUND = 60.0
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site() -> Iterator[Rehearsed]:
    with Rehearsed("squash", SQUASHED) as made:
        yield made


def reads(site: Rehearsed, host: str) -> str:
    """``yes`` when root of the host reads what is root's alone."""
    return site.sh(host, f"cat {TOP}/secret >/dev/null 2>&1 && echo yes || echo no")


def told(site: Rehearsed, name: str) -> str:
    return site.sh("mds1", f"lctl get_param -n {name}")


def test_root_of_a_client_is_nobody_and_root_of_a_spared_one_is_root(site: Rehearsed) -> None:
    run = site.converge()
    stored = [
        (step["action"], step["object"]) for step in run.steps("mds1") if "squash" in step["object"].rpartition(".")[2]
    ]
    assert [name for action, name in stored if action == "store"] == NAMES
    assert sorted(site.hosts) == ["admin1", "client1", "mds1"]
    assert [told(site, name) for name in NAMES] == [LIST, "65534:65533"]
    site.sh("admin1", f"umask 077; echo kept >{TOP}/secret; stat -c '%u %a' {TOP}/secret | grep -qx '0 600'")
    until(lambda: "client1 is squashed" if reads(site, "client1") == "yes" else "", BOUND)
    assert reads(site, "admin1") == "yes"
    site.sh("client1", f"touch {TOP}/rootfile", code=1)
    assert site.sh("client1", f"touch {TOP}/projects/file && stat -c '%u %g' {TOP}/projects/file") == "65534 65533"


def test_a_second_run_changes_nothing_and_drift_is_repaired(site: Rehearsed) -> None:
    again = site.converge()
    assert again.changed == dict.fromkeys(site.hosts, 0), again.told()
    # a first run's stored value reaches the node some seconds later, and would undo it
    site.sh("mds1", "sleep 10; lctl set_param mdt.squashed-MDT0000.root_squash=0:0")
    until(lambda: "client1 is root again" if reads(site, "client1") == "no" else "", BOUND)
    repaired = site.converge()
    assert [(step["action"], step["object"]) for step in repaired.steps("mds1")] == [("set", NAMES[1])]
    until(lambda: "client1 is squashed" if reads(site, "client1") == "yes" else "", BOUND)


def test_it_is_there_after_a_boot_of_the_server(site: Rehearsed) -> None:
    site.rehearse("reboot", "mds1")
    until(
        lambda: "" if site.sh("mds1", "lctl get_param -n mdt.*.root_squash", code=None) == "65534:65533" else "it", 200
    )
    assert told(site, NAMES[0]) == LIST
    plan = site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    assert plan.code == 0 and [plan.steps(host) for host in site.hosts] == [[]] * 3, plan.told()


def changed(tmp_path: Path, squash: dict[str, object]) -> str:
    """The description with another ``root_squash``, as an extra variable."""
    described = yaml.safe_load((SQUASHED / "site.lustre.yml").read_text(encoding="utf-8"))
    described["filesystems"][0]["root_squash"] = squash
    path = tmp_path / "changed.yml"
    path.write_text(yaml.safe_dump({"lustre_filesystems": described["filesystems"]}), encoding="utf-8")
    return f"@{path}"


def test_who_would_be_locked_out_is_told_and_no_host_is_touched(site: Rehearsed, tmp_path: Path) -> None:
    run = site.playbook("site", "-e", changed(tmp_path, {"nosquash": ["client1"]}))
    assert run.code != 0 and "admin1 makes the directories" in " ".join(run.text.split()), run.told()
    assert not any(run.steps(host) for host in site.hosts)
    assert told(site, NAMES[0]) == LIST


def test_a_zero_takes_it_back(site: Rehearsed, tmp_path: Path) -> None:
    run = site.converge("-e", changed(tmp_path, {"uid": 0, "gid": 0}))
    assert [(step["action"], step["object"]) for step in run.steps("mds1")] == [
        (action, name) for action in ("set", "store") for name in reversed(NAMES)
    ]
    until(lambda: "client1 is root again" if reads(site, "client1") == "no" else "", BOUND)
