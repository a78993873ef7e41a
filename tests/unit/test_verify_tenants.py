# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's host tries what it must not get: refused or its own is fine, all else is told, and nothing stays mounted."""

from __future__ import annotations

import os

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolTimeout
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_tenants import TenantVerifier

MGS = "10.77.0.11@tcp"
OWN, FOLDER = "/mnt/bio", "/run/lustre-verify-x"
WANT = {
    "mounts": [
        {"kind": "client", "path": OWN, "fsname": "fs1", "mgs_nids": [[MGS]], "subdir": "/t/bio", "tenant": "bio", "options": ["rw", "flock"]},
        {"kind": "client", "path": "/mnt/fs2", "fsname": "fs2", "mgs_nids": [[MGS]]},
    ],
    "apart": {OWN: ["/t/chem"]},
}  # fmt: skip
INODE = ("stat", "-c", "%i", "--")
REACHED = [(("lctl", "list_nids"), "10.77.0.51@tcp\n"), (("lctl", "ping", MGS, "10"), "12345-0@lo\n")]


def tries(subdir=""):
    return ("mount", "-t", "lustre", "-o", "flock,ro", f"{MGS}:/fs1{subdir}", FOLDER)


class Table:
    """The mount table, which follows the calls that were made."""

    def __init__(self, run, stuck=False, own=True):
        self.run, self.stuck, self.own, self.removed = run, stuck, own, 0

    def __call__(self, _path):
        row = f"{MGS}:/fs1 {{}} lustre rw,flock 0 0\n"
        mounts = [words for words in self.run.made if words[0] in ("mount", "umount")]
        tried = bool(mounts) and (mounts[-1][0] == "mount" or self.stuck) and self.run.let_in
        return (row.format(OWN) if self.own else "") + (row.format(FOLDER) if tried else "")

    def remove(self, folder):
        assert folder == FOLDER
        self.removed += 1


def verified(fake, calls, let_in=True, want=WANT, stuck=False, own=True, limit=16):
    run = fake(calls)
    run.let_in = let_in
    table = Table(run, stuck, own)
    verifier = TenantVerifier.from_options(run, want, limit, 60)
    verifier.read, verifier.folder, verifier.remove = table, lambda: FOLDER, table.remove
    found = verifier.verify()
    run.finish()
    return found, table


def told(found):
    return [(check["object"], check["found"], check["ok"]) for check in found["checks"]]


def refusal(code, subdir=""):
    """As recorded: mount/mount-client-badfs."""
    return (code, "", f"mount.lustre: mount {MGS}:/fs1{subdir} at {FOLDER} failed: {os.strerror(code)}\nIs it right?\n")


@pytest.mark.parametrize("code", [1, 2, 13])
def test_what_is_refused_is_as_it_should_be(fake, code):
    calls = [((*INODE, OWN), "7\n"), *REACHED]
    calls += [(tries(subdir), refusal(code, subdir)) for subdir in ("", "/t/chem")]
    found, table = verified(fake, calls, let_in=False)
    assert told(found) == [("fs1/", "refused", True), ("fs1/t/chem", "refused", True)]
    assert found["healthy"] and found["problems"] == [] and table.removed == 2


def test_what_shows_the_tenants_own_directory_is_as_it_should_be_and_is_taken_down(fake):
    down = (("umount", FOLDER), "")
    calls = [((*INODE, OWN), "7\n"), *REACHED, (tries(), ""), ((*INODE, FOLDER), "7\n"), down]
    # A directory of the tenant's own that is called like another tenant's.
    calls += [(tries("/t/chem"), ""), ((*INODE, FOLDER), "8\n"), ((*INODE, f"{OWN}/t/chem"), "8\n"), down]
    found, table = verified(fake, calls)
    assert told(found) == [("fs1/", "its own directory", True), ("fs1/t/chem", "a directory of its own", True)]
    assert found["healthy"] and table.removed == 2


@pytest.mark.parametrize("inside", [(1, "", "No such file or directory\n"), "9\n"])
def test_another_tenants_directory_is_told(fake, inside):
    calls = [((*INODE, OWN), "7\n"), *REACHED, (tries(), ""), ((*INODE, FOLDER), "2\n"), (("umount", FOLDER), "")]
    calls += [
        (tries("/t/chem"), ""),
        ((*INODE, FOLDER), "8\n"),
        ((*INODE, f"{OWN}/t/chem"), inside),
        (("umount", FOLDER), ""),
    ]
    found, table = verified(fake, calls)
    assert [check["ok"] for check in found["checks"]] == [False, False] and table.removed == 2
    assert found["problems"][0].startswith("bio mounts fs1/ on this host, and sees what is not its own.")
    assert "lustre.core.tenants" in found["problems"][1] and "fs1/t/chem" in found["problems"][1]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((110, "", "mount.lustre: timed out\n"), "timed out (exit code 110)"),
        ((1, "", "mount: bad usage\nTry 'mount --help' for more information.\n"), "mount: bad usage"),
        ((2, "", "mount: /run/x: fork failed: Resource temporarily unavailable.\n"), "(exit code 2)"),
        ((13, "", refusal(2)[2]), "No such file or directory"),
        (ToolTimeout("run mount", ("mount",), 60.0, True), "60 s"),
    ],
)
def test_an_attempt_that_proves_nothing_is_a_problem(fake, answer, sentence):
    want = {**WANT, "apart": {OWN: []}}
    found, table = verified(fake, [((*INODE, OWN), "7\n"), *REACHED, (tries(), answer)], let_in=False, want=want)
    assert told(found) == [("fs1/", "no answer", False)] and table.removed == 1
    assert "not found out whether bio can mount" in found["problems"][0] and sentence in found["problems"][0]


def test_what_cannot_be_taken_down_is_told_with_its_place(fake):
    want = {**WANT, "apart": {OWN: []}}
    calls = [
        ((*INODE, OWN), "7\n"),
        *REACHED,
        (tries(), ""),
        ((*INODE, FOLDER), "7\n"),
        (("umount", FOLDER), (32, "", "busy\n")),
    ]
    found, table = verified(fake, calls, want=want, stuck=True)
    assert not found["healthy"] and table.removed == 0
    assert f"may be left at {FOLDER}: unmount it by hand" in found["problems"][0]


def test_without_its_own_mount_nothing_is_tried(fake):
    found, _table = verified(fake, [((*INODE, OWN), "3\n")], own=False)
    assert told(found) == [("fs1/t/bio on /mnt/bio", "not mounted", False)]
    assert "lustre.core.tenants mounts it" in found["problems"][0]


def test_an_mgs_that_does_not_answer_is_not_asked_for_a_mount(fake):
    found, _table = verified(fake, [((*INODE, OWN), "7\n"), (("lctl", "list_nids"), "")])
    assert told(found) == [("fs1/t/bio on /mnt/bio", "not tried", False)]
    assert "LNet is not configured" in found["problems"][0]


def test_no_more_are_tried_than_asked_for(fake):
    want = {**WANT, "apart": {OWN: ["/t/chem", "/t/phys", "/t/geo"]}}
    calls = [((*INODE, OWN), "7\n"), *REACHED, *((tries(one), refusal(13, one)) for one in ("", "/t/chem"))]
    found, _table = verified(fake, calls, let_in=False, want=want, limit=1)
    assert len(found["checks"]) == 2 and found["left_off"] == 2


def test_only_mounts_of_tenants_are_known(fake):
    with pytest.raises(BadValue, match="no tenant has its mount there"):
        TenantVerifier.from_options(fake([]), {**WANT, "apart": {"/mnt/fs2": []}}, 16, 60)
