# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be true before a LUKS container is made, opened or filled with zeros; each of these is Refused where it is not."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import cryptsetup, crypttab, systemctl
from ansible_collections.lustre.core.plugins.module_utils._cli.crypttab import Line
from ansible_collections.lustre.core.plugins.module_utils._cli.luks_header import Header
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import blank, luks_state, unread
from ansible_collections.lustre.core.plugins.module_utils._resources.blank import Evidence
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_state import Found, Have, Local
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import LuksWant

KIND = "luks"
#: The subsystem in the header of a container: nobody has used it yet, and it may be used.
NEW, READY = "lustre-new", "lustre"
_AGAIN = "Run again: it is read first."


def require_apart(wants: Sequence[LuksWant], have: Have) -> None:
    """Two paths to one device are as wrong as one path twice."""
    seen: dict[str, LuksWant] = {}
    for want in wants:
        node = have.found[want.label].node
        other = seen.setdefault(node.number, want)
        if other is not want:
            raise Refused(
                f"use {want.object}",
                f"its device is the same as that of {other.object} (both are {node.real})",
                "Give each target a device of its own.",
            )


def require_own(want: LuksWant, head: Header) -> None:
    """The container of this very target, and a sound one."""
    if head.damage:
        raise Refused(
            f"use {want.device} for {want.label}",
            f"it carries {head.text}, and {head.damage}",
            f"Do NOT format it. A copy of the header ({luks_state.backup_path(want)} on the servers of the target) restores it: "
            "`cryptsetup luksHeaderRestore`.",
        )
    if head.version != 2 or head.label != want.label:
        raise Refused(
            f"use {want.device} for {want.label}",
            f"it carries another container: {head.text}",
            "Correct the device path. A container of another target is never opened here, and none is ever written over.",
        )


def require_free(want: LuksWant, found: Found) -> None:
    """Its name and its device are in nobody else's use."""
    doing = f"open the container {want.object}"
    if found.opened is not None and not found.same:
        raise Refused(
            doing,
            f"{want.mapping} is there already, on {found.opened.device}",
            "Choose another name, or close that one (cryptsetup close) if nobody uses it.",
        )
    if found.opened is None and found.holders:
        raise Refused(doing, f"its device is held by {', '.join(found.holders)}", blank.FREE)


def require_not_lost(want: LuksWant, found: Found) -> None:
    """Nothing speaks of a container that was on the device, whose header is all that is missing."""
    doing, place = f"make the container {want.object}", luks_state.backup_path(want)
    if found.opened is not None and found.same:
        raise Refused(
            doing,
            f"the header of its device is gone, and {want.mapping} is still open on it: all data can be read, as long as it is",
            f"Do NOT close it, boot this server or format anything. A copy of the header ({place} on the servers of the target) "
            "restores it: `cryptsetup luksHeaderRestore`. Without one, copy the data away now.",
        )
    if found.backup:
        raise Refused(
            doing,
            f"{place} is a copy of the header of another container for {want.label} (UUID {found.backup})",
            "Does its disk still exist? Then the device path is the wrong one, or the header was overwritten: `cryptsetup luksHeaderRestore` "
            "puts the copy back. If that disk is given up, move the copy away.",
        )
    if found.unsound:
        raise Refused(
            doing, f"{place} is there and no copy of a header: {found.unsound}", "Look at it, and move it away."
        )


def copy_drift(want: LuksWant, found: Found) -> tuple[Drift, ...]:
    """A copy that does not restore this container's header: who trusts it has none. It is never written over."""
    told = f"no copy of a header: {found.unsound}" if found.unsound else ""
    if found.backup and found.header is not None and found.backup != found.header.uuid:
        told = f"the copy of another container's header (UUID {found.backup})"
    remedy = "Move it away, and run again: the header is copied anew."
    return (Drift(KIND, want.object, told, luks_state.backup_path(want), remedy),) if told else ()


def require_formattable(want: LuksWant, found: Found) -> None:
    """Consent and proof, both."""
    doing = f"make the container {want.object}"
    if found.unread is not None and found.unread.remedy != unread.WIPE:
        raise Refused(doing, f"{found.unread.found}, and a target cannot be encrypted in place", found.unread.remedy)
    if not want.format:
        raise Refused(
            doing,
            "there is none on it, and no consent to make one",
            f"Write `format: true` for exactly this target ({want.label}, {want.device}); it is formatted only if it is proven blank.",
        )
    if found.header is not None:
        raise Refused(doing, f"there is {found.header.text} now", "Somebody else made it; find out who.")
    blank.require_blank(found.evidence or Evidence(want.device), doing, found.node)
    least = cryptsetup.OFFSET + blank.MINIMUM_SIZE
    if found.size < least:
        raise Refused(
            doing, f"it has {found.size} bytes, fewer than the {least} that header and target need", blank.FREE
        )


def require_key(want: LuksWant, found: Found, new: bool) -> None:
    """There is a key, nothing contradicts it, and (for a new container) it is where it outlasts a boot."""
    doing = f"{'make' if new else 'open'} the container {want.object}"
    file, given = found.key, luks_state.digest(want.key)
    if file.problem:
        raise Refused(
            doing,
            f"the key file {want.key_file} cannot be used: {file.problem}",
            "It must be a regular file of root's with mode 0600 and a random key of 32 bytes or more. If others could read it, the key is known.",
        )
    if file.digest and given and file.digest != given:
        raise Refused(
            doing,
            f"{want.key_file} holds another key than the one that was given",
            "A key file is never written over: it may be the only copy. Find out which one is right, and move the other away.",
        )
    if not file.exists and not given and not want.key_name:
        raise Refused(
            doing,
            f"there is no key file {want.key_file}",
            "Put it there, or give the key (lustre_luks_keys of a vault).",
        )
    place = luks_state.passing(found.key_in)
    if place:
        raise Refused(
            doing,
            f"the key file {want.key_file} is no safe place: {place}",
            "Keep keys on the node's own disk, as in /etc/lustre.",
        )


def require_same_key(want: LuksWant, now: Found, before: Found) -> None:
    """Right before a format: the key can be read back from its file, and is the one of the plan."""
    planned = luks_state.digest(want.key) or before.key.digest
    if not now.key.digest or now.key.digest != planned or luks_state.passing(now.key_in):
        found = now.key.problem or ("it holds another key" if now.key.exists else "it is not there")
        raise Refused(
            f"make the container {want.object}",
            f"its key cannot be read back from {want.key_file}: {found}",
            "Nothing was formatted. Find out what changes this file.",
        )


def keep(want: LuksWant, found: Found) -> list[Step]:
    """The step that writes a key file, where there is none and the key is known (or the role has it)."""
    if found.key.exists or not (want.key or want.key_name):
        return []
    if not want.key:
        reason = f"the key {want.key_name} is to be at hand on this node, for the boot"
        return [Step(KIND, "keep", want.key_file, reason)]
    write = FileWrite(want.key_file, want.key, 0o600, exact=True)
    return [Step(KIND, "keep", want.key_file, "the key is to be at hand on this node, for the boot", write=write)]


def require_still_missing(step: Step, local: Local) -> None:
    if step.write is None:
        raise Refused(
            f"write {step.object}",
            "the key was not given, only its name",
            "The role lustre_storage has it from lustre_luks_keys, as the playbook lustre.core.site runs it.",
        )
    if local.exists(step.object):
        raise Refused(f"write {step.object}", "somebody has just put a file there", _AGAIN)


def key_drift(want: LuksWant, found: Found, opens: bool) -> tuple[Drift, ...]:
    """A key file that the next boot needs, and that this run neither has nor can write."""
    file, given = found.key, luks_state.digest(want.key)
    told, remedy = "", ""
    if opens:
        return ()
    if not file.exists and not given and not want.key_name:
        told, remedy = "no key file", "Put it back from where it is kept, before this node boots again."
    elif file.problem:
        told, remedy = (
            f"a key file that cannot be used: {file.problem}",
            "Correct it; if others could read it, the key is known.",
        )
    elif file.digest and given and file.digest != given:
        told, remedy = (
            "a key file with another key than the given one",
            "It is never written over: find out which one is right.",
        )
    return (Drift(KIND, want.object, told, want.key_file, remedy),) if told else ()


def of_new(error: ToolError) -> ToolError:
    """A container that nobody has used is not one whose key must be found."""
    if error.rc != cryptsetup.NO_KEY:
        return error
    remedy = (
        "Its format was ended half-way (it has no key then), or its key was another one. It is marked as new, so nobody has used it: wipe the "
        "device by hand (blkdiscard, or wipefs -a and zeros over its first and last MiB), and run again."
    )
    return ToolError(error.wanted, error.argv, error.rc, error.out, error.err, None, remedy)


def require_untouched(want: LuksWant, evidence: Evidence, size: int) -> None:
    """What is open is new: everybody who can tell says that there is nothing on it, and only its noise may be seen."""
    told = [f"{one.probe}: {one.found}" for one in blank.judge(evidence) if one.probe != "content"]
    ends = evidence.answers.get("content")
    if ends is None and not told:
        told = ["it cannot be read"]
    elif ends is not None and ends.size != size:
        told.append(f"it has {ends.size} bytes, where a new container here has {size}")
    if told:
        raise Refused(f"fill the ends of {want.mapping} with zeros", "; ".join(told), unread.KEEP)


def boot_plan(wants: Sequence[LuksWant], have: Have) -> Plan:
    """The lines of crypttab, by which systemd opens the containers before it mounts what is on them."""
    lines, wanted = crypttab.entries(have.crypttab), {}
    for want in wants:
        wanted[want.name] = _line(want, have, lines)
    text = crypttab.edit(have.crypttab, wanted)
    if wanted and have.systemd and not have.generator:
        raise Refused(
            "have containers opened at boot",
            "systemd's generator for crypttab is not installed on this node",
            "Install the package that has it (systemd-cryptsetup on Debian 13, systemd-udev on EL), then run again.",
        )
    if text == have.crypttab:
        return Plan()
    reason = f"the boot is to open {', '.join(name for name in wanted if lines.get(name) != wanted[name])}"
    steps = [Step(KIND, "boot", crypttab.PATH, reason, write=FileWrite(crypttab.PATH, text, 0o600))]
    if have.systemd:
        steps.append(
            Step(
                KIND,
                "reload",
                "systemd",
                f"its units are made of {crypttab.PATH}",
                systemctl.DAEMON_RELOAD,
                timeout=60.0,
            )
        )
    return Plan(tuple(steps))


def tries(wants: Sequence[LuksWant], have: Have, kept: set[str]) -> list[Step]:
    """What is open already was opened by somebody else: its key file is tried before the boot is left to it."""
    lines, steps = crypttab.entries(have.crypttab), []
    for want in wants:
        found, old = have.found[want.label], lines.get(want.name)
        new = want.key_file in kept
        if found.opened is None or not (new or found.key.digest):
            continue
        line = _line(want, have, lines)
        if new or old is None or crypttab.merged(old, line) != old:
            reason = f"it is open, and nobody has seen yet that {want.key_file} opens it, as the next boot will have to"
            argv = cryptsetup.try_argv(want.device, want.key_file)
            steps.append(Step(KIND, "try", want.object, reason, argv, timeout=cryptsetup.TIMEOUT))
    return steps


def of_try(error: ToolError) -> ToolError:
    remedy = (
        "It is open now, and would stay closed at the next boot. Find the key that belongs to it, or add this one (`cryptsetup luksAddKey`). "
        "If this run wrote the key file (`keep`), move that away: the key in the vault is another one."
    )
    return ToolError(error.wanted, error.argv, error.rc, error.out, error.err, None, remedy)


def _line(want: LuksWant, have: Have, lines: dict[str, Line]) -> Line:
    """The wanted line; Refused where the name is another device's, or the device is opened by another name."""
    found, old = have.found[want.label], lines.get(want.name)
    uuid = f"UUID={found.header.uuid}" if found.header is not None else ""
    own = {want.device, uuid}
    for name, line in lines.items():
        same = line.device in own or have.leads.get(line.device) == found.node.number
        if (name == want.name) == same:
            continue
        gone = name == want.name and line.device.startswith("/") and line.device not in have.leads
        told = f"the line of {name} is for {line.device}" + (", which does not exist" if gone else "")
        raise Refused(
            f"write the line of {want.name} into {crypttab.PATH}",
            told if name == want.name else f"{told}, the same device",
            "Correct or remove that line yourself, or choose another name.",
        )
    device = old.device if old is not None and uuid and old.device == uuid else want.device
    return Line(want.name, device, want.key_file, crypttab.OPTIONS)
