# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several simulated servers of one process on shared devices: registration, fail-over, faults, what clients see."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lustre_sim import disk
from lustre_sim.kernel.mounts import Mounts
from lustre_sim.node import Node
from lustre_sim.sim_error import SimError
from lustre_sim.tools import mkfs_lustre, mount_lustre, tunefs_lustre

from tests.rehearsal_sim.fakes import FakeClock, Network, fake_lnet
from tests.rehearsal_sim.support import REHEARSAL

MDS1, MDS2, OSS1, OSS2, CLIENT = (f"10.77.0.{host}@tcp" for host in (11, 12, 21, 22, 41))
MGS = [f"--mgsnode={MDS1}", f"--mgsnode={MDS2}"]
PARTNERS = [f"--servicenode={MDS1}", f"--servicenode={MDS2}"]


class Shown:
    """A mount that no kernel knows."""

    def __init__(self, source: str, path: str, folder: str | None, **more: Any) -> None:
        self.folder, self.capacity, self.alive = folder, more["capacity"], True

    def umount(self) -> None:
        self.alive = False


class Site:
    """Hosts by NID, blank devices by name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.network = folder, FakeClock(), Network()
        self.hosts = {nid: self.boot(nid) for nid in (MDS1, MDS2, OSS1, OSS2, CLIENT)}

    def boot(self, nid: str) -> Node:
        home = self.folder / nid
        node = Node(
            nid,
            str(home / "node"),
            str(home / "run"),
            str(self.folder / "site"),
            clock=self.clock,
            subsystems={
                "lnet": fake_lnet(self.network, nid),
                "mounts": lambda node: Mounts(node, Shown),
            },
        )
        node.load("lustre")
        return node

    def device(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():
            with open(path, "wb") as stream:
                stream.truncate(64 << 20)
        return str(path)

    def format(self, name: str, *options: str) -> str:
        out, err = io.StringIO(), io.StringIO()
        device = self.device(name)
        rc = mkfs_lustre.main([*options, device], io.StringIO(), out, err, self.hosts[MDS1])
        assert rc == 0, err.getvalue()
        return device

    def mount(self, nid: str, source: str, path: str, *options: str) -> int:
        """errno of the mount, 0 = done."""
        try:
            self.hosts[nid].call("mounts.mount", source=source, path=path, options=list(options))
        except SimError as error:
            return error.errno
        return 0

    def umount(self, nid: str, path: str) -> None:
        self.hosts[nid].mounts.table[path].shown.umount()
        self.hosts[nid].tick()

    def later(self, seconds: float = 6.0) -> None:
        self.clock.sleep(seconds)
        for node in self.hosts.values():
            node.tick()

    def states(self, nid: str = CLIENT) -> dict[str, tuple[str, str]]:
        return {name: (peer["state"], peer["nid"]) for name, peer in self.hosts[nid].mounts.peers.items()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    aware = tmp_path / "e2fsprogs"
    aware.mkdir()
    (aware / "mke2fs").write_text((REHEARSAL / "packages/files/mke2fs").read_text(encoding="utf-8"), encoding="utf-8")
    (aware / "mke2fs").chmod(0o755)
    (aware / "mke2fs.real").symlink_to("/sbin/mke2fs")
    monkeypatch.setenv("PATH", f"{aware}:{os.environ['PATH']}")
    return Site(tmp_path)


@pytest.fixture
def running(site: Site) -> Site:
    """MGT and MDT0000 on mds1, two OSTs on oss1, a client."""
    site.format("mgt", "--mgs", *PARTNERS)
    site.format("mdt0", "--mdt", "--fsname=fs1", "--index=0", *MGS, *PARTNERS)
    for index in range(2):
        site.format(
            f"ost{index}",
            "--ost",
            "--fsname=fs1",
            f"--index={index}",
            *MGS,
            f"--servicenode={OSS1}",
            f"--servicenode={OSS2}",
        )
    assert site.mount(MDS1, site.device("mgt"), "/mgs") == 0
    assert site.mount(MDS1, site.device("mdt0"), "/mdt0") == 0
    assert site.mount(OSS1, site.device("ost0"), "/ost0") == 0
    assert site.mount(OSS1, site.device("ost1"), "/ost1") == 0
    assert site.mount(CLIENT, f"{MDS1}:{MDS2}:/fs1", "/mnt/fs1") == 0
    return site


def test_a_target_is_registered_at_its_first_mount(running: Site) -> None:
    for name, label in (("mgt", "MGS"), ("mdt0", "fs1-MDT0000"), ("ost0", "fs1-OST0000"), ("ost1", "fs1-OST0001")):
        data = disk.read_mountdata(running.device(name))
        assert data is not None and data.svname == label
        assert not data.flags & (disk.VIRGIN | disk.UPDATE | disk.WRITECONF)
        assert disk.superblock(running.device(name)).label == label
    assert running.hosts[MDS1].param_tree()["mgs.MGS.filesystems"]() == "fs1"
    assert "fs1-OST0001" in running.hosts[MDS1].param_tree()["mgs.MGS.live.fs1"]()


def test_the_client_sees_servers_and_capacity(running: Site) -> None:
    assert running.states() == {
        "fs1-MDT0000": ("FULL", MDS1),
        "fs1-OST0000": ("FULL", OSS1),
        "fs1-OST0001": ("FULL", OSS1),
    }
    row = running.hosts[CLIENT].mounts.table["/mnt/fs1"]
    assert row.shown.folder.endswith("site/fs/fs1/")
    assert 2 * 40_000 < row.shown.capacity()["kbytestotal"] < 2 * 65_536
    assert row.shown.capacity()["kbytestotal"] == 2 * int(
        running.hosts[OSS1].param_tree()["obdfilter.fs1-OST0000.kbytestotal"]()
    )


@pytest.mark.parametrize(
    ("source", "options", "number"),
    [
        (f"{MDS1}:/nosuch", [], errno.ENOENT),
        (f"{MDS1}:/fs1/no/such/folder", [], errno.ENOENT),
        (f"{MDS1}:/fs1", ["frob"], errno.EINVAL),
        (f"{OSS1}:/fs1", [], errno.EIO),
        ("10.99.0.1@tcp:/fs1", [], errno.EIO),
    ],
)
def test_a_client_that_cannot_mount(running: Site, source: str, options: list[str], number: int) -> None:
    assert running.mount(CLIENT, source, "/mnt/other", *options) == number
    assert list(running.hosts[CLIENT].mounts.table) == ["/mnt/fs1"]


def test_a_folder_of_the_file_system_can_be_mounted(running: Site) -> None:
    os.makedirs(running.folder / "site/fs/fs1/projects")
    assert running.mount(CLIENT, f"{MDS1}:/fs1/projects", "/mnt/projects") == 0


def test_an_index_in_use(running: Site) -> None:
    other = running.format("other", "--ost", "--fsname=fs1", "--index=1", *MGS)
    assert running.mount(OSS2, other, "/other") == errno.EADDRINUSE
    assert disk.superblock(other).label == "fs1:OST0001"
    replaced = running.format("replaced", "--ost", "--fsname=fs1", "--index=1", "--replace", *MGS)
    running.umount(OSS1, "/ost1")
    assert running.mount(OSS2, replaced, "/ost1") == 0


def test_without_mgs_a_new_target_fails_and_a_known_one_starts(running: Site) -> None:
    running.umount(OSS1, "/ost1")
    running.umount(MDS1, "/mgs")
    new = running.format("new", "--ost", "--fsname=fs1", "--index=7", *MGS)
    before = running.clock.time()
    assert running.mount(OSS2, new, "/new") == errno.EIO
    assert running.clock.time() - before < 10
    assert running.mount(OSS1, running.device("ost1"), "/ost1") == 0
    assert running.mount(MDS2, running.device("mgt"), "/mgs") == 0
    running.later()
    assert running.hosts[OSS1].targets.by_name("fs1-OST0001").registered


def test_a_device_in_use_by_another_node(running: Site) -> None:
    assert running.mount(OSS2, running.device("ost0"), "/ost0") == errno.EBUSY
    assert not (running.folder / "site/damage").exists()
    status = subprocess.run(["e2mmpstatus", "-i", running.device("ost0")], capture_output=True, text=True, check=False)
    assert OSS1 in status.stdout
    running.umount(OSS1, "/ost0")
    assert running.mount(OSS2, running.device("ost0"), "/ost0") == 0


def test_without_multi_mount_protection_the_damage_is_recorded(running: Site) -> None:
    bare = running.format("bare", "--ost", "--fsname=fs1", "--index=5", *MGS)
    assert running.mount(OSS1, bare, "/bare") == 0
    assert running.mount(OSS2, bare, "/bare") == 0
    assert (running.folder / "site/damage" / disk.superblock(bare).uuid).exists()


def test_fail_over_of_the_mgs_and_mdt0(running: Site) -> None:
    running.umount(MDS1, "/mdt0")
    running.umount(MDS1, "/mgs")
    running.later()
    assert running.states()["fs1-MDT0000"][0] == "DISCONN"
    assert running.mount(MDS2, running.device("mgt"), "/mgs") == 0
    assert running.mount(MDS2, running.device("mdt0"), "/mdt0") == 0
    running.later()
    assert running.states()["fs1-MDT0000"] == ("FULL", MDS2)
    assert "status: COMPLETE" in running.hosts[MDS2].param_tree()["mdt.fs1-MDT0000.recovery_status"]()
    assert running.mount(CLIENT, f"{MDS1}:{MDS2}:/fs1", "/mnt/again") == 0


def test_recovery_takes_as_long_as_the_setting_says(running: Site) -> None:
    running.hosts[OSS1].settings["recovery_time"] = 60.0
    running.umount(OSS1, "/ost0")
    assert running.mount(OSS1, running.device("ost0"), "/ost0") == 0
    status = running.hosts[OSS1].param_tree()["obdfilter.fs1-OST0000.recovery_status"]
    assert status().startswith("status: RECOVERING")
    running.clock.sleep(61)
    assert status().startswith("status: COMPLETE")


def test_writeconf_of_all_and_of_one(running: Site) -> None:
    for nid, path in ((CLIENT, "/mnt/fs1"), (OSS1, "/ost1"), (OSS1, "/ost0"), (MDS1, "/mdt0")):
        running.umount(nid, path)
    for name in ("mdt0", "ost0", "ost1"):
        assert (
            tunefs_lustre.main(["--writeconf", running.device(name)], io.StringIO(), io.StringIO(), io.StringIO()) == 0
        )
        assert disk.superblock(running.device(name)).label[3] == "="
    assert running.mount(MDS1, running.device("mdt0"), "/mdt0") == 0
    assert list(running.hosts[MDS1].mgs.state["targets"]) == ["fs1-MDT0000"]
    assert running.mount(OSS1, running.device("ost0"), "/ost0") == 0
    assert running.mount(CLIENT, f"{MDS1}:/fs1", "/mnt/fs1") == 0
    assert disk.superblock(running.device("ost0")).label == "fs1-OST0000"


def test_erased_configuration(running: Site) -> None:
    running.umount(OSS1, "/ost1")
    running.hosts[MDS1].call("mgs.erase_fs", name="fs1")
    assert running.mount(CLIENT, f"{MDS1}:/fs1", "/mnt/new") == errno.EINVAL
    assert running.mount(OSS1, running.device("ost1"), "/ost1") == errno.ENOENT
    assert "/mnt/fs1" in running.hosts[CLIENT].mounts.table


def test_modules_stay_while_something_is_mounted(running: Site) -> None:
    with pytest.raises(SimError) as caught:
        running.hosts[CLIENT].call("node.unload")
    assert caught.value.errno == errno.EBUSY
    running.umount(CLIENT, "/mnt/fs1")
    running.hosts[CLIENT].call("node.unload")
    assert running.hosts[CLIENT].loaded() == []


def test_the_mgs_state_moves_with_the_device(running: Site) -> None:
    running.hosts[MDS1].mgs.logs.create("fs2-client")
    running.hosts[MDS1].mgs.save()
    running.umount(MDS1, "/mgs")
    assert running.mount(MDS2, running.device("mgt"), "/mgs") == 0
    assert running.hosts[MDS2].mgs.filesystems() == ["fs1", "fs2"]


# -- faults ----------------------------------------------------------------------------------------------------------


def switch(site: Site, name: str, content: str = "") -> Path:
    path = site.folder / "site/faults" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


CHILD = """
import sys, types
sys.path.insert(0, sys.argv[1])
from lustre_sim.tools import mkfs_lustre
host = types.SimpleNamespace(site_dir=sys.argv[2], persistent_dir=sys.argv[2] + "/none")
mkfs_lustre.main(sys.argv[3:], sys.stdin, sys.stdout, sys.stderr, host)
"""


def test_a_format_that_is_killed_half_way(site: Site) -> None:
    switch(site, "kill-half:mkfs.lustre")
    device = site.device("ost")
    words = [str(REHEARSAL), str(site.folder / "site"), "--ost", "--fsname=fs1", "--index=0", *MGS, device]
    done = subprocess.run([sys.executable, "-c", CHILD, *words], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    sink = io.StringIO()
    assert disk.superblock(device).label == "fs1:OST0000"
    assert not disk.has_lustre_data(device)
    assert tunefs_lustre.main(["--dryrun", device], sink, sink, sink, site.hosts[MDS1]) == errno.ENODEV


def test_a_switch_with_a_number_is_used_up(site: Site) -> None:
    path = switch(site, "fail:tunefs.lustre", "2")
    sink = io.StringIO()
    device = site.format("ost", "--ost", "--fsname=fs1", "--index=0", *MGS)
    codes = [tunefs_lustre.main(["--dryrun", device], sink, sink, sink, site.hosts[MDS1]) for _ in range(3)]
    assert codes == [1, 1, 0] and not path.exists()


def test_garbage_is_printed_with_success(site: Site) -> None:
    switch(site, "garbage:tunefs.lustre")
    out = io.StringIO()
    assert tunefs_lustre.main(["--dryrun", site.device("x")], io.StringIO(), out, io.StringIO(), site.hosts[MDS1]) == 0
    assert "Target" not in out.getvalue() and out.getvalue()


def test_a_vanished_device(running: Site) -> None:
    device = running.device("ost1")
    running.umount(OSS1, "/ost1")
    switch(running, f"device-vanishes:{device.replace('/', '%')}")
    assert running.mount(OSS1, device, "/ost1") == errno.EIO


def test_an_mgs_that_is_down(running: Site) -> None:
    switch(running, "mgs-down")
    assert running.mount(CLIENT, f"{MDS1}:/fs1", "/mnt/two") == errno.EIO


def test_the_mount_helper_says_what_is_wrong(running: Site, tmp_path: Path) -> None:
    switch(running, "mgs-down")
    err = io.StringIO()
    rc = mount_lustre.main([f"{MDS1}:/fs1", str(tmp_path)], io.StringIO(), io.StringIO(), err, running.hosts[CLIENT])
    assert rc == errno.EIO
    assert err.getvalue() == (
        f"mount.lustre: mount {MDS1}:/fs1 at {tmp_path} failed: Input/output error\nIs the MGS running?\n"
    )
