# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host must become, taken from the description."""

from __future__ import annotations

import copy
import json
import time

import pytest

from ansible_collections.lustre.core.plugins.module_utils._node import parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool_want import PoolWant
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state
from tests.unit.site_support import NoMembers, SiteFile, demo

D = "/dev/disk/by-id/"
MGS = [["10.77.0.11@tcp"], ["10.77.0.12@tcp"]]
ALL = ("mds1", "mds2", "oss1", "oss2", "router1", "client1", "client2", "client3")


def site(**changes):
    """Two servers, one file system, one client; ``changes`` replace keys of the file system, ``lnet`` those of LNet."""
    lnet = {"networks": [{"net": "tcp0", "interfaces": ["eth0"]}], **changes.pop("lnet", {})}
    hosts = {"s[1-2]": "10.0.0.[1-2]", "c1": "10.0.0.9", **changes.pop("hosts", {})}
    filesystem = {
        "name": "fs1",
        "mgs": {"servers": ["s1", "s2"], "device": D + "mgt"},
        "mdts": [{"index": 0, "servers": ["s1", "s2"], "device": D + "mdt{index}"}],
        "osts": [{"index": "0-1", "servers": ["s2", "s1"], "device": D + "ost{index:02d}"}],
        "clients": [{"hosts": "c1", "path": "/mnt/fs1"}],
        **changes,
    }
    return SiteFile({"hosts": hosts, "lnet": lnet, "filesystems": [filesystem]})


def labels(node):
    return [target["label"] for target in node["targets"]]


@pytest.mark.parametrize("host", ALL)
def test_every_slice_of_the_demo_is_what_the_node_module_takes(host) -> None:
    node = demo().node(host)
    assert parts_of({**node, "phases": None})
    assert json.loads(json.dumps(node)) == node


def test_who_does_what_in_the_demo() -> None:
    nodes = {host: demo().node(host) for host in ALL}
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
        "device": D + "scsi-fs1-ost2",
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
        {"index": 0, "servers": ["s2", "s1"], "device": D + "mdt0"},
        {"index": 1, "servers": ["s1", "s2"], "device": D + "mdt1"},
    ]
    found = site(mgs={"combined": True}, mdts=mdts)
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


def test_an_mgs_outside_is_for_clients_alone() -> None:
    found = site(mgs={"nids": [["10.9.0.1@tcp0", "10.9.1.1@o2ib"], ["10.9.0.2@tcp"]]}, mdts=[], osts=[])
    node = found.node("c1")
    assert node["mounts"][0]["mgs_nids"] == [["10.9.0.1@tcp"], ["10.9.0.2@tcp"]]
    assert node["expected"] == {"reachable": ["10.9.0.1@tcp", "10.9.0.2@tcp"], "unreachable": ["10.9.1.1@o2ib"]}


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


def test_routes_go_over_the_router_and_a_router_forwards() -> None:
    nodes = {host: demo().node(host)["lnet"] for host in ALL}
    assert nodes["client2"]["routes"] == [{"net": "tcp", "gateway": "10.77.1.30@tcp1"}]
    assert nodes["oss1"]["routes"] == [{"net": "tcp1", "gateway": "10.77.0.30@tcp"}]
    assert nodes["router1"]["routes"] == []
    assert nodes["router1"]["routing"] == {"enabled": True}
    assert "routing" not in nodes["oss1"]
    assert nodes["router1"]["networks"] == [
        {"net": "tcp", "interfaces": ["eth0"]},
        {"net": "tcp1", "interfaces": ["eth1"]},
    ]


def test_a_way_over_several_routers() -> None:
    lnet = {
        "networks": [
            {"net": "tcp", "hosts": ["s1", "s2"], "interfaces": ["eth0"]},
            {"net": "tcp1", "hosts": ["nobody"], "interfaces": ["eth0"]},
            {"net": "tcp2", "hosts": ["c1"], "interfaces": ["eth0"]},
        ],
        "routers": ["r1", "r2", "r3"],
    }
    routers = {
        "r1": {"nids": ["10.0.0.30@tcp", "10.1.0.30@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
        "r2": {"nids": ["10.0.0.31@tcp", "10.1.0.31@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
        "r3": {"nids": ["10.1.0.40@tcp1", "10.2.0.40@tcp2"], "interfaces": {"tcp1": "a", "tcp2": "b"}},
        "nobody": "10.1.0.99",
    }
    found = site(lnet=lnet, hosts=routers)
    assert found.node("s1")["lnet"]["routes"] == [
        {"net": "tcp1", "gateway": "10.0.0.30@tcp"},
        {"net": "tcp1", "gateway": "10.0.0.31@tcp"},
        {"net": "tcp2", "gateway": "10.0.0.30@tcp", "hop": 2},
        {"net": "tcp2", "gateway": "10.0.0.31@tcp", "hop": 2},
    ]
    assert found.node("r1")["lnet"]["routes"] == [{"net": "tcp2", "gateway": "10.1.0.40@tcp1"}]
    assert [route["net"] for route in found.node("c1")["lnet"]["routes"]] == ["tcp", "tcp1"]


def test_explicit_routes_are_those_of_their_hosts_and_expectations_follow_them() -> None:
    lnet = {
        "networks": [
            {"net": "tcp", "hosts": ["s1", "s2"], "interfaces": ["eth0"]},
            {"net": "tcp1", "hosts": ["c[1-2]"], "interfaces": ["eth0"]},
        ],
        "routers": ["r1"],
        "routes": [{"hosts": ["c1"], "net": "tcp0", "gateway": "10.1.0.30@tcp1", "priority": 1}],
    }
    hosts = {
        "c2": "10.0.0.10",
        "r1": {"nids": ["10.0.0.30@tcp", "10.1.0.30@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
    }
    found = site(lnet=lnet, hosts=hosts, clients=[{"hosts": "c[1-2]", "path": "/mnt/fs1"}])
    assert found.node("c1")["lnet"]["routes"] == [{"net": "tcp", "gateway": "10.1.0.30@tcp1", "priority": 1}]
    assert found.node("c1")["expected"]["unreachable"] == []
    assert found.node("c2")["lnet"]["routes"] == []
    assert found.node("c2")["expected"] == {
        "reachable": ["10.1.0.30@tcp1"],
        "unreachable": ["10.0.0.1@tcp", "10.0.0.2@tcp", "10.0.0.30@tcp"],
    }


def test_full_expectations_name_every_server() -> None:
    assert "10.77.0.22@tcp" not in demo().node("client1")["expected"]["reachable"]
    assert "10.77.0.22@tcp" in demo().node("client1", full=True)["expected"]["reachable"]


def test_an_own_interface_wins_and_settings_come_along() -> None:
    networks = [
        {
            "net": "tcp",
            "interfaces": "eth0",
            "tunables": {"credits": 512},
            "lnd_tunables": {"conns_per_peer": 4},
            "cpts": [0],
        }
    ]
    lnet = {
        "networks": networks,
        "discovery": False,
        "global": {"retry_count": 3},
        "purge": "routes",
        "udsp": [{"src": "tcp", "priority": 0}, {"src": "tcp", "hosts": "c1"}],
        "module_options": {"lnet": {"accept_port": 988}},
    }
    found = site(lnet=lnet)
    found.hosts["s1"]["lustre_interfaces"] = {"tcp0": ["ib0", "ib1"]}
    node = found.node("s1")["lnet"]
    assert node["networks"] == [
        {
            "net": "tcp",
            "interfaces": ["ib0", "ib1"],
            "tunables": {"credits": 512},
            "lnd_tunables": {"conns_per_peer": "4"},
            "cpts": [0],
        }
    ]
    assert (node["discovery"], node["global"], node["purge"]) == (False, {"retry_count": 3}, ["routes"])
    assert node["udsp"] == [{"src": "tcp", "priority": 0}]


def test_parameters_go_where_they_are_kept() -> None:
    params = [
        {"name": "osc.fs1-*.max_dirty_mb", "value": 64},
        {"name": "llite.fs1-*.max_read_ahead_mb", "value": 256, "scope": "local", "hosts": ["c1"]},
        {"name": "osc.fs1-*.checksums", "value": 0, "scope": "mount"},
        {"name": "osc.fs1-*.old", "state": "absent"},
    ]
    found = site(params=params, purge_params=["osc.fs1-"])
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
                "vdevs": [{"type": "mirror", "devices": [D + "a{index}", D + "b{index}"]}],
                "properties": {"ashift": 12},
            },
        },
        {"index": 2, "servers": ["s1"], "device": "there/ost2"},
    ]
    node = site(
        osts=osts, mdts=[{"index": 0, "servers": ["s2"], "device": "x/mdt"}], mgs={"combined": True}, backend="zfs"
    ).node("s1")
    assert node["zpools"] == [
        {
            "name": f"ost{index}pool",
            "vdevs": [{"type": "mirror", "devices": [D + f"a{index}", D + f"b{index}"]}],
            "properties": {"ashift": "12"},
            "filesystem_properties": {},
            "create": True,
            "import": True,
        }
        for index in (0, 1)
    ] + [{"name": "there", "vdevs": [], "properties": {}, "filesystem_properties": {}, "create": False, "import": True}]
    for number, pool in enumerate(node["zpools"]):
        PoolWant.from_options(pool, f"pools[{number}]")
    assert site(osts=osts).node("s2")["zpools"] == []


def test_what_a_cluster_manages_is_not_mounted_here() -> None:
    found = site(osts=[{"index": 0, "servers": ["s1", "s2"], "device": D + "ost0", "managed_by": "ha", "format": True}])
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
    node = site(hosts={"login": "10.0.0.50"}).node("login")
    assert (node["targets"], node["mounts"], node["roles"], node["filesystems"]) == ([], [], [], [])
    assert node["lnet"]["nids"] == ["10.0.0.50@tcp"]


@pytest.mark.parametrize("host", ["client1", "client2", "oss1", "mds2", "router1"])
def test_only_these_hosts_are_asked_and_no_group_is_walked(host) -> None:
    found = demo()
    hostvars = found.hostvars()
    node_state(found.filesystems, host, hostvars, NoMembers(found.groups), found.lnet)
    partners = {"oss1": {"oss2"}, "mds2": {"mds1"}}.get(host, set())
    assert hostvars.asked <= {host, "mds1", "mds2", "router1"} | partners


@pytest.mark.parametrize("host", ALL)
def test_groups_may_be_left_out(host) -> None:
    found = demo()
    hostvars = found.hostvars()
    assert node_state(found.filesystems, host, hostvars, None, found.lnet) == found.node(host)


def test_left_out_groups_are_read_through_the_host_where_members_are_needed() -> None:
    found = demo()
    lnet = {**found.lnet, "routers": ["lustre_router"]}
    hosts = {**found.hosts, "client2": {**found.hosts["client2"], "groups": found.groups, "group_names": []}}
    node = node_state(found.filesystems, "client2", hosts, None, lnet)
    assert node["lnet"]["routes"] == [{"net": "tcp", "gateway": "10.77.1.30@tcp1"}]


def test_the_description_is_not_changed() -> None:
    found = demo()
    before = copy.deepcopy((found.filesystems, found.lnet))
    for host in ALL:
        found.node(host)["targets"].clear()
    assert (found.filesystems, found.lnet) == before


def test_what_is_missing_for_this_host_is_said() -> None:
    found = site()
    found.hosts["s1"] = {"ansible_host": "s1.example.org"}
    with pytest.raises(SiteError, match=r"the NIDs of s1 are not known"):
        found.node("c1")
    with pytest.raises(SiteError, match=r"lustre_filesystems\[0\].osts\[0\].device"):
        broken = site()
        broken.filesystems[0]["osts"][0]["device"] = 7
        broken.node("s1")


def test_a_broken_part_of_others_does_not_stop_a_host() -> None:
    found = site()
    found.filesystems[0]["osts"][0]["device"] = 7
    assert found.node("c1")["mounts"]


def test_a_large_site_costs_a_few_milliseconds() -> None:
    """500 servers with 4 OSTs each, 20,000 clients in ranges and groups."""
    pairs = [(f"oss{n:03d}", f"oss{n + 1:03d}") for n in range(1, 500, 2)]
    osts = []
    for number, (one, other) in enumerate(pairs):
        first = number * 8
        osts += [
            {"index": f"{first}-{first + 3}", "servers": [one, other], "device": D + "ost{index}"},
            {"index": f"{first + 4}-{first + 7}", "servers": [other, one], "device": D + "ost{index}"},
        ]
    found = site(
        hosts={
            "oss[001-500]": "10.2.0.1+",
            "client[00001-20000]": {"ansible_host": "10.8.0.1+", "groups": ["compute"]},
        },
        osts=osts,
        clients=[{"hosts": ["compute"], "path": "/mnt/fs1"}],
    )
    hostvars = found.hostvars()
    start = time.process_time()
    node = node_state(found.filesystems, "client12345", hostvars, NoMembers(found.groups), found.lnet)
    spent = time.process_time() - start
    assert node["mounts"][0]["mgs_nids"] == [["10.0.0.1@tcp"], ["10.0.0.2@tcp"]]
    assert hostvars.asked == {"client12345", "s1", "s2"}
    assert spent < 0.1, f"{spent * 1000:.0f} ms"


def test_directories_are_for_the_first_client_of_the_whole_file_system() -> None:
    hosts = {"d[1-3]": {"ansible_host": "10.0.0.[11-13]", "groups": ["compute"]}, "v[01-02]": "10.0.0.[21-22]"}
    clients = [
        {"hosts": "v[01-02]", "path": "/home", "subdir": "/home"},
        {"hosts": "compute", "path": "/mnt/off", "state": "unmounted"},
        {"hosts": "compute", "path": "/mnt/fs1"},
    ]
    declared = [{"path": "/home/a"}, {"path": "/home", "owner": 0, "mode": "1777"}]
    described = site(hosts=hosts, clients=clients, directories=declared)
    found = {host: described.node(host)["directories"] for host in ("d1", "d2", "v01", "s1")}
    assert found["d2"] == found["v01"] == found["s1"] == []
    assert [entry["path"] for entry in found["d1"]] == ["/mnt/fs1/home", "/mnt/fs1/home/a"]
    assert found["d1"][0] == {"fsname": "fs1", "path": "/mnt/fs1/home", "owner": "0", "group": "root", "mode": "1777"}


def test_who_needs_the_mgs_and_what_a_cluster_manages() -> None:
    nodes = {host: demo().node(host) for host in ALL}
    assert nodes["mds1"]["mgs_users"] == nodes["mds2"]["mgs_users"] == {"/lustre/mgs": ["fs1", "fs2"]}
    assert nodes["oss1"]["mgs_users"] == {} and nodes["oss1"]["cluster_managed"] == []
    osts = [{"index": 0, "servers": ["s2", "s1"], "device": D + "ost0", "managed_by": "ha"}]
    assert [site(osts=osts).node(host)["cluster_managed"] for host in ("s1", "s2", "c1")] == [["fs1-OST0000"]] * 2 + [
        []
    ]
