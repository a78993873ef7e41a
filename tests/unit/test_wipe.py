"""Wiping: what must be proven before, what is written, and that anything else is left alone."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    Refused,
    ToolError,
    ToolMissing,
    ToolTimeout,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.wipe import WipeResource
from tests.unit import target_support as support
from tests.unit.target_support import DISK, MMP_BUSY, MMP_CLEAN, MMP_OFF, PATH

SERVICE = [["10.77.0.21@tcp"], ["10.77.0.22@tcp"]]
OST = {
    "kind": "ost",
    "fsname": "fs1",
    "index": 3,
    "device": PATH,
    "mgs_nids": [["10.77.0.11@tcp"]],
    "service_nids": SERVICE,
}
MGT = {"kind": "mgt", "device": PATH}
EXT4 = "DEVNAME={path}\nLABEL={label}\nUUID=43df441f\nVERSION=1.0\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n"
SIGNATURE = '{"signatures": [{"device":"scsi-ost3", "offset":"0x438", "type":"ext4"}%s]}'
USED = Ends(support.GIB, 1024)
ZERO = ["dd", "if=/dev/zero", f"of={PATH}", "bs=1048576", "count=1", "conv=nocreat,notrunc,fsync", "status=none"]
TAIL = ([*ZERO, f"seek={support.GIB - (1 << 20)}", "oflag=seek_bytes"], "")
HEAD = (ZERO, "")
WIPEFS = (["wipefs", "--all", PATH], "")


@pytest.fixture
def files(files):
    files.contents[PATH] = USED
    return files


def resource(files, target=OST, devices=(PATH,)):
    return WipeResource.from_options([target], devices, files)


def look(label="fs1-OST0003", tunefs=None, blkid=None, wipefs=None, **row):
    """The calls of one look at the device with a target on it."""
    return [
        support.lsblk_call([PATH], [support.lsblk_row("sdd", "8:48", **row)]),
        support.wipefs_call([PATH], wipefs or SIGNATURE % ""),
        support.blkid_call(PATH, blkid or EXT4.format(path=PATH, label=label)),
        support.tunefs_call(PATH, tunefs or support.dryrun(label=label)),
    ]


def look_empty():
    return [*support.blank_probes([DISK]), support.tunefs_call(PATH, support.NOT_LUSTRE)]


class Zeroed:
    """Makes the device read as zeros once its first MiB was written."""

    def __init__(self, run, files):
        self.run, self.files = run, files

    def __call__(self, argv, stdin=None, timeout=120.0):
        result = self.run(argv, stdin, timeout)
        if list(argv) == ZERO:
            self.files.contents[PATH] = Ends(support.GIB, None)
        return result


def whole_run(label="fs1-OST0003", mmp=MMP_CLEAN, **found):
    seen = look(label, **found)
    return [*seen, *seen, mmp, TAIL, *seen, mmp, HEAD, *look_empty(), WIPEFS, *look_empty()]


def test_a_target_is_wiped_end_start_signatures(fake, files):
    outcome = converge(resource(files), Zeroed(fake(whole_run()), files))
    assert [(step.action, step.destructive) for step in outcome.plan.steps] == [
        ("zero end", True), ("zero start", True), ("wipe signatures", True),
    ]  # fmt: skip
    assert outcome.before["devices"] == [
        {"label": "fs1-OST0003", "device": PATH, "wiped": False, "found_label": "fs1-OST0003"}
    ]
    assert outcome.after["devices"][0]["wiped"]


def test_a_second_run_finds_nothing_to_do(fake, files):
    files.contents[PATH] = Ends(support.GIB, None)
    assert not converge(resource(files), fake(look_empty())).changed


def test_check_mode_plans_the_same_and_only_looks(fake, files):
    outcome = converge(resource(files), fake(look()), check_mode=True)
    assert len(outcome.plan.steps) == 3 and not outcome.applied


def test_a_stand_alone_mgt(fake, files):
    label = "MGS"
    tunefs = support.dryrun(label="MGS", flags="0x4", params="")
    run = Zeroed(fake(whole_run(label, MMP_OFF, tunefs=tunefs)), files)
    assert converge(resource(files, MGT), run).changed


def test_what_a_killed_format_left(fake, files):
    files.heads[PATH] = support.ext4_head("fs1:OST0003")
    seen = [*look("fs1:OST0003", tunefs=support.NOT_LUSTRE)]
    seen.insert(3, support.debugfs_call(PATH, support.NO_MOUNTDATA))
    outcome = converge(resource(files), fake(seen), check_mode=True)
    assert "a half-made target" in outcome.plan.steps[0].reason


@pytest.mark.parametrize(
    ("label", "answer", "said"),
    [
        ("fs1:OST0003", support.UNREADABLE, "that this node's e2fsprogs cannot read"),
        ("fs1:OST0003", support.MOUNTDATA, "it carries a Lustre target labelled 'fs1:OST0003'"),
        ("fs1:OST0003", ToolMissing("debugfs"), "it looks like a Lustre target"),
        ("fs1-OST0003", support.NO_MOUNTDATA, "although its CONFIGS/mountdata is gone: it may be wanted for a repair"),
    ],
)
def test_a_target_that_lustres_own_tool_cannot_read_is_kept(fake, files, label, answer, said):
    files.heads[PATH] = support.ext4_head(label, dirdata=answer is support.UNREADABLE)
    seen = [*look(label, tunefs=support.NOT_LUSTRE)]
    seen.insert(3, support.debugfs_call(PATH, answer))
    with pytest.raises(Refused, match=said) as told:
        converge(resource(files), fake(seen))
    assert "Do NOT wipe it" in str(told.value)
    assert "wipe it by hand" not in str(told.value)


def test_a_superblock_that_only_blkid_sees_is_no_half_made_target(fake, files):
    with pytest.raises(Refused, match="its superblock cannot be read"):
        converge(resource(files), fake(look("fs1:OST0003", tunefs=support.NOT_LUSTRE)))


def test_the_same_name_of_another_site_is_left_alone(fake, files):
    other = support.dryrun(params="mgsnode=192.168.1.1@tcp:192.168.1.2@tcp")
    with pytest.raises(
        Refused, match=r"of another file system of that name: its MGS is 192\.168\.1\.1@tcp:192\.168\.1\.2@tcp"
    ):
        converge(resource(files), fake(look(tunefs=other)))


def test_an_mdt_that_carries_the_mgs_too_is_left_alone(fake, files):
    mdt = {**OST, "kind": "mdt", "index": 0}
    seen = look("fs1-MDT0000", tunefs=support.dryrun(label="fs1-MDT0000", flags="0x5"))
    with pytest.raises(Refused, match="it carries fs1-MDT0000 together with an MGS"):
        converge(resource(files, mdt), fake(seen))


def test_udev_knowing_the_ext4_is_no_hindrance(fake, files):
    files.texts["/run/udev/data/b8:48"] = "E:ID_FS_TYPE=ext4\n"
    assert converge(resource(files), fake(look(fstype="ext4")), check_mode=True).changed


OTHER_FS = EXT4.format(path=PATH, label="fs1-OST0003").replace("TYPE=ext4", "TYPE=xfs")
REFUSED = {
    "another index": ({"label": "fs1-OST0004"}, "it carries another target: it is fs1-OST0004"),
    "another file system": ({"label": "fs2-OST0003"}, "it carries another target: it is fs2-OST0003"),
    "another label than its data": ({"tunefs": support.dryrun(label="fs1-OST0003"), "label": "data"}, "its label is 'data'"),
    "an ext4 of somebody": ({"tunefs": support.NOT_LUSTRE, "label": "home"}, "its label is 'home'"),
    "a label whose data is missing": ({"tunefs": support.NOT_LUSTRE}, "its superblock cannot be read"),
    "xfs": ({"tunefs": support.NOT_LUSTRE, "blkid": OTHER_FS}, "it carries xfs"),
    "a partition table": ({"blkid": EXT4.format(path=PATH, label="fs1-OST0003") + "PTTYPE=dos\n"}, "it carries ext4, and not only"),
    "a further signature": (
        {"wipefs": SIGNATURE % ', {"device":"scsi-ost3", "offset":"0x1fe", "type":"dos"}'}, "it carries dos at 0x1fe beside the target",
    ),
    "no signature that wipefs knows": ({"wipefs": support.NO_SIGNATURE}, "no signature that wipefs knows"),
    "random bytes": ({"tunefs": support.NOT_LUSTRE, "blkid": (2, "", ""), "wipefs": support.NO_SIGNATURE}, "data without a known signature"),
    "a mount point": ({"mountpoints": ["/mnt"]}, "lsblk: it is mounted at /mnt"),
    "partitions": ({"children": [{"kname": "sdd1"}]}, "lsblk: there are devices on top of it: sdd1"),
    "read-only": ({"ro": True}, "lsblk: it is read-only"),
    "another size": ({"size": 2 * support.GIB}, "the probes do not agree"),
    "a probe that fails": ({"blkid": (8, "", "")}, "blkid: no usable answer"),
    "a probe that hangs": ({"wipefs": ToolTimeout("run wipefs", ["wipefs"], 60.0, False)}, "wipefs: no usable answer"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "said"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_left_alone(fake, files, found, said):
    with pytest.raises(Refused, match=f"Refused to wipe fs1-OST0003 on {PATH}: .*{said}"):
        converge(resource(files), fake(look(**found)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda files: files.contents.update({PATH: OSError(16, "busy")}),
            "content: no usable answer: the device is in use",
        ),
        (lambda files: files.folders.update({"/sys/dev/block/8:48/holders": ["dm-0"]}), "it is held by dm-0"),
        (lambda files: files.texts.update({"/proc/swaps": support.SWAPS + f"{PATH} partition 1 0 -2\n"}), "swap space"),
        (lambda files: files.texts.update({"/run/udev/data/b8:48": "E:DM_MULTIPATH_DEVICE_PATH=1\n"}), "multipath"),
        (
            lambda files: files.texts.update(
                {"/proc/self/mountinfo": support.MOUNTINFO + f"40 1 0:50 / /lustre/fs1/ost0003 ro - lustre {PATH} ro\n"}
            ),
            "mounts: it is mounted at /lustre/fs1/ost0003",
        ),
    ],
)
def test_a_device_in_use_is_left_alone(fake, files, spoil, said):
    spoil(files)
    with pytest.raises(Refused, match=said):
        converge(resource(files), fake(look()))


@pytest.mark.parametrize(
    ("mmp", "said"),
    [(MMP_BUSY, "a node uses it"), (MMP_OFF, "2 nodes may mount it and multi-mount protection is off")],
)
def test_a_partner_that_may_use_it_stops_it_before_the_first_byte(fake, files, mmp, said):
    with pytest.raises(Refused, match=said):
        converge(resource(files), fake([*look(), *look(), mmp]))


def test_a_path_that_leads_elsewhere_after_the_plan(fake, files):
    class Renamed:
        def __init__(self, run):
            self.run, self.looks = run, 0

        def __call__(self, argv, stdin=None, timeout=120.0):
            if argv[0] == "tunefs.lustre":
                files.nodes[PATH] = Node("/dev/sde", "8:64")
                files.add_disk("/dev/other", "sde", "8:64")
                files.contents[PATH] = USED
            return self.run(argv, stdin, timeout)

    second = look()
    second[0] = support.lsblk_call([PATH], [support.lsblk_row("sde", "8:64")])
    with pytest.raises(Refused, match="the path leads to another device than it did when planned"):
        converge(resource(files), Renamed(fake([*look(), *second])))


def test_a_target_that_somebody_mounts_between_two_commands(fake, files):
    class Mounted:
        def __init__(self, run):
            self.run = run

        def __call__(self, argv, stdin=None, timeout=120.0):
            result = self.run(argv, stdin, timeout)
            if tuple(argv) == tuple(TAIL[0]):
                files.contents[PATH] = OSError(16, "busy")
            return result

    with pytest.raises(Refused, match="the device is in use"):
        converge(resource(files), Mounted(fake([*look(), *look(), MMP_CLEAN, TAIL, *look()])))


def test_a_command_that_fails_ends_it(fake, files):
    broken = (TAIL[0], (1, "", "dd: error writing: Input/output error\n"))
    with pytest.raises(ToolError, match="It may be half wiped: run again"):
        converge(resource(files), fake([*look(), *look(), MMP_CLEAN, broken]))


def test_zeros_that_do_not_read_as_zeros(fake, files):
    empty_but = [*support.blank_probes([DISK]), support.tunefs_call(PATH, support.NOT_LUSTRE)]
    calls = [*look(), *look(), MMP_CLEAN, TAIL, *look(), MMP_CLEAN, HEAD, *empty_but]
    with pytest.raises(Refused, match="it is not empty after it was filled with zeros"):
        converge(resource(files), fake(calls))


def test_a_device_that_is_not_there(fake, files):
    del files.nodes[PATH]
    with pytest.raises(Refused, match="the device cannot be looked at"):
        converge(resource(files), fake([]))


@pytest.mark.parametrize(
    ("target", "devices", "said"),
    [
        (OST, ["/dev/disk/by-id/scsi-ost4"], r"devices\[0\]: /dev/disk/by-id/scsi-ost4 is not the device of a target"),
        (OST, ["/dev/sdd"], "is not the device of a target"),
        (OST, [PATH, PATH], r"devices\[1\]: .* is named twice"),
        ({**OST, "backend": "zfs", "device": "pool/ost3"}, ["pool/ost3"], "nothing here destroys datasets"),
        (OST, [PATH + "/"], "is not the device of a target"),
    ],
)
def test_only_devices_of_the_description(files, target, devices, said):
    with pytest.raises(BadValue, match=said):
        resource(files, target, devices)


def test_nothing_named_is_nothing_done(fake, files):
    assert not converge(resource(files, devices=()), fake([])).changed
