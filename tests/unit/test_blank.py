"""The guard: what makes a device proven blank, and that everything else is an objection."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, LocalFiles, Node
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolMissing, ToolTimeout
from ansible_collections.lustre.core.plugins.module_utils._resources import blank
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import stable_path
from tests.unit import target_support as support
from tests.unit.fake_runner import load_cases
from tests.unit.target_support import DISK, PATH

CASES = load_cases("target_blank")


def answer(tool, told):
    if isinstance(told, dict):
        return ToolMissing(tool) if told["raise"] == "missing" else ToolTimeout(f"run {tool}", [tool], 60, False)
    return tuple(told)


def spoil(files, case):
    for path, text in case.get("text", {}).items():
        files.texts[path] = OSError(text["errno"], os.strerror(text["errno"])) if isinstance(text, dict) else text
        if isinstance(text, dict) and text["errno"] == errno.ENOENT:
            files.texts[path] = FileNotFoundError(errno.ENOENT, "No such file or directory")
    files.folders.update(case.get("folder", {}))
    ext4 = case.get("ext4", {})
    if "errno" in ext4:
        files.heads[PATH] = OSError(ext4["errno"], os.strerror(ext4["errno"]))
    elif ext4:
        files.heads[PATH] = support.ext4_head(ext4["label"], ext4.get("dirdata", False))
    content = case.get("content", {})
    if "errno" in content:
        files.contents[PATH] = OSError(content["errno"], os.strerror(content["errno"]))
    elif content:
        files.contents[PATH] = Ends(content.get("size", support.GIB), content.get("nonzero"))


DEBUGFS = {
    "mountdata": support.MOUNTDATA,
    "no mountdata": support.NO_MOUNTDATA,
    "unreadable": support.UNREADABLE,
    "missing": ToolMissing("debugfs"),
}


def calls_of(case):
    row = case.get("lsblk", {})
    lsblk = support.lsblk_call([PATH], [support.lsblk_row("sdd", "8:48", **(row if isinstance(row, dict) else {}))])
    if isinstance(row, str):
        lsblk = (lsblk[0], row)
    wipefs = answer("wipefs", case["wipefs"]) if "wipefs" in case else support.NO_SIGNATURE
    blkid = answer("blkid", case["blkid"]) if "blkid" in case else (2, "", "")
    asked = "debugfs" in case.get("ext4", {})
    debugfs = [support.debugfs_call(PATH, DEBUGFS[case["ext4"]["debugfs"]])] if asked else []
    return [lsblk, support.wipefs_call([PATH], wipefs), support.blkid_call(PATH, blkid), *debugfs]


def test_a_blank_disk_is_proven_blank(fake, files):
    run = fake(support.blank_probes([DISK]))
    evidence = blank.gather([PATH], run, files)[PATH]
    assert blank.judge(evidence) == ()
    assert set(evidence.answers) == {name for name, _ in blank.PROBES}
    blank.require_blank(evidence, "format it")


def test_the_cases_are_many():
    assert len(CASES) >= 40
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_whatever_is_not_blank_is_refused_by_the_probe_that_sees_it(case, fake, files):
    spoil(files, case)
    evidence = blank.gather([PATH], fake(calls_of(case)), files)[PATH]
    told = {objection.probe: objection.found for objection in blank.judge(evidence)}
    for probe, words in case["says"].items():
        if words:
            assert words in told[probe]
    assert told and set(told) <= set(case["says"])
    with pytest.raises(Refused, match="not proven blank"):
        blank.require_blank(evidence, "format it")


@pytest.mark.parametrize("probe", [name for name, _ in blank.PROBES])
def test_a_probe_that_was_not_asked_or_failed_is_an_objection(probe, fake, files):
    evidence = blank.gather([PATH], fake(support.blank_probes([DISK])), files)[PATH]
    less = {name: value for name, value in evidence.answers.items() if name != probe}
    assert [o.probe for o in blank.judge(blank.Evidence(PATH, less))] == [probe]
    failed = blank.judge(blank.Evidence(PATH, less, {probe: "it exploded"}))
    assert [(o.probe, "it exploded" in o.found) for o in failed] == [(probe, True)]


def test_no_evidence_at_all_is_no_proof():
    assert {o.probe for o in blank.judge(blank.Evidence(PATH))} == {name for name, _ in blank.PROBES}


def test_a_plain_partition_may_be_blank(fake, files):
    tags = (
        f"DEVNAME=/dev/sdd\nPART_ENTRY_SCHEME=gpt\nPART_ENTRY_TYPE={blank.PLAIN_PARTITIONS[0]}\nPART_ENTRY_NUMBER=1\n"
    )
    case = {"lsblk": {"type": "part", "pttype": "gpt"}, "blkid": [0, tags, ""]}
    evidence = blank.gather([PATH], fake(calls_of(case)), files)[PATH]
    assert blank.judge(evidence) == ()


def test_several_disks_cost_one_lsblk_one_wipefs_and_a_blkid_each(fake, files):
    second = ("/dev/disk/by-id/scsi-ost4", "sde", "8:64")
    files.add_disk(*second)
    run = fake(support.blank_probes([DISK, second]))
    found = blank.gather([PATH, second[0]], run, files)
    assert run.count == 4
    assert [blank.judge(evidence) for evidence in found.values()] == [(), ()]


def test_a_signature_is_held_against_its_own_disk_only(fake, files):
    second = ("/dev/disk/by-id/scsi-ost4", "sde", "8:64")
    files.add_disk(*second)
    calls = support.blank_probes([DISK, second])
    calls[1] = (calls[1][0], '{"signatures": [{"device": "sde", "offset": "0x0", "type": "crypto_LUKS"}]}')
    found = blank.gather([PATH, second[0]], fake(calls), files)
    assert blank.judge(found[PATH]) == ()
    assert [o.probe for o in blank.judge(found[second[0]])] == ["wipefs"]


def test_a_path_that_is_no_block_device_starts_no_process(fake, files):
    files.nodes[PATH] = Node("/root/image", "")
    objections = blank.judge(blank.gather([PATH], fake([]), files)[PATH])
    assert objections[0].probe == "path" and "not a block device" in objections[0].found


@pytest.mark.parametrize("position", [0, 1, 4095, (1 << 20) - 1, (5 << 20) - 1, 4 << 20])
def test_the_reader_finds_one_byte_in_the_first_and_last_mebibyte(tmp_path, position):
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(5 << 20)
        stream.seek(position)
        stream.write(b"\x01")
    assert LocalFiles().ends(str(image)) == Ends(5 << 20, position)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 3 << 19, 5 << 20])
def test_the_reader_finds_nothing_in_zeros(tmp_path, size):
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(size)
    assert LocalFiles().ends(str(image)) == Ends(size, None)


@pytest.mark.parametrize(
    "path",
    [
        "/dev/disk/by-id/scsi-36001405",
        "/dev/disk/by-id/wwn-0x5000c500a-part1",
        "/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
        "/dev/disk/by-partuuid/62ee202c-a30e-fd49-abe2-14428c28d291",
        "/dev/disk/by-vdev/A3",
        "/dev/mapper/mpatha",
        "/dev/md/ost3",
        "/dev/vg_ost/lv3",
        "/dev/zvol/pool/volume",
        "/dev/drbd/by-res/ost3/0",
    ],
)
def test_names_that_stay_are_accepted(path):
    assert stable_path(path, "targets[0].device") == path


@pytest.mark.parametrize(
    "path",
    [
        "", None, "sdb", "/dev/sdb", "/dev/sdb1", "/dev/nvme0n1", "/dev/loop0", "/dev/dm-3", "/dev/md0", "/dev/vda",
        "/dev/disk/by-uuid/f6b46dce", "/dev/disk/by-label/fs1-OST0003", "/dev/disk/by-partlabel/ost",
        "/dev/disk/by-diskseq/9", "/dev/disk/by-id/lvm-pv-uuid-abc", "/dev/disk/by-id/", "/dev/disk/by-id/a/b",
        "/dev/disk/other/x", "/dev/mapper/control", "/dev/mapper/", "/dev/block/8:48", "/dev/char/1:3", "/dev/disk/by-id/../../sdb",
        "/dev/disk/by-id/./x", "/dev//mapper/x", "/root/image", "/dev/disk/by-id/a b", "/dev/disk/by-id/a;b", "/dev/zvol/pool",
    ],
)  # fmt: skip
def test_names_that_may_be_another_disk_tomorrow_are_refused(path):
    with pytest.raises(BadValue, match=r"^targets\[0\]\.device: .*by-id"):
        stable_path(path, "targets[0].device")


@pytest.mark.parametrize("name", ["scsi-ost3", "sdd"])
def test_wipefs_calls_a_device_by_the_path_it_was_given(fake, files, name):
    """util-linux 2.38 prints the last part of the argument: of a link its own name, not the kernel's."""
    found = f'{{"signatures": [{{"device": "{name}", "offset": "0x1fe", "type": "dos"}}]}}'
    run = fake(
        [
            support.lsblk_call([PATH], [support.lsblk_row("sdd", "8:48")]),
            support.wipefs_call([PATH], found),
            support.blkid_call(PATH),
        ]
    )
    objections = blank.judge(blank.gather([PATH], run, files)[PATH])
    assert [(objection.probe, objection.found) for objection in objections] == [
        ("wipefs", "it carries signatures: dos at 0x1fe")
    ]


def test_a_signature_of_a_device_that_nobody_asked_for_proves_nothing_blank(fake, files):
    found = '{"signatures": [{"device": "sdz", "offset": "0x1fe", "type": "dos"}]}'
    run = fake(
        [
            support.lsblk_call([PATH], [support.lsblk_row("sdd", "8:48")]),
            support.wipefs_call([PATH], found),
            support.blkid_call(PATH),
        ]
    )
    objections = blank.judge(blank.gather([PATH], run, files)[PATH])
    assert [objection.probe for objection in objections] == ["wipefs"] and "no usable answer" in objections[0].found


def refusal(fake, files, label, debugfs, dirdata=False):
    files.heads[PATH] = support.ext4_head(label, dirdata)
    files.contents[PATH] = Ends(support.GIB, 1024)
    run = fake(
        [
            support.lsblk_call([PATH], [support.lsblk_row("sdd", "8:48", fstype="ext4")]),
            support.wipefs_call([PATH], '{"signatures": [{"device": "sdd", "offset": "0x438", "type": "ext4"}]}'),
            support.blkid_call(PATH, f"DEVNAME=/dev/sdd\nLABEL={label}\nTYPE=ext4\n"),
            support.debugfs_call(PATH, debugfs),
        ]
    )
    with pytest.raises(Refused) as refused:
        blank.require_blank(blank.gather([PATH], run, files)[PATH], "format it")
    return str(refused.value)


@pytest.mark.parametrize("answer", [support.UNREADABLE, support.MOUNTDATA, ToolMissing("debugfs")])
def test_nobody_reads_how_to_wipe_beside_what_may_be_a_target(fake, files, answer):
    text = refusal(fake, files, "fs1-MDT0000", answer, dirdata=True)
    assert "Do NOT wipe it" in text and "libext2fs that does not know Lustre's features" in text
    assert "wipe it by hand" not in text and "wipefs -a" not in text


def test_a_killed_format_is_wiped_by_its_module(fake, files):
    text = refusal(fake, files, "fs1:MDT0000", support.NO_MOUNTDATA, dirdata=True)
    assert "the module lustre.core.wipe, with a consent that names the device" in text
    assert "Do NOT wipe" not in text and "wipe it by hand" not in text


def test_somebody_elses_ext4_is_looked_at_before_it_is_wiped(fake, files):
    text = refusal(fake, files, "home", support.NO_MOUNTDATA)
    assert "Find out first whose data this is" in text and "Only if nothing on it is needed by anybody" in text
