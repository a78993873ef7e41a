"""Chosen mounts in another state, out of a host's slice; lists of targets; consents that name a host."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._node import parts_of
from ansible_collections.lustre.core.plugins.plugin_utils._operations import declared_targets, named_for, with_mounts
from tests.unit.site_support import demo

BOTH = ["fs1", "fs2"]


def states(node):
    return {mount["path"]: mount["state"] for mount in node["mounts"] if mount["path"] in node["only_paths"]}


def test_one_of_two_file_systems_leaves_their_mgs() -> None:
    node = demo().node("mds1")
    before = copy.deepcopy(node)
    down = with_mounts(node, "unmounted", ["fs1"], consent=["fs1"])
    assert states(down) == {"/lustre/fs1/mdt0000": "unmounted", "/lustre/fs1/mdt0001": "unmounted"}
    assert all(mount["unmount"] for mount in down["mounts"] if mount["path"] in down["only_paths"])
    assert not any(mount["unmount"] for mount in down["mounts"] if mount["path"] not in down["only_paths"])
    assert node == before, "the filter's input is not changed"


def test_the_last_file_system_takes_the_mgs_along() -> None:
    down = with_mounts(demo().node("mds1"), "unmounted", BOTH, consent=BOTH)
    assert set(states(down)) == {"/lustre/mgs", "/lustre/fs1/mdt0000", "/lustre/fs1/mdt0001", "/lustre/fs2/mdt0000"}
    assert set(states(with_mounts(demo().node("mds1"), "unmounted"))) == set(states(down))


def test_a_start_of_one_brings_the_mgs() -> None:
    up = with_mounts(demo().node("mds1"), filesystems=["fs2"])
    assert states(up) == {"/lustre/mgs": "mounted", "/lustre/fs2/mdt0000": "mounted"}


def test_consent_is_per_file_system_and_for_the_mgs_of_all_of_them() -> None:
    down = with_mounts(demo().node("mds1"), "unmounted", BOTH, consent=["fs2"])
    allowed = {mount["path"] for mount in down["mounts"] if mount["unmount"]}
    assert allowed == {"/lustre/fs2/mdt0000"}


def test_nothing_but_mounts_is_acted_on() -> None:
    node = with_mounts(demo().node("oss1"), "absent", ["fs1"], consent=["fs1"])
    phases = ["mgt", "mdt0", "mdt", "ost", "client", "client_subdir", "client_tenant"]
    parts = parts_of({**node, "phases": phases})
    assert [(part.phase, part.resource.kind) for part in parts] == [("ost", "mount")]
    assert {want.path for want in parts[0].resource.wants} == {f"/lustre/fs1/ost000{index}" for index in range(4)}
    assert {want.path for want in parts[0].resource.also} == {"/lustre/fs2/ost0000"}


def test_a_host_without_a_part_does_nothing() -> None:
    node = with_mounts(demo().node("client2"), "unmounted", ["fs2"], consent=["fs2"])
    assert node["only_paths"] == []
    assert parts_of({**node, "phases": ["client", "client_subdir", "client_tenant"]}) == []


def test_boot_follows_only_where_it_is_said() -> None:
    down = with_mounts(demo().node("client1"), "unmounted", ["fs1"], boot=False)
    assert {mount["path"]: mount["boot"] for mount in down["mounts"]} == {"/mnt/fs1": False, "/mnt/fs2": True}


def test_a_combined_mgs_does_not_go_away_under_another_file_system() -> None:
    node = demo().node("mds1")
    node["mgs_users"] = {"/lustre/fs1/mdt0000": BOTH}
    with pytest.raises(LustreError, match="fs1-MDT0000 at /lustre/fs1/mdt0000 carries the MGS of fs2, too"):
        with_mounts(node, "unmounted", ["fs1"], consent=BOTH)
    assert with_mounts(node, "unmounted", ["fs2"], consent=BOTH)["only_paths"] == ["/lustre/fs2/mdt0000"]
    assert "/lustre/fs1/mdt0000" in with_mounts(node, "unmounted", BOTH, consent=BOTH)["only_paths"]


def test_what_a_cluster_manages_is_left_to_it() -> None:
    node = {**demo().node("oss1"), "cluster_managed": ["fs1-OST0001"]}
    assert "/lustre/fs1/ost0001" not in with_mounts(node, "unmounted", BOTH, consent=BOTH)["only_paths"]


def test_a_state_that_is_none() -> None:
    with pytest.raises(LustreError, match="'stopped' is not a state of mounts"):
        with_mounts(demo().node("client1"), "stopped")


def test_targets_as_a_list() -> None:
    described = demo().filesystems
    assert [target["label"] for target in declared_targets(described)][:3] == ["MGS", "fs1-MDT0000", "fs1-MDT0001"]
    assert "MGS" not in {target["label"] for target in declared_targets(described, ["fs1"])}
    assert "MGS" in {target["label"] for target in declared_targets(described, BOTH)}
    assert [target["label"] for target in declared_targets(described) if target["mgs"]] == ["MGS"]
    keys = [target["key"] for target in declared_targets(described, ["fs2"])]
    assert keys == ["mds1:/dev/disk/by-id/scsi-fs2-mdt0", "oss1:/dev/disk/by-id/scsi-fs2-ost0"]


def test_named_for_one_host() -> None:
    entries = ["oss1:/dev/disk/by-id/a", "oss10:/dev/disk/by-id/b", "oss1:/dev/disk/by-path/pci-0:1"]
    assert named_for(entries, "oss1") == ["/dev/disk/by-id/a", "/dev/disk/by-path/pci-0:1"]
    assert named_for([], "oss1") == []
