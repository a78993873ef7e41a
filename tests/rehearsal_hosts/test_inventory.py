# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spec from the user's own inventory."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.hosts import inventory
from rehearsal.hosts.errors import RehearsalError


def _listed() -> dict[str, Any]:
    """The file of the test data in the form of ``ansible-inventory --list``."""
    top = yaml.safe_load((Path(__file__).parent / "data/inventory.yml").read_text())["all"]
    listed: dict[str, Any] = {"all": {"children": list(top["children"])}, "_meta": {"hostvars": {}}}
    for group, content in top["children"].items():
        listed[group] = {"hosts": list(content["hosts"])}
        for host, variables in content["hosts"].items():
            listed["_meta"]["hostvars"][host] = {**copy.deepcopy(top["vars"]), **variables}
    return listed


@pytest.fixture
def listed() -> dict[str, Any]:
    return _listed()


def test_hosts_networks_and_management(listed: dict[str, Any]) -> None:
    spec = inventory.spec_from_inventory(listed)
    assert {host.name for host in spec.hosts} == {
        "mds1",
        "mds2",
        "oss1",
        "oss2",
        "router1",
        "client1",
        "client2",
        "client3",
    }
    assert spec.networks == ("tcp", "tcp1")
    assert spec.management == "10.76.0.0/24"
    router = next(host for host in spec.hosts if host.name == "router1")
    assert [(i.name, i.network, i.addresses) for i in router.interfaces] == [
        ("eth0", "tcp", ("10.77.0.30/24",)),
        ("eth1", "tcp1", ("10.77.1.30/24",)),
    ]
    assert router.management == "10.76.0.30"


def test_devices_reach_all_servers_of_their_target(listed: dict[str, Any]) -> None:
    devices = {device.name: device for device in inventory.spec_from_inventory(listed).devices}
    assert len(devices) == 9
    assert set(devices["scsi-mdt1"].hosts) == {"mds1", "mds2"}
    assert devices["scsi-ost3"].path == "/dev/disk/by-id/scsi-ost3"
    assert devices["scsi-fs2-ost0"].hosts == ("oss1",)
    assert (devices["scsi-mgt"].size, devices["scsi-mdt0"].size, devices["scsi-ost0"].size) == (2**27, 2**29, 2**30)


def test_the_same_path_on_other_servers_is_another_disk(listed: dict[str, Any]) -> None:
    for variables in listed["_meta"]["hostvars"].values():
        variables["lustre_filesystems"][0]["osts"] = [
            {"index": 0, "servers": ["oss1"], "device": "/dev/disk/by-path/bay1"},
            {"index": 1, "servers": ["oss2"], "device": "/dev/disk/by-path/bay1"},
        ]
        variables["rehearsal_device_sizes"] = {"ost": "2G"}
    devices = inventory.spec_from_inventory(listed).devices
    bays = [(d.name, d.hosts, d.size) for d in devices if d.path == "/dev/disk/by-path/bay1"]
    assert bays == [("bay1", ("oss1",), 2**31), ("bay1-oss2", ("oss2",), 2**31)]


def test_zfs_targets_get_the_disks_of_their_pool(listed: dict[str, Any]) -> None:
    pool = {"name": "ostpool", "vdevs": [{"type": "mirror", "devices": ["/dev/disk/by-id/d0", "/dev/disk/by-id/d1"]}]}
    for variables in listed["_meta"]["hostvars"].values():
        variables["lustre_filesystems"][0]["osts"] = [
            {"index": 0, "servers": ["oss1", "oss2"], "backend": "zfs", "device": "ostpool/ost0", "zpool": pool}
        ]
    names = [device.name for device in inventory.spec_from_inventory(listed).devices]
    assert names[3:5] == ["d0", "d1"]


def test_a_part_of_the_hosts(listed: dict[str, Any]) -> None:
    spec = inventory.spec_from_inventory(listed, ["mds1", "lustre_client"])
    assert {host.name for host in spec.hosts} == {"mds1", "client1", "client2", "client3"}
    assert {host for device in spec.devices for host in device.hosts} == {"mds1"}


def test_nids_from_ansible_host_leave_management_to_us(listed: dict[str, Any]) -> None:
    for variables in listed["_meta"]["hostvars"].values():
        variables.pop("lustre_nids", None)
        variables.pop("lustre_interfaces", None)
        variables["lustre_lnet"] = {"networks": [{"net": "tcp0", "hosts": ["all"], "interfaces": ["bond0"]}]}
    spec = inventory.spec_from_inventory(listed, ["mds1", "mds2"])
    assert [(i.name, i.addresses) for host in spec.hosts for i in host.interfaces] == [
        ("bond0", ("10.76.0.11/24",)),
        ("bond0", ("10.76.0.12/24",)),
    ]
    assert [host.management for host in spec.hosts] == ["", ""]
    # Ansible reaches the hosts by other addresses than the real ones: what followed from those has to be said.
    assert [host.variables for host in spec.hosts] == [
        {"lustre_nids": ["10.76.0.11@tcp"]},
        {"lustre_nids": ["10.76.0.12@tcp"]},
    ]


def test_nids_that_are_given_stay(listed: dict[str, Any]) -> None:
    assert [host.variables for host in inventory.spec_from_inventory(listed).hosts] == [{}] * 8


def test_a_wide_network_is_seen_as_such(listed: dict[str, Any]) -> None:
    listed["_meta"]["hostvars"]["client1"]["lustre_nids"] = ["10.77.7.41@tcp0"]
    listed["_meta"]["hostvars"]["client2"]["lustre_nids"] = ["10.78.1.42@tcp1"]
    listed["_meta"]["hostvars"]["router1"]["lustre_nids"] = ["10.77.0.30@tcp0", "10.78.1.30@tcp1"]
    spec = inventory.spec_from_inventory(listed)
    prefixes = {
        a.split("/")[1] for host in spec.hosts for i in host.interfaces if i.network == "tcp" for a in i.addresses
    }
    assert prefixes == {"21"}


def test_networks_on_one_interface_share_the_wire(listed: dict[str, Any]) -> None:
    router = listed["_meta"]["hostvars"]["router1"]
    router["lustre_interfaces"] = {"tcp0": ["eth0"], "tcp1": ["eth0"]}
    spec = inventory.spec_from_inventory(listed)
    assert len(spec.networks) == 1
    assert [len(i.addresses) for host in spec.hosts if host.name == "router1" for i in host.interfaces] == [2]


def test_multi_rail_takes_the_interfaces_in_order(listed: dict[str, Any]) -> None:
    listed["_meta"]["hostvars"]["mds1"] |= {
        "lustre_nids": ["10.77.0.11@tcp0", "10.77.0.111@tcp0"],
        "lustre_interfaces": {"tcp0": ["ens1", "ens2"]},
    }
    spec = inventory.spec_from_inventory(listed)
    mds1 = next(host for host in spec.hosts if host.name == "mds1")
    assert [(i.name, i.addresses) for i in mds1.interfaces] == [
        ("ens1", ("10.77.0.11/24",)),
        ("ens2", ("10.77.0.111/24",)),
    ]


@pytest.mark.parametrize(
    ("host", "name", "value", "message"),
    [
        ("mds1", "lustre_nids", ["{{ address }}@tcp"], "The variable lustre_nids of mds1 holds a template"),
        ("mds1", "rehearsal_networks", {"tcp0": "10.99.0.0/24"}, "10.99.0.0/24 does not hold 10.77.0"),
        ("mds1", "lustre_nids", ["10.77.0.300@tcp0"], "10.77.0.300"),
    ],
)
def test_what_cannot_be_rehearsed_is_a_sentence(
    listed: dict[str, Any], host: str, name: str, value: Any, message: str
) -> None:
    listed["_meta"]["hostvars"][host][name] = value
    with pytest.raises(RehearsalError, match=message):
        inventory.spec_from_inventory(listed)


def test_values_of_an_inventory_plugin_are_unwrapped(listed: dict[str, Any], tmp_path: Path) -> None:
    listed["_meta"]["hostvars"]["mds1"]["lustre_nids"] = [{"__ansible_unsafe": "10.77.0.11@tcp0"}]
    (tmp_path / "listed.json").write_text(json.dumps(listed))
    spec = inventory.from_paths([str(tmp_path / "listed.json")])
    assert next(host for host in spec.hosts if host.name == "mds1").interfaces[0].addresses == ("10.77.0.11/24",)


def test_an_unknown_host_is_named(listed: dict[str, Any]) -> None:
    with pytest.raises(RehearsalError, match="are not in the inventory: nobody"):
        inventory.spec_from_inventory(listed, ["nobody"])


def test_a_broken_description_is_told_in_its_own_words(listed: dict[str, Any]) -> None:
    for variables in listed["_meta"]["hostvars"].values():
        variables["lustre_filesystems"][0]["ostss"] = []
    with pytest.raises(RehearsalError, match="ostss"):
        inventory.spec_from_inventory(listed)
