"""For any rules and any description: as described, undeclared untouched, and each connection changes at most once."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor import FlavorResource
from tests.unit.hypotheses import examples
from tests.unit.models.srpc_model import CONNECTIONS, FLAVORS, SrpcModel

TARGETS = ("fs1", "fs2", "fs1-MDT0000", "fs1-OST0000", "fs2-MDT0001", "_mgs")
flavors = st.sampled_from(FLAVORS)
rules = st.lists(
    st.fixed_dictionaries(
        {
            "target": st.sampled_from(TARGETS),
            "network": st.sampled_from(["default", "default", "tcp", "tcp1"]),
            "direction": st.sampled_from(["", "cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost"]),
            "flavor": flavors,
        }
    ).map(lambda rule: {**rule, "direction": ""} if rule["target"] == "_mgs" else rule),
    max_size=8,
    unique_by=lambda rule: (rule["target"], rule["network"], rule["direction"]),
)


def name(rule: dict[str, Any]) -> str:
    return f"{rule['target']}.srpc.flavor.{rule['network']}" + (f".{rule['direction']}" if rule["direction"] else "")


@examples(200)
@given(had=rules, wanted=rules, purge=st.sets(st.sampled_from(TARGETS)).map(sorted))
def test_rules_become_as_described(had: list[dict[str, Any]], wanted: list[dict[str, Any]], purge: list[str]) -> None:
    before = {name(rule): rule["flavor"] for rule in had}
    model = SrpcModel(dict(before))

    def make() -> FlavorResource:
        return FlavorResource.from_options(wanted, purge)

    planned = converge(make(), model, check_mode=True)
    assert model.rules == before and not model.calls
    outcome = converge(make(), model, sleep=lambda _seconds: None)
    assert outcome.plan.steps == planned.plan.steps
    assert [step.argv for step in outcome.plan.steps] == model.calls
    assert not converge(make(), model).changed
    declared = {name(rule): rule["flavor"] for rule in wanted}
    assert {key: model.rules[key] for key in declared} == declared
    for key, flavor in before.items():
        owner = key.split(".")[0]
        if key not in declared:
            purged = owner in purge or owner.partition("-")[0] in purge
            assert (model.rules.get(key) is None) if purged else (model.rules.get(key) == flavor)
    for connection in CONNECTIONS:
        seen = [state[connection] for state in model.history]
        changes = sum(one != other for one, other in zip(seen, seen[1:], strict=False))
        assert changes <= 1, f"{connection} went {seen}"
    event(f"{len(model.calls)} commands")


@examples(50)
@given(wanted=rules.filter(bool), unknown=st.sampled_from(["fs3", "fs1-OST00ff", "fs9-MDT0000"]))
def test_what_the_mgs_does_not_know_is_refused_whole(wanted: list[dict[str, Any]], unknown: str) -> None:
    model = SrpcModel()
    stray = {"target": unknown, "network": "default", "direction": "", "flavor": "skpi"}
    try:
        converge(FlavorResource.from_options([*wanted, stray]), model)
    except Refused as refusal:
        assert unknown in str(refusal) and not model.calls
        return
    raise AssertionError("an unknown name was set")
