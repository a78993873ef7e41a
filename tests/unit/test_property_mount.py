"""For any mounts of a node and any description: the plan leads there, in an order that puts nothing at risk."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource
from tests.unit.hypotheses import examples
from tests.unit.models.mount_node import Mount, MountModel

MGS = [["10.77.0.11@tcp"], ["10.77.0.12@tcp"]]
SOURCE = "10.77.0.11@tcp:10.77.0.12@tcp:"
#: By path: what belongs there, in the order in which it may be mounted.
PLACES: dict[str, dict[str, Any]] = {
    "/lustre/mgs": {"kind": "target", "device": "/dev/mgt", "label": "MGS"},
    "/lustre/mdt0": {"kind": "target", "device": "/dev/mdt0", "label": "fs1-MDT0000", "mgs_nids": MGS},
    "/lustre/mdt1": {"kind": "target", "device": "/dev/mdt1", "label": "fs1-MDT0001", "mgs_nids": MGS},
    "/lustre/ost0": {"kind": "target", "device": "/dev/ost0", "label": "fs1-OST0000", "mgs_nids": MGS},
    "/mnt/fs1": {"kind": "client", "fsname": "fs1", "mgs_nids": MGS},
    "/mnt/fs2": {"kind": "client", "fsname": "fs2", "mgs_nids": MGS},
    "/mnt/sub": {"kind": "client", "fsname": "fs1", "mgs_nids": MGS, "subdir": "/projects"},
}
RANK = {path: place for place, path in enumerate(PLACES)}
FOREIGN = ("# a comment  with   blanks\n", "UUID=1 / ext4 errors=remount-ro 0 1\n", "\n", "server:/x /x nfs4 rw 0 0\n")


def source_of(path: str, nodes: str = SOURCE) -> str:
    place = PLACES[path]
    return place.get("device") or f"{nodes}/{place['fsname']}{place.get('subdir', '')}"


@st.composite
def declared(draw: st.DrawFn) -> list[dict[str, Any]]:
    wants = []
    for path in draw(st.lists(st.sampled_from(list(PLACES)), unique=True, min_size=1)):
        place = PLACES[path]
        want = {
            **place,
            "path": path,
            "state": draw(st.sampled_from(["mounted", "mounted", "unmounted", "present", "absent"])),
        }
        want.update({key: draw(st.booleans()) for key in ("boot", "remount", "unmount")})
        want["options"] = draw(st.sampled_from([[], ["flock"], ["ro"], ["nosuid"], ["noflock"], ["flock", "ro"]]))
        if place["kind"] == "client":
            want["automount"] = draw(st.booleans())
        wants.append(want)
    return wants


@st.composite
def nodes(draw: st.DrawFn) -> MountModel:
    model = MountModel(folders=set(draw(st.lists(st.sampled_from(list(PLACES)), unique=True))))
    model.mgs_answers, model.lnet = draw(st.booleans() | st.just(True)), draw(st.booleans() | st.just(True))
    lines = list(FOREIGN)
    for path in PLACES:
        if draw(st.integers(0, 9)) == 0 and PLACES[path]["kind"] == "client":
            model.mounts.append(Mount("systemd-1", path, ["rw"], "autofs"))
            model.folders.add(path)
        if draw(st.booleans()):
            nids = draw(st.sampled_from([SOURCE, SOURCE, "10.77.0.11@tcp:", "10.77.9.9@tcp:"]))
            options = draw(st.sampled_from([["rw"], ["rw", "flock"], ["ro"], ["rw", "nosuid", "flock"]]))
            model.mounts.append(Mount(source_of(path, nids), path, list(options)))
            model.folders.add(path)
        if draw(st.booleans()):
            options = draw(
                st.sampled_from(
                    [
                        "defaults",
                        "_netdev,nofail,x-systemd.requires=lnet.service",
                        "noauto",
                        "x-systemd.automount,flock",
                    ]
                )
            )
            lines.insert(draw(st.integers(0, len(lines))), f"{source_of(path)} {path} lustre {options} 0 0\n")
    model.mounts.append(Mount("server:/x", "/x", ["rw"], "nfs4"))
    model.fstab = "".join(lines)
    return model


def resource(wants: list[dict[str, Any]], model: MountModel) -> MountResource:
    model.to_mount = {want["path"] for want in wants if want["state"] == "mounted"}
    return MountResource.from_options(wants, local=model.local())


@examples(80)
@given(wants=declared(), model=nodes(), data=st.data())
def test_the_plan_leads_to_the_description(wants: list[dict[str, Any]], model: MountModel, data: st.DataObject) -> None:
    before = copy.deepcopy(model)
    try:
        planned = converge(resource(wants, model), model, check_mode=True)
        assert model.calls == [] and model.mounts == before.mounts and model.fstab == before.fstab, (
            "a check changed something"
        )
        shuffled = converge(resource(data.draw(st.permutations(wants)), model), model, check_mode=True).plan
        assert shuffled.steps == planned.plan.steps, "the order written counts"
        assert set(shuffled.drift) == set(planned.plan.drift)
        outcome = converge(resource(wants, model), model, write=model.write)
    except Refused as refusal:
        event("refused")
        assert refusal.remedy
        risky(wants, before, model)
        untouched(wants, before, model)
        return
    event(f"{min(len(outcome.plan.steps), 6)} steps")
    assert outcome.plan.steps == planned.plan.steps
    risky(wants, before, model)
    untouched(wants, before, model)
    in_order(model)
    again = converge(resource(wants, model), model, write=model.write)
    assert not again.changed, again.plan.steps
    assert again.plan.drift == outcome.plan.drift
    for want in wants:
        reached(want, before, model, outcome.plan.drift)


def reached(want: dict[str, Any], before: MountModel, model: MountModel, drift: Any) -> None:
    """One mount as it was described, or a difference told where the consent is missing."""
    path, state = want["path"], want["state"]
    live, line = model.at(path), model.lines().get(path)
    if state == "absent":
        assert live is None and line is None and not model.waiting(path)
        return
    assert line is not None and line[2] == "lustre" and line[4:] == ["0", "0"]
    options = line[3].split(",")
    assert {"_netdev", "nofail", "x-systemd.requires=lnet.service"} <= set(options), (
        "the boot would wait for it, or go before LNet"
    )
    assert ("noauto" in options) == (not want["boot"]) and ("x-systemd.automount" in options) == want.get(
        "automount", False
    )
    assert line[0].split("@")[0] == source_of(path).split("@")[0] and set(want["options"]) <= set(options)
    if state == "unmounted":
        assert live is None
    elif state == "present":
        assert (live is None) == (before.at(path) is None), "present leaves what is mounted as it is"
    elif want.get("automount") and before.at(path) is None:
        assert model.waiting(path) and live is None
    else:
        assert live is not None
        told = any(path in entry.object for entry in drift)
        same = live.source.rpartition("/")[2] == source_of(path).rpartition("/")[2]
        assert same
        readonly = "ro" in want["options"]
        assert told or (("ro" in live.options) == readonly and live.source == source_of(path)) or not want["remount"]
        if ("ro" in live.options) != readonly:
            assert told and not want["remount"]


def risky(wants: list[dict[str, Any]], before: MountModel, model: MountModel) -> None:
    """Nothing is unmounted or remounted without the consent that names it."""
    by_path = {want["path"]: want for want in wants}
    for call in model.calls:
        if call[0] == "umount":
            want = by_path[call[1]]
            going = want["state"] in ("unmounted", "absent")
            assert want["unmount"] if going else (want["state"] == "mounted" and want["remount"]), call
        if call[0] == "mount" and "remount" in call[4]:
            assert by_path[call[-1]]["remount"], call


def untouched(wants: list[dict[str, Any]], before: MountModel, model: MountModel) -> None:
    """What is not declared is as it was, byte for byte."""
    named = {want["path"] for want in wants}
    assert [m for m in model.mounts if m.path not in named] == [m for m in before.mounts if m.path not in named]

    def others(text: str) -> list[str]:
        return [line for line in text.splitlines(keepends=True) if not (line.split()[1:2] and line.split()[1] in named)]

    assert others(model.fstab) == others(before.fstab)


def in_order(model: MountModel) -> None:
    """Unmounting comes first, clients before targets and the MGS last; mounting goes the other way round."""
    downs = [call[1] for call in model.calls if call[0] == "umount"]
    ups = [call[-1] for call in model.calls if call[0] == "mount" and "remount" not in call[4]]
    kinds = [call[0] for call in model.calls if call[0] in ("umount", "mount")]
    assert kinds == sorted(kinds, reverse=True), "something was mounted before all that goes was gone"
    assert downs == sorted(downs, key=phase, reverse=True) and ups == sorted(ups, key=phase)


def phase(path: str) -> int:
    """Clients of whole file systems are of one phase."""
    return {"/mnt/fs2": RANK["/mnt/fs1"]}.get(path, RANK[path])


class Killed(Exception):
    """The run ends here, as by SIGKILL."""


@examples(60)
@given(wants=declared(), model=nodes(), data=st.data())
def test_a_run_killed_between_two_steps_leaves_nothing_at_risk(
    wants: list[dict[str, Any]], model: MountModel, data: st.DataObject
) -> None:
    """No line is lost of what is still mounted; the next run ends where an undisturbed one would have."""
    model.mgs_answers = model.lnet = True
    whole = copy.deepcopy(model)
    try:
        steps = converge(resource(wants, whole), whole, write=whole.write).plan.steps
    except Refused:
        return
    if not steps:
        return
    left = [data.draw(st.integers(0, len(steps) - 1))]

    def killed(argv: Any, stdin: Any = None, timeout: float = 0.0) -> Any:
        reading = argv[0] == "lctl"
        if not reading:
            left[0] -= 1
        if left[0] < 0 and not reading:
            raise Killed
        return model(argv, stdin, timeout)

    before = copy.deepcopy(model)
    try:
        converge(resource(wants, model), killed, write=model.write)
    except Killed:
        event("killed")
    for mount in before.mounts:
        if mount.path in PLACES and mount in model.mounts and mount.path in before.lines():
            assert mount.path in model.lines(), f"{mount.path} is mounted, and after a reboot it would not be"
    try:
        converge(resource(wants, model), model, write=model.write)
    except Refused as refusal:
        raise AssertionError(f"what a killed run left is refused: {refusal}") from refusal
    first_use = {want["path"] for want in wants if want.get("automount")}
    assert seen(model, first_use) == seen(whole, first_use)
    assert all(model.at(path) or model.waiting(path) for path in first_use if whole.at(path) or whole.waiting(path))
    assert sorted(model.fstab.splitlines()) == sorted(whole.fstab.splitlines())


def seen(model: MountModel, first_use: set[str]) -> list[str]:
    """What is mounted, but for what comes on first use; an automount point may be left below a mount that took its place."""
    return sorted(mount.line() for mount in model.mounts if mount.kind != "autofs" and mount.path not in first_use)
