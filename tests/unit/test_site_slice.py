# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host must become, taken from the description: its targets, mounts, pools, parameters and directories."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lustre.core.plugins.module_utils._node import parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool_want import PoolWant
from tests.unit.site_support import BY_ID, DEMO_HOSTS, demo, small

MGS = [["10.77.0.11@tcp"], ["10.77.0.12@tcp"]]


def labels(node):
    return [target["label"] for target in node["targets"]]


@pytest.mark.parametrize("host", DEMO_HOSTS)
def test_every_slice_of_the_demo_is_what_the_node_module_takes(host) -> None:
    node = demo().node(host)
    assert parts_of({**node, "phases": None})
    assert json.loads(json.dumps(node)) == node


def test_who_does_what_in_the_demo() -> None:
    nodes = {host: demo().node(host) for host in DEMO_HOSTS}
    assert {host: node["roles"] for host, node in nodes.items()} == {
        "mds1": ["mgs", "mds"],
        "mds2": ["mgs", "mds"],
        "oss1": ["oss"],
        "oss2": ["oss"],
        "router1": ["router"],
        "client1": ["client"],
        "client2": ["client"],
        "client3": ["client"],
    }
    assert {host: labels(node) for host, node in nodes.items() if node["targets"]} == {
        "mds1": ["MGS", "fs1-MDT0000", "fs2-MDT0000"],
        "mds2": ["fs1-MDT0001"],
        "oss1": ["fs1-OST0000", "fs2-OST0000", "fs1-OST0002"],
        "oss2": ["fs1-OST0001", "fs1-OST0003"],
    }
    assert nodes["client1"]["filesystems"] == ["fs1", "fs2"]
    assert nodes["mds1"]["backends"] == ["ldiskfs"]


def test_a_target_is_formatted_and_mounted_by_its_first_server_alone() -> None:
    first, second = demo().node("oss1"), demo().node("oss2")
    wanted = next(target for target in first["targets"] if target["label"] == "fs1-OST0002")
    assert wanted == {
        "label": "fs1-OST0002",
        "kind": "ost",
        "fsname": "fs1",
        "index": 2,
        "mgs": False,
        "backend": "ldiskfs",
        "device": BY_ID + "scsi-fs1-ost2",
        "mgs_nids": MGS,
        "service_nids": [["10.77.0.21@tcp"], ["10.77.0.22@tcp"]],
        "networks": [],
        "mkfs_options": "",
        "mount_fs_options": "",
        "params": {},
        "format": True,
        "tune": False,
    }
    mounts = {
        node: next(m for m in node_mounts if m["label"] == "fs1-OST0002")
        for node, node_mounts in (("first", first["mounts"]), ("second", second["mounts"]))
    }
    assert (mounts["first"]["state"], mounts["first"]["boot"]) == ("mounted", True)
    assert (mounts["second"]["state"], mounts["second"]["boot"]) == ("present", False)
    assert mounts["first"]["path"] == "/lustre/fs1/ost0002"


def test_one_server_alone_is_no_service_node() -> None:
    wanted = next(target for target in demo().node("oss1")["targets"] if target["fsname"] == "fs2")
    assert wanted["service_nids"] == []
    assert wanted["mgs_nids"] == MGS


def test_mounts_are_in_the_order_in_which_they_depend_on_each_other() -> None:
    assert [m["label"] for m in demo().node("mds1")["mounts"]] == ["MGS", "fs1-MDT0000", "fs2-MDT0000", "fs1-MDT0001"]


def test_the_mgt_belongs_to_no_file_system_and_asks_no_mgs() -> None:
    node = demo().node("mds1")
    target, mount = node["targets"][0], node["mounts"][0]
    assert (target["kind"], target["fsname"], target["index"], target["mgs_nids"]) == ("mgt", None, None, [])
    assert (mount["fsname"], mount["mgs_nids"], mount["path"]) == (None, [], "/lustre/mgs")


def test_a_combined_mgs_asks_itself_and_the_others_ask_its_servers() -> None:
    mdts = [
        {"index": 0, "servers": ["s2", "s1"], "device": BY_ID + "mdt0"},
        {"index": 1, "servers": ["s1", "s2"], "device": BY_ID + "mdt1"},
    ]
    found = small(mgs={"combined": True}, mdts=mdts)
    first, second = found.node("s2"), found.node("s1")
    mdt0 = first["targets"][0]
    assert (mdt0["label"], mdt0["mgs"], mdt0["mgs_nids"]) == ("fs1-MDT0000", True, [])
    assert (second["targets"][0]["mgs"], second["targets"][0]["mgs_nids"]) == (
        False,
        [["10.0.0.2@tcp"], ["10.0.0.1@tcp"]],
    )
    assert first["roles"] == ["mgs", "mds", "oss"]
    assert found.node("c1")["mounts"][0]["mgs_nids"] == [["10.0.0.2@tcp"], ["10.0.0.1@tcp"]]


def test_the_mgs_of_another_file_system_is_followed() -> None:
    mounts = {m["fsname"]: m for m in demo().node("client1")["mounts"]}
    assert mounts["fs2"]["mgs_nids"] == MGS


def test_client_mounts() -> None:
    mount = demo().node("client3")["mounts"][0]
    assert mount == {
        "kind": "client",
        "path": "/mnt/fs1",
        "fsname": "fs1",
        "mgs_nids": MGS,
        "subdir": "/projects",
        "options": [],
        "state": "mounted",
        "boot": True,
        "automount": False,
        "timeout": 300,
        "remount": False,
        "unmount": False,
    }


def test_parameters_go_where_they_are_kept() -> None:
    params = [
        {"name": "osc.fs1-*.max_dirty_mb", "value": 64},
        {"name": "llite.fs1-*.max_read_ahead_mb", "value": 256, "scope": "local", "hosts": ["c1"]},
        {"name": "osc.fs1-*.checksums", "value": 0, "scope": "mount"},
        {"name": "osc.fs1-*.old", "state": "absent"},
    ]
    found = small(params=params, purge_params=["osc.fs1-"])
    scopes = {host: [(p["scope"], p["name"]) for p in found.node(host)["params"]] for host in ("s1", "s2", "c1")}
    assert scopes == {
        "s1": [("persistent", "osc.fs1-*.max_dirty_mb"), ("persistent", "osc.fs1-*.old")],
        "s2": [],
        "c1": [("local", "llite.fs1-*.max_read_ahead_mb"), ("mount", "osc.fs1-*.checksums")],
    }
    assert found.node("s1")["purge_params"] == ["osc.fs1-"]
    assert found.node("s1")["params"][0] == {
        "name": "osc.fs1-*.max_dirty_mb",
        "value": "64",
        "scope": "persistent",
        "state": "present",
        "allow_unknown": False,
        "fsname": "fs1",
    }
    assert "value" not in found.node("s1")["params"][1]


def test_zfs_targets_come_with_their_pools() -> None:
    osts = [
        {
            "index": "0-1",
            "servers": ["s1", "s2"],
            "device": "ost{index}pool/ost",
            "format": True,
            "zpool": {
                "vdevs": [{"type": "mirror", "devices": [BY_ID + "a{index}", BY_ID + "b{index}"]}],
                "properties": {"ashift": 12},
            },
        },
        {"index": 2, "servers": ["s1"], "device": "there/ost2"},
    ]
    node = small(
        osts=osts, mdts=[{"index": 0, "servers": ["s2"], "device": "x/mdt"}], mgs={"combined": True}, backend="zfs"
    ).node("s1")
    assert node["zpools"] == [
        {
            "name": f"ost{index}pool",
            "vdevs": [{"type": "mirror", "devices": [BY_ID + f"a{index}", BY_ID + f"b{index}"]}],
            "properties": {"ashift": "12"},
            "filesystem_properties": {},
            "create": True,
            "import": True,
        }
        for index in (0, 1)
    ] + [{"name": "there", "vdevs": [], "properties": {}, "filesystem_properties": {}, "create": False, "import": True}]
    for number, pool in enumerate(node["zpools"]):
        PoolWant.from_options(pool, f"pools[{number}]")
    assert small(osts=osts).node("s2")["zpools"] == []


def test_what_a_cluster_manages_is_not_mounted_here() -> None:
    found = small(
        osts=[{"index": 0, "servers": ["s1", "s2"], "device": BY_ID + "ost0", "managed_by": "ha", "format": True}]
    )
    mount = next(m for m in found.node("s1")["mounts"] if m["label"] == "fs1-OST0000")
    assert (mount["state"], mount["boot"]) == ("present", False)
    assert labels(found.node("s1")) == ["MGS", "fs1-MDT0000", "fs1-OST0000"]


def test_consent_comes_from_the_variables_of_the_host_or_from_the_caller() -> None:
    found = demo()
    found.hosts["client1"]["lustre_consent_unmount"] = ["/mnt/fs2"]
    found.hosts["client1"]["lustre_consent_remove_networks"] = ["tcp1"]
    mounts = {m["path"]: m for m in found.node("client1")["mounts"]}
    assert (mounts["/mnt/fs1"]["unmount"], mounts["/mnt/fs2"]["unmount"]) == (False, True)
    assert found.node("client1")["lnet"]["remove_networks"] == ["tcp1"]
    given = found.node("client1", consent={"unmount": [], "remount": ["/mnt/fs1"], "remove_networks": []})
    mounts = {m["path"]: m for m in given["mounts"]}
    assert (mounts["/mnt/fs2"]["unmount"], mounts["/mnt/fs1"]["remount"], given["lnet"]["remove_networks"]) == (
        False,
        True,
        [],
    )


def test_a_host_with_no_part_has_only_lnet() -> None:
    node = small(hosts={"login": "10.0.0.50"}).node("login")
    assert (node["targets"], node["mounts"], node["roles"], node["filesystems"]) == ([], [], [], [])
    assert node["lnet"]["nids"] == ["10.0.0.50@tcp"]


def test_directories_are_for_the_first_client_of_the_whole_file_system() -> None:
    hosts = {"d[1-3]": {"ansible_host": "10.0.0.[11-13]", "groups": ["compute"]}, "v[01-02]": "10.0.0.[21-22]"}
    clients = [
        {"hosts": "v[01-02]", "path": "/home", "subdir": "/home"},
        {"hosts": "compute", "path": "/mnt/off", "state": "unmounted"},
        {"hosts": "compute", "path": "/mnt/fs1"},
    ]
    declared = [{"path": "/home/a"}, {"path": "/home", "owner": 0, "mode": "1777"}]
    described = small(hosts=hosts, clients=clients, directories=declared)
    found = {host: described.node(host)["directories"] for host in ("d1", "d2", "v01", "s1")}
    assert found["d2"] == found["v01"] == found["s1"] == []
    assert [entry["path"] for entry in found["d1"]] == ["/mnt/fs1/home", "/mnt/fs1/home/a"]
    assert found["d1"][0] == {"fsname": "fs1", "path": "/mnt/fs1/home", "owner": "0", "group": "root", "mode": "1777"}


def test_who_needs_the_mgs_and_what_a_cluster_manages() -> None:
    nodes = {host: demo().node(host) for host in DEMO_HOSTS}
    assert nodes["mds1"]["mgs_users"] == nodes["mds2"]["mgs_users"] == {"/lustre/mgs": ["fs1", "fs2"]}
    assert nodes["oss1"]["mgs_users"] == {} and nodes["oss1"]["cluster_managed"] == []
    osts = [{"index": 0, "servers": ["s2", "s1"], "device": BY_ID + "ost0", "managed_by": "ha"}]
    assert [small(osts=osts).node(host)["cluster_managed"] for host in ("s1", "s2", "c1")] == [["fs1-OST0000"]] * 2 + [
        []
    ]


def test_consent_to_replace_reaches_the_one_target_that_it_names() -> None:
    osts = [
        {"index": "0-1", "servers": ["s1"], "device": BY_ID + "ost{index}"},
        {"index": 2, "servers": ["s1"], "device": BY_ID + "new", "format": True, "replace": True},
    ]
    targets = [target for target in small(osts=osts).node("s1")["targets"] if target["kind"] == "ost"]
    assert [target.get("replace", False) for target in targets] == [False, False, True]
