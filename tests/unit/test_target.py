"""The target resource: consent, proof, exact commands, and what is never done."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._cli import mkfs_lustre
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolError,
    ToolTimeout,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from tests.unit import target_support as support

HERE = Path(__file__).parent / "cases"
ARGV = yaml.safe_load((HERE / "target_argv.yml").read_text(encoding="utf-8"))
BAD = yaml.safe_load((HERE / "target_bad.yml").read_text(encoding="utf-8"))
DRIFT = yaml.safe_load((HERE / "target_drift.yml").read_text(encoding="utf-8"))

PATH = "/dev/disk/by-id/scsi-ost3"
DISK = (PATH, "sdd", "8:48")
OST = {"kind": "ost", "fsname": "fs1", "index": 3, "device": PATH, "mgs_nids": [["10.77.0.11@tcp"]]}
MKFS = ["mkfs.lustre", "--ost", "--fsname=fs1", "--index=3", "--mgsnode=10.77.0.11@tcp", "--backfstype=ldiskfs", PATH]
MMP_CLEAN = (["e2mmpstatus", PATH], (0, f"e2mmpstatus: it is safe to mount '{PATH}', MMP is clean\n", ""))
MMP_OFF = (["e2mmpstatus", PATH], (2, "", "e2mmpstatus: MMP feature not enabled.\n"))
MMP_BUSY = (["e2mmpstatus", PATH], (1, "", "e2mmpstatus: MMP is in use\n"))


@pytest.fixture
def files():
    made = support.FakeFiles()
    made.add_disk(*DISK)
    return made


def resource(files, *targets, **more):
    return TargetResource.from_options([dict(target) for target in targets or (OST,)], files=files, **more)


def blank_reads(disk=DISK):
    return [support.tunefs_call(disk[0], support.NOT_LUSTRE), *support.blank_probes([disk])]


def formatted(path=PATH, **found):
    return support.tunefs_call(path, support.dryrun(**found))


# -- descriptions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ARGV, ids=[case["name"] for case in ARGV])
def test_the_format_command_word_by_word(case, fake, files):
    path = case["target"]["device"]
    if case["target"].get("backend") == "zfs":
        calls = [zfs_get([path], absent=[path]), ZPOOL_LIST("pool4")]
    else:
        files.add_disk(path, "sdz", "65:144")
        calls = blank_reads((path, "sdz", "65:144"))
    target = resource(files, case["target"])
    plan = target.plan(target.have(fake(calls)))
    assert [list(step.argv) for step in plan.steps] == [case["argv"]]
    assert plan.steps[0].destructive and plan.steps[0].timeout == mkfs_lustre.TIMEOUT
    assert not any(word in ("-F", "-f") or "force" in word or "reformat" in word for word in case["argv"])


@pytest.mark.parametrize("case", BAD, ids=[f"{case['path']}-{case['says'][:20]}" for case in BAD])
def test_a_bad_description_is_named_by_its_path(case):
    good = {"kind": "ost", "fsname": "fs1", "index": 7, "device": "/dev/mapper/b", "mgs_nids": [["10.0.0.1@tcp"]]}
    bad = {**OST, "label": "fs1-OST0003", **case["change"]}
    with pytest.raises(BadValue) as told:
        TargetResource.from_options([good, bad])
    assert told.value.path == f"targets[1].{case['path']}"
    assert case["says"] in str(told.value)


@pytest.mark.parametrize(("change", "field"), [({"index": 4}, "device"), ({"device": "/dev/mapper/b"}, "label")])
def test_two_targets_cannot_share_a_device_or_a_label(change, field):
    with pytest.raises(BadValue) as told:
        TargetResource.from_options([OST, {**OST, **change}])
    assert told.value.path == f"targets[1].{field}" and "targets[0]" in str(told.value)


def test_options_left_to_ansible_as_null_are_the_defaults():
    nulls = dict.fromkeys(
        ("label", "mgs", "backend", "service_nids", "networks", "mkfs_options", "params", "format", "tune")
    )
    assert TargetResource.from_options([{**OST, **nulls}]).wants == TargetResource.from_options([OST]).wants


# -- formatting -------------------------------------------------------------------------------------------------------


def test_without_consent_nothing_is_probed_and_the_message_names_it(fake, files):
    target = resource(files)
    have = target.have(fake([support.tunefs_call(PATH, support.NOT_LUSTRE)]))
    with pytest.raises(
        Refused, match=r"format fs1-OST0003 on /dev/disk/by-id/scsi-ost3.*`format: true`.*fs1-OST0003, /dev/disk"
    ):
        target.plan(have)


def test_a_blank_disk_is_proven_twice_formatted_once_and_read_again(fake, files):
    made = support.Result(0, "Writing CONFIGS/mountdata\n", "")
    run = fake([*blank_reads(), *blank_reads(), (MKFS, made), formatted(flags="0x62")])
    outcome = converge(resource(files, {**OST, "format": True}), run)
    assert outcome.changed and outcome.applied
    assert run.timeouts[-2] == mkfs_lustre.TIMEOUT
    assert outcome.before["targets"][0]["formatted"] is False
    assert outcome.after["targets"][0] == {
        "label": "fs1-OST0003", "device": PATH, "backend": "ldiskfs", "formatted": True, "mounted_at": [],
        "found_label": "fs1-OST0003", "kind": "ost", "fsname": "fs1", "index": 3, "mgs": False, "registered": False,
        "flags": "0x62", "mgs_nids": [["10.77.0.11@tcp"]], "service_nids": [], "networks": [],
        "mount_fs_options": "errors=remount-ro", "params": {},
    }  # fmt: skip


def test_check_mode_gives_the_steps_of_the_real_run_and_runs_none(fake, files):
    want = {**OST, "format": True}
    checked = converge(resource(files, want), fake(blank_reads()), check_mode=True)
    real = converge(resource(files, want), fake([*blank_reads(), *blank_reads(), (MKFS, ""), formatted()]))
    assert checked.plan.steps == real.plan.steps and checked.changed and not checked.applied
    assert checked.before == checked.after


def test_a_second_run_has_no_steps(fake, files):
    outcome = converge(resource(files, {**OST, "format": True}), fake([formatted(flags="0x62")]))
    assert not outcome.changed and outcome.plan.drift == ()


def test_exit_code_zero_of_mkfs_proves_nothing(fake, files):
    run = fake([*blank_reads(), *blank_reads(), (MKFS, (0, "usage: mkfs.lustre ...", "")), *blank_reads()])
    with pytest.raises(NotConverged, match="format fs1-OST0003"):
        converge(resource(files, {**OST, "format": True}), run)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mkfs/mkfs-mdt-plain-e2fsprogs", "e2fsprogs that comes with Lustre"),
        ("mkfs/mkfs-again", "Lustre data appeared"),
        ("mount/mkfs-mounted", "was mounted after it was found blank"),
        ("mkfs/mkfs-nodev", "Read the device's state again"),
    ],
)
def test_a_failed_format_tells_the_cause_and_what_to_do(name, remedy, fake, files, transcript):
    recorded = transcript(name)
    with pytest.raises(ToolError) as told:
        converge(resource(files, {**OST, "format": True}), fake([*blank_reads(), *blank_reads(), (MKFS, recorded)]))
    assert remedy in str(told.value) and told.value.rc == recorded.rc
    assert told.value.errno == (recorded.rc if recorded.rc > 1 else None)


def test_the_cause_that_mke2fs_leaves_on_standard_output_is_in_the_message(fake, files, transcript):
    recorded = transcript("mkfs/mkfs-mdt-plain-e2fsprogs")
    with pytest.raises(ToolError, match="Invalid filesystem option set"):
        converge(resource(files, {**OST, "format": True}), fake([*blank_reads(), *blank_reads(), (MKFS, recorded)]))


def test_a_path_that_leads_elsewhere_at_the_last_moment_stops_the_format(fake, files):
    files.add_disk("/dev/mapper/other", "sde", "8:64")
    target = resource(files, {**OST, "format": True})
    plan = target.plan(target.have(fake(blank_reads())))
    files.nodes[PATH] = Node("/dev/sde", "8:64")
    files.contents[PATH] = Ends(support.GIB, None)
    with pytest.raises(Refused, match=r"led to /dev/sdd \(8:48\) when planned and leads to /dev/sde \(8:64\) now"):
        target.check_step(plan.steps[0], fake(blank_reads((PATH, "sde", "8:64"))))


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (1, (32, "", "lsblk: /dev/disk/by-id/scsi-ost3: not a block device\n")),
        (2, '{"signatures": [{"device": "sdd", "offset": "0x438", "type": "ext4"}]}'),
        (3, (0, "DEVNAME=/dev/sdd\nTYPE=ext4\n", "")),
    ],
)
def test_a_device_that_is_no_longer_blank_at_the_last_moment_stops_the_format(number, answer, fake, files):
    later = blank_reads()
    later[number] = (later[number][0], answer)
    with pytest.raises(Refused, match="not proven blank"):
        converge(resource(files, {**OST, "format": True}), fake([*blank_reads(), *later]))


def test_lustre_that_appears_at_the_last_moment_stops_the_format(fake, files):
    with pytest.raises(Refused, match="not what it was when planned"):
        converge(resource(files, {**OST, "format": True}), fake([*blank_reads(), formatted()]))


def test_a_step_that_was_never_planned_is_refused(fake, files):
    target = resource(files, {**OST, "format": True})
    with pytest.raises(Refused, match="never looked at"):
        target.check_step(Step("target", "format", f"fs1-OST0003 on {PATH}", ""), fake([]))


def test_one_disk_under_two_names_is_refused_before_any_process(fake, files):
    files.add_disk("/dev/mapper/same", "sdd", "8:48")
    with pytest.raises(Refused, match="is the same as that of fs1-OST0003"):
        resource(files, OST, {**OST, "index": 4, "device": "/dev/mapper/same"}).have(fake([]))


@pytest.mark.parametrize(("node", "words"), [(None, "cannot be reached"), (Node("/root/x", ""), "not a block device")])
def test_a_device_that_is_missing_or_a_file_is_refused_before_any_process(node, words, fake, files):
    if node is None:
        del files.nodes[PATH]
    else:
        files.nodes[PATH] = node
    with pytest.raises(Refused, match=words):
        resource(files).have(fake([]))


def test_all_refusals_of_a_node_are_told_at_once_and_nothing_is_planned(fake, files):
    files.add_disk("/dev/mapper/b", "sde", "8:64")
    other = {**OST, "index": 4, "device": "/dev/mapper/b"}
    target = resource(files, OST, other)
    have = target.have(
        fake([support.tunefs_call(PATH, support.NOT_LUSTRE), formatted("/dev/mapper/b", label="fs2-OST0004")])
    )
    with pytest.raises(Refused) as told:
        target.plan(have)
    assert "(1) Refused to format fs1-OST0003" in str(told.value) and "(2) Refused to use /dev/mapper/b" in str(
        told.value
    )


def test_a_mounted_device_that_is_no_target_is_refused(fake, files):
    files.texts["/proc/self/mountinfo"] = support.MOUNTINFO + "30 29 8:48 / /srv rw - ext4 /dev/sdd rw\n"
    target = resource(files, {**OST, "format": True})
    with pytest.raises(Refused, match="mounted at /srv"):
        target.plan(target.have(fake(blank_reads())))


# -- other targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"label": "fs1-OST0004"}, "fs1-OST0004, an OST with index 4 of file system 'fs1'"),
        ({"label": "fs2-OST0003"}, "fs2-OST0003, an OST with index 3 of file system 'fs2'"),
        ({"label": "fs1-MDT0003", "flags": "0x1"}, "fs1-MDT0003, an MDT with index 3"),
        ({"label": "MGS", "flags": "0x64", "params": ""}, "MGS, a stand-alone MGT"),
        ({"label": "fs1:OST0003", "backend": "wbcfs"}, "with the backend wbcfs, not ldiskfs"),
        ({"label": "fs1-OST0013"}, "fs1-OST0013, an OST with index 19"),
    ],
)
@pytest.mark.parametrize("consent", [True, False])
def test_another_target_is_refused_and_named_even_with_consent(found, says, consent, fake, files):
    label = found["label"].replace(":", "-")
    target = resource(files, {**OST, "format": consent})
    have = target.have(fake([formatted(**{**found, "label": label})]))
    with pytest.raises(Refused) as told:
        target.plan(have)
    assert says in str(told.value)


@pytest.mark.parametrize("separator", [":", "=", "+", "-"])
def test_every_separator_of_the_label_is_ours(separator, fake, files):
    text = support.dryrun().replace("fs1-OST0003", f"fs1{separator}OST0003")
    outcome = converge(resource(files), fake([support.tunefs_call(PATH, text)]))
    assert not outcome.changed and outcome.after["targets"][0]["found_label"] == "fs1-OST0003"


def test_an_mgs_that_is_missing_on_the_mdt_is_drift(fake, files):
    want = {"kind": "mdt", "fsname": "fs1", "index": 0, "mgs": True, "device": PATH, "tune": True}
    outcome = converge(resource(files, want), fake([formatted(label="fs1-MDT0000", flags="0x1")]))
    assert not outcome.changed
    assert [(d.found, d.wanted) for d in outcome.plan.drift] == [("without MGS", "with MGS")]


# -- drift and tuning -------------------------------------------------------------------------------------------------


def drift_case(case, files, fake, **more):
    target = resource(files, {**OST, **case.get("want", {}), **more})
    have = target.have(fake([formatted(**case.get("found", {}))]))
    return target, have, target.plan(have)


@pytest.mark.parametrize("case", DRIFT, ids=[case["name"] for case in DRIFT])
def test_drift_is_always_shown(case, fake, files):
    _, _, plan = drift_case(case, files, fake)
    assert plan.steps == ()
    assert [d.object.rpartition(": ")[2] for d in plan.drift] == list(case.get("drift", {}))
    for drift in plan.drift:
        assert drift.remedy


@pytest.mark.parametrize("case", DRIFT, ids=[case["name"] for case in DRIFT])
def test_drift_is_repaired_with_consent_by_one_complete_command(case, fake, files):
    _, _, plan = drift_case(case, files, fake, tune=True)
    wanted = [[word if word != "DEVICE" else PATH for word in case["argv"]]] if "argv" in case else []
    assert [list(step.argv) for step in plan.steps] == wanted
    told = "; ".join([*(step.reason for step in plan.steps), *(drift.remedy for drift in plan.drift)])
    for aspect, words in case.get("drift", {}).items():
        assert words in told
        assert aspect in told or any(aspect in drift.object for drift in plan.drift)


@pytest.mark.parametrize("case", [case for case in DRIFT if "argv" in case], ids=lambda case: case["name"])
def test_a_mounted_target_is_never_tuned(case, fake, files):
    files.texts["/proc/self/mountinfo"] = (
        support.MOUNTINFO + f"30 29 0:41 / /lustre/o3 rw - fuse.lustre {PATH} rw,svname=fs1-OST0003\n"
    )
    _, _, plan = drift_case(case, files, fake, tune=True)
    assert plan.steps == ()
    assert all("Unmount it from /lustre/o3" in drift.remedy for drift in plan.drift) and plan.drift


PARTNERS = {"service_nids": [["10.77.0.21@tcp"], ["10.77.0.22@tcp"]], "tune": True}
TUNE = [
    "tunefs.lustre", "--erase-params", "--mgsnode=10.77.0.11@tcp", "--servicenode=10.77.0.21@tcp",
    "--servicenode=10.77.0.22@tcp", PATH,
]  # fmt: skip
TUNED = {"params": "mgsnode=10.77.0.11@tcp failover.node=10.77.0.21@tcp:10.77.0.22@tcp", "flags": "0x1042"}


@pytest.mark.parametrize("mmp", [MMP_CLEAN, MMP_OFF])
def test_tuning_checks_for_users_writes_once_and_reads_again(mmp, fake, files):
    run = fake([formatted(), formatted(), mmp, (TUNE, ""), formatted(**TUNED)])
    outcome = converge(resource(files, {**OST, **PARTNERS}), run)
    assert outcome.changed and outcome.after["targets"][0]["service_nids"] == PARTNERS["service_nids"]


@pytest.mark.parametrize(
    ("mmp", "params", "words"),
    [
        (MMP_BUSY, "mgsnode=10.77.0.11@tcp", "a node uses it"),
        (MMP_OFF, "mgsnode=10.77.0.11@tcp failover.node=10.77.0.8@tcp:10.77.0.9@tcp", "2 nodes may mount it"),
    ],
)
def test_a_target_that_a_partner_may_use_is_not_tuned(mmp, params, words, fake, files):
    run = fake([formatted(params=params), formatted(params=params), mmp])
    with pytest.raises(Refused, match=words):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_an_unclear_answer_about_partners_stops_the_tuning(fake, files):
    run = fake([formatted(), formatted(), (MMP_CLEAN[0], (8, "", "e2mmpstatus: Input/output error\n"))])
    with pytest.raises(ToolError, match="another node uses the device"):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_a_device_in_use_here_is_not_tuned(fake, files):
    files.contents[PATH] = OSError(16, "Device or resource busy")
    with pytest.raises(Refused, match="cannot be opened exclusively"):
        converge(resource(files, {**OST, **PARTNERS}), fake([formatted(), formatted()]))


@pytest.mark.parametrize("later", [{"flags": "0x102"}, {"params": "mgsnode=10.77.0.12@tcp"}])
def test_a_target_that_changed_since_the_plan_is_not_tuned(later, fake, files):
    with pytest.raises(Refused, match="not what it was when planned"):
        converge(resource(files, {**OST, **PARTNERS}), fake([formatted(), formatted(**later)]))


def test_a_failed_tuning_says_that_parameters_may_be_half_written(fake, files):
    run = fake(
        [
            formatted(),
            formatted(),
            MMP_CLEAN,
            (TUNE, (30, "", "tunefs.lustre: exiting with 30 (Read-only file system)")),
        ]
    )
    with pytest.raises(ToolError, match=r"Read-only file system.*half written"):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_the_recorded_repair_is_the_command_of_ours(fake, files, transcript):
    """mkfs/tunefs-fix was recorded with this very command; before it stands the doubled node, after it the wanted state."""
    path = "/dev/disk/by-id/virtio-ost1"
    files.add_disk(path, "vde", "254:64")
    want = {
        "kind": "ost", "fsname": "lustre", "index": 1, "device": path, "mgs_nids": [["10.0.2.15@tcp"]],
        "service_nids": [["10.0.2.15@tcp"]], "tune": True,
    }  # fmt: skip
    target = resource(files, want)
    plan = target.plan(target.have(fake([support.tunefs_call(path, transcript("mkfs/tunefs-dryrun-after-dup"))])))
    words = ["tunefs.lustre", "--erase-params", "--mgsnode=10.0.2.15@tcp", "--servicenode=10.0.2.15@tcp", path]
    assert [list(step.argv) for step in plan.steps] == [words]


# -- the tools' failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((0, "", ""), UnknownOutput),
        ((0, "checking for existing Lustre data: found\n", ""), UnknownOutput),
        ((19, "", "tunefs.lustre: No such device"), ToolError),
        ((19, "checking for existing Lustre data: not found\n", "cannot open the device"), ToolError),
        ((5, "checking for existing Lustre data: not found\n", "has not been formatted with mkfs.lustre"), ToolError),
        ((1, "", ""), ToolError),
        ((-9, "", ""), ToolError),
        (ToolTimeout("run tunefs.lustre", ["tunefs.lustre"], 60, False), ToolTimeout),
    ],
)
def test_only_the_full_sentence_of_tunefs_means_that_there_is_no_target(answer, error, fake, files):
    with pytest.raises(error):
        resource(files, {**OST, "format": True}).have(fake([support.tunefs_call(PATH, answer)]))


# -- ZFS --------------------------------------------------------------------------------------------------------------

ZGET = ["zfs", "get", "-Hp", "-s", "local,received", "-o", "name,property,value", "all"]
ZOST = {
    "kind": "ost",
    "fsname": "lustre",
    "index": 2,
    "backend": "zfs",
    "device": "ostpool/ost2",
    "mgs_nids": [["10.0.2.15@tcp"]],
}


def ZPOOL_LIST(*names):
    return (["zpool", "list", "-H", "-o", "name,health"], "".join(f"{name}\tONLINE\n" for name in names))


def zfs_get(names, rows="", absent=()):
    err = "".join(f"cannot open '{name}': dataset does not exist\n" for name in absent)
    return ([*ZGET, *names], (1 if absent else 0, rows, err))


def zfs_rows(transcript, name="ostpool/ost2", **changes):
    """The recorded properties of a real target, as ``zfs get -o name,property,value`` prints them."""
    rows = dict(line.split("\t") for line in transcript("zfs/zfs-get-lustre-s-local").out.splitlines())
    rows.update(changes)
    return "".join(f"{name}\t{key}\t{value}\n" for key, value in rows.items() if value is not None)


def test_a_recorded_zfs_target_is_ours(fake, files, transcript):
    outcome = converge(resource(files, ZOST), fake([zfs_get(["ostpool/ost2"], zfs_rows(transcript))]))
    assert not outcome.changed and not outcome.plan.drift
    shown = outcome.after["targets"][0]
    assert (shown["found_label"], shown["registered"], shown["params"]) == (
        "lustre-OST0002",
        False,
        {"autodegrade": "on"},
    )


def test_both_tools_tell_the_same_of_a_zfs_target(transcript):
    from ansible_collections.lustre.core.plugins.module_utils._cli import tunefs_lustre, zfs

    rows = dict(line.split("\t") for line in transcript("zfs/zfs-get-lustre-s-local").out.splitlines())
    by_zfs, by_tunefs = zfs.target_of(rows), tunefs_lustre.parse(transcript("zfs/tunefs-dryrun-zfs").out)
    assert by_zfs is not None
    fields = ("label", "kind", "index", "fsname", "backend", "flags", "mount_options", "params")
    assert all(getattr(by_zfs, name) == getattr(by_tunefs, name) for name in fields)


def test_a_zfs_target_is_made_in_an_imported_pool_and_read_again(fake, files, transcript):
    want = {**ZOST, "format": True}
    look = [zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), ZPOOL_LIST("other", "ostpool")]
    words = [
        "mkfs.lustre",
        "--ost",
        "--fsname=lustre",
        "--index=2",
        "--mgsnode=10.0.2.15@tcp",
        "--backfstype=zfs",
        "ostpool/ost2",
    ]
    run = fake([*look, *look, (words, ""), zfs_get(["ostpool/ost2"], zfs_rows(transcript))])
    assert converge(resource(files, want), run).changed


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([zfs_get(["ostpool/ost2"], "ostpool/ost2\tcompression\toff\n")], "exists and is not a Lustre target"),
        ([zfs_get(["ostpool/ost2"])], "exists and is not a Lustre target"),
        ([zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), ZPOOL_LIST("other")], "no imported pool ostpool"),
    ],
)
def test_a_dataset_that_is_not_new_is_refused(calls, words, fake, files):
    target = resource(files, {**ZOST, "format": True})
    with pytest.raises(Refused, match=words):
        target.plan(target.have(fake(calls)))


def test_a_pool_that_this_run_makes_counts_for_the_plan_but_not_for_the_format(fake, files):
    target = resource(files, {**ZOST, "format": True}, coming_pools=["ostpool"])
    look = [zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), ZPOOL_LIST()]
    plan = target.plan(target.have(fake(look)))
    assert [step.action for step in plan.steps] == ["format"]
    with pytest.raises(Refused, match="no imported pool"):
        target.check_step(plan.steps[0], fake(look))


def test_tuning_a_zfs_target_leaves_what_lustre_adds_by_itself(fake, files, transcript):
    doubled = zfs_rows(transcript, **{"lustre:mgsnode": "10.0.2.15@tcp:10.0.2.15@tcp", "lustre:ost.foo": "1"})
    look = zfs_get(["ostpool/ost2"], doubled)
    words = ["tunefs.lustre", "--erase-params", "--mgsnode=10.0.2.15@tcp", "--param=ost.foo=1", "ostpool/ost2"]
    run = fake([look, look, (words, ""), zfs_get(["ostpool/ost2"], zfs_rows(transcript))])
    assert converge(resource(files, {**ZOST, "tune": True}), run).changed


@pytest.mark.parametrize(
    "answer",
    [
        (1, "", "cannot open 'ostpool/ost2': permission denied\n"),
        (1, "", ""),
        (2, "", "cannot open 'ostpool/ost2': dataset does not exist\n"),
        (1, "", "cannot open 'other/ost2': dataset does not exist\n"),
        (0, "", "The ZFS modules are not loaded.\n"),
        (1, "", "The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.\n"),
    ],
)
def test_only_the_full_sentence_of_zfs_means_that_a_dataset_does_not_exist(answer, fake, files):
    with pytest.raises(ToolError):
        resource(files, {**ZOST, "format": True}).have(fake([([*ZGET, "ostpool/ost2"], answer)]))


@pytest.mark.parametrize("lost", ["lustre:svname", "lustre:flags"])
def test_half_of_a_targets_properties_is_not_nothing(lost, fake, files, transcript):
    rows = zfs_rows(transcript, **{lost: None})
    with pytest.raises(UnknownOutput):
        resource(files, {**ZOST, "format": True}).have(fake([zfs_get(["ostpool/ost2"], rows)]))


# -- budget -----------------------------------------------------------------------------------------------------------


def test_a_converged_node_costs_one_process_for_each_disk_and_one_for_all_of_zfs(fake, files, transcript):
    wants, calls = [], []
    for number in range(4):
        path = f"/dev/disk/by-id/scsi-{number}"
        files.add_disk(path, f"sd{'bcde'[number]}", f"8:{16 * number}")
        wants.append({**OST, "index": number, "device": path})
        calls.append(formatted(path, label=f"fs1-OST{number:04x}"))
    datasets = [f"pool{number}/ost" for number in range(3)]
    rows = ""
    for number, name in enumerate(datasets):
        wants.append({**ZOST, "index": 16 + number, "device": name})
        rows += zfs_rows(
            transcript, name, **{"lustre:index": 16 + number, "lustre:svname": f"lustre-OST{16 + number:04x}"}
        )
    calls.append(zfs_get(datasets, rows))
    run = fake(calls)
    outcome = converge(resource(files, *wants), run)
    assert not outcome.changed and len(outcome.after["targets"]) == 7
    assert run.count == 5
