"""Formatting: consent, two proofs, the exact command, and what stops it at the last moment."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import mkfs_lustre
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import NotConverged, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from tests.unit import target_support as support
from tests.unit.fake_runner import load_cases
from tests.unit.target_ost import OST, blank_reads, formatted, resource, zfs_get, zpool_list
from tests.unit.target_support import PATH

ARGV = load_cases("target_argv")
MKFS = ["mkfs.lustre", "--ost", "--fsname=fs1", "--index=3", "--mgsnode=10.77.0.11@tcp", "--backfstype=ldiskfs", PATH]


@pytest.mark.parametrize("case", ARGV, ids=[case["name"] for case in ARGV])
def test_the_format_command_word_by_word(case, fake, files):
    path = case["target"]["device"]
    if case["target"].get("backend") == "zfs":
        calls = [zfs_get([path], absent=[path]), zpool_list("pool4")]
    else:
        files.add_disk(path, "sdz", "65:144")
        calls = blank_reads((path, "sdz", "65:144"))
    target = resource(files, case["target"])
    plan = target.plan(target.have(fake(calls)))
    assert [list(step.argv) for step in plan.steps] == [case["argv"]]
    assert plan.steps[0].destructive and plan.steps[0].timeout == mkfs_lustre.TIMEOUT
    assert not any(word in ("-F", "-f") or "force" in word or "reformat" in word for word in case["argv"])


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


def test_a_mounted_device_that_is_no_target_is_refused(fake, files):
    files.texts["/proc/self/mountinfo"] = support.MOUNTINFO + "30 29 8:48 / /srv rw - ext4 /dev/sdd rw\n"
    target = resource(files, {**OST, "format": True})
    with pytest.raises(Refused, match="mounted at /srv"):
        target.plan(target.have(fake(blank_reads())))


def test_replace_is_read_when_a_blank_device_is_formatted_and_never_else(fake, files):
    """Consent to replace is none to format, and an existing target is left as it is."""
    wanted = {**OST, "replace": True}
    assert not converge(resource(files, wanted), fake([formatted()])).changed
    with pytest.raises(Refused, match="no consent to make one"):
        converge(resource(files, wanted), fake([support.tunefs_call(PATH, support.NOT_LUSTRE)]))
    plan = converge(resource(files, {**wanted, "format": True}), fake(blank_reads()), check_mode=True).plan
    assert "--replace" in plan.steps[0].argv and plan.steps[0].destructive
    assert "takes the place of the fs1-OST0003 that the MGS knows, whose data is given up" in plan.steps[0].reason
