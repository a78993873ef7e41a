"""For any units and any description of them: enabled and started as described, and nothing else touched."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.service import ServiceResource
from tests.unit.hypotheses import examples
from tests.unit.models.unit_model import Unit, UnitModel

NAMES = ("lnet.service", "chrony.service", "lustre-zpool@a.service", "x.timer")
flags = st.sampled_from([True, False, None])
wants = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(NAMES), "enabled": flags, "started": flags}),
    unique_by=lambda want: want["name"],
).filter(lambda wanted: all(want["name"] != "lnet.service" or want["started"] is not False for want in wanted))
units = st.builds(
    Unit,
    st.sampled_from(["loaded", "loaded", "loaded", "masked", "not-found"]),
    st.sampled_from(["enabled", "disabled"]),
    st.sampled_from(["active", "inactive", "failed", "activating"]),
    st.sampled_from(["", "/etc/systemd/system/lnet.service.d/lustre-core.conf"]),
)


def fitting(unit: Unit) -> Unit:
    """systemd shows no other pairs."""
    if unit.load == "masked":
        unit.file_state = "masked"
    if unit.load == "not-found":
        unit.file_state, unit.active = "", "inactive"
    return unit


@examples(60)
@given(wanted=wants, found=st.dictionaries(st.sampled_from(NAMES), units), loaded=st.booleans(), data=st.data())
def test_units_become_as_described(
    wanted: list[dict[str, Any]], found: dict[str, Unit], loaded: bool, data: st.DataObject
) -> None:
    model = UnitModel({name: fitting(unit) for name, unit in found.items() if unit.load != "not-found"})
    before = copy.deepcopy(model.units)
    made = ServiceResource.from_options(wanted, exists=lambda path: loaded)
    try:
        planned = converge(made, model, check_mode=True)
        assert not model.calls
        outcome = converge(made, model)
    except Refused:
        event("refused")
        assert model.units == before, "half of the units were changed before one was refused"
        return
    assert outcome.plan.steps == planned.plan.steps
    shuffled = data.draw(st.permutations(wanted))
    again = converge(ServiceResource.from_options(shuffled, exists=lambda path: loaded), model)
    assert not again.changed
    named = {want["name"]: want for want in wanted}
    for name, unit in model.units.items():
        want = named.get(name, {"enabled": None, "started": None})
        if want["enabled"] is None:
            assert unit.file_state == before[name].file_state
        else:
            assert (unit.file_state == "enabled") == want["enabled"]
        if want["started"] is None:
            assert unit.active == before[name].active
        else:
            assert (unit.active == "active") == want["started"]
    for step in outcome.plan.steps:
        assert step.disruptive == (step.action == "stop")
    verbs = [(call[3], call[1]) for call in model.calls]
    assert len(set(verbs)) == len(verbs)
