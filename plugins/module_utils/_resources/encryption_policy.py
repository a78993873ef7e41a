# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories of mounted file systems: encrypted, unlocked, locked.

What is encrypted with a key that nobody has is lost, so the order is always: the key is
kept, what it is for is written down, the key file is read back, the kernel gets the key and
says the identifier that was computed, and only then an empty directory gets its policy.
Where a key is only named (``key_name``: the role lustre_encryption has it), a look plans what the role will do, and a run
that needs the key is refused.  A key file is never written over. Root may set a policy whose key the kernel has never seen
(Linux 6.18, tried on ext4), so nothing but this order protects.
"""

from __future__ import annotations

import stat
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt import KeyFile, Seen
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import encryption_record as record
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import (
    NOT_GRANTED,
    Have,
    Local,
    granted,
    identifier,
    public,
    why_refused,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import EncryptionWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "encryption"
GONE_AT_BOOT = ("tmpfs", "ramfs")


class EncryptionResource:
    """See the Resource protocol.  ``provisional``: plans on a mount that an earlier step of the same run will make."""

    kind = KIND
    settle = 0.0

    def __init__(self, wants: Sequence[EncryptionWant], local: Local | None = None, provisional: bool = False) -> None:
        self.wants, self.local, self.provisional = tuple(wants), local or Local(), provisional
        self._by_path = {want.path: want for want in self.wants}
        self._planned: Have | None = None

    # What is

    def have(self, run: Runner) -> Have:
        have = self._look(run, self.wants)
        self._planned = have
        return have

    def _look(self, run: Runner, wants: Sequence[EncryptionWant]) -> Have:
        # First the look, then the table: the look is what makes an automount come.
        look = fscrypt.look(
            run,
            [want.path for want in wants],
            list(dict.fromkeys(want.key_file for want in wants if want.key_file)),
            [want.path for want in wants if want.state == "locked"],
        )
        table = mounts.parse_mounts(self.local.table())
        names = sorted(filter(None, {identifier(want, look) for want in wants}))
        records = {name: self.local.record(record.path(name)) for name in names}
        asked = any(look.directories[want.path].policy is None for want in wants)
        return Have(look, table, records, granted(run) if asked else {})

    # What is to be done

    def plan(self, have: Have) -> Plan:
        plan = plan_each(
            self.wants,
            lambda want: self._prepare(want, have),
            "touch any encrypted directory of this node",
            "Nothing was changed.",
        )
        steps = (*self._records(have), *plan.steps, *self._locks(have))
        seen: dict[tuple[str, ...], Step] = {}
        for step in steps:
            seen.setdefault(self._sense(step, have), step)
        return Plan(tuple(seen.values()), plan.drift)

    def _sense(self, step: Step, have: Have) -> tuple[str, ...]:
        """What a step is good for: directories may share a key file and, on one mount, the key itself."""
        want, entry = self._by_path.get(step.object), have.entry(step.object)
        if step.action == "unlock" and want is not None and entry is not None:
            return (step.action, identifier(want, have.look) or want.key_name, entry.path)
        return (step.action, step.object)

    def _prepare(self, want: EncryptionWant, have: Have) -> Plan:
        """Everything of one directory but the lock."""
        seen = self._place(want, have)
        name = identifier(want, have.look)
        if seen.policy is not None:
            name = self._same_key(want, seen, name, have)
        elif want.state == "locked":
            if self.provisional and not seen.exists:
                return Plan()
            raise Refused(f"lock {want.path}", "it is not encrypted", "Encrypt it first: state encrypted.")
        else:
            self._encryptable(want, seen, have)
        opens = seen.policy is None or (want.state == "unlocked" and seen.key != "present")
        if opens:
            self._usable_key(want, have, new=seen.policy is None)
        steps = [*self._keep(want, have), *self._own(want, seen)]
        if opens:
            steps.append(self._unlock(want, name, seen, have))
        if seen.policy is None:
            reason = "it is empty and not encrypted" if seen.exists else "it is new"
            steps.append(self._encrypt(want, name, reason))
        return Plan(tuple(steps), tuple(self._drift(want, have, opens)))

    def _place(self, want: EncryptionWant, have: Have) -> Seen:
        """The directory, in the file system it must lie in."""
        entry, seen = have.entry(want.path), have.look.directories[want.path]
        if any(mount.path == want.path and mount.client is not None for mount in have.table):
            raise Refused(f"encrypt {want.path}", "it is the root of the mount", "Encrypt a directory below it.")
        client = entry.client if entry is not None else None
        outside = client is None or (want.fsname and client.fsname != want.fsname)
        if outside and self.provisional:
            return Seen(False)
        if entry is None or client is None or outside:
            self._refuse_outside(want, entry)
        if seen.exists and not stat.S_ISDIR(seen.mode):
            raise Refused(f"encrypt {want.path}", "something else is there", "Look at it, and move it if it may go.")
        if seen.exists and seen.real != want.path:
            raise Refused(f"encrypt {want.path}", f"the path leads to {seen.real}", "Name the directory itself.")
        return seen

    def _refuse_outside(self, want: EncryptionWant, entry: mounts.MountEntry | None) -> None:
        client = entry.client if entry is not None else None
        found = f"it lies in the file system {client.fsname}" if client else "no Lustre file system is mounted there"
        raise Refused(
            f"encrypt {want.path}", found, f"Mount {want.fsname or 'the file system'} on this node as a client first."
        )

    def _same_key(self, want: EncryptionWant, seen: Seen, name: str, have: Have) -> str:
        """The identifier of the directory's policy; Refused when another policy or key is wanted."""
        policy = seen.policy
        if policy is None:
            return name
        wanted = (want.contents, want.filenames)
        if (policy.contents, policy.filenames) != wanted:
            raise Refused(
                f"encrypt {want.path}",
                f"it is encrypted with {policy.contents} and {policy.filenames}, wanted are {wanted[0]} and {wanted[1]}",
                "A policy cannot be changed: make a new directory and copy the data there.",
            )
        if name and name != policy.identifier:
            place = have.look.key_files.get(want.key_file, KeyFile(False))
            source = f"{want.key_file} holds" if not want.identifier and place.identifier else "described is"
            raise Refused(
                f"open {want.path}",
                f"its key is {policy.identifier}, and {source} the key {name}",
                f"Find the key that belongs to it; {record.FOLDER} on the nodes tells which key opens which directory.",
            )
        return policy.identifier

    def _encryptable(self, want: EncryptionWant, seen: Seen, have: Have) -> None:
        """A directory that has no policy of ours: may it get one?"""
        doing, entry = f"encrypt {want.path}", have.entry(want.path)
        if seen.foreign:
            raise Refused(
                doing,
                f"it has an encryption policy that this collection does not use ({seen.foreign})",
                "Only policies of version 2 with the known modes are: copy the data to a new directory.",
            )
        if seen.refused:
            raise Refused(doing, *why_refused(seen.refused, entry, have.granted))
        fsname = entry.client.fsname if entry is not None and entry.client is not None else ""
        if not self.provisional and not have.granted.get(fsname, False):
            raise Refused(doing, *NOT_GRANTED)
        if seen.names:
            raise Refused(
                doing,
                f"it is not empty (there is {', '.join(seen.names[:3])})",
                "Only an empty directory can be encrypted: make a new one, and move the data into it.",
            )

    def _usable_key(self, want: EncryptionWant, have: Have, new: bool) -> None:
        """There is a key, nothing contradicts it, and (for a new policy) it is kept somewhere that outlasts this run."""
        doing = f"{'encrypt' if new else 'unlock'} {want.path}"
        place = have.look.key_files.get(want.key_file, KeyFile(False))
        if place.problem:
            raise Refused(
                doing,
                f"the key file {want.key_file} cannot be used: {place.problem}",
                "It must be a regular file of root's with mode 0600 and a key of 64 bytes. If others could read it, the key is known.",
            )
        if place.identifier and want.identifier and place.identifier != want.identifier:
            raise Refused(
                doing,
                f"{want.key_file} holds the key {place.identifier}, described is {want.identifier}",
                "A key file is never written over: it may be the only copy. Move it away, or correct the description.",
            )
        if self._named_only(want, place):
            return
        if not want.key and not place.identifier:
            found = f"there is no key file {want.key_file}" if want.key_file else "no key was given"
            raise Refused(doing, found, "Give key (from a vault), or key_file with a file on this node.")
        if not new:
            return
        entry = have.entry(want.key_file) if want.key_file else None
        if entry is not None and entry.client is not None:
            raise Refused(doing, f"{want.key_file} lies in a Lustre file system", "Keep keys on the node's own disk.")
        passing = not want.key_file or (entry is not None and entry.fstype in GONE_AT_BOOT)
        if passing and not want.stated:
            name = want.identifier or place.identifier
            raise Refused(
                doing,
                "nothing proves that its key is kept: it is in no file of this node that outlasts a reboot",
                f"Give key_file, too; or, when the key is safe in a vault, say identifier: {name} to prove that it is the same again.",
            )

    # Steps

    def _keep(self, want: EncryptionWant, have: Have) -> list[Step]:
        place = have.look.key_files.get(want.key_file, KeyFile(True))
        if place.exists or not (want.key or self._named_only(want, place)):
            return []
        if not want.key:
            return [Step(KIND, "keep", want.key_file, f"the key {want.key_name} is to be at hand on this node")]
        reason = f"the key {want.identifier} is to be at hand on this node"
        return [Step(KIND, "keep", want.key_file, reason, write=FileWrite(want.key_file, want.key + "\n", 0o600))]

    def _records(self, have: Have) -> list[Step]:
        """What each key opens is written down before anything is encrypted; one step per key."""
        steps = []
        for name, before in have.records.items():
            entries = {}
            for want in self.wants:
                entry, seen = have.entry(want.path), have.look.directories[want.path]
                if entry is None or entry.client is None or identifier(want, have.look) != name:
                    continue
                inside = f"{entry.client.fsname}:{entry.client.subdir}{want.path[len(entry.path.rstrip('/')) :]}"
                policy = seen.policy or want.policy(name)
                entries[inside] = record.entry(policy.text(), want.path, want.key_file)
            text = record.merged(before, name, entries) if entries else before
            if text != before:
                write = FileWrite(record.path(name), text, 0o600)
                reason = f"it is to be written down what the key {name} opens"
                steps.append(Step(KIND, "record", write.path, reason, write=write))
        return steps

    def _own(self, want: EncryptionWant, seen: Seen) -> list[Step]:
        if not seen.exists:
            owner, group = want.owner or "root", want.group or "root"
            self._id(want, "user", owner), self._id(want, "group", group)
            mode = f"{want.mode if want.mode is not None else 0o755:05o}"
            argv = ("install", "-d", "-m", mode, "-o", owner, "-g", group, "--", want.path)
            return [Step(KIND, "create", want.path, "it does not exist", argv, timeout=fscrypt.TIMEOUT)]
        steps = []
        wrong = [
            f"{noun} {found} is to be {name}"
            for noun, found, name in (("user", seen.uid, want.owner), ("group", seen.gid, want.group))
            if name is not None and self._id(want, noun, name) != found
        ]
        if wrong:
            owner = f"{want.owner or ''}{':' + want.group if want.group else ''}"
            command = ("chown", owner, "--", want.path)
            steps.append(Step(KIND, "own", want.path, ", ".join(wrong), command, timeout=fscrypt.TIMEOUT))
        mode_now = stat.S_IMODE(seen.mode)
        if want.mode is not None and mode_now != want.mode:
            reason = f"mode {mode_now:04o} is to be {want.mode:04o}"
            command = ("chmod", f"{want.mode:05o}", "--", want.path)
            steps.append(Step(KIND, "permit", want.path, reason, command, timeout=fscrypt.TIMEOUT))
        return steps

    def _id(self, want: EncryptionWant, noun: str, name: str) -> int:
        try:
            return int(name) if name.isdigit() else (self.local.uid if noun == "user" else self.local.gid)(name)
        except KeyError:
            found = f"there is no {noun} {name} on this node"
            raise Refused(f"give {want.path} away", found, "Add it here, or write its number.") from None

    def _named_only(self, want: EncryptionWant, place: KeyFile) -> bool:
        """Whether the key is known by name alone; Refused where that is not enough."""
        if not want.key_name or want.key or place.identifier:
            return False
        if not self.provisional:
            raise Refused(
                f"open {want.path}",
                f"its key {want.key_name} was not given",
                "The role lustre_encryption has it from lustre_encryption_keys, as the playbook lustre.core.site runs it.",
            )
        return True

    def _encrypt(self, want: EncryptionWant, name: str, reason: str) -> Step:
        if not name:
            return Step(KIND, "encrypt", want.path, f"{reason}; key {want.key_name}")
        return _ioctl("encrypt", want.path, f"{reason}; key {name}", policy=want.policy(name).text())

    def _unlock(self, want: EncryptionWant, name: str, seen: Seen, have: Have) -> Step:
        if self._named_only(want, have.look.key_files.get(want.key_file, KeyFile(False))):
            return Step(KIND, "unlock", want.path, f"its key is not there ({name or want.key_name})")
        source = ("key_file", want.key_file) if want.key_file else ("key", want.key)
        reason = "its key is not there" if seen.policy is None else f"its key is {seen.key}"
        return _ioctl("unlock", want.path, f"{reason} ({name})", identifier=name, source=source)

    def _locks(self, have: Have) -> list[Step]:
        """One step per key and mount: a key that is removed closes all that it opens there."""
        steps: list[Step] = []
        done: set[tuple[str, str]] = set()
        for want in self.wants:
            seen, entry = have.look.directories[want.path], have.entry(want.path)
            if want.state != "locked" or seen.policy is None or entry is None:
                continue
            name = seen.policy.identifier
            shared = [
                other.path
                for other in self.wants
                if (other.state == "unlocked" or have.look.directories[other.path].policy is None)
                and identifier(other, have.look) == name
                and have.entry(other.path) == entry
            ]
            if shared:
                raise Refused(
                    f"lock {want.path}",
                    f"{shared[0]} has the same key on the same mount, and is to be unlocked",
                    "A key opens all its directories or none: give them keys of their own.",
                )
            if seen.key == "absent":
                continue
            if seen.busy:
                half = "its key is removed in part, and " if seen.key == "incomplete" else ""
                raise Refused(
                    f"lock {want.path}",
                    f"{half}files in it are in use: {', '.join(seen.busy)}",
                    "End these programs first: what they have open would stay readable.",
                )
            if (name, entry.path) not in done:
                reason = "its key is there" if seen.key == "present" else "its key is removed in part only"
                more = f", {seen.users} users added it" if seen.users > 1 else ""
                steps.append(_ioctl("lock", want.path, f"{reason} ({name}{more})", True, identifier=name))
            done.add((name, entry.path))
        return steps

    def _drift(self, want: EncryptionWant, have: Have, opens: bool) -> list[Drift]:
        """A key file that is needed at the next boot, and that this run neither has nor can write."""
        place = have.look.key_files.get(want.key_file, KeyFile(True))
        found, wanted, remedy = "", want.key_file, ""
        if not place.exists and not want.key and not want.key_name:
            found, remedy = "no key file", "Put it back from where it is kept, before this node boots again."
        elif place.problem:
            found = f"a key file that cannot be used: {place.problem}"
            remedy = "Correct it; if others could read it, the key is known to them."
        elif place.identifier and want.identifier and place.identifier != want.identifier:
            found, wanted = f"a key file with the key {place.identifier}", f"{want.key_file} with {want.identifier}"
            remedy = "A key file is never written over: move it away, or correct the description."
        return [Drift(KIND, want.path, found, wanted, remedy)] if found and not opens else []

    def public(self, have: Have) -> Mapping[str, Any]:
        return {"directories": [public(want, have) for want in self.wants]}

    # The last guards

    def check_step(self, step: Step, run: Runner) -> None:
        """The mount is still that of the plan; before a policy is set, the key can be read back; a key file is still missing."""
        if step.action == "record":
            return
        if step.action == "keep":
            want = next(want for want in self.wants if want.key_file == step.object)
            now = fscrypt.look(run, [], [want.key_file]).key_files[want.key_file]
            if now.exists:
                raise Refused(
                    f"write {want.key_file}", "somebody has just put a file there", "Run again: it is read first."
                )
            return
        want = self._by_path[step.object]
        table = mounts.parse_mounts(self.local.table())
        entry = mounts.deepest(table, want.path)
        if entry is None or entry.client is None or self._planned is None or entry != self._planned.entry(want.path):
            self._refuse_outside(want, entry if entry is None or entry.client is None else None)
        if step.action == "encrypt":
            self._read_back(want, run)

    def _read_back(self, want: EncryptionWant, run: Runner) -> None:
        look = fscrypt.look(run, [want.path], [want.key_file] if want.key_file else [])
        seen = look.directories[want.path]
        place = look.key_files[want.key_file] if want.key_file else None
        planned = identifier(want, self._planned.look) if self._planned is not None else ""
        if place is not None and (not place.identifier or place.identifier != planned):
            found = place.problem or (f"it holds {place.identifier}" if place.exists else "it is not there")
            raise Refused(
                f"encrypt {want.path}",
                f"its key cannot be read back from {want.key_file}: {found}",
                "Nothing was encrypted. Find out what changes this file.",
            )
        # Another host of the same description may have been faster: its policy is ours.
        if seen.policy is not None and seen.policy == want.policy(planned):
            return
        if not seen.exists or seen.policy is not None or seen.foreign or seen.names:
            raise Refused(
                f"encrypt {want.path}",
                "it is no longer the empty directory of the plan",
                "Run again: it is read first.",
            )

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        wanted = f"{step.action} {step.object}"
        if step.action in ("encrypt", "unlock", "lock"):
            return fscrypt.failed(wanted, step.argv, rc, out, err)
        remedy = "If root is squashed for this client, do it on one where it is not." if "ermi" in err else ""
        return ToolError(wanted, step.argv, rc, out, err, remedy=remedy)

    def timed_out(self, step: Step) -> str:
        return "Do the servers of this file system answer (lfs check all)?"


def _ioctl(
    action: str, path: str, reason: str, disruptive: bool = False, source: tuple[str, str] | None = None, **more: str
) -> Step:
    request = {"do": action, "path": path, **more, **(dict([source]) if source else {})}
    return Step(
        KIND,
        action,
        path,
        reason,
        fscrypt.argv(action, path),
        stdin=fscrypt.program(request),
        disruptive=disruptive,
        timeout=fscrypt.LOCK_TIMEOUT if action == "lock" else fscrypt.TIMEOUT,
    )
