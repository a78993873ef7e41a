# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories of simulated client mounts: the collection's own ioctls, ordinary programs, and the site's folder (root only)."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._readers.ciphertext import Ciphertext
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.rehearsal_sim.support import REHEARSAL
from tests.rehearsal_sim.test_fuse import mounted

KEY = bytes(range(64))
NAME = fscrypt_ioctl.identifier(KEY)
POLICY = fscrypt_ioctl.policy(1, 4, NAME).hex()
MARKER = b"the marker that nobody without the key may read\n"
SERVER = f"""
import sys, threading
sys.path.insert(0, {str(REHEARSAL)!r})
from lustre_sim.kernel.fscrypt import Encryption
from lustre_sim.kernel.fuse import FuseMount
path, folder, enabled, names = sys.argv[1:]
ended = threading.Event()
encryption = Encryption(enabled == "1", lambda: names == "1")
FuseMount("10.0.0.1@tcp:/fs1", path, folder, encryption=encryption, ended=lambda mount: ended.set())
print("mounted", flush=True)
ended.wait()
"""


@contextmanager
def client(path: Path, folder: Path, enabled: bool = True, names: bool = True) -> Iterator[None]:
    path.mkdir()
    words = [sys.executable, "-c", SERVER, str(path), str(folder), str(int(enabled)), str(int(names))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline() == "mounted\n"
        try:
            yield
        finally:
            if mounted(path):
                subprocess.run(["umount", str(path)], check=True)
            server.wait(10)


@pytest.fixture(params=[True, False], ids=["names", "clear-names"])
def two(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, Path, Path]]:
    """Two hosts' mounts, and the site's folder that stands for the servers' disks."""
    shared = tmp_path / "shared"
    shared.mkdir()
    with ExitStack() as stack:
        stack.enter_context(client(tmp_path / "one", shared, names=request.param))
        stack.enter_context(client(tmp_path / "other", shared, names=request.param))
        yield tmp_path / "one", tmp_path / "other", shared


def asked(**request: Any) -> dict[str, Any]:
    rc, text = fscrypt_ioctl.answer(request)
    answer = json.loads(text)
    return {**answer, "rc": rc}


def looked(path: Path) -> dict[str, Any]:
    return dict(asked(do="look", paths=[str(path)], key_files=[], busy=[str(path)])["directories"][str(path)])


def unlock(path: Path) -> None:
    assert asked(do="unlock", path=str(path), identifier=NAME, key=KEY.hex()) == {"identifier": NAME, "rc": 0}


def vault(mount: Path) -> Path:
    path = mount / "vault"
    path.mkdir()
    unlock(path)
    assert asked(do="encrypt", path=str(path), policy=POLICY)["rc"] == 0
    return path


def refused(number: int) -> Any:
    return pytest.raises(OSError, match=rf"\[Errno {number}\]")


def test_contents_are_ciphertext_in_the_sites_folder(two: tuple[Path, Path, Path]) -> None:
    one, _other, shared = two
    path = vault(one)
    (path / "folder").mkdir()
    for file in (path / "file", path / "folder/inner"):
        file.write_bytes(MARKER * 500)
        assert file.read_bytes() == MARKER * 500
    files = [found for found in shared.rglob("*") if found.is_file()]
    assert len(files) == 2 and all(found.stat().st_size == 500 * len(MARKER) for found in files)
    assert not any(MARKER[:16] in found.read_bytes() for found in files)
    assert files[0].read_bytes() != files[1].read_bytes(), "two files with the same content are not alike"


def test_a_host_without_the_key_sees_nothing_of_use(two: tuple[Path, Path, Path]) -> None:
    one, other, _shared = two
    path = vault(one)
    (path / "file").write_bytes(MARKER)
    (path / "a-name-of-more-than-thirty-two-bytes-in-length").write_bytes(MARKER)
    locked = other / "vault"
    seen = looked(locked)
    assert (seen["policy"], seen["key"]) == (POLICY, 1)
    entries = sorted(os.listdir(locked))
    assert len(entries) == 2
    for entry in entries:
        assert (locked / entry).stat().st_size == 4096
        with refused(errno.ENOKEY):
            (locked / entry).read_bytes()
        with refused(errno.ENOKEY):
            os.truncate(locked / entry, 0)
    with refused(errno.ENOKEY):
        (locked / "new").touch()
    with refused(errno.ENOKEY):
        (locked / "folder").mkdir()
    with refused(errno.ENOKEY):
        os.rename(locked / entries[0], locked / "moved")
    (locked / entries[0]).unlink()
    assert len(os.listdir(path)) == 1
    unlock(locked)
    assert [(locked / name).read_bytes() for name in os.listdir(locked)] == [MARKER]


def test_names_are_encrypted_where_the_switch_was_on(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with client(tmp_path / "one", shared), client(tmp_path / "other", shared):
        path = vault(tmp_path / "one")
        (path / "secret-name").touch()
        (path / "link").symlink_to("secret-target")
        assert sorted(os.listdir(path)) == ["link", "secret-name"] and os.readlink(path / "link") == "secret-target"
        assert b"secret" not in b"".join(os.fsencode(found) for found in os.listdir(shared / "vault"))
        assert not any("secret" in os.readlink(found) for found in (shared / "vault").iterdir() if found.is_symlink())
        assert not any("secret" in name for name in os.listdir(tmp_path / "other/vault"))


def test_writes_in_the_middle_holes_and_truncation(two: tuple[Path, Path, Path]) -> None:
    path = vault(two[0]) / "file"
    plain = two[0] / "plain"
    for file in (path, plain):
        with open(file, "w+b") as stream:
            stream.write(b"a" * 5000)
            stream.seek(20_000)
            stream.write(b"end")
            stream.seek(4090)
            stream.write(b"middle of two blocks")
        with open(file, "ab") as stream:
            stream.write(b"appended")
        os.truncate(file, 18_000)
        os.truncate(file, 3001)
        os.truncate(file, 9000)
        with open(file, "r+b") as stream:
            stream.seek(8999)
            stream.write(b"xyz")
    assert path.read_bytes() == plain.read_bytes()
    subprocess.run(["cmp", str(path), str(plain)], check=True)


def test_nothing_unencrypted_comes_in(two: tuple[Path, Path, Path]) -> None:
    one = two[0]
    path = vault(one)
    (one / "plain").write_bytes(MARKER)
    with refused(errno.EXDEV):
        os.rename(one / "plain", path / "plain")
    with refused(errno.EXDEV):
        os.link(one / "plain", path / "plain")
    subprocess.run(["mv", str(one / "plain"), str(path / "plain")], check=True)  # mv copies then
    assert (path / "plain").read_bytes() == MARKER
    os.rename(path / "plain", path / "renamed")
    (path / "folder").mkdir()
    os.rename(path / "renamed", path / "folder/renamed")
    assert (path / "folder/renamed").read_bytes() == MARKER


def test_open_files_keep_a_removed_key(two: tuple[Path, Path, Path]) -> None:
    path = vault(two[0])
    (path / "file").write_bytes(MARKER)
    with open(path / "file", "rb") as stream:
        assert asked(do="lock", path=str(path), identifier=NAME)["busy"]
        seen = looked(path)
        assert seen["key"] == 3 and seen["busy"][0].startswith(f"{path}/")
        assert stream.read() == MARKER
    assert looked(path)["key"] == 1
    assert asked(do="lock", path=str(path), identifier=NAME)["errno"] == errno.ENOKEY
    unlock(path)
    assert asked(do="lock", path=str(path), identifier=NAME) == {"busy": False, "other_users": False, "rc": 0}


def test_what_the_kernel_refuses(two: tuple[Path, Path, Path]) -> None:
    one = two[0]
    path = vault(one)
    other = fscrypt_ioctl.policy(1, 4, "0" * 32).hex()
    assert asked(do="encrypt", path=str(path), policy=POLICY)["rc"] == 0, "the same again is no error"
    assert asked(do="encrypt", path=str(path), policy=other)["errno"] == errno.EEXIST
    assert asked(do="encrypt", path=str(one), policy=POLICY)["errno"] == errno.ENOTEMPTY
    (one / "full/x").mkdir(parents=True)
    with fscrypt_ioctl.opened(str(one / "full")) as fd, refused(errno.ENOTEMPTY):
        fscrypt_ioctl.set_policy(fscrypt_ioctl._kernel, fd, bytes.fromhex(POLICY))
    with fscrypt_ioctl.opened(str(one)) as fd, refused(errno.EPERM):
        fscrypt_ioctl.set_policy(fscrypt_ioctl._kernel, fd, bytes.fromhex(POLICY))
    (one / "empty").mkdir()
    assert asked(do="encrypt", path=str(one / "empty"), policy="0207" + POLICY[4:])["errno"] == errno.EINVAL
    assert "policy" not in looked(one / "empty")
    assert subprocess.run(["lsattr", "-d", path], capture_output=True, text=True, check=True).stdout[9] == "E"


def test_a_mount_with_noencrypt_or_without_grant(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with client(tmp_path / "one", shared), client(tmp_path / "off", shared, enabled=False):
        (vault(tmp_path / "one") / "file").write_bytes(MARKER)
        assert looked(tmp_path / "off/vault")["refused"] == "EOPNOTSUPP"
        done = asked(do="unlock", path=str(tmp_path / "off/vault"), identifier=NAME, key=KEY.hex())
        assert done["errno"] == errno.EOPNOTSUPP
        with refused(errno.ENOKEY):
            (tmp_path / "off/vault" / os.listdir(tmp_path / "off/vault")[0]).read_bytes()


def test_the_key_goes_with_the_mount(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with client(tmp_path / "one", shared):
        (vault(tmp_path / "one") / "file").write_bytes(MARKER)
    with client(tmp_path / "again", shared):
        assert looked(tmp_path / "again/vault")["key"] == 1
        unlock(tmp_path / "again/vault")
        assert (tmp_path / "again/vault/file").read_bytes() == MARKER


def test_the_proof_holds_on_both_kinds_of_clients(two: tuple[Path, Path, Path]) -> None:
    """The collection's own reader with real programs: nothing without the key, all with it."""
    one, other, shared = two
    (vault(one) / "file").write_bytes(MARKER)

    def proven(path: Path, expect: str) -> dict[str, Any]:
        return Ciphertext(
            ran, {str(path): expect}, lambda _path: f"10.0.0.1@tcp:/fs1 {path.parent} lustre rw 0 0\n"
        ).inspect()

    for path, expect, name in ((one / "vault", "unlocked", "usable"), (other / "vault", "locked", "closed")):
        found = proven(path, expect)
        assert found["healthy"] and [check["name"] for check in found["checks"]] == ["encrypted", name]
    assert len(os.listdir(shared / "vault")) == 1, "no test file is left"


def ran(argv: Any, stdin: str | None = None, timeout: float = 60.0) -> Result:
    done = subprocess.run(list(argv), input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr)
