"""The target resource: which descriptions it takes, whose targets it leaves alone, and what a look at them costs."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Node
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    Refused,
    ToolError,
    ToolTimeout,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from tests.unit import target_support as support
from tests.unit.fake_runner import load_cases
from tests.unit.target_ost import OST, ZOST, formatted, resource, zfs_get, zfs_rows
from tests.unit.target_support import PATH

BAD = load_cases("target_bad")


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
