# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is a block device proven blank?  The guard in front of everything that formats.

mkfs.lustre forces mke2fs, so nothing after this file protects foreign data.  The
questions are asked by ``gather``; ``judge`` is a pure function over the answers, and
fails closed: a device is blank only when **every** probe of ``PROBES`` was asked, gave
an answer that its parser knows, and that answer was "nothing".

Blank means more here than "no known signature": the first and the last MiB must read
as zero.  Random bytes (an encrypted or unknown format, a database on a raw device)
carry no signature, and a device whose signature alone was wiped still holds its data.
Who is sure wipes by hand: ``blkdiscard``, or ``dd`` of zeros over both ends.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import blockdev, mountdata
from ansible_collections.lustre.core.plugins.module_utils._cli.blockdev import Disk, Signature
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Files, Node
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._resources.blank_system import (
    System,
    mounts_of,
    read_shared,
    read_sysfs,
    read_udev,
    swap_paths,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.unread import (
    HALF_MADE,
    KEEP,
    WIPE,
    Objection,
    objection_of,
    trace,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Smaller than any target or pool member anybody means; catches a device that lost its medium.
MINIMUM_SIZE = 32 << 20
#: Device types (lsblk) that may carry a target.  Not: rom, crypt on its way, md containers, unknown ones.
TYPES = ("disk", "part", "mpath", "lvm", "crypt", "loop", "dm", "linear")
#: A partition is blank only when its table calls it a plain Linux partition (GPT, MBR).
PLAIN_PARTITIONS = ("0fc63daf-8483-4772-8e79-3d69d8477de4", "0x83")
FREE = (
    "Find out who uses it (lsblk, fuser -v, multipath -ll) before anything else; the device path may be the wrong one."
)


@dataclass(frozen=True)
class Evidence:
    """All answers about one device; a probe is in ``answers`` or in ``failures``, and a missing one is a failure."""

    path: str
    answers: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        node = self.answers.get("path")
        return node.number if isinstance(node, Node) else ""


def gather(paths: Sequence[str], run: Runner, files: Files) -> dict[str, Evidence]:
    """Ask everything about some devices; only reads, and never raises for what a probe may say.

    Processes: one lsblk and one wipefs for all devices, one blkid for each.  The read
    of the device comes last: a dead disk then hangs in a process with a time-out.
    """
    boxes = {path: _Box(path) for path in dict.fromkeys(paths)}
    for box in boxes.values():
        box.ask("path", partial(_block_node, files, box.path))
    open_boxes = [box for box in boxes.values() if not box.failures]
    names = [box.path for box in open_boxes]
    if names:
        disks = _once(lambda: blockdev.lsblk(run, names))
        signatures = _once(lambda: _known_signatures(blockdev.wipefs(run, names), open_boxes))
        shared = _once(lambda: read_shared(files))
        for box in open_boxes:
            _ask_one(box, run, files, disks, signatures, shared)
    return {path: Evidence(path, box.answers, box.failures) for path, box in boxes.items()}


class _Box:
    """Collects the answers about one device."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: dict[str, Any] = {}
        self.failures: dict[str, str] = {}

    def ask(self, probe: str, question: Callable[[], Any]) -> None:
        try:
            self.answers[probe] = question()
        except (LustreError, OSError, LookupError, ValueError) as problem:
            self.failures[probe] = _sentence(problem)


def _sentence(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.errno == errno.EBUSY:
        return "the device is in use: the kernel refuses to open it exclusively"
    if isinstance(problem, LookupError):
        return f"it did not speak about this device ({problem})"
    return str(problem)


def _once(question: Callable[[], Any]) -> Callable[[], Any]:
    """Ask now, and give every device the same answer, or the same failure."""
    try:
        answer = question()
    except (LustreError, OSError) as problem:
        failure = problem

        def fail() -> Any:
            raise failure

        return fail
    return lambda: answer


def _ask_one(
    box: _Box,
    run: Runner,
    files: Files,
    disks: Callable[[], Any],
    signatures: Callable[[], Any],
    shared: Callable[[], Any],
) -> None:
    node: Node = box.answers["path"]
    box.ask("lsblk", lambda: disks()[node.number])
    box.ask("sysfs", lambda: read_sysfs(files, node.number))
    system = box.answers.get("sysfs")
    kname = system.kname if isinstance(system, System) else ""
    box.ask("udev", lambda: read_udev(files, node.number))
    box.ask("wipefs", lambda: tuple(s for s in signatures() if s.device in {kname, *_called(box)}))
    box.ask("mounts", lambda: mounts_of(shared().mounts, box.path, node.number, files))
    box.ask("swap", lambda: swap_paths(shared().swaps, node, files))
    box.ask("mdstat", lambda: kname in shared().raid)
    box.ask("blkid", lambda: blockdev.blkid(run, box.path))
    if "blkid" not in box.failures:
        box.ask("lustre", lambda: trace(run, box.path, files))
        box.ask("content", lambda: _read_last(box.path, node, files))


def _read_last(path: str, node: Node, files: Files) -> Ends:
    """Both ends of the device; ValueError when the path has led elsewhere since the first question: the answers are of two."""
    ends = files.ends(path)
    now = files.node(path)
    if now != node:
        raise ValueError(elsewhere(node, now))
    return ends


def elsewhere(before: Node, now: Node) -> str:
    told = [f"{node.real} ({node.number or 'no block device'})" for node in (before, now)]
    return (
        f"the path led to {told[0]} and leads to {told[1]} now: something renames devices on this node, find out what"
    )


def _called(box: _Box) -> set[str]:
    """What wipefs calls a device: the last part of the path that it was given (a link's own name, not what it leads to)."""
    return {box.path.rpartition("/")[2], box.answers["path"].real.rpartition("/")[2]}


def _known_signatures(found: Sequence[Signature], boxes: Sequence[_Box]) -> Sequence[Signature]:
    """UnknownOutput for a signature of a device that nobody asked for: it would count for none."""
    known = {name for box in boxes for name in _called(box)}
    strange = next((signature for signature in found if signature.device not in known), None)
    if strange is not None:
        raise UnknownOutput("wipefs", "signatures on the devices it was given", str(strange._asdict()))
    return found


def _block_node(files: Files, path: str) -> Node:
    node = files.node(path)
    if not node.number:
        raise ValueError(f"{path} is not a block device")
    return node


def _path(node: Node) -> Objection | None:
    return None if node.number else Objection("path", "it is not a block device", FREE)


def _lsblk(disk: Disk) -> Objection | None:
    found = ""
    if disk.children:
        found = f"there are devices on top of it: {', '.join(disk.children)} (partitions, RAID, LVM or multipath)"
    elif disk.mountpoints:
        found = f"it is mounted at {', '.join(disk.mountpoints)}"
    elif disk.read_only:
        found = "it is read-only"
    elif disk.type not in TYPES and not disk.type.startswith("raid"):
        found = f"its type {disk.type!r} is none that carries a target"
    elif disk.fstype:
        found = f"it holds {disk.fstype}"
    elif disk.pttype and disk.type != "part":
        found = f"it holds a {disk.pttype} partition table"
    elif disk.size < MINIMUM_SIZE:
        found = f"it has {disk.size} bytes, fewer than the {MINIMUM_SIZE} that a target needs"
    return Objection("lsblk", found, WIPE if disk.fstype or disk.pttype else FREE) if found else None


def _sysfs(system: System) -> Objection | None:
    found = ""
    if system.holders:
        found = f"it is held by {', '.join(system.holders)}"
    elif system.partitions:
        found = f"it has partitions: {', '.join(system.partitions)}"
    elif system.read_only:
        found = "it is read-only"
    elif system.size < MINIMUM_SIZE:
        found = f"it has {system.size} bytes, fewer than the {MINIMUM_SIZE} that a target needs"
    return Objection("sysfs", found, FREE) if found else None


def _udev(record: Mapping[str, str]) -> Objection | None:
    if record.get("DM_MULTIPATH_DEVICE_PATH", "0") != "0":
        return Objection(
            "udev", "it is one path of a multipath device", "Name the multipath device (/dev/mapper/...) instead."
        )
    kept = record.get("ID_FS_TYPE", "")
    if kept:
        return Objection(
            "udev", f"udev has it as {kept}", WIPE + " After a wipe, `udevadm trigger --settle` renews udev's record."
        )
    return None


def _wipefs(signatures: Sequence[Signature]) -> Objection | None:
    found = ", ".join(f"{s.type} at {s.offset}" for s in signatures)
    return Objection("wipefs", f"it carries signatures: {found}", WIPE) if found else None


def _mounts(paths: Sequence[str]) -> Objection | None:
    return Objection("mounts", f"it is mounted at {', '.join(paths)}", FREE) if paths else None


def _swap(paths: Sequence[str]) -> Objection | None:
    return Objection("swap", f"it is swap space in use ({', '.join(paths)})", FREE) if paths else None


def _mdstat(member: bool) -> Objection | None:
    return Objection("mdstat", "it is a member of a software RAID", FREE) if member else None


def _blkid(tags: Mapping[str, str]) -> Objection | None:
    """Of a partition blkid also tells its entry in the table around it, which is no content of its own."""
    own = {key: value for key, value in tags.items() if key != "DEVNAME" and not key.startswith("PART_ENTRY_")}
    if own:
        what = own.get("TYPE") or own.get("PTTYPE") or ", ".join(f"{k}={v}" for k, v in own.items())
        label = f" labelled {own['LABEL']!r}" if "LABEL" in own else ""
        ours = own.get("TYPE") == "ext4" and mountdata.parse_label(own.get("LABEL", "")) is not None
        return Objection("blkid", f"it holds {what}{label}", KEEP if ours else WIPE)
    kind = tags.get("PART_ENTRY_TYPE", "")
    if tags and kind.lower() not in PLAIN_PARTITIONS:
        return Objection(
            "blkid", f"its partition table entry has the type {kind or 'unknown'}, not a plain Linux one", WIPE
        )
    return None


def _content(ends: Ends) -> Objection | None:
    if ends.size < MINIMUM_SIZE:
        return Objection(
            "content", f"it has {ends.size} bytes, fewer than the {MINIMUM_SIZE} that a target needs", FREE
        )
    if ends.nonzero is not None:
        return Objection("content", f"there is data without a known signature: byte {ends.nonzero} is not zero", WIPE)
    return None


#: Every question, in the order in which an objection is told; the most telling ones first.
PROBES: tuple[tuple[str, Callable[[Any], Objection | None]], ...] = (
    ("path", _path),
    ("mounts", _mounts),
    ("swap", _swap),
    ("mdstat", _mdstat),
    ("lustre", objection_of),
    ("blkid", _blkid),
    ("wipefs", _wipefs),
    ("udev", _udev),
    ("lsblk", _lsblk),
    ("sysfs", _sysfs),
    ("content", _content),
)
#: The same by name, for whoever asks one of them.
PROBE_CHECKS: Mapping[str, Callable[[Any], Objection | None]] = dict(PROBES)


def judge(evidence: Evidence) -> tuple[Objection, ...]:
    """All reasons why the device is not proven blank; an empty tuple is the proof."""
    objections = []
    for probe, check in PROBES:
        if probe in evidence.failures:
            objections.append(
                Objection(
                    probe, f"no usable answer: {evidence.failures[probe]}", "A probe must answer before a format."
                )
            )
        elif probe not in evidence.answers:
            objections.append(
                Objection(probe, "it was not asked, since an earlier probe failed", "Solve that one first.")
            )
        else:
            objection = check(evidence.answers[probe])
            if objection is not None:
                objections.append(objection)
    if not objections:
        objections += contradictions(evidence)
    return tuple(objections)


def contradictions(evidence: Evidence) -> list[Objection]:
    """Probes that all said "nothing", but not about one and the same device."""
    disk, system, ends = (evidence.answers[probe] for probe in ("lsblk", "sysfs", "content"))
    if len({disk.size, system.size, ends.size}) != 1 or disk.kname != system.kname:
        told = f"lsblk: {disk.kname} {disk.size}, sysfs: {system.kname} {system.size}, read: {ends.size} bytes"
        return [Objection("size", f"the probes do not agree about the device ({told})", FREE)]
    return []


def require_blank(evidence: Evidence, what: str, node: Node | None = None) -> None:
    """Refused, with every objection, unless the device is proven blank; ``node``: what the caller's own look at it found."""
    seen = evidence.answers.get("path", node)
    if node is not None and seen != node:
        raise Refused(what, f"for {evidence.path} {elsewhere(node, seen)}", "Then run again.")
    objections = judge(evidence)
    if objections:
        found = "; ".join(f"{o.probe}: {o.found.rstrip('.')}" for o in objections)
        raise Refused(what, f"the device {evidence.path} is not proven blank ({found})", _remedies(objections))


def _remedies(objections: Sequence[Objection]) -> str:
    """All that is to be done, each once; how to wipe is not told beside a reason to keep what is there."""
    remedies = dict.fromkeys(o.remedy for o in objections)
    careful = [remedy for remedy in remedies if remedy in (KEEP, HALF_MADE)]
    if careful:
        remedies = dict.fromkeys([careful[0], *(r for r in remedies if r not in careful and not r.startswith(WIPE))])
    return " ".join(remedies)
