"""Targets on ZFS: recognised by the properties of their datasets, made in imported pools only."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError, UnknownOutput
from tests.unit.target_ost import ZGET, ZOST, resource, zfs_get, zfs_rows, zpool_list


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
    look = [zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), zpool_list("other", "ostpool")]
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
        ([zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), zpool_list("other")], "no imported pool ostpool"),
    ],
)
def test_a_dataset_that_is_not_new_is_refused(calls, words, fake, files):
    target = resource(files, {**ZOST, "format": True})
    with pytest.raises(Refused, match=words):
        target.plan(target.have(fake(calls)))


def test_a_pool_that_this_run_makes_counts_for_the_plan_but_not_for_the_format(fake, files):
    target = resource(files, {**ZOST, "format": True}, coming_pools=["ostpool"])
    look = [zfs_get(["ostpool/ost2"], absent=["ostpool/ost2"]), zpool_list()]
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
