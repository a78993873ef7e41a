"""Encrypted directories: never with a key that is not kept, never what is not empty, and no key in anything that is shown."""

from __future__ import annotations

import base64
import json
from copy import deepcopy

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, NotConverged, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._module import result
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import escaped
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import wants_from_options
from tests.unit.fake_runner import load_cases
from tests.unit.models.encryption_model import DIRECTORY, EncryptionModel, Entry

VAULT = "/mnt/fs1/vault"
FILE = "/etc/lustre/keys/vault"
RAW = {name: bytes((at * 7 + first) % 256 for at in range(64)) for name, first in (("A", 1), ("B", 2))}
KEY = {name: base64.b64encode(raw).decode() for name, raw in RAW.items()}
NAME = {name: fscrypt_ioctl.identifier(raw) for name, raw in RAW.items()}
POLICY = {name: fscrypt.Policy("AES-256-XTS", "AES-256-CTS", NAME[name]).text() for name in RAW}
RECORD = f"/etc/lustre/encryption/{NAME['A']}.json"


def filled(value):
    """Cases write ``key: A``, ``identifier of A``, ``policy of A``: here they get what these stand for."""
    if isinstance(value, dict):
        return {filled(name): filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if isinstance(value, str):
        for name in RAW:
            for word, table in (("key", KEY), ("identifier", NAME), ("policy", POLICY)):
                value = value.replace(f"<{word} {name}>", table[name])
    return value


def model(**state):
    entries = {path: Entry(**entry) for path, entry in state.pop("entries", {}).items()}
    for entry in entries.values():  # octal, as text: YAML has two ways to write such numbers
        entry.mode = int(entry.mode, 8) if isinstance(entry.mode, str) else entry.mode
    state["modes"] = {path: int(mode, 8) for path, mode in state.get("modes", {}).items()}
    keys = {tuple(pair) for pair in state.pop("keys", [])}
    return EncryptionModel(entries=entries, keys=keys, **state)


def resource(made, *wants, provisional=False):
    return EncryptionResource(wants_from_options(list(wants), "directories"), made.local(), provisional)


def run(made, *wants, **more):
    made_resource = resource(made, *wants, provisional=more.pop("provisional", False))
    return converge(made_resource, made, write=made.write, sleep=lambda _s: None, **more)


@pytest.mark.parametrize("case", load_cases("encryption_plan"), ids=lambda case: case["says"])
def test_plans(case):
    case = filled(case)
    made = model(**case.get("have", {}))
    before = deepcopy(made)
    if "refused" in case:
        with pytest.raises(Refused) as told:
            run(made, *case["want"])
        assert case["refused"] in str(told.value)
        assert not made.changes and made.entries == before.entries and made.keys == before.keys
        return
    planned = run(made, *case["want"], check_mode=True)
    assert not made.changes
    assert [f"{step.action} {step.object}" for step in planned.plan.steps] == case["steps"]
    assert [f"{drift.object}: {drift.found}" for drift in planned.plan.drift] == case.get("drift", [])
    done = run(made, *case["want"])
    assert done.plan.steps == planned.plan.steps
    assert not run(made, *case["want"]).changed
    shown = json.dumps([result(planned, True), result(done, True)])
    assert not any(secret in shown for name in RAW for secret in (KEY[name], RAW[name].hex()))


@pytest.mark.parametrize("case", load_cases("encryption_bad"), ids=lambda case: case["error"][:60])
def test_bad_options(case):
    case = filled(case)
    with pytest.raises(BadValue) as told:
        wants_from_options(case["directories"], "directories")
    assert str(told.value).startswith(case["error"])
    assert not any(KEY[name] in str(told.value) for name in RAW)


def test_the_commands_of_a_new_directory(fake):
    """Every process, with its whole standard input: record and key file first, the key read back right before the policy."""
    want = {"path": VAULT, "key": KEY["A"], "key_file": FILE, "mode": "0700", "owner": "alice"}
    seen = {"exists": False}
    no_file, kept = {"exists": False}, {"exists": True, "identifier": NAME["A"]}
    there = {"exists": True, "mode": DIRECTORY | 0o700, "uid": 1000, "gid": 0, "real": VAULT}
    empty = {**there, "names": []}
    done = {**there, "policy": POLICY["A"], "key": 2, "own": True, "users": 1}

    def look(paths, files, directory, key_file):
        request = {"do": "look", "paths": paths, "key_files": files, "busy": []}
        answer = {
            "directories": dict.fromkeys(paths, directory),
            "key_files": dict.fromkeys(files, key_file),
        }
        return fscrypt.argv("look", *paths), json.dumps(answer), fscrypt.program(request)

    imports = (("lctl", "get_param", "mdc.*.import"), EncryptionModel()._imports(("lctl", "get_param", "mdc.*.import")))
    install = ("install", "-d", "-m", "00700", "-o", "alice", "-g", "root", "--", VAULT)
    unlock = {"do": "unlock", "path": VAULT, "identifier": NAME["A"], "key_file": FILE}
    encrypt = {"do": "encrypt", "path": VAULT, "policy": POLICY["A"]}
    made = EncryptionModel()
    runner = fake(
        [
            look([VAULT], [FILE], seen, no_file),
            imports,
            look([], [FILE], seen, no_file),
            (install, ""),
            (fscrypt.argv("unlock", VAULT), json.dumps({"identifier": NAME["A"]}), fscrypt.program(unlock)),
            look([VAULT], [FILE], empty, kept),
            (fscrypt.argv("encrypt", VAULT), json.dumps({"policy": POLICY["A"]}), fscrypt.program(encrypt)),
            look([VAULT], [FILE], done, kept),
        ]
    )
    outcome = converge(resource(made, want), runner, write=made.write)
    assert outcome.after["directories"][0]["unlocked"] and outcome.after["directories"][0]["identifier"] == NAME["A"]
    assert made.modes == {RECORD: 0o600, FILE: 0o600} and made.changes == [("write", RECORD), ("write", FILE)]
    assert made.files[FILE] == KEY["A"] + "\n"
    assert json.loads(made.files[RECORD])["directories"] == {
        "fs1:/vault": {"policy": POLICY["A"], "mounted_at": VAULT, "key_file": FILE}
    }
    assert all(KEY["A"] not in word for words in runner.made for word in words)


def test_a_key_file_that_appears_after_the_plan_is_not_written_over():
    made = model()
    writes = made.write

    def write(change):
        writes(change)
        if change.path == RECORD:
            made.files[FILE] = KEY["B"]

    with pytest.raises(Refused, match="somebody has just put a file there"):
        converge(resource(made, {"path": VAULT, "key": KEY["A"], "key_file": FILE}), made, write=write)
    assert made.files[FILE] == KEY["B"] and not made.policies


@pytest.mark.parametrize("left", ["", KEY["B"], "cut"])
def test_nothing_is_encrypted_with_a_key_that_cannot_be_read_back(left):
    """The file was written, and is then gone, another one, or damaged."""
    made = model(entries={VAULT: {}})
    unlock = made._unlock

    def unlocked(request):
        done = unlock(request)
        if left:
            made.files[FILE] = left
        else:
            del made.files[FILE]
        return done

    made._unlock = unlocked
    with pytest.raises(Refused, match="its key cannot be read back from"):
        run(made, {"path": VAULT, "key": KEY["A"], "key_file": FILE})
    assert not made.policies


def test_a_directory_that_is_filled_after_the_plan_is_left_alone():
    made = model(entries={VAULT: {}}, files={FILE: KEY["A"]})
    unlock = made._unlock

    def unlocked(request):
        made.entries[VAULT].names = ["data"]
        return unlock(request)

    made._unlock = unlocked
    with pytest.raises(Refused, match="no longer the empty directory"):
        run(made, {"path": VAULT, "key_file": FILE})
    assert not made.policies


def test_a_mount_that_goes_after_the_plan_stops_it():
    made = model(entries={VAULT: {}}, files={FILE: KEY["A"], RECORD: ""})
    planned = resource(made, {"path": VAULT, "key_file": FILE})
    original = planned.plan

    def plan(have):
        steps = original(have)
        made.mounts.clear()
        return steps

    planned.plan = plan
    with pytest.raises(Refused, match="no Lustre file system is mounted there"):
        converge(planned, made, write=made.write)
    assert not made.policies and not made.keys


def test_a_lock_that_open_files_undo_is_told():
    """Files of another directory with the same key: the kernel keeps it in part."""
    made = model(entries={VAULT: {"policy": POLICY["A"]}}, keys=[["/mnt/fs1", NAME["A"]]])
    made._lock = lambda request: {"busy": True, "other_users": False}
    with pytest.raises(NotConverged, match="lock /mnt/fs1/vault"):
        run(made, {"path": VAULT, "state": "locked"})


def test_lost_and_restored():
    """A node loses its key file: the record names the key, another key is refused, the right one opens the directory."""
    made = model()
    want = {"path": VAULT, "key": KEY["A"], "key_file": FILE}
    run(made, want)
    made.keys.clear()  # a boot
    del made.files[FILE]
    with pytest.raises(Refused, match="there is no key file"):
        run(made, {"path": VAULT, "key_file": FILE, "state": "unlocked"})
    assert json.loads(made.files[RECORD])["identifier"] == NAME["A"]
    with pytest.raises(Refused, match=f"its key is {NAME['A']}, and described is the key {NAME['B']}"):
        run(made, {**want, "key": KEY["B"], "state": "unlocked"})
    assert FILE not in made.files
    run(made, {**want, "state": "unlocked"})
    assert made.keys == {("/mnt/fs1", NAME["A"])} and made.key_in(FILE) == NAME["A"]


def test_a_failing_call_says_why(fake):
    made = model(entries={VAULT: {}}, files={FILE: KEY["A"]})
    failing = json.dumps({"errno": 1, "error": "Operation not permitted"})
    step = next(
        s for s in run(made, {"path": VAULT, "key_file": FILE}, check_mode=True).plan.steps if s.action == "encrypt"
    )
    error = resource(made, {"path": VAULT}).tool_error(step, 1, failing, "")
    assert isinstance(error, ToolError) and "fscrypt_admin" in str(error) and "Operation not permitted" in str(error)


def test_a_plan_before_the_mount_counts_on_it():
    made = model(mounts={})
    outcome = run(made, {"path": VAULT, "key": KEY["A"], "key_file": FILE}, check_mode=True, provisional=True)
    assert [step.action for step in outcome.plan.steps] == ["keep", "create", "unlock", "encrypt"]
    assert not run(made, {"path": VAULT, "state": "locked"}, check_mode=True, provisional=True).changed


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/mnt/fs1/vault", "mnt-fs1-vault"),
        ("/mnt/fs-1/a b", r"mnt-fs\x2d1-a\x20b"),
        ("/.secret/é", r"\x2esecret-\xc3\xa9"),
    ],
)
def test_the_unit_of_a_directory_is_called_as_systemd_does(path, unit):
    assert escaped(path) == unit
