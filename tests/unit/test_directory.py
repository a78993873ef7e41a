"""Directories inside a file system: made only where that file system is really mounted."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import lfs
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._node import parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.directory import (
    DirectoryResource,
    DirectoryWant,
    Local,
)
from tests.recordings import recording

ROOT = "/dev/sda1 / ext4 rw 0 0\n"
MOUNTED = ROOT + "10.77.0.11@tcp:/fs1 /mnt/fs1 lustre rw 0 0\n"
WANT = {"fsname": "fs1", "path": "/mnt/fs1/projects"}
STAT = ("stat", "--printf", "%f %u %g %n\\n", "--", "/mnt/fs1/projects")
GONE = (1, "", "/usr/bin/stat: cannot statx '/mnt/fs1/projects': No such file or directory\n")
THERE = "41ed 0 0 /mnt/fs1/projects\n"


def resource(*wants, table=MOUNTED, provisional=False):
    ids = {"root": 0, "alice": 1000}
    local = Local(lambda: table, ids.__getitem__, ids.__getitem__)
    made = [DirectoryWant.from_options(want, f"directories[{number}]") for number, want in enumerate(wants or (WANT,))]
    return DirectoryResource(made, local, provisional)


def test_a_missing_directory_is_made_and_a_second_run_finds_it(fake):
    install = ("install", "-d", "-m", "00755", "-o", "root", "-g", "root", "--", "/mnt/fs1/projects")
    run = fake([(STAT, GONE), (install, ""), (STAT, THERE), (STAT, THERE)])
    first = converge(resource(), run)
    assert first.applied and first.before["directories"][0] == {
        "path": "/mnt/fs1/projects",
        "fsname": "fs1",
        "exists": False,
    }
    assert first.after["directories"][0]["mode"] == "0755"
    assert not converge(resource(), run).changed


def test_check_mode_makes_the_same_plan_and_nothing_else(fake):
    outcome = converge(resource(), fake([(STAT, GONE)]), check_mode=True)
    assert [step.action for step in outcome.plan.steps] == ["create"] and not outcome.applied


def test_owner_and_mode_are_repaired(fake):
    want = {**WANT, "owner": "alice", "group": "0", "mode": "2770"}
    calls = [
        (STAT, THERE),
        (("chown", "alice:0", "--", "/mnt/fs1/projects"), ""),
        (("chmod", "02770", "--", "/mnt/fs1/projects"), ""),
        (STAT, "45f8 1000 0 /mnt/fs1/projects\n"),
    ]
    outcome = converge(resource(want), fake(calls))
    assert [step.reason for step in outcome.plan.steps] == ["owner 0:0 is to be alice:0", "mode 0755 is to be 2770"]


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (ROOT, "no Lustre file system is mounted there"),
        (ROOT + "10.77.0.11@tcp:/fs2 /mnt/fs1 lustre rw 0 0\n", "it lies in the file system fs2"),
        (MOUNTED + "tmpfs /mnt/fs1/projects tmpfs rw 0 0\n" + "tmpfs /mnt/fs1 tmpfs rw 0 0\n", "no Lustre file system"),
    ],
)
def test_nothing_is_made_outside_the_file_system(fake, table, found):
    with pytest.raises(Refused, match=found):
        converge(resource(table=table), fake([(STAT, THERE)]))


def test_a_mount_that_vanished_after_the_plan_stops_it(fake):
    tables = iter([MOUNTED, ROOT])
    made = resource()
    made.local = Local(lambda: next(tables), made.local.uid, made.local.gid)
    with pytest.raises(Refused, match="no Lustre file system is mounted there"):
        converge(made, fake([(STAT, GONE)]))


def test_a_plan_before_the_mount_counts_on_it(fake):
    # What is seen below an empty mount point is not the file system's.
    outcome = converge(resource(table=ROOT, provisional=True), fake([(STAT, THERE)]), check_mode=True)
    assert [step.action for step in outcome.plan.steps] == ["create"]


def test_something_else_in_the_way_is_left_alone(fake):
    with pytest.raises(Refused, match="something else is there"):
        converge(resource(), fake([(STAT, "a1ff 0 0 /mnt/fs1/projects\n")]))


def test_an_owner_that_nobody_knows(fake):
    with pytest.raises(Refused, match="no user bob on this node"):
        converge(resource({**WANT, "owner": "bob"}), fake([(STAT, GONE)]))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            (1, "", "/usr/bin/stat: cannot statx '/mnt/fs1/projects': Cannot send after transport endpoint shutdown\n"),
            ToolError,
        ),
        ((0, "", ""), ToolError),
        ("what\n", UnknownOutput),
    ],
)
def test_an_answer_that_is_none_stops_it(fake, answer, error):
    with pytest.raises(error):
        converge(resource(), fake([(STAT, answer)]))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"mode": 0o755}, "directories[0].mode"),
        ({"path": "/mnt/../etc"}, "directories[0].path"),
        ({"path": "//mnt"}, "directories[0].path"),
        ({"fsname": ""}, "directories[0].fsname"),
        ({"user": "x"}, "directories[0].user"),
    ],
)
def test_options_that_cannot_be(change, path):
    with pytest.raises(BadValue) as caught:
        resource({**WANT, **change})
    assert caught.value.path == path


def test_its_place_in_the_node():
    mounts = [
        {"kind": "client", "path": "/mnt/p", "fsname": "fs1", "mgs_nids": [["10.77.0.11@tcp"]], "subdir": "/projects"},
        {"kind": "client", "path": "/mnt/fs1", "fsname": "fs1", "mgs_nids": [["10.77.0.11@tcp"]]},
    ]
    parts = parts_of({"mounts": mounts, "directories": [WANT]})
    assert [part.phase for part in parts] == ["client", "directories", "client_subdir"]
    assert [part.phase for part in parts_of({"mounts": mounts, "only_paths": ["/mnt/p"]})] == ["client_subdir"]
    tenant = {**mounts[0], "path": "/mnt/t", "subdir": "/tenants/t", "tenant": "t"}
    parts = parts_of({"mounts": [tenant, *mounts], "directories": [WANT]})
    assert [part.phase for part in parts] == ["client", "directories", "client_subdir", "client_tenant"]
    told = parts_of({"mounts": [tenant, *mounts], "phases": ["client_subdir"]})
    assert [[want.path for want in part.resource.wants] for part in told] == [["/mnt/p"]], "a tenant's waits"
    with pytest.raises(BadValue, match="no mount is declared at /mnt/q"):
        parts_of({"mounts": mounts, "only_paths": ["/mnt/q"]})


# ---- projects ----------------------------------------------------------------------------------------

PROJECT = {**WANT, "project": 1000}
LOOK = ("lfs", "project", "-d", "/mnt/fs1/projects")
ASSIGN = ("lfs", "project", "-p", "1000", "-s", "/mnt/fs1/projects")


def test_a_new_directory_gets_its_project_and_a_second_run_finds_it(fake):
    install = ("install", "-d", "-m", "00755", "-o", "root", "-g", "root", "--", "/mnt/fs1/projects")
    there = [(STAT, THERE), (LOOK, " 1000 P /mnt/fs1/projects\n")]
    run = fake([(STAT, GONE), (install, ""), (ASSIGN, ""), *there, *there])
    outcome = converge(resource(PROJECT), run)
    assert [step.action for step in outcome.plan.steps] == ["create", "assign"]
    assert outcome.after["directories"][0]["project"] == 1000
    assert not converge(resource(PROJECT), run).changed


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (" 1001 P /mnt/fs1/projects\n", "project 1001 is to be 1000; what is in it already keeps its own"),
        (
            " 1000 - /mnt/fs1/projects\n",
            "project 1000, not handed on, is to be 1000; what is in it already keeps its own",
        ),
    ],
)
def test_another_project_is_repaired(fake, found, reason):
    calls = [(STAT, THERE), (LOOK, found), (ASSIGN, ""), (STAT, THERE), (LOOK, " 1000 P /mnt/fs1/projects\n")]
    outcome = converge(resource(PROJECT), fake(calls))
    assert [step.reason for step in outcome.plan.steps] == [reason]


def test_what_lfs_project_printed_on_a_real_lustre_is_read():
    assert lfs.parse_projects(recording("quota/project-d").out) == {"/mnt/lustre/proj": lfs.Project(1000, True)}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("1000 P proj\n", UnknownOutput),
        (" 1000 X /mnt/fs1/projects\n", UnknownOutput),
        ("", ToolError),
        ((1, "", "lfs: failed to lstat '/mnt/fs1/projects': No such file or directory\n"), ToolError),
    ],
)
def test_a_project_that_cannot_be_read_stops(fake, answer, error):
    with pytest.raises(error):
        converge(resource(PROJECT), fake([(STAT, THERE), (LOOK, answer)]))


@pytest.mark.parametrize("project", [0, -1, True, "many", "1.5"])
def test_a_project_is_a_number(project):
    with pytest.raises(BadValue, match=r"directories\[0\]\.project: .* is no project id"):
        resource({**WANT, "project": project})
