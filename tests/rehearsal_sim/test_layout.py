# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of one object and the bytes of that object on a device, as the collection's own readers look at them (root only: attributes)."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lustre_sim import disk
from lustre_sim.tools import debugfs as sim_debugfs
from lustre_sim.tools import lfs as sim_lfs

from ansible_collections.lustre.core.plugins.module_utils._cli import debugfs, lfs
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.device_bytes import DeviceBytes
from ansible_collections.lustre.core.plugins.module_utils._readers.marked_files import SIZE, MarkedFiles
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.recordings import recording

DEVICES = {"/dev/ost0": disk.OST, "/dev/ost3": disk.OST, "/dev/mdt0": disk.MDT}
POLICY = "02010403" + "00" * 20


class Host:
    """A runner whose lfs, lctl and debugfs are the simulation's; ``mount`` and the site's folder are one, so all is in clear."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        self.mount = self.site / "fs" / "fs1"
        self.mount.mkdir(parents=True)
        targets = [{"kind": "OST", "index": index, "name": f"fs1-OST{index:04x}"} for index in (0, 3)]
        fs = {"path": str(self.mount), "fsname": "fs1", "targets": targets}
        self.kernel = SimpleNamespace(
            site_dir=str(self.site), persistent_dir=str(folder / "node"), call=lambda op, **args: [fs]
        )
        self.table = f"10.0.0.1@tcp:/fs1 {self.mount} fuse.lustre rw 0 0\n"

    def __call__(self, argv: Any, stdin: str | None = None, timeout: float = 0.0) -> Result:
        program, out, err = argv[0], io.StringIO(), io.StringIO()
        if program in ("lfs", "debugfs"):
            tool = sim_lfs if program == "lfs" else sim_debugfs
            rc = tool.main(list(argv[1:]), io.StringIO(), out, err, self.kernel)
            return Result(rc, out.getvalue(), err.getvalue())
        if program == "lctl":
            return Result(0, "osd-ldiskfs.fs1-OST0000.mntdev=/dev/ost0\nosd-ldiskfs.fs1-OST0003.mntdev=/dev/ost3\n", "")
        if program in ("dd", "rm"):
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
            return Result(done.returncode, done.stdout, done.stderr)
        vault = str(self.mount / "vault")
        answer = {
            path: {"exists": True, "mode": 0o40755, "uid": 0, "gid": 0, "real": path}
            | ({"policy": POLICY, "key": 2, "users": 1} if path == vault else {})
            for path in argv[argv.index("look") + 1 :]
        }
        return Result(0, json.dumps({"directories": answer, "key_files": {}}), "")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    def mountdata(device: str) -> disk.MountData | None:
        flags = DEVICES.get(device)
        return None if flags is None else disk.MountData(flags=flags, index=int(device[-1]), fsname="fs1")

    monkeypatch.setattr(disk, "read_mountdata", mountdata)
    return Host(tmp_path)


def test_an_object_is_on_the_device_of_its_ost_and_on_no_other(host: Host, tmp_path: Path) -> None:
    path = str(host.mount / "file")
    lfs.make_striped(host, path, 3)
    Path(path).write_bytes(b"some content")
    (stripe,) = lfs.stripes(host, path)
    assert stripe == (3, f"0x300000403:{os.stat(path).st_ino:#x}:0x0")
    at = debugfs.object_path(stripe.fid)
    assert debugfs.dump(host, "/dev/ost3", at, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == b"some content"
    assert not debugfs.dump(host, "/dev/ost0", at, str(tmp_path / "other"))
    assert not debugfs.dump(host, "/dev/ost3", at + "0", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    with pytest.raises(ToolError, match="while opening /nosuch/copy for dump_inode"):
        debugfs.dump(host, "/dev/ost3", at, "/nosuch/copy")


def test_a_file_without_a_layout_of_its_own_lies_on_the_first_ost(host: Host) -> None:
    (host.mount / "file").write_bytes(b"x")
    assert [stripe.ost for stripe in lfs.stripes(host, str(host.mount / "file"))] == [0]


def test_an_unknown_ost_is_refused_and_the_file_left_behind(host: Host) -> None:
    path = str(host.mount / "file")
    assert host(("lfs", "setstripe", "-c", "1", "-i", "7", path)).rc == 22 and Path(path).exists()
    with pytest.raises(ToolError, match="stripe already set"):
        lfs.make_striped(host, path, 0)


def test_the_layout_has_the_lines_of_the_recording(host: Host) -> None:
    (host.mount / "file").write_bytes(b"x")
    keys = [line.partition(":")[0].strip() for line in recording("layout/gs-plain-y").out.splitlines()]
    shown = [
        line.partition(":")[0].strip()
        for line in host(("lfs", "getstripe", "-y", str(host.mount / "file"))).out.splitlines()
    ]
    assert shown == keys[:8]


def test_what_lies_in_clear_is_found_and_what_does_not_is_proven(host: Host, tmp_path: Path) -> None:
    """The folder does not encrypt: first what a client wrote lies there as it is, then as ciphertext would."""
    vault = host.mount / "vault"
    vault.mkdir()
    wrote = MarkedFiles(host, [str(vault)], read=lambda path: host.table).write()
    assert wrote["healthy"] and len(wrote["files"]) == 2 and len(list(vault.iterdir())) == 1
    (tmp_path / "run").mkdir()
    found = DeviceBytes(host, wrote["objects"], folder=str(tmp_path / "run")).look()
    assert len(found["problems"]) == 1 and "lies there in clear" in found["problems"][0]
    with open(wrote["files"][0], "r+b") as stream:
        stream.write(os.urandom(SIZE))
    found = DeviceBytes(host, wrote["objects"], folder=str(tmp_path / "run")).look()
    assert found["healthy"] and [check["ok"] for check in found["checks"]] == [True]
    assert MarkedFiles(host).remove(wrote["files"])["healthy"]
    assert list(vault.iterdir()) == [] and [path.name for path in host.mount.iterdir()] == ["vault"]


def test_the_real_debugfs_on_a_real_ext4(tmp_path: Path) -> None:
    """The reader with the real program: objects where ldiskfs would have them, in clear and not, and missing ones."""
    image, marks = tmp_path / "ost", ["1f" * 32, "7c" * 32, "5a" * 32]
    clear = [(f"{mark}\n" * (SIZE // 64))[:SIZE].encode() for mark in marks]
    contents = {"3": os.urandom(SIZE), "4": clear[1], "2a": clear[2]}
    script = ["mkdir O", "mkdir O/240000400"]
    for oid, content in contents.items():
        (tmp_path / oid).write_bytes(content)
        folder = f"O/240000400/d{int(oid, 16) % 32}"
        script += [f"mkdir {folder}", f"write {tmp_path / oid} {folder}/{oid}"]
    (tmp_path / "script").write_text("\n".join(script) + "\n", encoding="utf-8")
    with open(image, "wb") as stream:
        stream.truncate(32 << 20)
    for argv in (["mke2fs", "-q", "-t", "ext4", image], ["debugfs", "-w", "-f", tmp_path / "script", image]):
        subprocess.run(argv, check=True, capture_output=True)

    def run(argv: Any, stdin: str | None = None, timeout: float = 0.0) -> Result:
        if argv[0] == "lctl":
            return Result(0, f"osd-ldiskfs.fs1-OST0000.mntdev={image}\n", "")
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def looked(oid: str, mark: str, control: str = "4") -> dict[str, Any]:
        fids = {key: f"0x240000400:0x{number}:0x0" for key, number in (("fid", oid), ("control_fid", control))}
        one = {
            "directory": "/mnt/fs1/vault",
            "fsname": "fs1",
            "ost": 0,
            "size": SIZE,
            "marker": mark,
            "control_marker": marks[1],
            **fids,
        }
        return DeviceBytes(run, [one], timeout=0, folder=str(tmp_path)).look()

    assert looked("3", marks[0])["healthy"]
    assert "lies there in clear" in looked("2a", marks[2])["problems"][0]
    assert "is not there" in looked("5", marks[0])["problems"][0]
    assert "it has no such object" in looked("3", marks[0], control="6")["problems"][0]
    image.write_bytes(bytes(1 << 20))
    assert "Bad magic number in super-block" in looked("3", marks[0])["problems"][0]
