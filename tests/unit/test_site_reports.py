# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables and data of the plan and of the status."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.lustre.core.plugins.filter import reports
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Step
from ansible_collections.lustre.core.plugins.plugin_utils import _status_report
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._table import size, table
from tests.unit.site_support import demo

MOUNT = Step("mount", "mount", "fs1 on /mnt/fs1", "it is not mounted", ("mount", "-t", "lustre", "x", "/mnt/fs1"))
FORMAT = Step("target", "format", "MGS on /dev/x", "the device is blank", ("mkfs.lustre", "/dev/x"), destructive=True)
REMOVE = Step("lnet", "remove", "tcp1", "it is not declared", ("lnetctl", "net", "del"), disruptive=True)
DRIFT = Drift("target", "fs1-OST0000", "1 service node", "2 service nodes", "Set tune: true.")


def answer(*steps, drift=(), **more):
    return {
        "changed": bool(steps),
        "plan": [step.public() for step in steps],
        "drift": [item.public() for item in drift],
        **more,
    }


PLANS = {
    "mds1": [answer(), answer(FORMAT)],
    "oss1": answer(
        REMOVE, MOUNT, drift=[DRIFT], results=[{"phase": "client", "unplanned": "lctl is not installed yet"}]
    ),
    "client1": answer(MOUNT),
    "client2": answer(MOUNT),
    "client3": answer(),
    "client4": None,
    "client5": {"failed": True, "msg": "no LNet"},
}


def test_a_plan_is_one_list_the_risk_first() -> None:
    found = reports.plan_data(PLANS)
    assert [(step["host"], step["action"], step["risk"]) for step in found["steps"]] == [
        ("mds1", "format", "destructive"),
        ("oss1", "remove", "disruptive"),
        ("oss1", "mount", ""),
        ("client1", "mount", ""),
        ("client2", "mount", ""),
    ]
    assert (found["changes"], found["destructive"], found["disruptive"], found["clean"]) == (5, 1, 1, False)
    assert found["failed"] == [{"host": "client4", "msg": "no answer"}, {"host": "client5", "msg": "no LNet"}]
    assert found["unplanned"] == [{"host": "oss1", "phase": "client", "why": "lctl is not installed yet"}]
    assert found["unchanged_hosts"] == ["client3"]
    assert json.loads(json.dumps(found)) == found


def test_a_plan_as_a_table() -> None:
    assert reports.plan_table(PLANS) == "\n".join(
        [
            "Plan: 5 changes on 4 hosts, of these 1 with loss of what is on a device (!!) and 1 that users notice (!).",
            "",
            "    HOST                    ACTION  OBJECT           WHY",
            "!!  mds1                    format  MGS on /dev/x    the device is blank",
            "!   oss1                    remove  tcp1             it is not declared",
            "    oss1, client1, client2  mount   fs1 on /mnt/fs1  it is not mounted",
            "",
            "Differences that a run shows, but does not repair:",
            "HOST  OBJECT       FOUND           WANTED           WHAT REPAIRS IT",
            "oss1  fs1-OST0000  1 service node  2 service nodes  Set tune: true.",
            "",
            "Not to be seen before earlier steps are done:",
            "  oss1:  client  lctl is not installed yet",
            "",
            "No plan, because of an error:",
            "  client4:  no answer",
            "  client5:  no LNet",
            "",
            "Nothing to do on client3.",
        ]
    )
    assert "mkfs.lustre /dev/x" in reports.plan_table(PLANS, commands=True)


def test_nothing_to_do() -> None:
    assert reports.plan_data({"a": answer()})["clean"] is True
    nothing = "Plan: nothing to do.\n\nNothing to do on a, b."
    assert reports.plan_table({"a": answer(), "b": answer()}) == nothing
    assert reports.plan_table({"a": answer(), "b": answer()}, filesystems=[{"name": "fs1"}]) == nothing
    told = reports.plan_table(
        {"a": answer(), "b": answer()}, filesystems=[{"name": "fs1", "tenants": [{"name": "bio"}]}]
    )
    assert told.startswith(nothing) and told.endswith("lustre.core.tenants is the playbook for them.")


def test_many_clients_share_a_line() -> None:
    text = reports.plan_table({f"client{n}": answer(MOUNT) for n in range(20000)})
    assert "client0, client1, client2 and 19997 more" in text
    assert len(text.splitlines()) == 4


def node(targets=(), mounts=(), problems=()):
    return {"hostname": "x", "targets": list(targets), "mounts": list(mounts), "problems": list(problems)}


def target(label, **more):
    return {
        "label": label,
        "state": "UP",
        "recovery": {"status": "COMPLETE"},
        "capacity": {"total_kb": 1048576, "free_kb": 786432, "available_kb": 700000},
        **more,
    }


def client(path, fsname, subdir=""):
    return {"kind": "client", "path": path, "fsname": fsname, "subdir": subdir, "source": "x", "options": []}


@pytest.fixture
def site():
    return demo()


@pytest.fixture
def results():
    return {
        "mds1": node([target("MGS", recovery={}), target("fs1-MDT0000"), target("fs2-MDT0000")]),
        "mds2": node([target("fs1-MDT0001")]),
        "oss1": node([target("fs1-OST0000"), target("fs1-OST0002"), target("fs2-OST0000")]),
        "oss2": node([target("fs1-OST0001"), target("fs1-OST0003")]),
        "router1": node(),
        "client1": node(mounts=[client("/mnt/fs1", "fs1"), client("/mnt/fs2", "fs2")]),
        "client2": node(mounts=[client("/mnt/fs1", "fs1")]),
        "client3": node(mounts=[client("/mnt/fs1", "fs1", "/projects")]),
    }


def one(site, results, label):
    found = reports.status_data(site.filesystems, results, site.groups)
    return found, next(t for fs in found["filesystems"] for t in fs["targets"] if t["label"] == label)


def test_a_healthy_site(site, results) -> None:
    found = reports.status_data(site.filesystems, results, site.groups)
    assert found["healthy"] is True
    assert [t["label"] for t in found["filesystems"][0]["targets"]] == [
        "MGS",
        "fs1-MDT0000",
        "fs1-MDT0001",
        "fs1-OST0000",
        "fs1-OST0001",
        "fs1-OST0002",
        "fs1-OST0003",
    ]
    assert found["filesystems"][0]["capacity"] == {"total_kb": 4194304, "free_kb": 3145728, "available_kb": 2800000}
    assert json.loads(json.dumps(found)) == found


def test_the_table_of_a_healthy_site(site, results) -> None:
    text = reports.status_table(site.filesystems, results, site.groups)
    assert text.splitlines()[:3] == [
        "File system fs1: 4.0 GiB, 25 % used",
        "  TARGET       RUNS ON  STATE  SIZE     USED  COULD RUN ON",
        "  MGS          mds1     up     1.0 GiB  25 %  mds2",
    ]
    assert "  client3  /mnt/fs1     /projects  mounted" in text
    assert text.splitlines()[-1] == "All is as described."


def test_a_target_that_runs_on_its_partner_is_told_and_fine(site, results) -> None:
    results["oss2"]["targets"].append(results["oss1"]["targets"].pop(0))
    found, moved = one(site, results, "fs1-OST0000")
    assert (moved["host"], moved["state"], moved["ok"], found["healthy"]) == ("oss2", "up, away from oss1", True, True)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda r: r["oss1"]["targets"].pop(0), "down"),
        (lambda r: r["oss2"]["targets"].append(target("fs1-OST0000")), "RUNS TWICE"),
        (lambda r: r["oss1"]["targets"][0].update(state="missing"), "mounted, missing"),
        (lambda r: r["oss1"]["targets"][0].update(recovery={"status": "RECOVERING"}), "up, recovery recovering"),
        (lambda r: r.update(oss1=None), "unknown"),
        (lambda r: r.update(oss1={"unreachable": True, "msg": "ssh"}), "unknown"),
    ],
)
def test_a_target_in_trouble(site, results, change, state) -> None:
    change(results)
    found, trouble = one(site, results, "fs1-OST0000")
    assert (trouble["state"], trouble["ok"], found["healthy"]) == (state, False, False)
    assert "\n* " in reports.status_table(site.filesystems, results, site.groups).replace("\n  * ", "\n* ")


@pytest.mark.parametrize(
    ("mounts", "state"),
    [
        ([], "not mounted"),
        ([client("/mnt/fs1", "fs2")], "other file system: fs2"),
        ([client("/mnt/fs1", "fs1")], "other file system: fs1"),
    ],
)
def test_a_client_in_trouble(site, results, mounts, state) -> None:
    results["client3"]["mounts"] = mounts
    found = reports.status_data(site.filesystems, results, site.groups)
    entry = next(c for c in found["filesystems"][0]["clients"] if c["host"] == "client3")
    assert (entry["state"], entry["ok"], found["healthy"]) == (state, False, False)


def test_a_limited_run_judges_what_it_asked(site, results) -> None:
    asked = {host: results[host] for host in ("mds1", "client1")}
    found = reports.status_data(site.filesystems, asked, site.groups)
    assert [c["host"] for c in found["filesystems"][0]["clients"]] == ["client1"]
    assert [t["label"] for t in found["filesystems"][1]["targets"]] == ["fs2-MDT0000"]


def test_problems_of_a_host_are_shown(site, results) -> None:
    results["oss1"]["problems"] = ["lctl gave no answer"]
    found = reports.status_data(site.filesystems, results, site.groups)
    assert (found["problems"], found["healthy"]) == ([{"host": "oss1", "problem": "lctl gave no answer"}], False)
    assert "Problems:\n  oss1:  lctl gave no answer" in reports.status_table(site.filesystems, results, site.groups)


def test_many_clients_are_summed_up(site, results) -> None:
    filesystems = copy.deepcopy(site.filesystems)
    filesystems[0]["clients"] = [{"hosts": "c[1-500]", "path": "/mnt/fs1"}]
    clients = {f"c{n}": node(mounts=[client("/mnt/fs1", "fs1")]) for n in range(1, 501)}
    clients["c7"] = node()
    text = reports.status_table(filesystems, {**results, **clients}, site.groups)
    assert "  499 client mounts as described: c1, c2, c3 and 496 more" in text
    assert "* c7" in text.replace("*  c7", "* c7")
    assert len(text.splitlines()) < 40


def test_a_description_that_cannot_be_used_is_an_error(results) -> None:
    with pytest.raises(SiteError, match="description of the site cannot be used"):
        _status_report.status_data("fs1", results, {})


def test_results_of_hosts() -> None:
    variables = {"a": {"x": {"n": 1}, "y": {"n": 2}}, "b": {"y": {"n": 3}}}
    assert reports.host_results(["a", "b", "c"], variables, "x") == {"a": {"n": 1}, "b": None, "c": None}
    assert reports.host_results(["a", "b"], variables, ["x", "y"]) == {"a": [{"n": 1}, {"n": 2}], "b": [{"n": 3}]}


def test_sizes_and_tables() -> None:
    assert [size(n) for n in (None, 0, 1023, 1536, 200 * 1024, 5 * 1024**3)] == [
        "",
        "0 KiB",
        "1023 KiB",
        "1.5 MiB",
        "200 MiB",
        "5.0 TiB",
    ]
    assert table(("A", "B", "C"), [("x", "", "y")]) == ["A  C", "x  y"]
