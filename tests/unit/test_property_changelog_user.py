"""For any users and any description: as described, strangers untouched, and nothing unread is lost without consent."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user import ChangelogUserResource
from tests.unit.hypotheses import examples
from tests.unit.models.changelog_model import ORDER, ChangelogModel, Mdt

MDTS = ("fs1-MDT0000", "fs1-MDT0001", "fs1-MDT000a")
NAMES = ("audit", "robinhood", "a", "fifteen-letters")
masks = st.lists(st.sampled_from(ORDER[1:]), min_size=1, unique=True)
users = st.lists(
    st.fixed_dictionaries(
        {
            "mdt": st.sampled_from(MDTS),
            "name": st.sampled_from(NAMES),
            "mask": masks,
            "state": st.sampled_from(["present", "present", "absent"]),
            "discard_unread": st.booleans(),
            "required": st.booleans(),
        }
    ),
    max_size=8,
    unique_by=lambda user: (user["mdt"], user["name"]),
)


@st.composite
def nodes(draw: st.DrawFn) -> ChangelogModel:
    made = {}
    for name in draw(st.sets(st.sampled_from(MDTS), min_size=1)):
        mdt = Mdt()
        for user in draw(st.lists(st.sampled_from((*NAMES, "", "", "stranger")), max_size=5)):
            mdt.index += draw(st.integers(0, 3))
            if not user or not mdt.named(user):
                mask = draw(masks) if user else []
                mdt.register(user, [word for word in ORDER if word in {"MARK", *mask}] if mask else [])
        mdt.index += draw(st.integers(0, 3))
        made[name] = mdt
    return ChangelogModel(made)


def kept(model: ChangelogModel) -> dict[tuple[str, str, int], tuple[str, ...]]:
    return {(mdt, user[1], user[0]): user[3] for mdt, one in model.mdts.items() for user in one.users}


@examples(300)
@given(model=nodes(), wanted=users)
def test_users_become_as_described(model: ChangelogModel, wanted: list[dict[str, Any]]) -> None:
    before = kept(model)

    def make() -> ChangelogUserResource:
        return ChangelogUserResource.from_options(wanted)

    try:
        planned = converge(make(), model, check_mode=True)
        assert kept(model) == before and not model.calls
        outcome = converge(make(), model)
    except Refused as refusal:
        assert kept(model) == before and not model.calls, "refused, and yet something was done"
        event("refused" if "unread" in str(refusal) else "an MDT is not here")
        return
    assert [step.argv for step in outcome.plan.steps] == [step.argv for step in planned.plan.steps] == model.calls
    assert outcome.plan.drift == planned.plan.drift
    again = converge(make(), model)
    assert not again.changed and again.plan.drift == outcome.plan.drift
    described = {(want["mdt"], want["name"]): want for want in wanted}
    left = {drift.object for drift in outcome.plan.drift}
    for (mdt, name), want in described.items():
        found = model.mdts[mdt].named(name) if mdt in model.mdts else None
        if mdt not in model.mdts:
            assert not want["required"]
        elif want["state"] == "absent":
            assert found is None
        else:
            assert found is not None
            assert (set(found[3]) == {"MARK", *want["mask"]}) is (f"{name} on {mdt}" not in left)
    for (mdt, name, number), mask in before.items():
        if (mdt, name) not in described:
            assert kept(model)[mdt, name, number] == mask, "somebody's own user was touched"
    for (name, mdt), unread in model.lost.items():
        assert described[mdt, name]["discard_unread"], f"{unread} records of {name} on {mdt} were lost without consent"
    for mdt in model.mdts.values():
        names = [user[1] for user in mdt.users if user[1]]
        assert len(names) == len(set(names))
    event(f"{len(model.calls)} commands")
