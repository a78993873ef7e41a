# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wiping the device of a target that is given up: the one thing of the collection that destroys data on purpose.

A device is wiped only when all of this is proven: it was named by itself, it is the device
of a target that the description gives to this node, it carries exactly that target (or
what a format of it left that was killed half-way) and nothing else, and nobody uses it,
here or on another node.  Everything is asked again right before each command.

What is written: zeros over the last MiB, then over the first, then ``wipefs``.  In this
order a run that is killed in between finds the target still there and begins again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mountdata, tunefs_lustre
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import SPAN, Ends, Files, LocalFiles
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import TargetData
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import blank, partners, target_diff, unread
from ansible_collections.lustre.core.plugins.module_utils._resources.blank import Evidence
from ansible_collections.lustre.core.plugins.module_utils._resources.target_want import TargetWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "wipe"
TIMEOUT = 300.0
#: What a target of ldiskfs may show of itself; any other tag is another owner's.
_OWN_TAGS = frozenset(
    {
        "DEVNAME",
        "LABEL",
        "UUID",
        "VERSION",
        "FSBLOCKSIZE",
        "FSLASTBLOCK",
        "FSSIZE",
        "BLOCK_SIZE",
        "TYPE",
        "USAGE",
        "EXT_JOURNAL",
    }
)
_BY_HAND = "Find out whose it is; only if nothing on it is needed by anybody, wipe it by hand (wipefs -a, and zeros over its first and last MiB)."
ZERO_TAIL, ZERO_HEAD, SIGNATURES = "zero end", "zero start", "wipe signatures"


@dataclass(frozen=True)
class Found:
    """What is on one device: the target as Lustre's own tool reads it, and the answers of every probe."""

    data: TargetData | None
    evidence: Evidence

    @property
    def wiped(self) -> bool:
        """Nothing to be seen by the low-level probes, and zeros at both ends (udev may not have heard of it yet)."""
        answers = self.evidence.answers
        ends = answers.get("content")
        clean = answers.get("wipefs") == () and not _tags(self.evidence)
        return self.data is None and clean and isinstance(ends, Ends) and ends.nonzero is None


@dataclass(frozen=True)
class WipeHave:
    found: Mapping[str, Found]


class WipeResource:
    """See the Resource protocol.  ``wants``: the targets whose devices were named."""

    kind = KIND
    settle = 0.0

    def __init__(self, wants: Sequence[TargetWant], files: Files | None = None) -> None:
        self.wants = tuple(wants)
        self.files: Files = files or LocalFiles()
        self._by_object = {want.object: want for want in self.wants}
        self._planned: WipeHave | None = None

    @classmethod
    def from_options(
        cls, targets: Sequence[Mapping[str, Any]], devices: Sequence[str], files: Files | None = None
    ) -> WipeResource:
        declared = {
            want.device: want
            for want in (
                TargetWant.from_options(options, f"targets[{number}]") for number, options in enumerate(targets)
            )
        }
        wants = []
        for number, device in enumerate(devices):
            path = f"devices[{number}]"
            if device not in declared:
                known = ", ".join(sorted(declared)) or "none"
                problem = f"{device} is not the device of a target that the description gives to this node"
                raise BadValue(path, problem, f"Write a device exactly as it is described. Described here: {known}.")
            if declared[device].backend != "ldiskfs":
                problem = f"{device} is a ZFS dataset, and nothing here destroys datasets"
                raise BadValue(path, problem, "If it may go, run `zfs destroy` or `zpool destroy` by hand.")
            if declared[device] in wants:
                raise BadValue(path, f"{device} is named twice", "Name each device once.")
            wants.append(declared[device])
        return cls(wants, files)

    def have(self, run: Runner) -> WipeHave:
        have = self._read(run, self.wants)
        self._planned = have
        return have

    def _read(self, run: Runner, wants: Sequence[TargetWant]) -> WipeHave:
        evidence = blank.gather([want.device for want in wants], run, self.files)
        found = {}
        for want in wants:
            answers = evidence[want.device]
            if "path" in answers.failures:
                raise Refused(
                    f"wipe {want.object}", f"the device cannot be looked at ({answers.failures['path']})", blank.FREE
                )
            found[want.device] = Found(tunefs_lustre.read(run, want.device), answers)
        return WipeHave(found)

    def plan(self, have: WipeHave) -> Plan:
        """Steps for all devices, or one Refused that tells every reason."""
        return plan_each(
            self.wants,
            lambda want: _plan_one(want, have.found[want.device]),
            "wipe any device of this node",
            "Nothing was changed.",
        )

    def public(self, have: WipeHave) -> Mapping[str, Any]:
        return {"devices": [_public(want, have.found[want.device]) for want in self.wants]}

    def check_step(self, step: Step, run: Runner) -> None:
        """Ask everything again: between the plan and this command somebody may have come to use the device."""
        want = self._by_object[step.object]
        if self._planned is None:
            raise Refused(f"wipe {want.object}", "its device was never looked at", "Read the state first.")
        before, now = self._planned.found[want.device], self._read(run, [want]).found[want.device]
        if before.evidence.answers["path"] != now.evidence.answers["path"]:
            what = "the path leads to another device than it did when planned"
            raise Refused(
                f"wipe {want.object}", what, "Something renames devices on this node right now; find out what."
            )
        _require_unused(want, now.evidence)
        if step.action == SIGNATURES:
            if not now.wiped:
                raise Refused(f"wipe {want.object}", "it is not empty after it was filled with zeros", _BY_HAND)
            return
        _require_own(want, now)
        # The partner may have the target mounted, whoever of the two sources names it.
        found = now.data.nodes("failover.node") if now.data is not None else ()
        partners.require_unused(run, want.device, max(len(want.service_nids), len(found)), f"wipe {want.object}")

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = "It may be half wiped: run again; what cannot be recognised any more is left to you."
        return ToolError(f"{step.action} of {step.object}", step.argv, rc, out, err, remedy=remedy)


def _plan_one(want: TargetWant, found: Found) -> Plan:
    _require_unused(want, found.evidence)
    if found.wiped:
        return Plan()
    _require_own(want, found)
    return Plan(tuple(_steps(want, found)))


def _tags(evidence: Evidence) -> dict[str, str]:
    """What blkid says is on the device itself (not the entry of the partition table around it)."""
    tags = evidence.answers.get("blkid") or {}
    return {key: value for key, value in tags.items() if key != "DEVNAME" and not key.startswith("PART_ENTRY_")}


def _require_unused(want: TargetWant, evidence: Evidence) -> None:
    """The guard of a format, but for the target itself: every probe must have answered, and only its content may be told."""
    content = {"blkid", "wipefs", "content", "lustre"}
    told = []
    objections = blank.judge(evidence)
    if {"lsblk", "sysfs", "content"} <= set(evidence.answers):
        objections += tuple(blank.contradictions(evidence))
    for objection in dict.fromkeys(objections):
        answered = objection.probe in evidence.answers
        if not answered or not (objection.probe in content or _only_ext4(objection.probe, evidence)):
            told.append(f"{objection.probe}: {objection.found.rstrip('.')}")
    if told:
        raise Refused(f"wipe {want.object}", f"its device is not proven unused ({'; '.join(told)})", blank.FREE)


def _only_ext4(probe: str, evidence: Evidence) -> bool:
    """Whether an objection of lsblk or udev is no more than that udev knows the target's own ext4."""
    if probe == "udev":
        record = dict(evidence.answers["udev"])
        return record.pop("ID_FS_TYPE", "") == "ext4" and blank.PROBE_CHECKS["udev"](record) is None
    if probe == "lsblk":
        disk = evidence.answers["lsblk"]
        return disk.fstype == "ext4" and blank.PROBE_CHECKS["lsblk"](disk._replace(fstype="")) is None
    return False


def _require_own(want: TargetWant, found: Found) -> None:
    """Exactly this target and nothing else, by Lustre's tool, by the label, and by every signature."""
    tags = _tags(found.evidence)
    label = tags.get("LABEL", "")
    what, remedy = "", _BY_HAND
    trace = found.evidence.answers["lustre"]
    if found.data is not None and target_diff.stranger(want, found.data):
        what = f"it carries another target: {target_diff.stranger(want, found.data)}"
    elif tags.get("TYPE") != "ext4" or set(tags) - _OWN_TAGS:
        what = f"it carries {_told(tags)}, and not only the ext4 of a target"
    elif mountdata.parse_label(label) != mountdata.parse_label(want.label):
        what = f"its label is {label!r}"
    elif found.data is None and not unread.half_made(trace):
        objection = unread.objection_of(trace)
        what = (
            objection.found if objection is not None else f"its label is {label!r}, but its superblock cannot be read"
        )
        remedy = unread.KEEP
    elif found.data is not None and target_diff.elsewhere(want, found.data):
        what = f"it carries {found.data.label}, but of another file system of that name: {target_diff.elsewhere(want, found.data)}"
    elif found.data is not None and found.data.mgs and not want.mgs:
        what = f"it carries {found.data.label} together with an MGS, of which the description of this target does not speak"
    else:
        signatures = found.evidence.answers["wipefs"]
        strange = [f"{s.type} at {s.offset}" for s in signatures if s.type != "ext4"]
        if strange or not signatures:
            what = f"it carries {', '.join(strange) or 'no signature that wipefs knows'} beside the target"
    if what:
        raise Refused(f"wipe {want.object}", what, remedy)


def _told(tags: Mapping[str, str]) -> str:
    return tags.get("TYPE") or tags.get("PTTYPE") or ", ".join(tags) or "data without a known signature"


def _steps(want: TargetWant, found: Found) -> list[Step]:
    size = found.evidence.answers["content"].size
    zero = (
        "dd",
        "if=/dev/zero",
        f"of={want.device}",
        f"bs={SPAN}",
        "count=1",
        "conv=nocreat,notrunc,fsync",
        "status=none",
    )
    target = found.data.name if found.data is not None else "a half-made target"
    reason = f"the consent names this device, and it carries {target}"
    commands = {
        ZERO_TAIL: (*zero, f"seek={size - SPAN}", "oflag=seek_bytes"),
        ZERO_HEAD: zero,
        SIGNATURES: ("wipefs", "--all", want.device),
    }
    return [
        Step(KIND, action, want.object, reason, argv, destructive=True, timeout=TIMEOUT)
        for action, argv in commands.items()
    ]


def _public(want: TargetWant, found: Found) -> dict[str, Any]:
    return {
        "label": want.label,
        "device": want.device,
        "wiped": found.wiped,
        "found_label": found.data.name if found.data is not None else None,
    }
