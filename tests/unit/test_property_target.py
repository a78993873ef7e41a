"""For any disks and any description: nothing foreign is ever written to, and targets become what was described."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from tests.unit.disk_strategies import servers, target_wants
from tests.unit.hypotheses import examples
from tests.unit.models.disk_model import Disk, DiskModel, any_disks


def resource(wants: list[dict[str, Any]], model: DiskModel) -> TargetResource:
    return TargetResource.from_options(wants, files=model)


@examples(120)
@given(
    wants=target_wants(), model=servers() | servers(("", "target")) | servers(("", "target", "target")), data=st.data()
)
def test_targets_become_as_described(wants: list[dict[str, Any]], model: DiskModel, data: st.DataObject) -> None:
    before = copy.deepcopy(model)
    try:
        planned = converge(resource(wants, model), model, check_mode=True)
        assert any_disks(model) == any_disks(before) and not model.calls
    except Refused as refusal:
        event("refused by the plan")
        assert refusal.remedy and any_disks(model) == any_disks(before) and not model.calls
        return
    shuffled = converge(resource(data.draw(st.permutations(wants)), model), model, check_mode=True)
    assert sorted(map(str, shuffled.plan.steps)) == sorted(map(str, planned.plan.steps))
    assert set(shuffled.plan.drift) == set(planned.plan.drift)
    try:
        outcome = converge(resource(wants, model), model)
    except Refused:
        event("refused by the last look")
        nothing_foreign(wants, before, model)
        return
    event(f"{len(outcome.plan.steps)} steps")
    assert outcome.plan.steps == planned.plan.steps
    nothing_foreign(wants, before, model)
    for step in outcome.plan.steps:
        assert step.destructive == (step.action == "format")
    again = converge(resource(wants, model), model)
    assert not again.changed
    for want in wants:
        reached(want, before.disks[want["device"]], model.disks[want["device"]], again.plan.drift)


def nothing_foreign(wants: list[dict[str, Any]], before: DiskModel, model: DiskModel) -> None:
    """Only what was consented to was written, and only where it belongs."""
    by_device = {want["device"]: want for want in wants}
    for path, disk in before.disks.items():
        same = any_disks(DiskModel({path: disk})) == any_disks(DiskModel({path: model.disks[path]}))
        want = by_device.get(path)
        if same:
            continue
        assert want is not None, f"{path} is not described"
        if disk.holds == "":
            assert want["format"]
        else:
            assert want["tune"] and disk.target is not None and not disk.mounted
            now = model.disks[path].target
            assert now is not None
            assert (now.fsname, now.kind, now.index) == (disk.target.fsname, disk.target.kind, disk.target.index)


def reached(want: dict[str, Any], before: Disk, now: Disk, drift: Any) -> None:
    target = now.target
    assert target is not None and (target.kind, target.index) == (want["kind"], want.get("index"))
    told = {entry.object.rpartition(": ")[2] for entry in drift if want["device"] in entry.object}
    nodes = [node for key, value in target.params if key == "mgsnode" for node in value.split(":")]
    wanted = [node[0] for node in want.get("mgs_nids", [])]
    assert sorted(nodes) == sorted(wanted) or "MGS nodes" in told
    partners = [value for key, value in target.params if key == "failover.node"]
    services = [node[0] for node in want["service_nids"]]
    assert not services or sorted(partners) == sorted(services) or "service nodes" in told
    for key, value in want.get("params", {}).items():
        assert [found for name, found in target.params if name == key] == [value] or f"parameter {key}" in told
    if want["tune"] and not before.mounted:
        assert not told, "it may be repaired, and was not"
    if not want["tune"] and before.target is not None:
        assert target.params == before.target.params
    # what nobody described is kept through a rewrite of everything
    for key, value in before.target.params if before.target is not None else []:
        if key not in ("mgsnode", "failover.node") and key not in want.get("params", {}):
            assert (key, value) in target.params
    if before.target is not None and not want["service_nids"]:
        assert partners == [value for key, value in before.target.params if key == "failover.node"]


@examples(60)
@given(
    wants=target_wants(), model=servers() | servers(("", "target")) | servers(("", "target", "target")), data=st.data()
)
def test_a_disk_that_changes_before_its_step_is_left_alone(
    wants: list[dict[str, Any]], model: DiskModel, data: st.DataObject
) -> None:
    """Between plan and command somebody writes to a disk, mounts it or plugs another: mkfs.lustre never reaches it."""
    chosen = data.draw(st.sampled_from(sorted(want["device"] for want in wants)))
    what = data.draw(st.sampled_from(["data", "ext4", "mounted", "renamed", "gone"]))
    made = resource(wants, model)
    try:
        steps = made.plan(made.have(model)).steps
    except Refused:
        return
    disk = model.disks[chosen]
    if what in ("data", "ext4"):
        disk.holds, disk.target = what, None
    elif what == "mounted":
        disk.mounted = "/elsewhere"
    elif what == "renamed":
        disk.number = "8:999"
    else:
        del model.disks[chosen]
    for step in steps:
        if not step.object.endswith(f"on {chosen}"):
            continue
        event(f"{step.action} of a disk that is {what}")
        try:
            made.check_step(step, model)
        except Refused as refusal:
            assert refusal.remedy
        else:
            raise AssertionError(f"{step.action} would go on although the disk is {what}")
