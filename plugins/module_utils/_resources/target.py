# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The targets of one node: what is on their devices, and the steps to what should be.

Three answers per device decide everything: it carries the wanted target (compare, never
format), it carries another one (refuse, name it), or it carries no target: then it is
formatted with consent (``format: true`` of this very target, and a device named by a
stable path) and the proof of ``blank.py``, made when planning and again right before
mkfs.lustre starts.

Processes of a converged run: one ``tunefs.lustre --dryrun`` for each ldiskfs target, one
``zfs get`` for all ZFS targets together; everything else is read from /proc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    devfiles,
    mkfs_lustre,
    tunefs_lustre,
    zfs,
)
from ansible_collections.lustre.core.plugins.module_utils._cli import zpool as zpool_cli
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files, LocalFiles, Node
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import TargetData
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._options import require_distinct
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import (
    blank,
    blank_system,
    partners,
    target_diff,
    unread,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.blank import Evidence
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import reached
from ansible_collections.lustre.core.plugins.module_utils._resources.target_diff import Difference
from ansible_collections.lustre.core.plugins.module_utils._resources.target_want import TargetWant
from ansible_collections.lustre.core.plugins.module_utils._resources.unread import Objection
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TUNE_TIMEOUT = 300.0


@dataclass(frozen=True)
class Found:
    """What is behind one wanted target's device; ``exists`` tells a plain ZFS dataset from none."""

    data: TargetData | None = None
    node: Node | None = None
    exists: bool = True
    mounted_at: tuple[str, ...] = ()
    evidence: Evidence | None = None
    #: What else speaks of a target where tunefs.lustre sees none; asked only there.
    unread: Objection | None = None


@dataclass(frozen=True)
class TargetHave:
    """All targets' devices by device path, and the imported pools (asked only when a dataset is missing)."""

    found: Mapping[str, Found]
    pools: frozenset[str] = frozenset()


class TargetResource:
    """See the Resource protocol.

    ``coming_pools``: pools that an earlier resource of the same run will make or import; ``coming_devices``: containers that
    one will open, in which nobody can look before.
    """

    kind = "target"
    settle = 0.0

    def __init__(
        self,
        wants: Sequence[TargetWant],
        files: Files | None = None,
        coming_pools: Collection[str] = (),
        coming_devices: Collection[str] = (),
    ) -> None:
        self.wants = tuple(wants)
        self.files: Files = files or LocalFiles()
        self.coming_pools, self.coming_devices = frozenset(coming_pools), frozenset(coming_devices)
        self._by_object = {want.object: want for want in self.wants}
        self._planned: TargetHave | None = None

    @classmethod
    def from_options(
        cls,
        targets: Sequence[Mapping[str, Any]],
        path: str = "targets",
        files: Files | None = None,
        coming_pools: Collection[str] = (),
    ) -> TargetResource:
        wants = [TargetWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(targets)]
        require_distinct(wants, ("label", "device"), path, "Each target has its own.")
        return cls(wants, files, coming_pools)

    def have(self, run: Runner) -> TargetHave:
        have = self._read(run, self.wants)
        self._planned = have
        return have

    def _read(self, run: Runner, wants: Sequence[TargetWant]) -> TargetHave:
        mounts = devfiles.parse_mountinfo(self.files.text("/proc/self/mountinfo"))
        disks = [want for want in wants if want.backend == "ldiskfs"]
        nodes = {want.device: self._node(want) for want in disks}
        _refuse_same_device(disks, nodes)
        data = {want.device: tunefs_lustre.read(run, want.device) for want in disks}
        empty = [want.device for want in disks if data[want.device] is None and want.format]
        evidence = blank.gather(empty, run, self.files)
        unread_of = {
            want.device: unread.objection_of(unread.trace(run, want.device, self.files))
            for want in disks
            if data[want.device] is None and not want.format
        }
        found = {
            want.device: Found(
                data[want.device],
                nodes[want.device],
                mounted_at=blank_system.mounts_of(mounts, want.device, nodes[want.device].number, self.files),
                evidence=evidence.get(want.device),
                unread=unread_of.get(want.device),
            )
            for want in disks
        }
        datasets = [want.device for want in wants if want.backend == "zfs"]
        properties = zfs.local_properties(run, datasets) if datasets else {}
        for name in datasets:
            paths = blank_system.mounts_of(mounts, name, "", self.files)
            found[name] = Found(zfs.target_of(properties.get(name, {})), exists=name in properties, mounted_at=paths)
        pools = zpool_cli.imported(run) if len(properties) < len(datasets) else {}
        return TargetHave(found, frozenset(pools))

    def _node(self, want: TargetWant) -> Node:
        return reached(self.files, want.device, want.object, coming=want.device in self.coming_devices)

    def plan(self, have: TargetHave) -> Plan:
        """Steps for all targets, or one Refused that tells every reason: half a node's targets are no plan."""
        return plan_each(
            self.wants,
            lambda want: self._plan_one(want, have),
            "touch any target of this node",
            "None of them is touched before all of them can be.",
        )

    def _plan_one(self, want: TargetWant, have: TargetHave) -> Plan:
        found = have.found[want.device]
        if found.data is None:
            return Plan((_format_step(want, found, have.pools | self.coming_pools),))
        other = target_diff.stranger(want, found.data)
        if other:
            raise Refused(
                f"use {want.device} for {want.label}",
                f"the device already carries another Lustre target: {other}",
                "Correct the description (device, fsname, kind or index), or wipe the device by hand if that target is given up.",
            )
        elsewhere = target_diff.elsewhere(want, found.data)
        if elsewhere and not want.tune and not found.mounted_at:
            raise Refused(
                f"use {want.device} for {want.label}",
                f"it carries {found.data.label}, but perhaps of another site's file system of that name: {elsewhere}",
                "If it belongs to somebody else, correct the device path: mounted here it would report to the other MGS. If the MGS has "
                f"moved, write `tune: true` for {want.label}.",
            )
        return _compare(want, found, found.data)

    def public(self, have: TargetHave) -> Mapping[str, Any]:
        return {"targets": [_public(want, have.found[want.device]) for want in self.wants]}

    def check_step(self, step: Step, run: Runner) -> None:
        """Ask everything again right before the command: the plan may be minutes old."""
        want = self._by_object[step.object]
        if self._planned is None:
            raise Refused(f"{step.action} {step.object}", "its device was never looked at", "Read the state first.")
        before, now = self._planned.found[want.device], self._read(run, [want])
        found = now.found[want.device]
        if before.node != found.node:
            raise Refused(
                f"{step.action} {step.object}",
                f"the path led to {_where(before.node)} when planned and leads to {_where(found.node)} now",
                "Something renames devices on this node right now; find out what, then run again.",
            )
        if found.data != before.data or found.mounted_at:
            told = (
                f"it is mounted at {', '.join(found.mounted_at)}"
                if found.mounted_at
                else f"it carries {_what(found.data)} now"
            )
            raise Refused(
                f"{step.action} {step.object}",
                f"the device is not what it was when planned: {told}",
                "Another node or program uses it; find out who, then run again.",
            )
        if found.data is None:
            _format_step(want, found, now.pools)
        elif want.backend == "ldiskfs":
            self._require_unused(want, found.data, run)

    def _require_unused(self, want: TargetWant, data: TargetData, run: Runner) -> None:
        """No program of this node, and no other node, has the device: tunefs.lustre under a running target corrupts it."""
        try:
            self.files.ends(want.device)
        except OSError as problem:
            raise Refused(
                f"tune {want.object}", f"the device cannot be opened exclusively ({problem})", blank.FREE
            ) from None
        partners.require_unused(run, want.device, len(data.nodes("failover.node")), f"tune {want.object}")

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        if step.action == "format":
            return mkfs_lustre.error(f"format {step.object}", step.argv, rc, out, err)
        remedy = "Its parameters may be half written: `tunefs.lustre --dryrun` shows them; a second run writes the complete set again."
        return ToolError(f"tune {step.object}", step.argv, rc, out, err, rc if rc > 1 else None, remedy)


def _refuse_same_device(wants: Sequence[TargetWant], nodes: Mapping[str, Node]) -> None:
    """Two paths to one device are as wrong as one path twice."""
    seen: dict[str, TargetWant] = {}
    for want in wants:
        other = seen.setdefault(nodes[want.device].number, want)
        if other is not want:
            raise Refused(
                f"use {want.object}",
                f"its device is the same as that of {other.object} (both are {nodes[want.device].real})",
                "Give each target a device of its own.",
            )


def _format_step(want: TargetWant, found: Found, pools: frozenset[str]) -> Step:
    """The step that formats, or Refused: consent and proof are both needed."""
    if found.mounted_at:
        raise Refused(f"format {want.object}", f"it is mounted at {', '.join(found.mounted_at)}", blank.FREE)
    if want.backend == "zfs" and want.pool not in pools and not found.exists:
        raise Refused(
            f"format {want.object}",
            f"there is no imported pool {want.pool} on this node, so nobody knows whether the target is in it",
            "Declare it for the zpool module (which makes or imports it), or import it by hand if its partner does not use it.",
        )
    if found.unread is not None and found.unread.remedy != unread.WIPE:
        raise Refused(f"use {want.device} for {want.label}", found.unread.found, found.unread.remedy)
    if not want.format:
        raise Refused(
            f"format {want.object}",
            "there is no Lustre target on it and no consent to make one",
            f"Write `format: true` for exactly this target ({want.label}, {want.device}); it is formatted only if it is proven blank.",
        )
    if want.backend == "zfs" and found.exists:
        raise Refused(
            f"format {want.object}",
            "the dataset exists and is not a Lustre target",
            "Choose another name, or destroy the dataset by hand if nothing in it is needed.",
        )
    if want.backend == "ldiskfs":
        blank.require_blank(found.evidence or Evidence(want.device), f"format {want.object}", found.node)
    argv = mkfs_lustre.format_argv(
        want.kind,
        want.mgs,
        want.fsname,
        want.index,
        want.backend,
        want.device,
        want.mgs_nids,
        want.service_nids,
        want.networks,
        want.mkfs_options,
        want.mount_fs_options,
        want.params,
        want.replace,
    )
    proof = "the dataset does not exist" if want.backend == "zfs" else "the device is proven blank"
    return Step(
        "target",
        "format",
        want.object,
        f"no Lustre target there yet, {proof}, and the description consents"
        + (
            f"; it takes the place of the {want.label} that the MGS knows, whose data is given up"
            if want.replace
            else ""
        ),
        tuple(argv),
        destructive=True,
        timeout=mkfs_lustre.TIMEOUT,
    )


def _compare(want: TargetWant, found: Found, data: TargetData) -> Plan:
    """Drift, and the one step that repairs what may be repaired."""
    repairable, drift = [], []
    for difference in target_diff.differences(want, data):
        if not difference.repairable:
            drift.append(_drift(want, difference, difference.remedy))
        elif not want.tune:
            drift.append(
                _drift(
                    want, difference, f"Write `tune: true` for {want.label} to have it rewritten while it is unmounted."
                )
            )
        elif found.mounted_at:
            where = ", ".join(found.mounted_at)
            drift.append(
                _drift(want, difference, f"Unmount it from {where} (here or wherever it fails over to) and run again.")
            )
        else:
            repairable.append(difference)
    if not repairable:
        return Plan((), tuple(drift))
    reason = "; ".join(f"{d.aspect}: {d.found} -> {d.wanted}{f' ({d.note})' if d.note else ''}" for d in repairable)
    argv = tuple(target_diff.complete_set(want, data))
    return Plan((Step("target", "tune", want.object, reason, argv, timeout=TUNE_TIMEOUT),), tuple(drift))


def _drift(want: TargetWant, difference: Difference, remedy: str) -> Drift:
    return Drift("target", f"{want.object}: {difference.aspect}", difference.found, difference.wanted, remedy)


def _where(node: Node | None) -> str:
    return f"{node.real} ({node.number})" if node else "nothing"


def _what(data: TargetData | None) -> str:
    return f"the target {data.label} with other parameters or flags" if data else "no target"


def _public(want: TargetWant, found: Found) -> dict[str, Any]:
    """One target as modules return it: the names of the description, with what was found."""
    shown: dict[str, Any] = {
        "label": want.label,
        "device": want.device,
        "backend": want.backend,
        "formatted": found.data is not None,
        "mounted_at": list(found.mounted_at),
    }
    data = found.data
    if data is not None:
        hidden = ("mgsnode", "failover.node", "network")
        shown.update(
            found_label=data.label,
            kind=data.kind,
            fsname=data.fsname or None,
            index=data.index,
            mgs=data.mgs,
            registered=data.registered,
            flags=f"{data.flags:#x}",
            mgs_nids=data.nodes("mgsnode"),
            service_nids=data.nodes("failover.node"),
            networks=data.values("network"),
            mount_fs_options=",".join(data.mount_options),
            params={key: value for key, value in data.params if key not in hidden},
        )
    return shown
