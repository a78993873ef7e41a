"""The composite on whole nodes: each thing after what it stands on, and nothing twice."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._node import NodeFailed, converge_node, parts_of
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from tests.unit.disk_strategies import MGS, TARGETS, device
from tests.unit.hypotheses import examples
from tests.unit.lnet_model import LnetModel
from tests.unit.models.disk_model import Disk, DiskModel, Target, any_disks
from tests.unit.models.firewall_model import Chain, FirewallModel
from tests.unit.models.mount_node import Mount, MountModel
from tests.unit.models.node_model import NodeModel
from tests.unit.models.unit_model import Unit, UnitModel

CLIENT = {"kind": "client", "path": "/mnt/fs1", "fsname": "fs1", "mgs_nids": [MGS]}


def path_of(label: str) -> str:
    return f"/lustre/{label.lower()}"


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(TARGETS), unique=True))
    going = draw(st.booleans())
    state = "unmounted" if going else "mounted"
    targets, mounts = [], []
    for label, kind, index in chosen:
        own: dict[str, Any] = {"label": label, "device": device(label), "mgs_nids": [] if kind == "mgt" else [MGS]}
        fs = {} if kind == "mgt" else {"fsname": "fs1", "index": index}
        targets.append({**own, **fs, "kind": kind, "format": draw(st.sampled_from([True, True, True, False]))})
        mounts.append(
            {
                **own,
                "kind": "target",
                "path": path_of(label),
                "state": state,
                "unmount": draw(st.sampled_from([True, True, False])),
            }
        )
    if draw(st.booleans()):
        mounts.append({**CLIENT, "state": state, "unmount": True})
    return {
        "firewall": draw(st.sampled_from([None, {"port": 988}])),
        "lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "nids": ["10.77.0.11@tcp"]},
        "services": [{"name": "lnet.service"}],
        "targets": draw(st.permutations(targets)),
        "mounts": draw(st.permutations(mounts)),
    }


@st.composite
def nodes(draw: st.DrawFn) -> NodeModel:
    up = draw(st.booleans())
    lnet = LnetModel(links={"lo": ["127.0.0.1"], "eth0": ["10.77.0.11"]}, loaded=up, up=up)
    disks, mounts = DiskModel(), MountModel(mgs_device=device("MGS"), folders={"/mnt/fs1"})
    mounts.mgs_answers = draw(st.sampled_from([True, True, True, False]))
    if up:
        lnet.add("tcp", "eth0")
    for place, (label, kind, index) in enumerate(TARGETS):
        disk = Disk(f"sd{'abcd'[place]}", f"8:{16 * place}", draw(st.sampled_from(["", "target", "target", "ext4"])))
        if disk.holds == "target":
            params = [] if kind == "mgt" else [("mgsnode", MGS[0])]
            disk.target = Target(
                "" if kind == "mgt" else "fs1", kind, index, {"mgt": 4, "mdt": 1, "ost": 2}[kind], params
            )
            if up and draw(st.booleans()):
                disk.mounted = path_of(label)
                mounts.folders.add(disk.mounted)
                mounts.mounts.append(Mount(device(label), disk.mounted, ["rw"]))
        disks.disks[device(label)] = disk
    if up and draw(st.booleans()):
        mounts.mounts.append(Mount(f"{MGS[0]}:/fs1", "/mnt/fs1", ["rw"]))
    lnet.mount(*(mount.line() for mount in mounts.mounts))
    unit = Unit(file_state=draw(st.sampled_from(["enabled", "disabled"])), active="active" if up else "inactive")
    firewall = FirewallModel(
        chains=draw(st.sampled_from([None, [Chain("input", "input", "drop")], [Chain("input", "input", "accept")]]))
    )
    return NodeModel(lnet, UnitModel({"lnet.service": unit}), disks, mounts, copy.deepcopy(firewall))


def converged(options: dict[str, Any], node: NodeModel, check_mode: bool = False) -> Any:
    parts = node.equip(parts_of(options))
    node.mounts.to_mount = {mount["path"] for mount in options["mounts"] if mount["state"] == "mounted"}
    return converge_node(parts, node, check_mode, sleep=lambda seconds: None, write=node.write)


@examples(30)
@given(options=descriptions(), node=nodes())
def test_a_whole_node_becomes_as_described(options: dict[str, Any], node: NodeModel) -> None:
    before = copy.deepcopy(node)
    planned: list[Any] = []
    try:
        planned = converged(options, node, check_mode=True)
        assert not node.log, "a check changed something"
        results = converged(options, node)
    except NodeFailed as failure:
        event(f"failed: {type(failure.cause).__name__}")
        assert isinstance(failure.cause, Refused), failure
        assert failure.changed == bool(node.log), "it says that it changed something exactly when it did"
        in_order(node.log)
        nothing_foreign(options, before, node)
        return
    values = node_values(results, 0, show_diff=True)
    event(f"{min(values['summary']['steps'], 8)} steps")
    if not any(result.unplanned for result in planned):
        assert node_values(planned, 0, False)["plan"] == [strip(step) for step in values["plan"]]
    in_order(node.log)
    nothing_foreign(options, before, node)
    node.log.clear()
    again = node_values(converged(options, node), 0, False)
    assert not again["changed"] and not node.log, again["plan"]
    for mount in options["mounts"]:
        assert (node.mounts.at(mount["path"]) is not None) == (mount["state"] == "mounted")
    assert values["summary"]["destructive"] == sum(step["destructive"] for step in values["plan"])


def strip(step: dict[str, Any]) -> dict[str, Any]:
    """A step as planned: how long it took is known only afterwards."""
    return {key: value for key, value in step.items() if key != "seconds"}


def in_order(log: list[str]) -> None:
    """Down first (clients, OSTs, MDTs, the MGS last), then up, each after what it needs."""
    downs = [line.split()[-1] for line in log if line.startswith("umount ")]
    ups = [line.split()[-1] for line in log if line.startswith("mount ")]
    rank = {path: place for place, path in enumerate([*(path_of(label) for label, _k, _i in TARGETS), "/mnt/fs1"])}
    phases = {path_of("fs1-OST000b"): rank[path_of("fs1-OST0000")]}
    order = [phases.get(path, rank[path]) for path in downs]
    assert order == sorted(order, reverse=True), downs
    order = [phases.get(path, rank[path]) for path in ups]
    assert order == sorted(order), ups
    places = {line: number for number, line in reversed(list(enumerate(log)))}
    first_up = min((places[line] for line in log if line.startswith("mount ")), default=len(log))
    assert all(
        places[line] < first_up for line in log if line.startswith(("umount", "lnetctl net add", "nft ", "modprobe"))
    )
    for line in log:
        if line.startswith("mkfs.lustre"):
            mounted = [
                places[other] for other in log if other.startswith("mount ") and other.split()[-2] == line.split()[-1]
            ]
            assert all(places[line] < place for place in mounted)


def nothing_foreign(options: dict[str, Any], before: NodeModel, node: NodeModel) -> None:
    consented = {target["device"] for target in options["targets"] if target["format"]}
    for path, disk in before.disks.disks.items():
        if any_disks(DiskModel({path: disk})) != any_disks(DiskModel({path: node.disks.disks[path]})):
            assert path in consented and disk.holds == ""
    going = {mount["path"] for mount in options["mounts"] if mount["state"] == "unmounted" and mount["unmount"]}
    gone = {mount.path for mount in before.mounts.mounts} - {mount.path for mount in node.mounts.mounts}
    assert gone <= going
