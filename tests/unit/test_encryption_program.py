"""Directories by the program fscrypt: open only with a copy of what opens them, and no secret in anything that is shown."""

from __future__ import annotations

import base64
import json
import shutil

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_files
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._module import result
from ansible_collections.lustre.core.plugins.module_utils._resources import encryption_directories
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program import ORDER, ProgramResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program_state import secret_in
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import wants_from_options
from tests.unit.fake_runner import load_cases, load_transcript
from tests.unit.models.encryption_model import Entry
from tests.unit.models.program_model import WRITTEN, ProgramModel, encrypted, protector_file

RAW = {name: bytes((at * 11 + first) % 256 for at in range(32)) for name, first in (("A", 1), ("B", 2))}
PHRASE = "a passphrase of a test"
VAULT, FILE, CONFIG = "/mnt/fs1/vault", "/etc/lustre/keys/vault", "/etc/fscrypt.conf"
DROP_IN = "/etc/systemd/system/lustre-unlock@mnt-fs1-vault.service.d/fscrypt.conf"
WANT = {"path": VAULT, "protector": "custom_passphrase", "key": PHRASE, "key_file": FILE, "state": "unlocked"}


def filled(value):
    if isinstance(value, dict):
        return {name: filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if isinstance(value, str):
        for name, raw in RAW.items():
            value = value.replace(f"<raw {name}>", base64.b64encode(raw).decode())
        value = value.replace("<phrase>", PHRASE)
    return value


def full(name):
    folder, _slash, letter = name.partition("/")
    return f"{folder}/{letter * (32 if folder == 'policies' else 16)}" if letter else folder


def secret_of(kind, text):
    return base64.b64decode(text) if kind == "raw_key" else text.encode()


def model(root, **have):
    """A node as a case describes it."""
    encrypted_before, config = have.pop("encrypted", []), have.pop("config", None)
    shown = {name: have.pop(name, None) for name in ("set_up", "protectors", "copied", "lost", "torn", "open")}
    entries = {path: Entry(**entry) for path, entry in have.pop("entries", {}).items()}
    for entry in entries.values():
        entry.mode = int(entry.mode, 8) if isinstance(entry.mode, str) else entry.mode
    have["modes"] = {path: int(mode, 8) for path, mode in have.get("modes", {}).items()}
    made = ProgramModel(root=root, entries=entries, **have)
    if config is not None:
        old = WRITTEN.replace('"policy_version": "2"', f'"policy_version": "{config}"')
        made.files[CONFIG] = config if config == "bad" else WRITTEN if config is True else old
    if shown["set_up"] or shown["protectors"]:
        made.set_up()
    for letter, (kind, name, secret) in (shown["protectors"] or {}).items():
        path = made.meta() / full(f"protectors/{letter}")
        path.write_bytes(protector_file(path.name, kind, name, secret_of(kind, secret)))
    for one in encrypted_before:
        protectors = {
            letter * 16: (kind, name, secret_of(kind, secret))
            for letter, (kind, name, secret) in one["protectors"].items()
        }
        encrypted(made, one["path"], one["policy"] * 32, protectors)
        if shown["open"]:
            made.keys.add(("/mnt/fs1", one["policy"] * 32))
    if shown["copied"]:
        shutil.copytree(made.meta(), made.copies())
    for name in shown["lost"] or []:
        path = made.meta() / full(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in shown["torn"] or []:
        path = made.meta() / full(name)
        path.write_bytes(path.read_bytes()[:-1])
    return made


def resource(made, *wants, provisional=False):
    return ProgramResource(wants_from_options(list(wants), "directories"), made.local(), provisional)


def run(made, *wants, **more):
    return converge(
        resource(made, *wants, provisional=more.pop("provisional", False)),
        made,
        write=made.write,
        sleep=lambda _s: None,
        **more,
    )


def there(folder):
    if not folder.exists():
        return {}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", load_cases("encryption_program_plan"), ids=lambda case: case["says"])
def test_plans(case, tmp_path):
    case = filled(case)
    made = model(tmp_path, **case.get("have", {}))
    live, copies, keys = there(made.meta()), there(made.copies()), set(made.keys)
    if "refused" in case:
        with pytest.raises(Refused) as told:
            run(made, *case["want"])
        assert case["refused"] in str(told.value) and PHRASE not in str(told.value)
        assert not made.changes and (there(made.meta()), there(made.copies()), made.keys) == (live, copies, keys)
        return
    planned = run(made, *case["want"], check_mode=True)
    assert not made.changes
    assert [f"{step.action} {step.object}" for step in planned.plan.steps] == case["steps"]
    done = run(made, *case["want"])
    assert done.plan.steps == planned.plan.steps and not made.bare
    assert not run(made, *case["want"]).changed
    words = [word for step in done.plan.steps for word in step.argv]
    assert all(word in words for word in case.get("words", []))
    after = there(made.meta())
    assert {name: data for name, data in after.items() if name in live} == live, "metadata were written over"
    for name in case.get("restored", []):
        assert after[full(name)] == copies[full(name)]
    for entry in (made.entries[want["path"]] for want in case["want"]):
        assert there(made.copies())[f"policies/{entry.policy[-32:]}"] == after[f"policies/{entry.policy[-32:]}"]
    shown = json.dumps([result(planned, True), result(done, True)])
    assert not any(secret in shown for secret in (PHRASE, *(base64.b64encode(raw).decode() for raw in RAW.values())))
    assert not any(PHRASE in word for call in made.calls for word in call)


def test_the_commands_of_a_new_directory(fake, tmp_path):
    """Every process, in order: locked until the copy is made and has been looked at."""
    made, name = ProgramModel(root=tmp_path), "a" * 32
    made.files[CONFIG] = WRITTEN
    policy = fscrypt.Policy("AES-256-XTS", "AES-256-CTS", name).text()
    there_now = {"exists": True, "mode": 0o040700, "uid": 0, "gid": 0, "real": VAULT}
    status = ("env", "FSCRYPT_CONF=/dev/stdin", "fscrypt", "status", "/mnt/fs1")
    empty = load_transcript("fscrypt_program/status-empty").out.replace("/mnt/lustre", "/mnt/fs1")
    full_now = empty.replace("0 protectors and 0 policies", "1 protector and 1 policy") + (
        "PROTECTOR         LINKED  DESCRIPTION\n"
        f'{"1" * 16}  No      custom protector "/vault"\n\n'
        "POLICY                            UNLOCKED  PROTECTORS\n"
        f"{name}  Yes       {'1' * 16}\n"
    )

    def look(seen, paths=(VAULT,)):
        request = {"do": "look", "paths": list(paths), "key_files": [], "busy": []}
        answer = {"directories": dict.fromkeys(paths, seen), "key_files": {}}
        return fscrypt.argv("look", *paths), json.dumps(answer), fscrypt.program(request)

    def files(paths, copied):
        asked = {"/mnt/fs1": {"folder": "/etc/lustre/encryption/fscrypt/fs1", "paths": paths}}
        one = {"live": "sound", "copy": "sound" if copied else "missing", "same": copied}
        found = {
            f"policies/{name}": {**one, "protectors": ["1" * 16]},
            f"protectors/{'1' * 16}": {**one, "protectors": []},
        }
        answer = {"/mnt/fs1": {"policies": dict.fromkeys(paths, name), "files": found if paths else {}}}
        program = fscrypt_files.program({"do": "look", "mounts": asked})
        return fscrypt_files.argv("look-metadata", "/mnt/fs1"), json.dumps(answer), program

    backup_words, backup_program = fscrypt_files.backup("/mnt/fs1", "fs1", [VAULT])
    imports = (("lctl", "get_param", "mdc.*.import"), made._imports(("lctl", "get_param", "mdc.*.import")))
    done = {**there_now, "policy": policy, "key": 1, "own": False, "users": 0}
    runner = fake(
        [
            look({"exists": False}),
            imports,
            files([], False),
            (status, empty),
            (("systemctl", "daemon-reload"), ""),
            (("install", "-d", "-m", "00700", "-o", "root", "-g", "root", "--", VAULT), ""),
            look({**there_now, "names": []}),
            (
                (
                    "fscrypt",
                    "encrypt",
                    "--quiet",
                    "--skip-unlock",
                    "--source=custom_passphrase",
                    "--name=/vault",
                    VAULT,
                ),
                load_transcript("fscrypt_program/encrypt-passphrase"),
                f"{PHRASE}\n",
            ),
            (backup_words, json.dumps({"copied": []}), backup_program),
            files([VAULT], True),
            (
                ("fscrypt", "unlock", "--quiet", VAULT),
                load_transcript("fscrypt_program/unlock-passphrase"),
                f"{PHRASE}\n",
            ),
            look({**done, "key": 2}),
            files([VAULT], True),
            (status, full_now),
        ]
    )
    outcome = converge(resource(made, WANT), runner, write=made.write)
    (shown,) = outcome.after["directories"]
    assert shown["protector"] == {"kind": "custom_passphrase", "descriptor": "1" * 16} and shown["unlocked"]
    assert shown["backup"] == "/etc/lustre/encryption/fscrypt/fs1" and shown["identifier"] == name
    assert made.files[FILE] == f"{PHRASE}\n".encode() and made.modes[FILE] == 0o600
    assert made.files[DROP_IN].splitlines()[-3:] == [
        "[Service]",
        f"StandardInput=file:{FILE}",
        "ExecStartPre=-/usr/bin/env fscrypt unlock --quiet %f",
    ]


def test_a_run_that_ends_after_the_directory_was_encrypted_leaves_it_locked_and_the_next_one_makes_the_copy(tmp_path):
    made = model(tmp_path, config=True)
    real = made._metadata
    full_disk = (1, '{"errno": 28, "error": "No space left on device"}\n', "")
    made._metadata = lambda request: full_disk if request["do"] == "backup" else real(request)
    with pytest.raises(ToolError, match="No space left on device"):
        run(made, WANT)
    assert made.entries[VAULT].policy and not made.keys and not there(made.copies())
    made._metadata = real
    steps = [step.action for step in run(made, WANT).plan.steps]
    assert steps == ["back up", "unlock"] and made.keys and not made.bare


def test_nothing_is_opened_when_the_copy_is_gone_again(tmp_path):
    made = model(tmp_path, config=True)
    real = made._metadata

    def metadata(request):
        done = real(dict(request))
        if request["do"] == "backup":
            shutil.rmtree(made.copies())
        return done

    made._metadata = metadata
    with pytest.raises(Refused, match="have no copy on this node"):
        run(made, WANT)
    assert not made.keys


def test_a_wrong_secret_opens_nothing_and_is_told(tmp_path):
    made = model(tmp_path, config=True)
    run(made, WANT)
    made.keys.clear(), made.files.pop(FILE)
    with pytest.raises(ToolError, match="not the secret of this protector") as told:
        run(made, {**WANT, "key": "words that open nothing", "key_file": None})
    assert not made.keys and "words that open" not in str(told.value)


def test_lost_and_restored(tmp_path):
    """All that the mount had is gone, and put back byte for byte; the secret of the vault opens it again."""
    made = model(tmp_path, config=True)
    run(made, WANT)
    before = there(made.meta())
    shutil.rmtree(made.meta())
    made.keys.clear()
    actions = [step.action for step in run(made, WANT).plan.steps]
    assert actions == ["set up", "restore", "unlock"] and there(made.meta()) == before and made.keys
    assert not run(made, WANT).changed


def test_a_passphrase_that_was_changed_by_hand_is_copied_and_the_old_copy_kept(tmp_path):
    made = model(tmp_path, config=True)
    run(made, WANT)
    (path,) = (made.meta() / "protectors").iterdir()
    old, new = path.read_bytes(), protector_file(path.name, "custom_passphrase", "/vault", b"other words")
    path.write_bytes(new)
    assert [step.action for step in run(made, WANT).plan.steps] == ["back up"]
    copies = there(made.copies())
    assert copies[f"protectors/{path.name}"] == new and old in copies.values() and len(copies) == 3
    assert not run(made, WANT).changed


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda made: made.files.__setitem__(FILE, b"others"), "it is another one"),
        (lambda made: made.files.pop(FILE), "it is not there"),
        (
            lambda made: made.files.__setitem__(CONFIG, WRITTEN.replace('version": "2"', 'version": "1"')),
            "policy_version 1",
        ),
        (
            lambda made: made.files.__setitem__(CONFIG, WRITTEN.replace("256_CTS", "256_HCTR2")),
            "AES-256-HCTR2, described",
        ),
        (lambda made: made.entries[VAULT].names.append("data"), "no longer the empty directory"),
        (lambda made: made.mounts.clear(), "no Lustre file system is mounted there"),
    ],
)
def test_the_last_look_before_a_directory_is_encrypted(tmp_path, change, what):
    made = model(tmp_path, config=True, set_up=True, entries={VAULT: {}})
    real = made.write

    def write(wanted):
        real(wanted)
        if wanted.path == DROP_IN:
            change(made)

    with pytest.raises(Refused, match=what):
        converge(resource(made, WANT), made, write=write, sleep=lambda _s: None)
    assert not made.policies and not made.keys


def test_a_key_file_that_appears_after_the_plan_is_not_written_over(tmp_path):
    made = model(tmp_path, config=True)
    planned = resource(made, WANT)
    plan = planned.plan

    def later(have):
        found = plan(have)
        made.files[FILE] = b"somebody's"
        return found

    planned.plan = later
    with pytest.raises(Refused, match="somebody has just put a file there"):
        converge(planned, made, write=made.write)
    assert made.files[FILE] == b"somebody's"


def test_a_look_without_keys_plans_what_the_role_does(tmp_path):
    named = {**{name: value for name, value in WANT.items() if name != "key"}, "key_name": "vault"}
    made = model(tmp_path)
    ours = run(made, named, check_mode=True, provisional=True).plan.steps
    theirs = run(made, WANT, check_mode=True).plan.steps
    assert [(step.action, step.object) for step in ours] == [(step.action, step.object) for step in theirs]
    run(made, WANT)
    assert not run(made, named, check_mode=True, provisional=True).changed
    made.keys.clear()
    assert [step.action for step in run(made, named).plan.steps] == ["unlock"], "the key file is enough"


def test_a_plan_before_the_mount_counts_on_it(tmp_path):
    made = model(tmp_path, mounts={})
    steps = run(made, WANT, check_mode=True, provisional=True).plan.steps
    assert [step.action for step in steps] == ["keep", "boot", "reload", "create", "encrypt", "unlock"]
    assert not run(made, {**WANT, "state": "locked", "key_file": None}, check_mode=True, provisional=True).changed


@pytest.mark.parametrize("case", load_cases("encryption_program_bad"), ids=lambda case: case["error"][:60])
def test_bad_options(case):
    with pytest.raises(BadValue) as told:
        wants_from_options(filled(case["directories"]), "directories")
    assert str(told.value).startswith(case["error"])
    assert not any(str(one.get("key")) in str(told.value) for one in filled(case["directories"]) if one.get("key"))


def test_secrets_in_files(tmp_path):
    path = tmp_path / "key"
    assert not secret_in(str(path)).exists
    path.write_bytes(RAW["A"])
    path.chmod(0o600)
    (want,) = wants_from_options([{**WANT, "protector": "raw_key", "key": RAW["A"].hex()}], "directories")
    secret = secret_in(str(path))
    assert secret.content == RAW["A"] and secret.same(want) and not secret.unfit("raw_key")
    assert secret.unfit("custom_passphrase") == "it is not one line of text" and str(RAW["A"]) not in repr(secret)
    path.chmod(0o640)
    assert "has mode 0640" in secret_in(str(path)).unfit("raw_key")


# Both kinds together


def test_directories_of_both_kinds(tmp_path):
    key = base64.b64encode(bytes((at * 7 + 1) % 256 for at in range(64))).decode()
    entries = [WANT, {"path": "/mnt/fs1/own", "key": key, "key_file": "/etc/lustre/keys/own", "state": "unlocked"}]
    made = model(tmp_path)
    both = encryption_directories.from_options(entries)
    for part in both.parts:
        part.local = part.node = made.local()
    outcome = converge(both, made, write=made.write, sleep=lambda _s: None)
    assert [one["path"] for one in outcome.after["directories"]] == [VAULT, "/mnt/fs1/own"]
    assert (
        all(one["unlocked"] for one in outcome.after["directories"])
        and "protector" not in outcome.after["directories"][1]
    )
    assert not converge(both, made, check_mode=True).changed
    failing = next(step for step in outcome.plan.steps if step.argv[:2] == ("fscrypt", "unlock"))
    told = load_transcript("fscrypt_program/unlock-wrong-passphrase")
    assert "not the secret of this protector" in str(both.tool_error(failing, *told))
    assert "servers" in both.timed_out(failing)


def test_who_takes_which_directories():
    own, other = {"path": "/a/b", "key_file": "/k"}, {"path": "/a/c", "protector": "raw_key", "key_file": "/l"}
    assert type(encryption_directories.from_options([own])) is EncryptionResource
    assert type(encryption_directories.from_options([])) is EncryptionResource
    program = encryption_directories.from_options([other], provisional=True)
    assert type(program) is ProgramResource and program.provisional


def test_every_action_has_its_place():
    assert len(set(ORDER)) == len(ORDER) and ORDER.index("back up") < ORDER.index("unlock")
    assert ORDER.index("encrypt") < ORDER.index("back up") and ORDER.index("restore") < ORDER.index("encrypt")


def test_a_step_that_is_printed_shows_no_secret(tmp_path):
    """Some error of ours may hold a step: what goes to a program's standard input is no part of its text."""
    made = model(tmp_path)
    target = resource(made, WANT)
    steps = target.plan(target.have(made)).steps
    assert PHRASE in "".join(step.stdin or "" for step in steps) and PHRASE not in repr(steps)
