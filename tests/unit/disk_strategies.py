"""Servers with disks of all sorts, and descriptions of targets that may or may not fit them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.models.disk_model import NEW, NO_PRIMNODE, Disk, DiskModel, Target

FOLDER = "/dev/disk/by-id/"
MGS, OTHER = ["10.77.0.11@tcp"], ["10.77.0.12@tcp"]
PARTNERS = (["10.77.0.21@tcp"], ["10.77.0.22@tcp"])
#: Label, kind, index: every server may have any of these.
TARGETS = (("MGS", "mgt", None), ("fs1-MDT0000", "mdt", 0), ("fs1-OST0000", "ost", 0), ("fs1-OST000b", "ost", 11))
LABELS = tuple(label for label, _kind, _index in TARGETS)


def device(label: str) -> str:
    return FOLDER + label.lower()


@st.composite
def target_wants(draw: st.DrawFn) -> list[dict[str, Any]]:
    wants = []
    for label, kind, index in draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True)):
        want: dict[str, Any] = {"label": label, "kind": kind, "device": device(label)}
        if kind != "mgt":
            want.update(fsname="fs1", index=index, mgs_nids=draw(st.sampled_from([[MGS], [MGS, OTHER], [OTHER, MGS]])))
            want["params"] = draw(st.sampled_from([{}, {"ost.x": "1"}, {"ost.x": "2", "sys.timeout": "20"}]))
        want["service_nids"] = draw(st.sampled_from([[], list(PARTNERS), list(reversed(PARTNERS))]))
        want["format"], want["tune"] = draw(st.sampled_from([True, True, True, False])), draw(st.booleans())
        wants.append(want)
    return wants


@st.composite
def on_disk(draw: st.DrawFn, label: str, kind: str, index: int | None) -> Target:
    params = [
        ("mgsnode", draw(st.sampled_from(["10.77.0.11@tcp", "10.77.0.12@tcp", "10.77.0.11@tcp:10.77.0.12@tcp"])))
    ] * (kind != "mgt")
    flags = {"mgt": 4, "mdt": 1, "ost": 2}[kind] | draw(st.sampled_from([0, NEW]))
    partners = draw(st.integers(0, 2))
    params += [("failover.node", node[0]) for node in PARTNERS[:partners]]
    flags |= NO_PRIMNODE if partners and draw(st.booleans()) else 0
    params += draw(st.sampled_from([[], [("ost.x", "1")], [("sys.timeout", "40"), ("undeclared.one", "kept")]]))
    return Target("" if kind == "mgt" else "fs1", kind, index, flags, params)


@st.composite
def servers(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("", "", "target", "target", "half", "ext4", "data", "stranger")
) -> DiskModel:
    model = DiskModel(udev=draw(st.booleans()))
    for place, (label, kind, index) in enumerate(TARGETS):
        disk = Disk(f"sd{'abcdef'[place]}", f"8:{16 * place}", draw(st.sampled_from(kinds)))
        if disk.holds == "target":
            disk.target = draw(on_disk(label, kind, index))
        elif disk.holds == "stranger":
            disk.holds, disk.target = "target", draw(on_disk("fs1-OST0063", "ost", 99))
        elif disk.holds == "half":
            disk.label = label.replace("-", ":")
        if disk.target is not None and draw(st.integers(0, 3)) == 0:
            disk.mounted = f"/lustre/{label.lower()}"
        if disk.ext4:
            disk.mmp = "busy" if disk.mounted else draw(st.sampled_from(["clean", "clean", "off", "busy"]))
        model.disks[device(label)] = disk
    model.disks[FOLDER + "nobodys"] = Disk("sdz", "8:240", "ext4", label="precious")
    return model
