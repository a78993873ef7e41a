"""Containers in the description, in a host's part of it, and in a node's whole state."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.lustre.core.plugins.filter.luks import FilterModule
from ansible_collections.lustre.core.plugins.module_utils import _node
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, NotThereYet
from ansible_collections.lustre.core.plugins.module_utils._node import converge_node, parts_of
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from tests.unit.models.disk_model import Disk
from tests.unit.models.luks_model import LuksModel
from tests.unit.site_support import BY_ID, small

FILTERS = FilterModule().filters()
FILE = "/etc/lustre/keys/luks/{fsname}-ost{index}"
OSTS = [
    {
        "index": "0-1", "servers": ["s2", "s1"], "device": BY_ID + "ost{index}", "format": True,
        "luks": {"key": "osts", "key_file": FILE},
    }
]  # fmt: skip


def site(**luks):
    return small(osts=[{**OSTS[0], "luks": {**OSTS[0]["luks"], **luks}}])


def test_a_host_gets_the_containers_of_all_targets_that_it_serves():
    first, second, client = (site().node(host) for host in ("s2", "s1", "c1"))
    entry = {
        "label": "fs1-OST0000",
        "device": BY_ID + "ost0",
        "name": "fs1-OST0000",
        "key_file": "/etc/lustre/keys/luks/fs1-ost0",
    }
    assert first["luks"][0] == {**entry, "key_name": "osts", "format": True}
    assert second["luks"][0] == {**entry, "key_name": "osts", "standby": True}
    assert [one["label"] for one in second["luks"]] == ["fs1-OST0000", "fs1-OST0001"]
    assert "luks" not in client and "luks" not in small().node("s1")
    assert all(parts_of(_node.options_of({"want": node})) for node in (first, second))


def test_the_target_and_its_mount_are_on_the_opened_device():
    node = site(name="lustre-{fsname}-{index:04x}").node("s2")
    assert [target["device"] for target in node["targets"]] == [f"/dev/mapper/lustre-fs1-000{n}" for n in (0, 1)]
    assert [mount["device"] for mount in node["mounts"] if mount["label"].startswith("fs1-OST")] == [
        f"/dev/mapper/lustre-fs1-000{n}" for n in (0, 1)
    ]


def test_who_needs_cryptsetup_is_seen_in_the_description_alone():
    described = site().filesystems
    assert [FILTERS["node_luks"](described, host) for host in ("s1", "s2", "c1")] == [True, True, False]
    assert not FILTERS["node_luks"](small().filesystems, "s1")
    assert not FILTERS["node_luks"]([{"osts": [None, {"luks": {}}], "mgs": "x"}, 3], "s1")


def test_the_role_gives_keys_to_those_that_it_makes_and_then_to_the_others():
    entries = [*site().node("s2")["luks"][:1], *site().node("s1")["luks"][1:], {"label": "MGS", "key_file": "/etc/k"}]
    made = FILTERS["luks_containers"](entries, {"osts": "c2VjcmV0"})
    assert [(one["label"], one.get("key"), "key_name" in one) for one in made] == [
        ("fs1-OST0000", "c2VjcmV0", False),
        ("MGS", None, False),
    ]
    (other,) = FILTERS["luks_containers"](entries, {"osts": "c2VjcmV0"}, standby=True)
    assert (other["label"], other["standby"], other["key"]) == ("fs1-OST0001", True, "c2VjcmV0")
    with pytest.raises(
        AnsibleFilterError, match="lustre_luks_keys: it has no key osts, which the container of fs1-OST0000"
    ):
        FILTERS["luks_containers"](entries, {})


WANT = {
    "label": "fs1-OST0000",
    "device": BY_ID + "ost0",
    "key_file": "/etc/lustre/keys/luks/k",
    "key_name": "osts",
    "format": True,
}
TARGET = {
    "kind": "ost", "fsname": "fs1", "index": 0, "device": "/dev/mapper/fs1-OST0000", "mgs_nids": [["10.0.0.1@tcp"]],
    "format": True,
}  # fmt: skip


def node_parts(model):
    """The parts of a node with one container and the target in it, on a model of its disks."""
    parts = parts_of({"luks": [WANT], "targets": [TARGET], "phases": None})
    for part in parts:
        for resource in filter(None, (part.resource, part.tentative)):
            resource.files = model
            if isinstance(resource, LuksResource):
                resource.local = model.local()
    return parts


def test_containers_come_before_targets_and_are_part_of_one_call():
    parts = parts_of({"targets": [TARGET], "luks": [WANT], "phases": ["ost", "luks"]})
    assert [(part.phase, part.resource.kind) for part in parts] == [("luks", "luks"), ("ost", "target")]
    assert parts[0].tentative.coming and not parts[0].resource.coming
    assert parts[1].tentative.coming_devices == {TARGET["device"]} and not parts[1].resource.coming_devices
    with pytest.raises(BadValue, match=r"luks\[0\]\.name"):
        parts_of({"luks": [{**WANT, "name": "a b"}]})


def test_a_look_before_the_container_is_open_says_what_may_be_formatted():
    model = LuksModel(disks={BY_ID + "ost0": Disk("sdd", "8:48")})
    results = converge_node(node_parts(model), model, check_mode=True)
    assert [result.phase for result in results] == ["luks", "ost"] and all(result.changed for result in results)
    assert "the container below it is not open yet" in results[1].unplanned
    assert "It may format fs1-OST0000 on /dev/mapper/fs1-OST0000" in results[1].unplanned
    assert node_values(results, 1, False)["summary"]["unplanned"] == 1
    assert not model.calls and not model.writes


def test_a_run_formats_in_the_new_container_and_again_changes_nothing():
    model = LuksModel(disks={BY_ID + "ost0": Disk("sdd", "8:48")}, keys={WANT["key_file"]: bytes(range(64))})
    results = converge_node(node_parts(model), model, write=model.write, sleep=lambda _seconds: None)
    assert results[1].outcome.plan.steps[0].action == "format"
    assert model.disks["/dev/mapper/fs1-OST0000"].holds == "target" and model.disks[BY_ID + "ost0"].holds == ""
    again = converge_node(node_parts(model), model, write=model.write, sleep=lambda _seconds: None)
    assert not any(result.changed for result in again)
    assert node_values(again, 1, False)["state"]["luks"]["containers"][0]["open"]


def test_a_real_run_without_the_opened_device_is_an_error():
    model = LuksModel(disks={})
    wants = TargetResource.from_options([TARGET]).wants
    with pytest.raises(NotThereYet):
        TargetResource(wants, model, coming_devices=[TARGET["device"]]).have(model)
    with pytest.raises(Exception, match="the device cannot be reached on this node"):
        TargetResource(wants, model).have(model)
