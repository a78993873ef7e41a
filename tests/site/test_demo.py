# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo site from nothing: it runs, a second run changes nothing and costs little, its clients share files."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Demo

HOSTS = ["client1", "client2", "client3", "mds1", "mds2", "oss1", "oss2", "router1"]
#: The most tasks that a converged run may execute on a host (DESIGN: the way of the data).
CLIENT_BUDGET, SERVER_BUDGET = 6, 12
#: What it really takes: tasks on the host that also stands for the controller's own, and programs that the one module starts.
FIRST, PROGRAMS = 4, {"cli": 10, "rou": 9, "mds": 15, "oss": 13}


def test_the_first_run_reaches_every_host(demo: Demo) -> None:
    assert demo.site.hosts == HOSTS
    assert sorted(demo.first.sums) == HOSTS, demo.first.told()
    assert all(count > 0 for count in demo.first.changed.values()), demo.first.told()


def test_a_second_run_changes_nothing_within_the_budget(demo: Demo) -> None:
    run = demo.site.converge()
    assert run.changed == dict.fromkeys(HOSTS, 0), run.told()
    first = next(host for host in HOSTS if len(run.executed(host)) > 1)
    for host in HOSTS:
        executed = run.executed(host)
        budget = SERVER_BUDGET if host.startswith(("mds", "oss")) else CLIENT_BUDGET
        assert 0 < len(executed) <= budget, f"{host} executed {len(executed)} tasks, more than {budget}: {executed}"
        # the floor: one process on the node; the controller's own tasks are done once, on whichever host comes first
        assert len(run.remote(host)) == 1, f"{host}: {run.remote(host)}"
        assert len(executed) <= (FIRST if host == first else 1), f"{host}: {executed}"
        assert len(run.skipped(host)) <= (host == first), f"{host}: {run.skipped(host)}"
        assert run.programs(host) <= PROGRAMS[host[:3]], f"{host} started {run.programs(host)} programs"
    assert "Nothing to do: 8 hosts as described." in run.text


def test_clients_read_what_others_write(demo: Demo) -> None:
    """client3 sees only the subdirectory; client2 is behind the router."""
    inside = {"client1": "/mnt/fs1/projects", "client2": "/mnt/fs1/projects", "client3": "/mnt/fs1"}
    for writer, folder in inside.items():
        demo.site.sh(writer, f"echo 'from {writer}' > {folder}/from-{writer}")
    for reader, folder in inside.items():
        read = demo.site.sh(reader, f"cd {folder} && cat from-client1 from-client2 from-client3")
        assert read.splitlines() == [f"from {writer}" for writer in inside], reader
    demo.site.sh("client1", "rm /mnt/fs1/projects/from-client*")
    assert demo.site.sh("client3", "ls /mnt/fs1 | wc -l") == "0"


def test_status_finds_everything_in_its_place(demo: Demo, tmp_path: Path) -> None:
    told = tmp_path / "status.json"
    run = demo.site.playbook("status", "-e", f"lustre_status_file={told}")
    assert run.code == 0 and "All is as described." in run.text, run.told()
    filesystems = json.loads(told.read_text())["filesystems"]
    places = {t["label"]: t["host"] for fs in filesystems for t in fs["targets"] if t["ok"] and t["state"] == "up"}
    assert places == {
        "MGS": "mds1",
        "fs1-MDT0000": "mds1",
        "fs1-MDT0001": "mds2",
        "fs1-OST0000": "oss1",
        "fs1-OST0001": "oss2",
        "fs1-OST0002": "oss1",
        "fs1-OST0003": "oss2",
        "fs2-MDT0000": "mds1",
        "fs2-OST0000": "oss1",
    }
    mounted = [(fs["name"], c["host"], c["subdir"]) for fs in filesystems for c in fs["clients"] if c["ok"]]
    assert mounted == [
        ("fs1", "client1", ""),
        ("fs1", "client2", ""),
        ("fs1", "client3", "/projects"),
        ("fs2", "client1", ""),
    ]


def test_verify_finds_it_healthy_and_leaves_no_file(demo: Demo) -> None:
    run = demo.site.playbook("verify")
    assert run.code == 0 and "Verdict: HEALTHY (8 hosts, " in run.text, run.told()
    assert run.changed == dict.fromkeys(HOSTS, 0)
    assert demo.site.sh("client1", "ls -A /mnt/fs1 /mnt/fs1/projects /mnt/fs2") == (
        "/mnt/fs1:\nprojects\n\n/mnt/fs1/projects:\n\n/mnt/fs2:"
    )
