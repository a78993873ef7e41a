"""For any nodemaps and any description: as described, and at no moment does a NID have what it has neither before nor after.

What a NID may do is told by this file from the model's state: which directories it can mount, how, as whom, with
which roles.  The number of a squash id is left out of it (whoever is squashed is nobody).
"""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from tests.unit.hypotheses import examples
from tests.unit.models.nodemap_model import Map, NodemapModel, bounds

NAMES = ("a", "b", "servers")
#: Addresses 10.0.0.0 to 10.0.0.15, cut at these.
CUTS = (0, 2, 4, 5, 8, 11, 13, 16)
BASE = bounds("10.0.0.0@tcp")[0]
PATHS = ("/a", "/b", "/c")
ROLES = ("quota_ops", "chlg_ops")
IDS = (("uid", 500), ("uid", 501), ("gid", 500))
FLAGS = ("admin", "trusted", "deny_unknown", "forbid_encryption", "readonly_mount", "deny_mount")


def allowed(model: NodemapModel, number: int) -> frozenset[tuple[str, str, str]]:
    """Everything that the NID may do, as (directory and mode, whom, role)."""
    whole = [f"{path} {mode}" for path in ("/", *PATHS) for mode in ("ro", "rw")]
    everybody = ["root", "nobody", *(f"{kind} as it is" for kind in ("uid", "gid", "projid")), "any id"]
    roles = ["", "encryption", *ROLES]
    if not model.active:
        return frozenset(product(whole, everybody, roles))
    one = owner(model, number)
    if one.values["deny_mount"] == "1" or any(first <= number <= last for first, last in one.banned):
        return frozenset()
    seen = [
        f"{path} {mode}"
        for path, (_alternate, ro) in one.filesets.items()
        for mode in (("ro",) if ro else ("ro", "rw"))
    ]
    seen = seen if one.filesets else whole
    if one.values["readonly_mount"] == "1":
        seen = [place for place in seen if place.endswith("ro")]
    who = [f"{kind} {client} is {fs}" for (kind, client), fs in one.ids.items()] + (
        [f"{one.offset}"] if one.offset else []
    )
    modes = one.values["map_mode"].replace("all", "uid,gid,projid").split(",")
    who += [f"{kind} as it is" for kind in ("uid", "gid", "projid") if kind not in modes]
    who += (
        everybody[2:] + [f"{kind} {client} is {fs}" for kind, client in IDS for fs in (1000, 2000)]
        if one.values["trusted"] == "1"
        else []
    )
    who += ["root"] if one.values["admin"] == "1" else []
    who += ["nobody"] if one.values["deny_unknown"] == "0" else []
    can = ["", *(role for role in ROLES if role in one.values["rbac"])]
    can += ["encryption"] if one.values["forbid_encryption"] == "0" else []
    return frozenset(product(seen, who, can))


def owner(model: NodemapModel, number: int) -> Map:
    for one in model.maps.values():
        if any(first <= number <= last for first, last in one.ranges):
            return one
    return model.maps["default"]


@st.composite
def places(draw: st.DrawFn, names: tuple[str, ...]) -> dict[str, list[tuple[int, int]]]:
    """The pieces between the cuts, each given to one of the nodemaps or to nobody."""
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    for low, high in zip(CUTS, CUTS[1:]):
        name = draw(st.sampled_from([None, *names]))
        if name:
            found[name].append((BASE + low, BASE + high - 1))
    return found


@st.composite
def models(draw: st.DrawFn) -> NodemapModel:
    model = NodemapModel(active=draw(st.sampled_from([True, True, False])))
    names = tuple(name for name in NAMES if draw(st.booleans()))
    taken = draw(places(names))
    for name in ("default", *names):
        one = model.maps[name] = Map(ranges=taken.get(name, []))
        for flag in FLAGS:
            one.values[flag] = draw(st.sampled_from(["0", "0", "1"]))
        root = draw(st.sampled_from([None, "/a", "/b"]))
        if root:
            one.filesets[root] = (False, draw(st.booleans()))
        if name == "default":
            continue
        if root and draw(st.booleans()):
            one.filesets["/c"] = (True, draw(st.booleans()))
        one.values["map_mode"] = draw(st.sampled_from(["all", "uid", "gid,uid"]))
        one.values["rbac"] = draw(st.sampled_from([*ROLES, "quota_ops,chlg_ops", "none", "all"]))
        if one.values["rbac"] == "all":
            one.values["rbac"] = Map().values["rbac"]
        one.ids = {key: draw(st.sampled_from([1000, 2000])) + key[1] % 2 for key in IDS if draw(st.booleans())}
        for low, high in one.ranges:
            if draw(st.sampled_from([True, False, False])):
                one.banned.append((low, draw(st.sampled_from([low, high]))))
    if "servers" in model.maps and draw(st.sampled_from([True, True, True, False])):
        model.maps["servers"].values.update(admin="1", trusted="1", deny_mount="0")
        model.maps["servers"].banned.clear()
    return model


@st.composite
def described(draw: st.DrawFn, name: str, taken: dict[str, list[tuple[int, int]]]) -> dict[str, Any]:
    want: dict[str, Any] = {"name": name}
    for flag in FLAGS:
        value = draw(st.sampled_from([None, None, True, False]))
        if value is not None:
            want[flag] = value
    if draw(st.booleans()):
        root = draw(st.sampled_from(["/a", "/b", None]))
        want["filesets"] = [{"path": root, "read_only": draw(st.booleans())}] if root else []
        if root and draw(st.booleans()):
            want["filesets"].append({"path": "/c", "alternate": True, "read_only": draw(st.booleans())})
    if name == "default":
        want["purge"] = draw(st.sampled_from([[], ["filesets"]]))
        return want
    if draw(st.booleans()):
        want["map_mode"] = draw(st.sampled_from([["all"], ["uid"], ["uid", "gid"]]))
    if draw(st.booleans()):
        want["rbac"] = draw(st.sampled_from([["all"], ["none"], ["quota_ops"], ["chlg_ops", "quota_ops"]]))
    if draw(st.booleans()):
        ids = [key for key in IDS if draw(st.booleans())]
        want["idmap"] = {
            kind: [f"{client}:{draw(st.sampled_from([1000, 2000])) + client % 2}" for key, client in ids if key == kind]
            for kind in ("uid", "gid")
        }
    if draw(st.booleans()):
        want["ranges"] = [f"10.0.0.[{low - BASE}-{high - BASE}]@tcp" for low, high in taken[name]]
        if taken[name] and draw(st.booleans()):
            want["banlist"] = [f"10.0.0.{taken[name][0][0] - BASE}@tcp"]
    want["purge"] = [
        key for key in ("ranges", "idmap", "filesets", "banlist") if draw(st.sampled_from([True, True, False]))
    ]
    if name == "servers" and draw(st.sampled_from([True, True, False])):
        want.update(admin=True, trusted=True, deny_mount=False)
        want.pop("banlist", None)
    return want


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    names = tuple(name for name in NAMES if draw(st.booleans()))
    taken = draw(places(names))
    maps = [draw(described(name, taken)) for name in names]
    if draw(st.booleans()):
        maps.append(draw(described("default", taken)))
    return {"nodemaps": draw(st.permutations(maps)), "active": draw(st.sampled_from([None, True]))}


def run(options: dict[str, Any], model: NodemapModel, check: bool = False) -> Any:
    return converge(NodemapResource.from_options(options), model, check_mode=check, sleep=lambda _seconds: None)


def samples() -> list[int]:
    return [BASE + number for number in range(CUTS[-1])]


@examples(250)
@given(options=wishes(), model=models())
def test_no_moment_allows_more_than_before_or_after(options: dict[str, Any], model: NodemapModel) -> None:
    before = copy.deepcopy(model)
    try:
        planned = run(options, model, check=True)
        outcome = run(options, model)
    except (Refused, BadValue) as refusal:
        event(f"refused: {str(refusal)[:40]}")
        assert model.done == [] and model.maps == before.maps, str(refusal)
        return
    event(f"{min(len(outcome.plan.steps), 6)} steps")
    assert outcome.plan.steps == planned.plan.steps
    assert not run(options, model).changed
    ends = {number: allowed(before, number) | allowed(model, number) for number in samples()}
    for moment, command in zip([*model.history[1:], model], model.done):
        for number, either in ends.items():
            more = allowed(moment, number) - either
            assert not more, f"after {command}, 10.0.0.{number - BASE} may {sorted(more)[0]}: {model.done}"
    undeclared(options, before, model)


def undeclared(options: dict[str, Any], before: NodemapModel, after: NodemapModel) -> None:
    """What nobody speaks of stays."""
    wanted = {want["name"]: want for want in options["nodemaps"]}
    for name, one in before.maps.items():
        want, now = wanted.get(name), after.maps[name]
        if want is None:
            assert now == one
            continue
        for flag in FLAGS:
            if flag not in want and not (flag == "deny_mount" and want.get("banlist")):
                assert now.values[flag] == one.values[flag]
        if "idmap" not in want["purge"]:
            assert set(one.ids) <= set(now.ids)
        if "ranges" not in want:
            assert now.ranges == one.ranges
        if "ranges" not in want["purge"]:
            assert set(one.ranges) <= set(now.ranges)
        if "banlist" not in want:
            assert {x for low, high in one.banned for x in range(low, high + 1) if owner(after, x) is now} == {
                x for low, high in now.banned for x in range(low, high + 1)
            }


@examples(150)
@given(options=wishes(), model=models(), number=st.integers(0, CUTS[-1] - 1), consent=st.booleans())
def test_servers_and_administrators_are_never_locked_out(
    options: dict[str, Any], model: NodemapModel, number: int, consent: bool
) -> None:
    """Whoever could work before can work at every moment, whatever is consented to."""
    number += BASE
    options = {**options, "protect": [f"10.0.0.{number - BASE}@tcp"], "consent": [*NAMES, "default"] if consent else []}
    could = works(model, number)
    try:
        run(options, model)
    except (Refused, BadValue) as refusal:
        event(f"refused: {str(refusal)[:40]}")
        assert model.done == []
        return
    event("done")
    assert works(model, number)
    for moment, command in zip(model.history[1:], model.done):
        assert works(moment, number) or not could, f"locked out after {command}: {model.done}"


def works(model: NodemapModel, number: int) -> bool:
    one = owner(model, number)
    banned = any(first <= number <= last for first, last in one.banned)
    free = one.values["admin"] == one.values["trusted"] == "1" and one.values["deny_mount"] == "0" and not banned
    return not model.active or free


@examples(100)
@given(options=wishes(), model=models(), place=st.integers(0, 12))
def test_a_run_that_fails_anywhere_is_finished_by_the_next(
    options: dict[str, Any], model: NodemapModel, place: int
) -> None:
    """Killed or refused in the middle: what is there then is a state like any other, and wider than no end of the run."""
    goal = copy.deepcopy(model)
    try:
        run(options, goal)
    except (Refused, BadValue):
        return
    model.fail_at = place
    try:
        run(options, model)
    except Exception as error:
        assert "No space left" in str(error), error
    model.fail_at = -1
    try:
        run(options, model)
    except Refused as refusal:
        # half of a move is a state in which the rest may need a consent; it is no state that allows more
        event(f"refused: {str(refusal)[:40]}")
        return
    for number in samples():
        assert allowed(model, number) == allowed(goal, number)
