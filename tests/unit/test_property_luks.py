"""Whatever is on the devices, wherever a run dies: nobody's data is written over, and in the end there is what was described."""

from __future__ import annotations

import base64
import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import wants_from_options
from tests.unit.hypotheses import examples
from tests.unit.models.disk_model import Disk
from tests.unit.models.luks_model import Container, LuksModel, header

KEYS = (bytes(range(64)), bytes(range(64, 128)))
LABELS = ("fs1-OST0000", "fs1-OST0001", "MGS")


def device(number: int) -> str:
    return f"/dev/disk/by-id/d{number}"


def key_file(number: int) -> str:
    return f"/etc/lustre/keys/luks/k{number}"


def copy_of(label: str) -> str:
    return f"/etc/lustre/luks/{label}.header"


@st.composite
def wanted(draw: st.DrawFn) -> list[dict[str, Any]]:
    wants = []
    for number in draw(st.lists(st.sampled_from(range(3)), min_size=1, unique=True)):
        want: dict[str, Any] = {"label": LABELS[number], "device": device(number), "key_file": key_file(number)}
        if draw(st.sampled_from([False, False, False, True])):
            want["name"] = f"c{number}"
        if draw(st.booleans()):
            want["key"] = base64.b64encode(KEYS[0]).decode()
        want[draw(st.sampled_from(["format", "format", "format", "standby"]))] = draw(
            st.sampled_from([*[True] * 6, False])
        )
        wants.append(want)
    return wants


@st.composite
def nodes(draw: st.DrawFn) -> LuksModel:
    made = LuksModel(systemd=draw(st.booleans()), folder=draw(st.booleans()))
    for number, label in enumerate(LABELS):
        path = device(number)
        made.disks[path] = Disk(f"sd{'abc'[number]}", f"8:{16 * number}")
        made.disks[path].holds = draw(st.sampled_from([*[""] * 10, "ext4", "data"]))
        if not made.disks[path].holds and draw(st.booleans()):
            subsystem = draw(st.sampled_from(["lustre", "lustre", "lustre-new", ""]))
            used = subsystem != "lustre-new"
            inner = Disk(f"dm-{number}", f"253:{number}", "target" if used else "noise", size=1008 << 20)
            mine = draw(st.sampled_from([*[label] * 8, "other"]))
            key = draw(st.sampled_from([*[KEYS[0]] * 6, KEYS[1]]))
            made.containers[path] = Container(mine, subsystem, f"u{number}", key, inner, used=used)
            made.containers[path].damaged = draw(st.sampled_from([*[False] * 9, True]))
            if draw(st.booleans()):
                name = draw(st.sampled_from([*[label] * 4, f"c{number}", "somebody"]))
                made.opened.setdefault(name, path)
                if made.opened[name] == path:
                    made.disks[f"/dev/mapper/{name}"] = inner
            if used and draw(st.booleans()):
                made.copies[copy_of(label)] = header(mine, "lustre", draw(st.sampled_from([*[f"u{number}"] * 5, "u9"])))
        if draw(st.sampled_from([True, True, True, False])):
            made.keys[key_file(number)] = draw(st.sampled_from([*[KEYS[0]] * 8, KEYS[1], b"short"]))
    lines = [
        "# names",
        f"fs1-OST0000 {device(0)} none luks",
        f"c1 {device(1)} {key_file(1)} luks,nofail,discard",
        "x /dev/z",
    ]
    made.crypttab = "".join(f"{line}\n" for line in draw(st.lists(st.sampled_from(lines), unique=True)))
    return made


def run(made: LuksModel, wants: list[dict[str, Any]], check: bool = False) -> Any:
    resource = LuksResource(wants_from_options(wants, "containers"), made, made.local(), coming=check)
    return converge(resource, made, check_mode=check, write=made.write, sleep=lambda _seconds: None)


def require_harmless(before: LuksModel, after: LuksModel, wants: list[dict[str, Any]]) -> None:
    """What anybody had is as it was: contents, containers, keys, copies, lines; no container was closed."""
    by_device = {want["device"]: want for want in wants}
    for path, disk in before.disks.items():
        if not path.startswith("/dev/mapper/"):
            assert after.disks[path].holds == disk.holds
    for path, old in before.containers.items():
        now = after.containers[path]
        assert (now.label, now.uuid, now.key) == (old.label, old.uuid, old.key)
        if old.used:
            assert now == old
    for path in set(after.containers) - set(before.containers):
        assert by_device[path].get("format") and before.disks[path].holds == ""
        assert after.keys[by_device[path]["key_file"]] == after.containers[path].key
    assert before.keys.items() <= after.keys.items() and before.copies.items() <= after.copies.items()
    assert before.opened.items() <= after.opened.items()
    own = {want.get("name") or want["label"] for want in wants}
    for line in before.crypttab.splitlines():
        assert line.split()[0] in own or line in after.crypttab.splitlines()


@examples(150)
@given(wants=wanted(), made=nodes(), die_at=st.sampled_from([0, 0, *range(1, 12)]))
def test_what_is_there_is_safe_and_what_is_wanted_becomes(
    wants: list[dict[str, Any]], made: LuksModel, die_at: int
) -> None:
    before = copy.deepcopy(made)
    try:
        planned = run(made, wants, check=True).plan
    except LustreError:
        planned = None
    assert not made.calls and not made.writes
    made.die_at = die_at
    outcome = None
    for _again in range(2):
        try:
            outcome = run(made, wants)
            break
        except KeyboardInterrupt:
            event("died")
        except LustreError as error:
            event(type(error).__name__)
            require_harmless(before, made, wants)
            return
        require_harmless(before, made, wants)
    require_harmless(before, made, wants)
    assert outcome is not None
    waits = {drift.object.partition(" ")[0] for drift in outcome.plan.drift if "first server" in drift.remedy}
    if not die_at and not waits and planned is not None:
        assert outcome.plan.steps == planned.steps
    for want in wants:
        if want["label"] in waits:
            assert want.get("standby")
            continue
        container = made.containers[want["device"]]
        assert made.opened[want.get("name") or want["label"]] == want["device"]
        assert container.label == want["label"] and copy_of(want["label"]) in made.copies
        assert container.inner.holds == ("target" if container.used else "") or container.subsystem == "lustre-new"
        if not want.get("standby"):
            assert container.subsystem != "lustre-new"
    assert not run(made, wants).changed
