"""Disks that something lies on top of, on a real file with real reads: only sysfs, udev and /proc are made up.

No test machine has device-mapper, multipath or RAID: what the kernel shows of them is laid in a folder, in the kernel's
own layout (sysfs: Documentation/ABI/stable/sysfs-block, /proc/mdstat: md(4), udev's records: /run/udev/data).
"""

from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import LocalFiles, Node
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources import blank
from tests.unit import target_support as support

SIZE = 64 << 20
NUMBER, KNAME = "8:48", "sdd"


class Tree(LocalFiles):
    """The node's files from a folder; the device is a file in it, read for real, called a block device."""

    def __init__(self, root, device):
        self.root, self.device = root, device

    def node(self, path):
        if path in (str(self.device), f"/dev/{KNAME}"):
            return Node(f"/dev/{KNAME}", NUMBER)
        raise FileNotFoundError(2, "No such file or directory", path)

    def data(self, path):
        return super().data(str(self.root) + path)

    def names(self, path):
        return super().names(str(self.root) + path)


@pytest.fixture
def tree(tmp_path):
    device = tmp_path / "disk"
    with device.open("wb") as stream:
        stream.truncate(SIZE)
    base = tmp_path / "sys/dev/block" / NUMBER
    for folder in (base / "holders", tmp_path / "proc/self", tmp_path / "run/udev/data"):
        folder.mkdir(parents=True)
    (base / "uevent").write_text(f"MAJOR=8\nMINOR=48\nDEVNAME={KNAME}\nDEVTYPE=disk\n")
    (base / "size").write_text(f"{SIZE // 512}\n")
    (base / "ro").write_text("0\n")
    (tmp_path / "proc/self/mountinfo").write_text(support.MOUNTINFO)
    (tmp_path / "proc/swaps").write_text(support.SWAPS)
    return Tree(tmp_path, device)


def device_mapper(root):
    (root / "sys/dev/block" / NUMBER / "holders/dm-3").mkdir()


def multipath(root):
    (root / "run/udev/data" / f"b{NUMBER}").write_text("S:disk/by-id/wwn-0x5\nE:DM_MULTIPATH_DEVICE_PATH=1\n")


def raid(root):
    (root / "proc/mdstat").write_text("Personalities : [raid1]\nmd0 : active raid1 sde[1] sdd[0]\n      1 blocks\n")


def partition(root):
    (root / "sys/dev/block" / NUMBER / "sdd1").mkdir()


def swap(root):
    (root / "proc/swaps").write_text(support.SWAPS + f"/dev/{KNAME} partition 65532 0 -2\n")


def mounted(root):
    line = f"40 29 {NUMBER} / /srv/data rw,relatime shared:2 - ext4 /dev/{KNAME} rw\n"
    (root / "proc/self/mountinfo").write_text(support.MOUNTINFO + line)


def read_only(root):
    (root / "sys/dev/block" / NUMBER / "ro").write_text("1\n")


FOUND = {
    device_mapper: ("sysfs", "it is held by dm-3"),
    multipath: ("udev", "it is one path of a multipath device"),
    raid: ("mdstat", "it is a member of a software RAID"),
    partition: ("sysfs", "it has partitions: sdd1"),
    swap: ("swap", "it is swap space in use (/dev/sdd)"),
    mounted: ("mounts", "it is mounted at /srv/data"),
    read_only: ("sysfs", "it is read-only"),
}


def test_the_device_is_opened_for_nobody_else(tree, monkeypatch):
    """O_EXCL on a block device is what the kernel's own holders (mounts, device-mapper, RAID, swap) exclude."""
    opened = []
    monkeypatch.setattr(os, "open", lambda path, flags, real=os.open: opened.append((path, flags)) or real(path, flags))
    tree.ends(str(tree.device))
    ((path, flags),) = opened
    assert path == str(tree.device) and flags & os.O_EXCL and flags & os.O_ACCMODE == os.O_RDONLY


def evidence(tree, fake):
    path = str(tree.device)
    rows = [support.lsblk_row(KNAME, NUMBER, SIZE)]
    calls = [support.lsblk_call([path], rows), support.wipefs_call([path]), support.blkid_call(path)]
    return blank.gather([path], fake(calls), tree)[path]


def test_the_bare_disk_is_proven_blank(tree, fake):
    assert blank.judge(evidence(tree, fake)) == ()


@pytest.mark.parametrize("spoil", FOUND, ids=lambda spoil: spoil.__name__)
def test_what_only_the_kernel_knows_is_enough_to_refuse(spoil, tree, fake):
    """The tools say nothing in all of these cases: one view is enough."""
    before = hashlib.sha256(tree.device.read_bytes()).hexdigest()
    spoil(tree.root)
    found = evidence(tree, fake)
    assert [(o.probe, o.found) for o in blank.judge(found)] == [FOUND[spoil]]
    with pytest.raises(Refused, match="not proven blank") as refused:
        blank.require_blank(found, "format it")
    assert str(tree.device) in str(refused.value) and FOUND[spoil][1] in str(refused.value)
    assert hashlib.sha256(tree.device.read_bytes()).hexdigest() == before
