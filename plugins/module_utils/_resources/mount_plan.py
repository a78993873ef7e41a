# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is mounted and written in fstab to the steps that lead to what should be.

Pure: nothing here reads or runs anything.  The order of the steps of all mounts
together: unmount (clients first, the MGS last), write fstab for what is not mounted by
this run, tell systemd, then mount (the MGS first, clients last), each with its line of
fstab right after it; systemd is told again at the end.  A line is written only for a mount that has worked: a real node
that boots with the line of an unproven one hangs in the kernel while its MGS is silent.
A run that is killed between a mount and its line finds the mount without one, and adds
it.  fstab comes after unmounting, so that a line is never taken away from something that
is still mounted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Collection, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fstab, mounts, systemctl
from ansible_collections.lustre.core.plugins.module_utils._cli.fstab import PATH as FSTAB
from ansible_collections.lustre.core.plugins.module_utils._cli.fstab import FstabEntry
from ansible_collections.lustre.core.plugins.module_utils._cli.mounts import MountEntry
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import mount_options
from ansible_collections.lustre.core.plugins.module_utils._resources.mount_want import PHASES, MountWant

KIND = "mount"
#: Unmounting a target waits for its clients' requests and its disk; 22 s were seen for a whole small set.
UMOUNT_TIMEOUT = 300.0


@dataclass(frozen=True)
class MountHave:
    """What was read: the mount table, fstab, folders that are missing, and real paths of devices."""

    table: tuple[MountEntry, ...]
    fstab: str
    missing: frozenset[str] = frozenset()
    real: Mapping[str, str] = field(default_factory=dict)
    fstab_path: str = FSTAB
    systemd: bool = True

    def at(self, path: str) -> MountEntry | None:
        """What one sees at a path: the last mount there, an automount point that waits below left aside."""
        found = [entry for entry in self.table if entry.path == path and entry.fstype != "autofs"]
        return found[-1] if found else None

    def waiting(self, path: str) -> bool:
        """Whether an automount point is set up at a path."""
        return any(entry.path == path and entry.fstype == "autofs" for entry in self.table)

    def same_device(self, left: str, right: str) -> bool:
        return self.real.get(left, left) == self.real.get(right, right)

    def below(self, path: str) -> list[str]:
        return [entry.path for entry in self.table if entry.path.startswith(path + "/")]


@dataclass
class _Steps:
    """Steps by their place in the whole."""

    unmount: list[tuple[MountWant, list[Step]]] = field(default_factory=list)
    mount: list[tuple[MountWant, list[Step]]] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)


def plan(have: MountHave, wants: Sequence[MountWant], also: Sequence[MountWant] = ()) -> Plan:
    """``also``: mounts declared for this node that are not acted on, but are part of the order at boot."""
    parts = _Steps()
    for want in wants:
        if want.state == "mounted":
            _to_mounted(have, want, parts)
        elif want.state in ("unmounted", "absent"):
            _to_unmounted(have, want, parts)
    down = [
        step for _want, steps in sorted(parts.unmount, key=lambda part: part[0].rank, reverse=True) for step in steps
    ]
    # What is mounted on first use needs its line before: its unit is made of it, and nothing is asked at boot.
    unproven = {want.path for want, steps in parts.mount if any(step.action != "automount" for step in steps)}
    everybody = [*wants, *also]
    text, persist = _persist(have, have.fstab, [want for want in wants if want.path not in unproven], everybody)
    up: list[Step] = []
    for want, steps in sorted(parts.mount, key=lambda part: part[0].rank):
        up += steps
        if want.path in unproven:
            text, written = _persist(have, text, [want], everybody)
            up += written
    written_and_up = [*persist, *up]
    return Plan((*down, *(_told(written_and_up) if have.systemd else written_and_up)), tuple(parts.drift))


def _to_mounted(have: MountHave, want: MountWant, parts: _Steps) -> None:
    live = have.at(want.path)
    if live is None:
        _refuse_elsewhere(have, want)
        if want.automount:
            if not have.waiting(want.path):
                parts.mount.append((want, [_automount(want)]))
            return
        if have.waiting(want.path):
            parts.unmount.append((want, [_no_automount(want, "it is to be mounted at once, not on first use")]))
        parts.mount.append((want, _mount_steps(have, want, "it is not mounted")))
        return
    difference = _identity(have, want, live)
    if difference is not None:
        _remount(have, want, live, [difference], False, parts)
        return
    found = mount_options.differences(want.options, live.options)
    asked = [one for one in found if one.group.negotiated]
    parts.drift += [
        Drift(
            KIND, want.object, one.found, one.wanted, "The servers decide this when the mount is made: allow it there."
        )
        for one in asked
    ]
    changed = [one for one in found if not one.group.negotiated]
    if changed:
        texts = [(one.found, one.wanted) for one in changed]
        _remount(have, want, live, texts, want.kind == "client" and mount_options.remountable(changed), parts)


def _identity(have: MountHave, want: MountWant, live: MountEntry) -> tuple[str, str] | None:
    """None when the live mount is the wanted one; (found, wanted) when it is, by other NIDs; Refused when it is another."""
    doing = f"mount {want.object}"
    other = f"{live.source} (type {live.fstype}) is mounted at {want.path}"
    remedy = f"Unmount it first, or choose another path: `umount {want.path}`."
    if want.kind == "target":
        if not live.target or not have.same_device(live.source, want.device):
            raise Refused(doing, other, remedy)
        served = live.option("svname")
        if served is not None and served != want.label:
            raise Refused(
                doing,
                f"{live.source} at {want.path} serves {served}",
                "Correct the device or the label in the description.",
            )
        return None
    client = live.client
    if client is None or (client.fsname, client.subdir) != (want.fsname, want.subdir):
        raise Refused(doing, other, remedy)
    wanted = mounts.client_source(want.source)
    if wanted is None:
        raise Refused(
            doing, f"{want.source} is not a source of a Lustre client mount", "Correct mgs_nids, fsname and subdir."
        )
    if client.node_set == wanted.node_set:
        return None
    if client.nodes is not None and not client.nids & wanted.nids and not want.remount:
        raise Refused(
            doing,
            f"{other}, and none of its MGS NIDs is one of the wanted {want.source}",
            "It may be another file system of the same name. If the MGS has only moved, allow it: remount: true for this mount.",
        )
    return live.source, want.source


def _remount(
    have: MountHave, want: MountWant, live: MountEntry, found: Sequence[tuple[str, str]], in_place: bool, parts: _Steps
) -> None:
    """What is wrong live is repaired only with consent: whoever uses the mount notices."""
    if not want.remount:
        how = "a remount" if in_place else "an unmount and a new mount"
        remedy = f"It takes {how}; consent by remount: true for {want.path}."
        parts.drift += [Drift(KIND, want.object, one, other, remedy) for one, other in found]
        return
    reason = "; ".join(f"{one} is to be {other}" for one, other in found)
    if in_place:
        options = ("remount", *mount_options.for_mount(want.options))
        if not {"ro", "rw"} & set(options):
            options = ("remount", "rw", *options[1:])
        argv = mounts.mount_argv(live.source, want.path, options)
        parts.mount.append(
            (want, [Step(KIND, "remount", want.object, reason, argv, disruptive=True, timeout=want.timeout)])
        )
        return
    parts.unmount.append((want, [_umount(want, reason)]))
    parts.mount.append((want, _mount_steps(have, want, reason)))


def _to_unmounted(have: MountHave, want: MountWant, parts: _Steps) -> None:
    live = have.at(want.path)
    steps = []
    if live is not None and live.lustre and is_it(have, want, live):
        if not want.unmount:
            raise Refused(
                f"unmount {want.path}",
                f"{live.source} is mounted there, and the description says {want.state} but does not consent to the unmount",
                "Consent by unmount: true for this mount.",
            )
        steps.append(_umount(want, f"it is to be {want.state}"))
    if have.waiting(want.path) and (want.automount or want.state == "absent"):
        steps.append(_no_automount(want, f"it is to be {want.state}"))
    if steps:
        parts.unmount.append((want, steps))


def is_it(have: MountHave, want: MountWant, live: MountEntry) -> bool:
    """Whether the Lustre mount at the path is the described one, as far as it is described; Refused when it is another."""
    if want.kind == "target":
        same = live.target and (not want.device or have.same_device(live.source, want.device))
    else:
        client = live.client
        same = client is not None and (not want.fsname or (client.fsname, client.subdir) == (want.fsname, want.subdir))
    if not same:
        raise Refused(
            f"unmount {want.path}",
            f"{live.source} is mounted there, which is not the described {want.name}",
            "Correct the description, or unmount it yourself.",
        )
    return True


def _refuse_elsewhere(have: MountHave, want: MountWant) -> None:
    """One device serves at one place only; a client may be mounted at several."""
    if want.kind != "target":
        return
    for entry in have.table:
        if entry.target and have.same_device(entry.source, want.device):
            raise Refused(
                f"mount {want.object}",
                f"its device {want.device} is mounted at {entry.path} already",
                f"Set path: {entry.path} in the description, or unmount it there first.",
            )


def _mount_steps(have: MountHave, want: MountWant, reason: str) -> list[Step]:
    argv = mounts.mount_argv(want.source, want.path, mount_options.for_mount(want.options))
    mount = Step(KIND, "mount", want.object, reason, argv, timeout=want.timeout)
    if want.path not in have.missing:
        return [mount]
    return [
        Step(
            KIND,
            "create",
            want.object,
            "the mount point does not exist",
            ("mkdir", "-p", "--", want.path),
            timeout=30.0,
        ),
        mount,
    ]


def _umount(want: MountWant, reason: str) -> Step:
    return Step(
        KIND,
        "unmount",
        want.object,
        reason,
        mounts.umount_argv(want.path),
        disruptive=True,
        timeout=max(UMOUNT_TIMEOUT, want.timeout),
    )


def _automount(want: MountWant) -> Step:
    argv = ("systemctl", "start", systemctl.unit_of_path(want.path, "automount"))
    return Step(KIND, "automount", want.object, "it is to be mounted on first use", argv, timeout=60.0)


def _no_automount(want: MountWant, reason: str) -> Step:
    argv = ("systemctl", "stop", systemctl.unit_of_path(want.path, "automount"))
    return Step(KIND, "stop automount", want.object, reason, argv, timeout=60.0)


def entry_of(
    want: MountWant,
    all_wants: Sequence[MountWant],
    lines: Mapping[str, FstabEntry] | None = None,
    mgs_at: Collection[str] = (),
) -> FstabEntry | None:
    """The wanted line of fstab, which has ``lines``; None for one that is to be absent. ``mgs_at``: where an MGS is mounted."""
    if want.state == "absent":
        return None
    after = [*_before(want, all_wants), *_before_unnamed(want, all_wants, lines or {}, mgs_at)]
    return FstabEntry(want.source, want.path, "lustre", mount_options.for_fstab(want, after))


def _before_unnamed(
    want: MountWant, all_wants: Sequence[MountWant], lines: Mapping[str, FstabEntry], mgs_at: Collection[str]
) -> list[str]:
    """Lustre mounts that fstab has and this call does not name: their place in the order stays as it is.

    Which line brings the MGS is seen only while it is mounted, so a target keeps what its own line says, too; a client
    comes after all targets.
    """
    declared = {other.path for other in all_wants}
    old = lines.get(want.path)
    kept = set(old.options) if old is not None else set()
    found = []
    for path, line in lines.items():
        if path in declared or line.fstype not in mounts.LUSTRE_TYPES:
            continue
        target = mounts.client_source(line.source) is None and "noauto" not in line.options
        first = want.kind == "client" or (path in mgs_at and not want.mgs_here)
        if (target and first) or mount_options.after_option(path) in kept:
            found.append(path)
    return found


def _before(want: MountWant, all_wants: Sequence[MountWant]) -> list[str]:
    """The mounts of this node that must be tried first at boot.

    A target that asks an MGS comes after the MGS of this node; a client (of a node that
    is server and client) after all targets.  Among other nodes nothing can be ordered:
    there ``retry=`` helps.
    """
    # One that is unmounted now is mounted at the next boot all the same.
    local = [other for other in all_wants if other.kind == "target" and other.boot and other.state != "absent"]
    if want.kind == "target":
        local = [other for other in local if other.mgs_here and not want.mgs_here]
    return [other.path for other in sorted(local, key=lambda other: other.rank) if other.path != want.path]


def _persist(
    have: MountHave, before: str, wants: Sequence[MountWant], all_wants: Sequence[MountWant]
) -> tuple[str, list[Step]]:
    """The text of fstab with the lines of some mounts as they should be, and the one write of it."""
    ordered = sorted(wants, key=lambda want: (PHASES.index(want.phase), want.path))
    lines = fstab.entries(before)
    mgs_at = {entry.path for entry in have.table if entry.target and "mgs" in entry.options}
    wanted = {want.path: entry_of(want, all_wants, lines, mgs_at) for want in ordered}
    text = fstab.edit(before, wanted)
    if text == before:
        return before, []
    return text, [Step(KIND, "persist", FSTAB, _reason(lines, wanted), write=FileWrite(have.fstab_path, text))]


def _told(steps: Sequence[Step]) -> list[Step]:
    """Systemd is told of fstab once, after all lines are written, since that takes it a while; and before it makes an
    automount point of a line (a run that was killed may have written that one and not told).
    """
    told: list[Step] = []
    for step in steps:
        if step.action == "automount" and not any(one.action == "reload" for one in told[_last_write(told) :]):
            told.append(_reload())
        told.append(step)
    if _last_write(told) > max((place for place, step in enumerate(told, 1) if step.action == "reload"), default=0):
        told.append(_reload())
    return told


def _last_write(steps: Sequence[Step]) -> int:
    """How many steps there are up to and with the last write; 0 without one."""
    return max((place for place, step in enumerate(steps, 1) if step.write is not None), default=0)


def _reload() -> Step:
    reason = "systemd makes its mount units from fstab"
    return Step(KIND, "reload", "systemd", reason, systemctl.DAEMON_RELOAD, timeout=300.0)


def _reason(found: Mapping[str, FstabEntry], wanted: Mapping[str, FstabEntry | None]) -> str:
    words: dict[str, list[str]] = {"add": [], "change": [], "remove": []}
    for path, entry in wanted.items():
        old = found.get(path)
        if entry is None:
            if old is not None:
                words["remove"].append(path)
        elif old is None:
            words["add"].append(path)
        elif not old.means(entry):
            words["change"].append(path)
    said = [f"{word} {', '.join(paths)}" for word, paths in words.items() if paths]
    return "; ".join(said) or "remove lines that are there twice"
