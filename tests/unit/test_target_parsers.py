"""Parsers of the target tools: right on what real tools printed, typed errors on everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import blockdev, devfiles, mountdata, tunefs_lustre, zfs
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import Label
from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from tests.unit.fake_runner import load_transcript

FAST = settings(max_examples=150, deadline=None, derandomize=True, database=None)

RECORDED = [
    ("mkfs/tunefs-dryrun-mdt", "lustre-MDT0000", 0x65, True, False, ("user_xattr", "errors=remount-ro"), ()),
    ("mkfs/tunefs-dryrun-after", "lustre-OST0001", 0x1062, False, False, ("errors=remount-ro",), (("mgsnode", "10.0.2.15@tcp"),)),
    (
        "mkfs/tunefs-dryrun-after-dup", "lustre-OST0001", 0x1062, False, False, ("errors=remount-ro",),
        (("mgsnode", "10.0.2.15@tcp:10.0.2.15@tcp"),),
    ),
    ("mount/tunefs-dryrun-mounted", "lustre-MDT0000", 0x5, True, True, ("user_xattr", "errors=remount-ro"), ()),
    (
        "mkfs/tunefs-param", "lustre-OST0001", 0x1062, False, False, ("errors=remount-ro",),
        (("mgsnode", "10.0.2.15@tcp"), ("failover.node", "10.0.2.15@tcp"), ("ost.foo", "1")),
    ),
    ("failover/srv-servicenode-dry", "lustre-OST0000", 0x2, False, True, ("errors=remount-ro",), (("mgsnode", "10.0.2.15@tcp"),)),
    ("writeconf/writeconf-ost1", "lustre-OST0001", 0x1002, False, True, ("errors=remount-ro",), None),
    ("zfs/tunefs-dryrun-zfs", "lustre-OST0002", 0x62, False, False, (), (("mgsnode", "10.0.2.15@tcp"), ("autodegrade", "on"))),
]  # fmt: skip


@pytest.mark.parametrize("row", RECORDED, ids=[row[0] for row in RECORDED])
def test_the_first_block_of_tunefs_is_what_is_on_disk(row):
    name, label, flags, mgs, registered, options, params = row
    data = tunefs_lustre.parse(load_transcript(name).out)
    assert (data.label, data.flags, data.mgs, data.registered, data.mount_options) == (
        label,
        flags,
        mgs,
        registered,
        options,
    )
    assert params is None or data.params == params


def test_a_stand_alone_mgt_has_neither_index_nor_file_system():
    text = (
        "   Read previous values:\nTarget:     MGS\nIndex:      unassigned\nLustre FS:  \nMount type: ldiskfs\n"
        "Flags:      0x74\n              (MGS needs_index first_time update )\nPersistent mount opts: user_xattr\nParameters:\n\n"
    )
    data = tunefs_lustre.parse(text)
    assert (data.label, data.kind, data.fsname, data.index, data.mgs) == ("MGS", "mgt", "", None, True)


def test_a_comment_and_a_uuid_are_known_lines():
    text = load_transcript("mkfs/tunefs-dryrun-mdt").out
    text = text.replace("Lustre FS:", "UUID:       abc\nLustre FS:", 1).replace(
        "Parameters:\n", "Parameters:\nComment:    of site A\n", 1
    )
    assert tunefs_lustre.parse(text).label == "lustre-MDT0000"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Target:     lustre-MDT0000", "Target:     lustre-MDT0001"),
        ("Target:     lustre-MDT0000", "Target:     lustre-OST0000"),
        ("Target:     lustre-MDT0000", "Target:     lustr3-MDT0000"),
        ("Index:      0", "Index:      zero"),
        ("Index:      0\n", ""),
        ("Flags:      0x65", "Flags:      0x67"),
        ("Flags:      0x65", "Flags:      0x60"),
        ("Flags:      0x65", "Flags:      many"),
        ("Parameters:", "Parameters: mgsnode"),
        ("Parameters:", "Parameters: mgsnode=nowhere"),
        ("Parameters:", "Parameters: =x"),
        ("Parameters:\n", ""),
        ("Mount type: ldiskfs", "Mount type: ldiskfs\nMount type: zfs"),
        ("Mount type: ldiskfs", "Mount type: ldiskfs\nNew field:  1"),
        ("Read previous values", "Permanent disk data"),
    ],
)
def test_a_block_that_contradicts_itself_is_unknown(old, new):
    text = load_transcript("mkfs/tunefs-dryrun-mdt").out
    assert old in text
    with pytest.raises(UnknownOutput, match=r"tunefs\.lustre printed something"):
        tunefs_lustre.parse(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("lustre:OST000a", Label("ost", "lustre", 10)),
        ("a-b_1=MDTffff", Label("mdt", "a-b_1", 65535)),
        ("fs1+OST0001", Label("ost", "fs1", 1)),
        ("fs1-MDT0000", Label("mdt", "fs1", 0)),
        ("MGS", Label("mgt", "", None)),
        ("fs1-OST000A", None),
        ("fs1-OST00001", None),
        ("toolongname-OST0001", None),
        ("fs1-MGS", None),
        ("home", None),
        ("", None),
    ],
)
def test_labels(text, label):
    assert mountdata.parse_label(text) == label


def test_recorded_blkid_wipefs_lsblk():
    tags = blockdev.parse_blkid(load_transcript("mkfs/blkid-p-o-export").out)
    assert (tags["LABEL"], tags["TYPE"]) == ("lustre:MDT0000", "ext4")
    with pytest.raises(UnknownOutput):
        blockdev.parse_wipefs(load_transcript("mkfs/wipefs-mdt").out)
    with pytest.raises(UnknownOutput):
        blockdev.parse_lsblk(load_transcript("mkfs/lsblk-json").out)
    assert blockdev.parse_wipefs('{\n   "signatures": [\n\n   ]\n}\n') == ()


def test_lsblk_of_older_releases_writes_numbers_and_flags_as_text():
    row = '{"kname":"sda","maj:min":"8:0 ","type":"disk","size":"1024","ro":"0","fstype":null,"pttype":null,"mountpoints":[]}'
    disk = blockdev.parse_lsblk(f'{{"blockdevices": [{row}]}}')["8:0"]
    assert (disk.size, disk.read_only) == (1024, False)


def test_kernel_tables():
    text = (
        "29 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw\n"
        "31 29 0:44 / /lustre/a\\040b rw - fuse.lustre_tgt /dev/disk/by-id/x rw,svname=fs1-OST0003\n"
    )
    root, target = devfiles.parse_mountinfo(text)
    assert (root.number, root.path, root.type) == ("8:1", "/", "ext4")
    assert (target.path, target.type, target.source) == ("/lustre/a b", "lustre_tgt", "/dev/disk/by-id/x")
    assert devfiles.parse_swaps("Filename Type\n/dev/dm\\0401 partition 1 0 -2\n") == ["/dev/dm 1"]
    assert devfiles.parse_mdstat(
        "Personalities : [raid1]\nmd0 : active raid1 sdb1[1](F) sda1[0]\n      10 blocks\n"
    ) == {"sdb1", "sda1"}
    assert devfiles.parse_uevent("E:A=1\nN:sda\nB=2\n") == {"A": "1", "B": "2"}


@st.composite
def mutated(draw, names):
    """A recorded text with a few characters or lines lost, doubled or replaced."""
    text = load_transcript(draw(st.sampled_from(names))).out
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(text) - 1)))
        upto = min(len(text), at + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["cut", "double", "replace", "truncate"]))
        if kind == "cut":
            text = text[:at] + text[upto:]
        elif kind == "double":
            text = text[:upto] + text[at:]
        elif kind == "replace":
            text = text[:at] + draw(st.text(max_size=8)) + text[upto:]
        else:
            text = text[:at]
    return text


def only_typed(parse, text):
    try:
        return parse(text)
    except UnknownOutput:
        return None


TUNEFS = [row[0] for row in RECORDED]


@FAST
@given(mutated(TUNEFS))
def test_a_mutilated_tunefs_gives_a_whole_target_or_unknown_output(text):
    data = only_typed(tunefs_lustre.parse, text)
    if data is not None:
        assert data.kind in ("mgt", "mdt", "ost")
        assert data.index is None or mountdata.parse_label(data.label.replace(":", "-")) is not None


@FAST
@given(mutated(["mkfs/blkid-p-o-export", "mkfs/blkid-mdt"]))
def test_a_mutilated_blkid_is_never_nothing(text):
    tags = only_typed(blockdev.parse_blkid, text)
    assert tags is None or tags


@FAST
@given(
    mutated(["mkfs/lsblk-json", "mkfs/wipefs-mdt"])
    | st.text()
    | st.sampled_from(["null", "[]", "{}", '{"signatures": null}', "1"])
)
def test_json_of_another_shape_is_unknown(text):
    assert only_typed(blockdev.parse_lsblk, text) in (None, {})
    assert only_typed(blockdev.parse_wipefs, text) in (None, ())


@FAST
@given(mutated(["zfs/zfs-get-lustre-s-local"]))
def test_mutilated_zfs_properties_give_a_whole_target_or_unknown_output(text):
    rows = [line.split("\t") for line in text.split("\n") if line.count("\t") == 1]
    only_typed(zfs.target_of, {row[0]: row[1] for row in rows})


@FAST
@given(st.text(), st.integers(1, 4))
def test_any_text_is_a_table_or_unknown(text, columns):
    only_typed(lambda t: zfs.parse_rows(t, columns, "x"), text)
    only_typed(devfiles.parse_mountinfo, text)
    only_typed(devfiles.parse_swaps, text)
    only_typed(devfiles.parse_mdstat, text)
    devfiles.parse_uevent(text)
