"""The kernel's fscrypt calls: their numbers, layouts and order, and a program that never shows a key."""

from __future__ import annotations

import base64
import errno
import json
import os
import struct
import subprocess

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput

KEY = bytes(range(64))
#: What Linux 6.18 answered to FS_IOC_ADD_ENCRYPTION_KEY with this key, on ext4.
NAME = "8699c2c53707405da5aba5ae4d8583c0"
#: From the recording fscrypt/ioctl-add-set: what Lustre 2.17.0 answered to FS_IOC_GET_ENCRYPTION_POLICY_EX.
RECORDED = "0201040300000000002192fcf1fb22e1c930e8e87e32855a"
POLICY = fscrypt_ioctl.policy(1, 4, NAME)


class FakeKernel:
    """Takes exactly the planned calls in order: ``(number, check, answer)``; an answer is bytes at a place, or an errno."""

    def __init__(self, *calls):
        self.planned = list(calls)

    def __call__(self, fd, number, argument):
        assert self.planned, f"call {number:#x} was not planned"
        wanted, check, answer = self.planned.pop(0)
        assert number == wanted, f"{number:#x}, planned {wanted:#x}"
        os.fstat(fd)
        check(bytes(argument))
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        place, data = answer
        argument[place : place + len(data)] = data
        return 0

    def finish(self):
        assert not self.planned


def equal(wanted):
    def check(argument):
        assert argument == wanted, argument.hex()

    return check


def anything(argument):
    pass


SPECIFIER = struct.pack("<II16s16x", 2, 0, bytes.fromhex(NAME))
ADD = (
    fscrypt_ioctl.ADD_KEY,
    equal(struct.pack("<II32x", 2, 0) + struct.pack("<II32x", 64, 0) + KEY),
    (8, bytes.fromhex(NAME)),
)
SET = (fscrypt_ioctl.SET_POLICY, equal(POLICY), (0, b""))
NONE = (fscrypt_ioctl.GET_POLICY_EX, equal(struct.pack("<Q24x", 24)), errno.ENODATA)
GOT = (fscrypt_ioctl.GET_POLICY_EX, anything, (0, struct.pack("<Q", 24) + POLICY))


def status(value, flags=1, users=1):
    return fscrypt_ioctl.KEY_STATUS, equal(SPECIFIER + bytes(88)), (64, struct.pack("<III", value, flags, users))


def asked(kernel, **request):
    rc, text = fscrypt_ioctl.answer(request, kernel)
    kernel.finish()
    return rc, json.loads(text)


def test_a_key_is_called_as_the_kernel_calls_it():
    assert fscrypt_ioctl.identifier(KEY) == NAME


def test_the_policy_is_that_of_the_recording():
    policy = fscrypt.parse_policy(RECORDED)
    assert policy == fscrypt.Policy("AES-256-XTS", "AES-256-CTS", "002192fcf1fb22e1c930e8e87e32855a")
    assert policy.text() == RECORDED


@pytest.mark.parametrize(
    "text",
    [
        RECORDED[:-2],
        "01" + RECORDED[2:],
        RECORDED[:2] + "07" + RECORDED[4:],
        RECORDED[:8] + "01" + RECORDED[10:],
        "0001040300112233aabbccdd",
    ],
)
def test_a_policy_that_is_not_ours_is_not_taken_for_one(text):
    assert fscrypt.parse_policy(text) is None


@pytest.mark.parametrize(
    "text", [KEY, base64.b64encode(KEY) + b"\n", KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"]
)
def test_a_key_is_read_as_bytes_base64_or_hexadecimal(text):
    assert fscrypt_ioctl.key_of(text) == KEY


@pytest.mark.parametrize("text", [b"", b"x" * 63, base64.b64encode(KEY[:32]), KEY.hex().encode()[:-2], b"=" * 88])
def test_anything_else_is_no_key_and_is_not_shown(text):
    with pytest.raises(fscrypt_ioctl.Unusable, match="it is not 64 bytes") as told:
        fscrypt_ioctl.key_of(text)
    assert not text or text.decode() not in str(told.value)


def test_unlock_gives_the_kernel_the_key_and_compares_what_it_says(tmp_path):
    rc, told = asked(
        FakeKernel(ADD), do="unlock", path=str(tmp_path), identifier=NAME, key=base64.b64encode(KEY).decode()
    )
    assert (rc, told) == (0, {"identifier": NAME})


def test_a_kernel_that_calls_the_key_differently_is_told(tmp_path):
    other = (ADD[0], ADD[1], (8, bytes(16)))
    rc, told = asked(FakeKernel(other), do="unlock", path=str(tmp_path), identifier=NAME, key=KEY.hex())
    assert rc == 1 and "the kernel calls the key 00000000" in told["error"]


def test_another_key_never_reaches_the_kernel(tmp_path):
    rc, told = asked(FakeKernel(), do="unlock", path=str(tmp_path), identifier="0" * 32, key=KEY.hex())
    assert rc == 1 and told["error"] == f"the key is {NAME}, wanted is {'0' * 32}"


def test_the_buffer_with_the_key_is_wiped(tmp_path):
    kept = []

    def kernel(fd, number, argument):
        kept.append(argument)
        raise OSError(errno.EOPNOTSUPP, "")

    with pytest.raises(OSError):
        fscrypt_ioctl.add_key(kernel, 0, KEY)
    assert kept[0][80:] == bytes(64)


def test_encrypt_looks_sets_and_reads_back(tmp_path):
    rc, told = asked(FakeKernel(NONE, SET, GOT), do="encrypt", path=str(tmp_path), policy=POLICY.hex())
    assert (rc, told) == (0, {"policy": POLICY.hex()})


def test_a_directory_with_something_in_it_is_not_encrypted(tmp_path):
    (tmp_path / "data").touch()
    rc, told = asked(FakeKernel(NONE), do="encrypt", path=str(tmp_path), policy=POLICY.hex())
    assert (rc, told["errno"]) == (1, errno.ENOTEMPTY)


def test_a_policy_that_reads_back_differently_is_told(tmp_path):
    rc, told = asked(FakeKernel(NONE, SET, NONE), do="encrypt", path=str(tmp_path), policy=POLICY.hex())
    assert rc == 1 and told["error"].startswith("the policy read back is none")


def test_lock_removes_the_key_of_all_users_on_the_mount():
    removed = (fscrypt_ioctl.REMOVE_KEY_ALL_USERS, equal(SPECIFIER + bytes(24)), (40, struct.pack("<I", 3)))
    rc, told = asked(FakeKernel(removed), do="lock", path="/", identifier=NAME)
    assert (rc, told) == (0, {"busy": True, "other_users": True})


def test_a_look_at_all_kinds_of_paths(tmp_path):
    for name in ("plain", "open", "off", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "plain" / "x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "wide").write_text(KEY.hex())
    (tmp_path / "wide").chmod(0o644)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    names = ["plain", "open", "off", "broken", "file", "none"]
    refused = (fscrypt_ioctl.GET_POLICY_EX, anything, errno.EOPNOTSUPP)
    no_tty = (fscrypt_ioctl.GET_POLICY_EX, anything, errno.ENOTTY)
    rc, told = asked(
        FakeKernel(NONE, GOT, status(2), refused, no_tty),
        do="look",
        paths=[str(tmp_path / name) for name in names],
        key_files=[str(tmp_path / name) for name in ("key", "wide", "link", "gone")],
    )
    seen = {path.rpartition("/")[2]: value for path, value in told["directories"].items()}
    assert rc == 0 and seen["plain"]["names"] == ["x"] and seen["off"]["refused"] == "EOPNOTSUPP"
    assert seen["broken"]["refused"] == "ENOTTY" and seen["none"] == {"exists": False} and "real" not in seen["file"]
    assert (seen["open"]["policy"], seen["open"]["key"], seen["open"]["users"]) == (POLICY.hex(), 2, 1)
    keys = {path.rpartition("/")[2]: value for path, value in told["key_files"].items()}
    assert keys["key"] == {"exists": True, "identifier": NAME} and keys["gone"] == {"exists": False}
    assert "has mode 0644" in keys["wide"]["problem"] and keys["link"]["problem"] and KEY.hex() not in json.dumps(told)


def test_an_answer_of_the_kernel_that_says_nothing_about_encryption_ends_the_look(tmp_path):
    failing = (fscrypt_ioctl.GET_POLICY_EX, anything, errno.ESHUTDOWN)
    rc, told = asked(FakeKernel(failing), do="look", paths=[str(tmp_path)], key_files=[])
    assert (rc, told["errno"]) == (1, errno.ESHUTDOWN)


def test_open_files_are_named_with_their_process(tmp_path):
    with open(tmp_path / "held", "w", encoding="utf-8"):
        kernel = FakeKernel(GOT, status(2))
        _rc, told = asked(kernel, do="look", paths=[str(tmp_path)], key_files=[], busy=[str(tmp_path)])
        assert f"{tmp_path}/held (process {os.getpid()}, " in told["directories"][str(tmp_path)]["busy"][0]


def test_the_program_runs_from_standard_input_alone(tmp_path):
    """As CommandRunner starts it; the answer is that of the real kernel, on whatever file system this is."""
    request = {"do": "look", "paths": [str(tmp_path)], "key_files": []}
    done = subprocess.run(
        fscrypt.argv("look"), input=fscrypt.program(request), capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["directories"][str(tmp_path)]["exists"], done.stderr


def test_installed_as_a_script_it_says_how_it_is_called_and_what_fails(tmp_path):
    def ran(*words):
        command = [fscrypt.argv()[0], "-I", fscrypt_ioctl.__file__, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert ran().returncode == 2 and "usage:" in ran("unlock").stderr
    done = ran("unlock", str(tmp_path), str(tmp_path / "key"))
    assert done.returncode == 1 and "has no encryption policy of version 2" in done.stderr
    assert json.loads(ran("status", str(tmp_path)).stdout)["exists"]


def test_an_answer_that_is_none_stops_it(fake):
    program = fscrypt.program({"do": "look", "paths": ["/mnt/fs1/a"], "key_files": [], "busy": []})
    look = (fscrypt.argv("look", "/mnt/fs1/a"), program)
    for out in (
        "what\n",
        "[]\n",
        '{"directories": {}}\n',
        '{"directories": {"/mnt/fs1/a": {"exists": true, "policy": "zz"}}}\n',
    ):
        with pytest.raises(UnknownOutput):
            fscrypt.look(fake([(look[0], out, look[1])]), ["/mnt/fs1/a"], [])
    failing = json.dumps({"errno": errno.ESHUTDOWN, "error": "Cannot send after transport endpoint shutdown"})
    with pytest.raises(ToolError, match="Cannot send after transport endpoint shutdown"):
        fscrypt.look(fake([(look[0], (1, failing, ""))]), ["/mnt/fs1/a"], [])
    with pytest.raises(ToolError, match="Traceback"):
        fscrypt.look(fake([(look[0], (1, "", "Traceback"))]), ["/mnt/fs1/a"], [])


def record(tmp_path, **entries):
    text = json.dumps({"identifier": NAME, "directories": entries})
    (tmp_path / f"{NAME}.json").write_text(text, encoding="utf-8")


def test_at_boot_the_record_tells_the_key_file(tmp_path, monkeypatch):
    other = {"mounted_at": "/mnt/fs1/other", "key_file": "/a"}
    record(tmp_path, **{"fs1:/other": other, "fs1:/vault": {"mounted_at": "/mnt/fs1/vault", "key_file": "/k"}})
    assert fscrypt_ioctl.key_file_of("/mnt/fs1/vault", NAME, str(tmp_path)) == "/k"
    assert fscrypt_ioctl.key_file_of("/mnt/again/vault", NAME, str(tmp_path)) == "/a"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert fscrypt_ioctl.key_file_of("/mnt/fs1/vault", NAME, str(tmp_path)) == "/k"
    (tmp_path / NAME).touch()
    assert fscrypt_ioctl.key_file_of("/mnt/fs1/vault", NAME, str(tmp_path)) == str(tmp_path / NAME)


def test_a_record_that_tells_none_is_told(tmp_path):
    for spoil in (lambda: None, lambda: record(tmp_path), lambda: (tmp_path / f"{NAME}.json").write_text("[]")):
        spoil()
        with pytest.raises(fscrypt_ioctl.Unusable, match="tells no key file"):
            fscrypt_ioctl.key_file_of("/mnt/fs1/vault", NAME, str(tmp_path))
