"""A wipe reaches exactly the devices that were named, and only where the target that belongs there is given up."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.wipe import WipeResource
from tests.unit.disk_strategies import servers, target_wants
from tests.unit.hypotheses import examples
from tests.unit.models.disk_model import DiskModel, any_disks


class Killed(Exception):
    """The run ends here, as by SIGKILL."""


@examples(100)
@given(
    wants=target_wants(),
    model=servers() | servers(("target", "half")) | servers(("", "target", "half")),
    data=st.data(),
)
def test_only_what_is_named_and_proven_is_wiped(
    wants: list[dict[str, Any]], model: DiskModel, data: st.DataObject
) -> None:
    named = data.draw(st.lists(st.sampled_from([want["device"] for want in wants]), min_size=1, unique=True))
    before = copy.deepcopy(model)
    made = WipeResource.from_options(wants, named, model)
    try:
        planned = converge(made, model, check_mode=True)
        assert any_disks(model) == any_disks(before)
        outcome = converge(made, model)
    except Refused as refusal:
        event("refused")
        assert refusal.remedy
    else:
        event(f"{len(outcome.plan.steps)} steps")
        assert outcome.plan.steps == planned.plan.steps and all(step.destructive for step in outcome.plan.steps)
        assert all(model.disks[path].holds == "" for path in named)
        assert not converge(WipeResource.from_options(wants, named, model), model).changed
    by_device = {want["device"]: want for want in wants}
    for path, disk in before.disks.items():
        if any_disks(DiskModel({path: disk})) == any_disks(DiskModel({path: model.disks[path]})):
            continue
        assert path in named and not disk.mounted and disk.mmp != "busy" and disk.holds in ("target", "half")
        found = disk.target
        want = by_device[path]
        assert found is None or (found.kind, found.index) == (want["kind"], want.get("index"))
        partners = [value for key, value in found.params if key == "failover.node"] if found else []
        assert disk.mmp == "clean" or max(len(partners), len(want["service_nids"])) < 2, "a partner may have it mounted"


@examples(40)
@given(wants=target_wants(), model=servers(("target", "half")), data=st.data())
def test_a_wipe_that_was_killed_is_finished_by_the_next(
    wants: list[dict[str, Any]], model: DiskModel, data: st.DataObject
) -> None:
    named = [want["device"] for want in wants]
    for disk in model.disks.values():
        disk.mounted, disk.mmp = "", "clean"
    made = WipeResource.from_options(wants, named, model)
    try:
        steps = made.plan(made.have(model)).steps
    except Refused:
        return
    left = [data.draw(st.integers(0, len(steps) - 1))]

    def killed(argv: Any, stdin: Any = None, timeout: float = 0.0) -> Any:
        if argv[0] == "dd" or "--all" in argv:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return model(argv, stdin, timeout)

    try:
        converge(made, killed)
    except Killed:
        event("killed")
    converge(WipeResource.from_options(wants, named, model), model)
    assert all(model.disks[path].holds == "" for path in named)
    # and what is wiped may be formatted again
    consented = [{**want, "format": True} for want in wants]
    converge(TargetResource.from_options(consented, files=model), model)
