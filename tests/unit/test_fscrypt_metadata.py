"""Metadata of fscrypt are copied and put back whole, and never written over; what is torn is no copy."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import subprocess
import sys

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_files
from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_metadata as metadata
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt_metadata import Unusable
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from tests.unit.fake_runner import load_cases
from tests.unit.models.program_model import policy_file, protector_file

#: What 0.3.5 wrote for a directory with a raw key, and for that key's protector.
REAL = {name: bytes.fromhex(text) for name, text in load_cases("fscrypt_metadata").items()}
POLICY, PROTECTOR = REAL
ID, AT = POLICY.partition("/")[2], PROTECTOR.partition("/")[2]


@pytest.fixture
def place(tmp_path):
    """A mount with the real files on it, and where copies go."""
    mount = tmp_path / "mnt"
    for name, data in REAL.items():
        path = mount / ".fscrypt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return mount, tmp_path / "copies"


def policy_of(path):
    return ID if path.endswith("vault") else ""


def look(place):
    mount, folder = place
    request = {"mounts": {str(mount): {"folder": str(folder), "paths": ["/vault"]}}}
    return metadata.look(request, policy_of)[str(mount)]["files"]


def backup(place, paths=("/vault",)):
    mount, folder = place
    return metadata.backup({"mount": str(mount), "folder": str(folder), "paths": list(paths)}, policy_of)


def restore(place, *names):
    mount, folder = place
    return metadata.restore({"mount": str(mount), "folder": str(folder), "names": list(names)})


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_real_files_are_understood():
    assert metadata.opened_by(POLICY, REAL[POLICY]) == [AT]
    assert metadata.opened_by(PROTECTOR, REAL[PROTECTOR]) == []
    assert metadata.opened_by("policies/" + "a" * 32, policy_file("a" * 32, ["1" * 16, "2" * 16])) == [
        "1" * 16,
        "2" * 16,
    ]


@pytest.mark.parametrize("name", REAL)
def test_any_cut_is_noticed(name):
    for length in range(len(REAL[name])):
        with pytest.raises(Unusable):
            metadata.opened_by(name, REAL[name][:length])


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        (POLICY, REAL[PROTECTOR], "the file of another name"),
        (POLICY, policy_file(ID, []), "no key in it"),
        (POLICY, policy_file(ID, ["../../etc/passwd"]), "its protectors have no names"),
        (PROTECTOR, protector_file("0" * 16, "raw_key", "x", b""), "the file of another name"),
        (PROTECTOR, b"\x0d\x00\x00\x00\x00", "no metadata file"),
        (PROTECTOR, b"\xff" * 12, "cut off"),
    ],
)
def test_what_is_no_such_file(name, data, what):
    with pytest.raises(Unusable, match=what):
        metadata.opened_by(name, data)


def test_copied_looked_at_and_put_back(place):
    mount, folder = place
    assert {name: (one["live"], one["copy"], one["same"]) for name, one in look(place).items()} == dict.fromkeys(
        REAL, ("sound", "missing", False)
    )
    assert backup(place) == {"copied": [POLICY, PROTECTOR]}
    assert files(folder) == REAL
    for path in folder.rglob("*"):
        info = path.stat()
        assert stat.S_IMODE(info.st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert all(one["same"] for one in look(place).values())
    for name in REAL:
        (mount / ".fscrypt" / name).unlink()
    lost = look(place)
    assert {name: (one["live"], one["copy"]) for name, one in lost.items()} == dict.fromkeys(REAL, ("missing", "sound"))
    assert lost[POLICY]["protectors"] == [AT]
    assert restore(place, POLICY, PROTECTOR) == {"restored": [POLICY, PROTECTOR]}
    assert files(mount / ".fscrypt") == REAL
    assert stat.S_IMODE((mount / ".fscrypt" / POLICY).stat().st_mode) == 0o600


def test_nothing_that_is_there_is_written_over(place):
    mount, _folder = place
    backup(place)
    live = mount / ".fscrypt" / PROTECTOR
    live.write_bytes(b"damaged")
    with pytest.raises(FileExistsError):
        restore(place, PROTECTOR)
    assert live.read_bytes() == b"damaged"
    with pytest.raises(Unusable, match=f"{PROTECTOR} cannot be used: it is"):
        backup(place)
    assert files(place[1]) == REAL, "the copy of a file that is damaged is what there is"
    assert look(place)[PROTECTOR]["live"] != "sound" and look(place)[PROTECTOR]["copy"] == "sound"


def test_a_copy_that_is_replaced_is_kept(place):
    mount, folder = place
    backup(place)
    changed = protector_file(AT, "raw_key", "/vault", b"another secret")
    (mount / ".fscrypt" / PROTECTOR).write_bytes(changed)
    backup(place)
    backup(place)
    found = files(folder)
    assert found[PROTECTOR] == changed and found[POLICY] == REAL[POLICY]
    (kept,) = [data for name, data in found.items() if name.startswith("replaced/")]
    assert kept == REAL[PROTECTOR] and len(found) == 3


def test_a_torn_copy_is_never_put_back(place):
    mount, folder = place
    backup(place)
    (folder / POLICY).write_bytes(REAL[POLICY][:100])
    (mount / ".fscrypt" / POLICY).unlink()
    assert look(place)[POLICY]["copy"] == "it is cut off"
    with pytest.raises(Unusable, match="cut off"):
        restore(place, POLICY)
    assert not (mount / ".fscrypt" / POLICY).exists()


@pytest.mark.parametrize("name", ["policies/../../x", "replaced/a", ".tmp", "policies/" + "A" * 32, POLICY + "\n"])
def test_only_names_of_metadata(place, name):
    with pytest.raises(Unusable, match="no name of metadata"):
        restore(place, name)


def test_what_is_not_a_file_or_too_large(place):
    mount, _folder = place
    path = mount / ".fscrypt" / PROTECTOR
    path.write_bytes(bytes(metadata.LARGEST + 1))
    assert look(place)[PROTECTOR]["live"] == "it is larger than metadata are"
    path.unlink()
    os.mkfifo(path)
    assert look(place)[PROTECTOR]["live"] == "it is not a regular file"


def test_a_directory_without_policy_or_protector_has_no_copy(place):
    with pytest.raises(Unusable, match="/other has no policy"):
        backup(place, ["/other"])
    (place[0] / ".fscrypt" / PROTECTOR).unlink()
    with pytest.raises(Unusable, match="no protector of /vault"):
        backup(place)
    (place[0] / ".fscrypt" / POLICY).unlink()
    with pytest.raises(Unusable, match="cannot be used"):
        backup(place)
    assert not place[1].exists()


def test_it_stands_alone_and_answers_on_one_line(place):
    """The text that is sent, in a Python of its own, as the module does it."""
    mount, folder = place
    backup(place)
    (mount / ".fscrypt" / POLICY).unlink()
    request = {"do": "restore", "mount": str(mount), "folder": str(folder), "names": [POLICY]}
    for code, answer in ((0, {"restored": [POLICY]}), (1, {"errno": 17})):
        done = subprocess.run(
            [sys.executable, "-I", "-"],
            input=fscrypt_files.program(request),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert answer.items() <= json.loads(done.stdout).items()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert metadata.run({**request, "names": ["x"]}) == 1
    assert json.loads(told.getvalue()) == {"errno": None, "error": "'x' is no name of metadata"}


def test_answers_become_values(fake):
    words = fscrypt_files.argv("look-metadata", "/mnt/fs1")
    request = {
        "do": "look",
        "mounts": {"/mnt/fs1": {"folder": "/etc/lustre/encryption/fscrypt/fs1", "paths": ["/mnt/fs1/v"]}},
    }
    one = {"live": "sound", "copy": "missing", "same": False, "protectors": [AT]}
    other = {**one, "protectors": []}
    answer = {"/mnt/fs1": {"policies": {"/mnt/fs1/v": ID}, "files": {POLICY: one, PROTECTOR: other}}}
    asked = {"/mnt/fs1": ("fs1", ["/mnt/fs1/v"])}
    found = fscrypt_files.look(fake([(words, json.dumps(answer), fscrypt_files.program(request))]), asked)["/mnt/fs1"]
    assert found.of(ID) == [POLICY, PROTECTOR] and found.of("0" * 32) == []
    for bad in ("", "{}", "[]", '{"/mnt/fs1": {"policies": {}, "files": {"x": {}}}}'):
        with pytest.raises(UnknownOutput):
            fscrypt_files.look(fake([(words, bad)]), asked)
    with pytest.raises(ToolError, match="no policy"):
        fscrypt_files.look(fake([(words, (1, '{"errno": null, "error": "no policy"}\n', ""))]), asked)
