"""For any live and stored values and any description: as described, undeclared untouched, nothing refused is stored."""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import NeedsRelease, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource
from tests.unit.hypotheses import examples
from tests.unit.models.param_model import REFUSED, ParamModel

INSTANCES = (
    "osc.fs1-OST0000-osc-ffff8f3a2c4d5000.max_rpcs_in_flight",
    "osc.fs1-OST0001-osc-ffff8f3a2c4d5000.max_rpcs_in_flight",
    "mdc.fs1-MDT0000-mdc-ffff8f3a2c4d5000.max_rpcs_in_flight",
    "mdc.fs1-MDT0000-mdc-ffff8f3a2c4d5000.max_mod_rpcs_in_flight",
    "osc.fs2-OST0000-osc-ffff8f3a2c4d5000.max_rpcs_in_flight",
    "at_max",
    "ldlm_timeout",
)
NAMES = (
    "osc.*.max_rpcs_in_flight", "osc.fs1-*.max_rpcs_in_flight", "osc.fs1-OST0000-*.max_rpcs_in_flight",
    "mdc.fs1-*.max_rpcs_in_flight", "mdc.fs1-*.max_mod_rpcs_in_flight", "at_max", "ldlm_timeout",
)  # fmt: skip
values = st.sampled_from(["8", "16", "32"])
wanted = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(NAMES),
            "scope": st.sampled_from(["persistent", "persistent", "local", "mount"]),
            "value": values,
            "state": st.sampled_from(["present", "present", "absent"]),
        }
    ).filter(lambda want: (want["scope"], want["state"]) != ("local", "absent")),
    max_size=5,
    unique_by=lambda want: (want["name"], want["scope"]),
)
purges = st.sampled_from([[], [], ["osc.fs1-"], ["osc.", "at_max"], ["osc.fs2-*"]])


@st.composite
def models(draw: st.DrawFn) -> ParamModel:
    present = draw(st.lists(st.sampled_from(INSTANCES), unique=True))
    log = draw(
        st.lists(
            st.tuples(st.sampled_from([*NAMES, "osc.fs2-*.max_rpcs_in_flight", "no.such.param"]), values),
            unique_by=lambda entry: entry[0],
        )
    )
    lines = draw(
        st.sampled_from(
            [
                "",
                "# of the site\nat_max=600\n",
                "osc.fs1-*.max_rpcs_in_flight=8\nldlm_timeout = 20\nat_max=8\nat_max=16\n",
            ]
        )
    )
    model = ParamModel(
        {name: draw(values) for name in present}, log, mgs=draw(st.sampled_from([True, True, True, False]))
    )
    if lines:
        model.files["/etc/lustre/mount.client.params"] = lines
    model.at_mount = draw(st.sampled_from([True, True, False]))
    return model


def converged(wants: list[dict[str, Any]], purge: list[str], model: ParamModel, check: bool = False) -> Any:
    made = ParamResource.from_options(wants, purge)
    made.read = model.read
    return converge(
        made, model, check, sleep=lambda seconds: None, clock=iter(range(10**6)).__next__, write=model.write
    )


def overlap(wants: list[dict[str, Any]]) -> bool:
    """Do two of them speak of one tunable?  Then their order says which one counts."""
    reach = [
        {name for name in INSTANCES if fnmatchcase(name, want["name"])} for want in wants if want["scope"] != "mount"
    ]
    return any(one & two for place, one in enumerate(reach) for two in reach[:place])


def of_two_minds(wants: list[dict[str, Any]]) -> bool:
    """A tunable kept by the MGS with one value and set here to another: the MGS wins whenever it sends its own again."""
    kept = [want for want in wants if want["scope"] == "persistent"]
    own = [want for want in wants if want["scope"] == "local"]
    return any(overlap([one, two]) for one in kept for two in own)


@examples(100)
@given(wants=wanted.filter(lambda wants: not of_two_minds(wants)), purge=purges, model=models(), data=st.data())
def test_parameters_become_as_described(
    wants: list[dict[str, Any]], purge: list[str], model: ParamModel, data: st.DataObject
) -> None:
    before = copy.deepcopy(model)
    try:
        planned = converged(wants, purge, model, check=True)
        assert model == before or not model.calls
        outcome = converged(wants, purge, model)
    except (Refused, NeedsRelease) as refusal:
        event("refused")
        assert (model.live, model.log, model.files) == (before.live, before.log, before.files), str(refusal)
        return
    event(f"{min(len(outcome.plan.steps), 5)} steps")
    assert outcome.plan.steps == planned.plan.steps
    assert not converged(wants, purge, model).changed
    if not overlap(wants):
        shuffled = converged(data.draw(st.permutations(wants)), purge, copy.deepcopy(before), check=True)
        assert sorted((s.action, s.object) for s in shuffled.plan.steps) == sorted(
            (s.action, s.object) for s in planned.plan.steps
        )
    for want in wants:
        stored = model.stored.get(want["name"])
        if want["scope"] == "persistent":
            assert stored == (want["value"] if want["state"] == "present" else None)
        elif want["scope"] == "mount":
            assert in_file(model.files.get("/etc/lustre/mount.client.params", ""), want["name"]) == (
                want["value"] if want["state"] == "present" else None
            )
    for name in model.live:
        assert model.live[name] == counting(wants, name, before.live[name])
    undeclared(wants, purge, before, model)
    live_first(model)


def in_file(text: str, name: str) -> str | None:
    rows = [line.partition("#")[0].partition("=") for line in text.splitlines()]
    found = [value.strip() for key, sign, value in rows if sign and key.strip() == name]
    return found[-1] if found else None


def counting(wants: list[dict[str, Any]], name: str, otherwise: str) -> str:
    """The value that a live tunable must have: local ones count last, later ones over earlier ones."""
    for scope in ("persistent", "local"):
        for want in wants:
            if want["scope"] == scope and want["state"] == "present" and fnmatchcase(name, want["name"]):
                otherwise = want["value"]
    return otherwise


def undeclared(wants: list[dict[str, Any]], purge: list[str], before: ParamModel, model: ParamModel) -> None:
    declared = {want["name"] for want in wants if want["scope"] == "persistent"}
    for name, value in before.log:
        if name in declared:
            continue
        purged = any(name.startswith(prefix.rstrip("*")) for prefix in purge)
        assert model.stored.get(name) == (None if purged else value)
    text = before.files.get("/etc/lustre/mount.client.params", "")
    mine = {want["name"] for want in wants if want["scope"] == "mount"}
    after = model.files.get("/etc/lustre/mount.client.params", "").splitlines()
    for line in text.splitlines():
        if line.partition("=")[0].strip() not in mine:
            assert line in after


def live_first(model: ParamModel) -> None:
    """The kernel judges a value before the MGS keeps it for ever."""
    stored = False
    for call in model.calls:
        stored |= "-P" in call
        assert not (stored and "-P" not in call), model.calls


@examples(60)
@given(wants=wanted, model=models(), place=st.integers(0, 4))
def test_what_the_kernel_refuses_is_never_stored(wants: list[dict[str, Any]], model: ParamModel, place: int) -> None:
    wants = [want for want in wants if want["state"] == "present" and want["scope"] == "persistent"]
    if not wants or overlap(wants):
        return
    bad = wants[place % len(wants)]
    bad["value"] = REFUSED
    model.mgs, before = True, copy.deepcopy(model.log)
    here = any(fnmatchcase(name, bad["name"]) for name in model.live)
    if here:
        try:
            converged(wants, [], model)
        except ToolError as error:
            event("refused by the kernel")
            assert bad["name"] in str(error) and model.log == before
            return
        raise AssertionError("nobody noticed")
