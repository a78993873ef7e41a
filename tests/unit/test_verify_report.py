"""The health of a whole site, out of what its nodes found."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.plugin_utils._verify_report import (
    shared_files,
    shared_reads,
    shared_writes,
    verify_data,
    verify_table,
)
from tests.unit.site_support import demo

SITE = demo().filesystems
OK = {"name": "health", "object": "x", "ok": True, "wanted": "", "found": ""}


def node(*labels, mounts=(), problems=()):
    return {
        "checks": [OK], "problems": list(problems), "mounts": list(mounts),
        "targets": [{"label": label, "state": "UP", "path": "/x"} for label in labels],
    }  # fmt: skip


def mount(subdir="", path="/mnt/fs1", fsname="fs1", writable=True, owner=""):
    return {"fsname": fsname, "subdir": subdir, "path": path, "writable": writable, "owner": owner}


def test_a_healthy_site() -> None:
    results = {
        "oss1": [node("fs1-OST0000")],
        "client1": [node(), {"checks": [OK, OK], "problems": []}, {"skipped": True}],
    }
    assert verify_data(SITE, results) == {
        "healthy": True,
        "checks": 4,
        "hosts": [
            {"host": "oss1", "healthy": True, "checks": 1, "problems": []},
            {"host": "client1", "healthy": True, "checks": 3, "problems": []},
        ],
        "problems": [],
        "ends": [],
        "notes": [],
        "remarks": [],
    }
    table = verify_table(SITE, results)
    assert table.splitlines()[1].split() == ["oss1", "1", "ok"]
    assert table.endswith("Verdict: HEALTHY (2 hosts, 4 checks).")


def test_silence_is_no_health() -> None:
    assert not verify_data(SITE, {})["healthy"]
    assert verify_table(SITE, {}) == "Verdict: NOT HEALTHY, nothing was checked (0 hosts, 0 checks)."
    results = {
        "a": None,
        "b": {"unreachable": True, "msg": "Connection refused"},
        "c": {"failed": True, "msg": "no such option"},
        "d": {"skipped": True},
        "e": node(),
    }
    data = verify_data(SITE, results)
    assert [host["healthy"] for host in data["hosts"]] == [False, False, False, False, True]
    assert data["hosts"][1]["problems"] == ["Connection refused"]
    assert verify_table(SITE, results).endswith("Verdict: NOT HEALTHY, 4 problems (5 hosts, 1 check).")


def test_what_only_shows_in_the_whole() -> None:
    results = {
        "oss1": node("fs1-OST0000", "fs1-OST0001"),
        "oss2": node("fs1-OST0000"),
        "mds1": node("fs2-OST0000", "MGS"),
        "mds2": node("MGS"),
    }
    assert verify_data(SITE, results)["problems"] == [
        "fs1-OST0000 runs on oss1, oss2 at the same time: stop it on all but one of them at once, since two nodes that write to one "
        "device destroy it.",
        "fs2-OST0000 runs on mds1, which is not one of its servers (oss1).",
    ]


def test_a_cluster_that_runs_a_target_nowhere() -> None:
    described = [{**SITE[1], "mgs": {"nids": [["10.0.0.1@tcp"]]}}]
    described[0]["osts"] = [
        {"index": 0, "servers": ["oss1", "oss2"], "device": "/dev/disk/by-id/x", "managed_by": "ha"}
    ]
    told = "fs2-OST0000 runs on none of its servers: its cluster manager has to start it."
    assert verify_data(described, {"oss1": node(), "oss2": node()})["problems"] == [told]
    assert verify_data(described, {"oss1": node(), "oss2": node("fs2-OST0000")})["problems"] == []
    # Where not all were asked nobody can say.
    assert verify_data(described, {"oss1": node()})["problems"] == []


def test_many_hosts_share_a_line() -> None:
    results = {f"client{number}": node() for number in range(30)} | {"bad": node(problems=["It is broken."])}
    lines = verify_table(SITE, results).splitlines()
    assert lines[0] == "30 hosts without a problem: client0, client1, client2, client3, client4 and 25 more"
    assert "  1. bad: It is broken." in lines


def lasting(kind, thing, left=None, old=None):
    return {"kind": kind, "object": thing, "ends": 1 if left else 0, "days_left": left, "days_old": old}


def test_of_what_ends_the_first_of_each_kind_is_shown_whatever_their_number() -> None:
    clients = {
        f"client{number}": [
            node(),
            {
                "checks": [OK],
                "ends": [lasting("context", "mdc.x", 0.5 + number), lasting("keytab", "root", None, number)],
            },
        ]
        for number in range(300)
    }
    kdc = {"checks": [OK], "ends": [lasting("principal", "mds@A", 20.0), lasting("principal", "root@A", -1.0)]}
    lines = verify_table(SITE, clients | {"kdc1": kdc}).splitlines()
    at = lines.index("WHAT LASTS  COUNT  DAYS LEFT  DAYS OLD  THE FIRST TO END, OR THE OLDEST")
    assert lines[at + 1 : at + 5] == [
        "principal   2      -1.0                 root@A on kdc1",
        "keytab      300               299.0     root on client299",
        "context     300    0.5                  mdc.x on client0",
        "",
    ]
    data = verify_data(SITE, {"kdc1": kdc})
    assert data["ends"][0] == {"host": "kdc1", **kdc["ends"][0]} and data["healthy"]


def test_where_nothing_ends_nothing_is_shown() -> None:
    assert "WHAT LASTS" not in verify_table(SITE, {"a": node()})


def test_who_writes_and_who_reads() -> None:
    results = {
        "client3": node(mounts=[mount("/projects")]),
        "client1": node(mounts=[mount(), mount(fsname="fs2", path="/mnt/fs2")]),
        "client2": node(mounts=[mount(path="/lustre")]),
        "client4": node(mounts=[mount("/projects", writable=False), mount(writable=False)]),
        "router1": None,
    }
    files = shared_files(results)
    assert [(file["fsname"], file["subdir"], file["writer"]) for file in files] == [
        ("fs1", "/projects", "client1"),
        ("fs1", "", "client1"),
    ]
    assert (
        files[0]["path"] == f"/mnt/fs1/projects/{files[0]['name']}"
        and files[1]["path"] == f"/mnt/fs1/{files[1]['name']}"
    )
    assert len({file["name"] for file in files}) == len({file["content"] for file in files}) == 2
    paths = {host: [read["path"] for read in shared_reads(files, result)] for host, result in results.items() if result}
    assert paths["client3"] == [f"/mnt/fs1/{files[0]['name']}"]
    assert paths["client2"] == [f"/lustre/{files[1]['name']}"]
    assert [write["path"] for write in shared_writes(files, "client1")] == [file["path"] for file in files]
    assert shared_writes(files, "client2") == []


def test_where_root_is_squashed_the_owner_reads_and_writes() -> None:
    tenant = mount("/bio", path="/mnt/bio", owner="500:500")
    results = {"bio1": node(mounts=[tenant]), "admin1": node(mounts=[mount()]), "bio2": node(mounts=[tenant])}
    (file,) = shared_files(results)
    assert file["writer"] == "admin1" and [write["owner"] for write in shared_writes([file], "admin1")] == [""]
    assert [read["owner"] for read in shared_reads([file], results["bio2"])] == ["500:500"]
    (file,) = shared_files({host: results[host] for host in ("bio1", "bio2")})
    assert [write["owner"] for write in shared_writes([file], "bio1")] == ["500:500"]


def test_a_client_alone_shares_nothing() -> None:
    assert shared_files({"client1": node(mounts=[mount()])}) == []
    # /projectsx is not below /projects.
    assert shared_files({"a": node(mounts=[mount("/projects")]), "b": node(mounts=[mount("/projectsx")])}) == []


def test_a_host_that_was_not_reached_reads_nothing() -> None:
    files = shared_files({"a": node(mounts=[mount()]), "b": node(mounts=[mount()])})
    assert len(files) == 1 and shared_reads(files, {"unreachable": True, "msg": "x"}) == []


def test_remarks_stand_above_the_verdict_and_do_not_change_it() -> None:
    results = {"client1": [node(), {"checks": [OK], "problems": [], "remarks": ["alice has no ticket."]}]}
    assert verify_data(SITE, results)["remarks"] == [{"host": "client1", "text": "alice has no ticket."}]
    assert verify_table(SITE, results).splitlines()[-4:] == [
        "Remarks:", "  client1: alice has no ticket.", "", "Verdict: HEALTHY (1 host, 2 checks).",
    ]  # fmt: skip
