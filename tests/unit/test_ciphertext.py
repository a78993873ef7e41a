"""Encrypted directories are tried out: closed without the key, usable with it; anything else is told."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._readers.ciphertext import Ciphertext
from tests.unit.fake_runner import load_transcript
from tests.unit.test_encryption_policy import POLICY

VAULT = "/mnt/fs1/vault"
TABLE = "10.77.0.11@tcp:/fs1 /mnt/fs1 lustre rw 0 0\n"
OURS, TEXT = f"{VAULT}/.lustre-verify-0123456789abcdef", "a marker 0123456789abcdef\n"
WRITE = ("dd", f"of={OURS}", "bs=1M", "iflag=fullblock", "conv=excl,fsync", "status=none")
READ = ("dd", f"if={OURS}", "bs=1M", "iflag=direct", "status=none")
REMOVE = ("rm", "-f", "--", OURS)
FIND = ("find", VAULT, "-mindepth", "1", "-maxdepth", "1", "-type", "f", "-print0", "-quit")
OLD = ("dd", f"if={VAULT}/f", "of=/dev/null", "bs=4096", "count=1", "status=none")
#: As programs say it on real Lustre 2.17.0.
SAID = load_transcript("fscrypt/ioctl-remove").err.partition(": ")[2].partition(": ")[2].strip()
NO_KEY = (1, "", f"dd: failed to open '{OURS}': {SAID}\n")


def look(**seen):
    directory = {"exists": True, "mode": 0o40755, "uid": 0, "gid": 0, "real": VAULT, **seen}
    answer = json.dumps({"directories": {VAULT: directory}, "key_files": {}})
    return fscrypt.argv("look", VAULT), answer


LOCKED = look(policy=POLICY["A"], key=1, own=False, users=0)
OPEN = look(policy=POLICY["A"], key=2, own=True, users=1)


def inspected(run, expected="", table=TABLE):
    return Ciphertext(run, {VAULT: expected}, lambda path: table, lambda: "0123456789abcdef").inspect()


def names(found):
    return [(check["name"], check["ok"]) for check in found["checks"]]


def test_the_words_of_a_missing_key_are_those_of_the_recording():
    assert SAID == "Required key not available"


def test_a_locked_directory_is_closed(fake):
    found = inspected(fake([LOCKED, (WRITE, NO_KEY, TEXT), (FIND, f"{VAULT}/f\0"), (OLD, NO_KEY)]), "locked")
    assert found["healthy"] and names(found) == [("encrypted", True), ("closed", True)]
    assert found["usable"] == []


def test_an_unlocked_one_is_usable(fake):
    found = inspected(fake([OPEN, (WRITE, "", TEXT), (READ, TEXT), (REMOVE, "")]), "unlocked")
    assert found["healthy"] and names(found) == [("encrypted", True), ("usable", True)]
    assert found["usable"] == [{"path": VAULT, "fsname": "fs1", "inside": "/vault"}]


def test_a_directory_has_one_name_whatever_a_client_mounts(fake):
    table = TABLE.replace(":/fs1 ", ":/fs1/projects/a ")
    found = inspected(fake([OPEN, (WRITE, "", TEXT), (READ, TEXT), (REMOVE, "")]), table=table)
    assert found["usable"] == [{"path": VAULT, "fsname": "fs1", "inside": "/projects/a/vault"}]


def test_a_write_without_the_key_that_succeeds_is_told_and_removed(fake):
    found = inspected(fake([LOCKED, (WRITE, ""), (REMOVE, "")]))
    assert not found["healthy"] and "a file could be written there without the key" in found["problems"][0]


def test_a_file_that_can_be_read_without_the_key_is_told(fake):
    found = inspected(fake([LOCKED, (WRITE, NO_KEY), (FIND, f"{VAULT}/f\0"), (OLD, "")]))
    assert "it could be read without the key" in found["problems"][0]


@pytest.mark.parametrize(
    "calls",
    [
        [LOCKED, (WRITE, (1, "", "dd: No space left on device\n"))],
        [LOCKED, (WRITE, NO_KEY), (FIND, (1, "", "find: Input/output error\n"))],
        [LOCKED, (WRITE, NO_KEY), (FIND, f"{VAULT}/f\0"), (OLD, (1, "", "dd: Input/output error\n"))],
        # A file that was made and not filled goes, too.
        [OPEN, (WRITE, NO_KEY), (REMOVE, "")],
        [OPEN, (WRITE, (1, "", "dd: No space left on device\n")), (REMOVE, "")],
        [OPEN, (WRITE, ""), (READ, "other"), (REMOVE, "")],
    ],
)
def test_another_failure_is_no_proof(fake, calls):
    found = inspected(fake(calls))
    assert not found["healthy"] and len(found["problems"]) == 1


def test_a_key_that_should_not_be_there(fake):
    found = inspected(fake([OPEN, (WRITE, "", TEXT), (READ, TEXT), (REMOVE, "")]), "locked")
    assert names(found) == [("encrypted", True), ("key", False), ("usable", True)]
    assert "is to be locked on this node" in found["problems"][0]


def test_what_is_not_encrypted_or_not_mounted_is_not_touched(fake):
    assert "is not encrypted" in inspected(fake([look(names=["x"])]))["problems"][0]
    assert "lies in no mounted Lustre file system" in inspected(fake([OPEN]), table="")["problems"][0]


def test_options_that_cannot_be_used(fake):
    with pytest.raises(BadValue, match=r"unlocked\[0\]: 'vault' is not an absolute path"):
        Ciphertext.from_options(fake([]), {"unlocked": ["vault"]})
    with pytest.raises(BadValue, match=r"locked\[1\]: /mnt/fs1/vault is there twice"):
        Ciphertext.from_options(fake([]), {"paths": [VAULT], "locked": ["/mnt/fs1/b", VAULT]})
    assert Ciphertext.from_options(fake([]), {}).inspect() == {
        "healthy": True,
        "checks": [],
        "problems": [],
        "usable": [],
    }


def test_each_directory_has_what_is_expected_of_it():
    made = Ciphertext.from_options(lambda *call: None, {"paths": ["/a/1"], "unlocked": ["/a/2"], "locked": ["/a/3"]})
    assert made.expected == {"/a/1": "", "/a/2": "unlocked", "/a/3": "locked"}
