# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ioctls of encrypted directories against the kernel of this machine, on a real ext4 with the feature ``encrypt`` (root only).

The same numbers and layouts go to Lustre's client, so this is as near to the real thing as a machine without Lustre comes.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_ioctl

KEY = bytes(range(64))
NAME = fscrypt_ioctl.identifier(KEY)
POLICY = fscrypt_ioctl.policy(1, 4, NAME).hex()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    assert Path("/sys/fs/ext4/features/encryption").exists(), "this kernel lacks CONFIG_FS_ENCRYPTION"
    image, path = tmp_path / "image", tmp_path / "mount"
    path.mkdir()
    with open(image, "wb") as stream:
        stream.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def asked(**request: Any) -> dict[str, Any]:
    rc, text = fscrypt_ioctl.answer(request)
    return {**json.loads(text), "rc": rc}


def looked(path: Path) -> dict[str, Any]:
    return dict(asked(do="look", paths=[str(path)], key_files=[], busy=[str(path)])["directories"][str(path)])


def test_from_an_empty_directory_to_a_locked_one_and_back(mount: Path, tmp_path: Path) -> None:
    vault, key_file = mount / "vault", tmp_path / "key"
    vault.mkdir()
    assert looked(vault)["names"] == [] and "policy" not in looked(vault)
    key_file.write_bytes(base64.b64encode(KEY) + b"\n")
    key_file.chmod(0o600)
    request = {"path": str(vault), "identifier": NAME, "key_file": str(key_file)}
    assert asked(do="unlock", **request) == {"identifier": NAME, "rc": 0}, "the kernel calls the key as we do"
    assert asked(do="encrypt", path=str(vault), policy=POLICY) == {"policy": POLICY, "rc": 0}
    (vault / "file").write_text("secret\n", encoding="utf-8")
    with open(vault / "file", encoding="utf-8") as stream:
        assert asked(do="lock", **request) == {"busy": True, "other_users": False, "rc": 0}
        assert looked(vault)["key"] == 3 and looked(vault)["busy"][0].startswith(
            f"{vault}/file (process {os.getpid()}, "
        )
        assert stream.read() == "secret\n"
    assert asked(do="lock", **request) == {"busy": False, "other_users": False, "rc": 0}
    assert looked(vault)["key"] == 1
    (name,) = os.listdir(vault)
    assert name != "file"
    for refused in (lambda: (vault / name).read_bytes(), (vault / "new").touch):
        with pytest.raises(OSError, match=r"\[Errno 126\]"):
            refused()
    assert fscrypt_ioctl.main(["unlock", str(vault), str(key_file)]) == 0
    assert (vault / "file").read_text(encoding="utf-8") == "secret\n"
    assert fscrypt_ioctl.main(["lock", str(vault)]) == 0 and looked(vault)["key"] == 1


def test_what_the_kernel_refuses(mount: Path) -> None:
    full, vault = mount / "full", mount / "vault"
    (full / "x").mkdir(parents=True)
    vault.mkdir()
    with fscrypt_ioctl.opened(str(full)) as fd, pytest.raises(OSError) as told:
        fscrypt_ioctl.set_policy(fscrypt_ioctl._kernel, fd, bytes.fromhex(POLICY))
    assert told.value.errno == errno.ENOTEMPTY
    # root may name a key that the kernel has never seen: the module must not count on the kernel
    assert asked(do="encrypt", path=str(vault), policy=POLICY)["rc"] == 0
    other = fscrypt_ioctl.policy(1, 4, "0" * 32).hex()
    assert asked(do="encrypt", path=str(vault), policy=other)["errno"] == errno.EEXIST
    assert looked(mount / "lost+found")["exists"]


def test_a_file_system_without_the_feature_is_told(tmp_path: Path) -> None:
    assert looked(tmp_path)["refused"] in ("ENOTTY", "EOPNOTSUPP")
