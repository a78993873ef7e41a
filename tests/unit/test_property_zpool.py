"""Pools are imported or made only where that harms nobody, and end up guarded as described."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource
from tests.unit.hypotheses import examples
from tests.unit.models.disk_model import Disk, any_disks
from tests.unit.models.pool_model import DEFAULTS, ROOT_DEFAULTS, Pool, PoolModel

FOLDER = "/dev/disk/by-id/"
OWN = {"ost1pool": [f"{FOLDER}a", f"{FOLDER}b"], "ost2pool": [f"{FOLDER}c"]}


@st.composite
def pool_wants(draw: st.DrawFn) -> list[dict[str, Any]]:
    wants = []
    for name in draw(st.lists(st.sampled_from(list(OWN)), min_size=1, unique=True)):
        kind = draw(st.sampled_from(["stripe", "mirror"])) if len(OWN[name]) > 1 else "stripe"
        want: dict[str, Any] = {"name": name, "vdevs": [{"type": kind, "devices": OWN[name]}]}
        want["create"] = draw(st.sampled_from([True, True, False]))
        want["import"] = draw(st.sampled_from([True, True, False]))
        want["properties"] = draw(st.sampled_from([{}, {"autotrim": True}, {"ashift": 12}, {"multihost": False}]))
        want["filesystem_properties"] = draw(st.sampled_from([{}, {"compression": "lz4"}]))
        wants.append(want)
    return wants


@st.composite
def pool_nodes(draw: st.DrawFn) -> PoolModel:
    model = PoolModel(hostid=draw(st.sampled_from([b"\x01\x02\x03\x04", b"\x01\x02\x03\x04", None, b"\0\0\0\0"])))
    for place, device in enumerate(device for devices in OWN.values() for device in devices):
        model.disks[device] = Disk(
            f"sd{'abc'[place]}", f"8:{16 * place}", draw(st.sampled_from(["", "", "", "ext4", "data"]))
        )
    for name, devices in OWN.items():
        if draw(st.booleans()):
            pool = Pool(list(devices), draw(st.booleans()), health=draw(st.sampled_from(["ONLINE", "DEGRADED"])))
            pool.elsewhere = not pool.imported and draw(st.booleans())
            pool.properties = {**DEFAULTS, "multihost": draw(st.sampled_from(["on", "off"])), "cachefile": "none"}
            pool.options = {**ROOT_DEFAULTS, "canmount": draw(st.sampled_from(["on", "off"]))}
            model.pools[name] = pool
            for device in devices:
                model.disks[device].holds = "data"
    model.pools["nobodys"] = Pool(["/dev/disk/by-id/z"], draw(st.booleans()))
    return model


@examples(100)
@given(wants=pool_wants(), model=pool_nodes(), data=st.data())
def test_pools_become_as_described(wants: list[dict[str, Any]], model: PoolModel, data: st.DataObject) -> None:
    before = copy.deepcopy(model)
    made = ZpoolResource.from_options(wants, files=model)
    try:
        planned = converge(made, model, check_mode=True)
        assert not model.calls
    except Refused as refusal:
        event("refused")
        assert refusal.remedy and model.pools == before.pools and any_disks(model) == any_disks(before)
        return
    shuffled = ZpoolResource.from_options(data.draw(st.permutations(wants)), files=model)
    assert set(converge(shuffled, model, check_mode=True).plan.steps) == set(planned.plan.steps)
    outcome = converge(made, model)
    event(f"{min(len(outcome.plan.steps), 4)} steps")
    assert outcome.plan.steps == planned.plan.steps
    assert not converge(ZpoolResource.from_options(wants, files=model), model).changed
    assert model.pools["nobodys"] == before.pools["nobodys"]
    by_name = {want["name"]: want for want in wants}
    for step in outcome.plan.steps:
        assert step.destructive == (step.action == "create")
        if step.action == "create":
            assert by_name[step.object]["create"]
        if step.action == "import":
            assert by_name[step.object]["import"] and not before.pools[step.object].elsewhere
    for name, want in by_name.items():
        pool = model.pools[name]
        assert pool.imported and pool.options["canmount"] == "off"
        assert pool.properties["multihost"] == ("off" if want["properties"].get("multihost") is False else "on")
        if name in before.pools and before.pools[name].health != "ONLINE":
            assert any("health" in entry.object for entry in outcome.plan.drift)
    untouched = set(before.pools) - set(by_name)
    assert all(model.pools[name] == before.pools[name] for name in untouched)
