# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories with a protector, by the program fscrypt.

The program makes a directory's key, and keeps it wrapped in ``MOUNT/.fscrypt``: whoever loses those files has lost the data,
whatever secrets are left. So a new directory stays locked until they are copied to the node, and only then is opened, by the
secret that is kept; nothing is opened whose files have no copy here. Files that are lost are put back from the copy, first.
What the kernel says (policy, key, emptiness) is asked as for other directories, and so is a lock carried out.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_files, fscrypt_program
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt import KeyFile, Seen
from ansible_collections.lustre.core.plugins.module_utils._cli.mounts import MountEntry
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite, Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import (
    GONE_AT_BOOT,
    KIND,
    EncryptionResource,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program_state import (
    GET_PROGRAM,
    OR_NONE,
    Program,
    ProgramHave,
    ProgramLocal,
    drop_in,
    program_on,
    public_program,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_protector import (
    chosen,
    config_of,
    missing_files,
    protector_words,
    require_config,
    to_restore,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import Have
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import (
    EncryptionWant,
    passphrase_of,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

CONFIG = fscrypt_program.CONFIG
#: All steps of a run in this order: first what keeps secrets and metadata, then what could not be without them.
ORDER = (
    "keep",
    "configure",
    "set up",
    "restore",
    "boot",
    "reload",
    "create",
    "own",
    "encrypt",
    "back up",
    "unlock",
    "permit",
    "lock",
)
#: What the program itself gives a directory that it has encrypted.
_MODE_AFTER = 0o700


class ProgramResource(EncryptionResource):
    """See the Resource protocol; all ``wants`` have a protector."""

    def __init__(
        self, wants: Sequence[EncryptionWant], local: ProgramLocal | None = None, provisional: bool = False
    ) -> None:
        self.node = local or ProgramLocal()
        super().__init__(wants, self.node, provisional)

    # What is

    def have(self, run: Runner) -> ProgramHave:
        base = self._look(run, [replace(want, key_file="") for want in self.wants])
        secrets = {want.key_file: self.node.secret(want.key_file) for want in self.wants if want.key_file}
        places = {path: KeyFile(one.exists, "", one.problem) for path, one in secrets.items()}
        have = ProgramHave(
            replace(base.look, key_files=places),
            base.table,
            {},
            base.granted,
            {},
            secrets,
            self.node.record(CONFIG),
            {want.path: self.node.record(drop_in(want)[0]) for want in self.wants if want.key_file},
        )
        have = replace(have, programs=self._programs(run, have))
        self._planned = have
        return have

    def _programs(self, run: Runner, have: Have) -> dict[str, Program]:
        mounts: dict[str, tuple[str, list[str]]] = {}
        for want in self.wants:
            entry = have.entry(want.path)
            if entry is None or entry.client is None:
                continue
            paths = mounts.setdefault(entry.path, (entry.client.fsname, []))[1]
            if have.look.directories[want.path].policy is not None:
                paths.append(want.path)
        metadata = fscrypt_files.look(run, mounts) if mounts else {}
        return {mount: program_on(run, mount, metadata[mount]) for mount in mounts}

    # What is to be done

    def plan(self, have: Have) -> Plan:
        if not isinstance(have, ProgramHave):
            raise TypeError("not what have() gave")
        plan = plan_each(
            self.wants,
            lambda want: self._directory(want, have),
            "touch any encrypted directory of this node",
            "Nothing was changed.",
        )
        once: dict[tuple[str, str], Step] = {}
        for step in sorted((*plan.steps, *self._locks(have)), key=lambda step: ORDER.index(step.action)):
            once.setdefault((step.action, step.object), step)
        return Plan(tuple(once.values()), plan.drift)

    def _directory(self, want: EncryptionWant, have: ProgramHave) -> Plan:
        seen = self._place(want, have)
        if seen.policy is None and want.state == "locked":
            if self.provisional and not seen.exists:
                return Plan()
            raise Refused(f"lock {want.path}", "it is not encrypted", "Encrypt it first: state encrypted.")
        entry = have.entry(want.path)
        program = have.programs.get(entry.path) if entry is not None else None
        if program is not None and program.problem and want.state != "locked":
            if seen.policy is None:
                raise Refused(f"encrypt {want.path}", program.problem, GET_PROGRAM + OR_NONE)
            raise Refused(f"open {want.path}", program.problem, f"{GET_PROGRAM}: nothing else opens this directory.")
        opens = seen.policy is None or (want.state == "unlocked" and seen.key != "present")
        if opens:
            self._usable_secret(want, have, new=seen.policy is None)
        steps = [*self._keep_secret(want, have), *self._boot(want, have)]
        if seen.policy is None:
            steps += self._new(want, seen, have, entry, program)
        elif entry is not None and program is not None:
            steps += self._known(want, seen, have, entry, program)
        return Plan(tuple(steps), tuple(self._drift(want, have, opens)))

    def _new(
        self,
        want: EncryptionWant,
        seen: Seen,
        have: ProgramHave,
        entry: MountEntry | None,
        program: Program | None,
    ) -> list[Step]:
        self._encryptable(want, seen, have)
        require_config(want, config_of(want, have.config))
        steps = self._own(replace(want, mode=_MODE_AFTER) if not seen.exists else replace(want, mode=None), seen)
        reason = "it is empty and not encrypted" if seen.exists else "it is new"
        if entry is None or program is None:
            steps.append(self._encrypt_step(want, have, reason, ()))
        else:
            steps += self._ground(want, have, entry, program)
            steps.append(self._encrypt_step(want, have, reason, protector_words(want, entry, program)))
            steps.append(self._backup(entry))
        there = entry if program is not None else None
        steps.append(self._unlock_step(want, have, there, "", "it is locked until its metadata have a copy"))
        if want.mode not in (None, _MODE_AFTER):
            command = ("chmod", f"{want.mode:05o}", "--", want.path)
            reason = f"mode {_MODE_AFTER:04o} is to be {want.mode:04o}"
            steps.append(Step(KIND, "permit", want.path, reason, command, timeout=fscrypt.TIMEOUT))
        return steps

    def _known(
        self, want: EncryptionWant, seen: Seen, have: ProgramHave, entry: MountEntry, program: Program
    ) -> list[Step]:
        policy = self._same_key(want, seen, "", have)
        missing = to_restore(want, entry, program, policy)
        opens = want.state == "unlocked" and seen.key != "present"
        steps = self._own(want, seen)
        if missing or opens:
            steps += self._ground(want, have, entry, program)
        if missing:
            steps.append(self._restore(entry, program))
        files = program.metadata.files
        if any(files[name].live == "sound" and not files[name].same for name in program.metadata.of(policy)):
            steps.append(self._backup(entry))
        descriptor = chosen(want, entry, program, policy)
        if opens:
            steps.append(self._unlock_step(want, have, entry, descriptor, f"its key is {seen.key} ({policy})"))
        return steps

    def _usable_secret(self, want: EncryptionWant, have: ProgramHave, new: bool) -> None:
        """There is a secret, nothing contradicts it, and (for a new directory) it is kept where it outlasts this run."""
        doing, secret = f"{'encrypt' if new else 'open'} {want.path}", have.secret(want)
        problem = secret.unfit(want.protector)
        if problem:
            raise Refused(
                doing,
                f"the key file {want.key_file} cannot be used: {problem}",
                "It must be a regular file of root's with mode 0600, of 32 bytes (raw_key) or one line (custom_passphrase).",
            )
        if secret.exists and want.key and not secret.same(want):
            raise Refused(
                doing,
                f"{want.key_file} holds another secret than the one that was given",
                "A key file is never written over: it may be the only copy. Move it away, or correct what is given.",
            )
        if not self._named_only(want, have.look.key_files.get(want.key_file, KeyFile(False))) and not (
            want.key or secret.exists
        ):
            found = f"there is no key file {want.key_file}" if want.key_file else "no key was given"
            raise Refused(doing, found, "Give key (from a vault), or key_file with a file on this node.")
        if not new:
            return
        place = have.entry(want.key_file) if want.key_file else None
        if place is not None and place.client is not None:
            raise Refused(doing, f"{want.key_file} lies in a Lustre file system", "Keep keys on the node's own disk.")
        if not want.key_file or (place is not None and place.fstype in GONE_AT_BOOT):
            raise Refused(
                doing,
                "nothing proves that its secret is kept: it is in no file of this node that outlasts a reboot",
                "Give key_file, too. When the directory is encrypted and the secret is safe elsewhere, the file may go.",
            )

    def _named_only(self, want: EncryptionWant, place: KeyFile) -> bool:
        """As for other keys; a file that is there has no identifier here, and counts all the same."""
        return super()._named_only(want, replace(place, identifier="there" if place.exists else ""))

    # The node's own files

    def _ground(self, want: EncryptionWant, have: ProgramHave, entry: MountEntry, program: Program) -> list[Step]:
        """The program's configuration on the node, and its folders on the mount."""
        steps = []
        if not have.config:
            words, reason = fscrypt_program.setup_host(), "the program has no configuration"
            steps.append(Step(KIND, "configure", CONFIG, reason, words, timeout=fscrypt_program.SETUP_TIMEOUT))
        elif config_of(want, have.config).version != "2":
            write = FileWrite(CONFIG, fscrypt_program.with_version_2(have.config))
            reason = f"policy_version {config_of(want, have.config).version} is to be 2: Lustre takes no other"
            steps.append(Step(KIND, "configure", CONFIG, reason, write=write))
        if program.status is None:
            words = fscrypt_program.setup(entry.path)
            steps.append(_program_step("set up", entry.path, "it has no metadata of fscrypt", words))
        return steps

    def _keep_secret(self, want: EncryptionWant, have: ProgramHave) -> list[Step]:
        if not want.key_file or have.secret(want).exists or not (want.key or want.key_name):
            return []
        reason = "the secret is to be at hand on this node"
        if not want.key:
            return [Step(KIND, "keep", want.key_file, f"{reason} ({want.key_name})")]
        return [Step(KIND, "keep", want.key_file, reason, write=FileWrite(want.key_file, want.secret, 0o600))]

    def _boot(self, want: EncryptionWant, have: ProgramHave) -> list[Step]:
        path, text = drop_in(want)
        if not want.key_file or have.drop_ins[want.path] == text:
            return []
        words = ("systemctl", "daemon-reload")
        return [
            Step(KIND, "boot", path, "its unit is to open it by the program", write=FileWrite(path, text)),
            Step(KIND, "reload", "systemd", "a unit is new or different", words),
        ]

    # Steps

    def _encrypt_step(self, want: EncryptionWant, have: ProgramHave, reason: str, protector: tuple[str, ...]) -> Step:
        if not protector or self._unknown(want, have):
            return Step(KIND, "encrypt", want.path, reason)
        file = want.key_file if want.protector == "raw_key" else ""
        words = fscrypt_program.encrypt(want.path, protector, file)
        return _program_step("encrypt", want.path, reason, words, self._stdin(want, have))

    def _unlock_step(
        self, want: EncryptionWant, have: ProgramHave, entry: MountEntry | None, descriptor: str, reason: str
    ) -> Step:
        if entry is None or self._unknown(want, have):
            return Step(KIND, "unlock", want.path, reason)
        file = want.key_file if want.protector == "raw_key" else ""
        words = fscrypt_program.unlock(want.path, entry.path, descriptor, file)
        return _program_step("unlock", want.path, reason, words, self._stdin(want, have))

    def _unknown(self, want: EncryptionWant, have: ProgramHave) -> bool:
        """A look without keys plans what the role will do with them."""
        return not want.key and not have.secret(want).exists

    def _stdin(self, want: EncryptionWant, have: ProgramHave) -> str | None:
        if want.protector == "raw_key":
            return None
        return f"{want.key or passphrase_of(have.secret(want).content)}\n"

    def _backup(self, entry: MountEntry) -> Step:
        fsname, planned = entry.client.fsname if entry.client is not None else "", self._planned
        paths = [want.path for want in self.wants if planned is not None and planned.entry(want.path) == entry]
        words, stdin = fscrypt_files.backup(entry.path, fsname, paths)
        reason = f"its metadata are to have a copy in {fscrypt_files.folder_of(fsname)}"
        return Step(KIND, "back up", f"{entry.path}/.fscrypt", reason, words, stdin, timeout=fscrypt.TIMEOUT)

    def _restore(self, entry: MountEntry, program: Program) -> Step:
        fsname = entry.client.fsname if entry.client is not None else ""
        names = [name for policy in program.metadata.policies.values() for name in missing_files(program, policy)]
        words, stdin = fscrypt_files.restore(entry.path, fsname, list(dict.fromkeys(names)))
        reason = f"these are missing, and {fscrypt_files.folder_of(fsname)} has them: {', '.join(dict.fromkeys(names))}"
        return Step(KIND, "restore", f"{entry.path}/.fscrypt", reason, words, stdin, timeout=fscrypt.TIMEOUT)

    def public(self, have: Have) -> Mapping[str, Any]:
        if not isinstance(have, ProgramHave):
            raise TypeError("not what have() gave")
        return {"directories": [public_program(want, have, self._told(want, have)) for want in self.wants]}

    def _told(self, want: EncryptionWant, have: ProgramHave) -> str:
        seen, entry = have.look.directories[want.path], have.entry(want.path)
        program = have.programs.get(entry.path) if entry is not None else None
        if (
            entry is None
            or seen.policy is None
            or program is None
            or f"policies/{seen.policy.identifier}" not in program.metadata.files
        ):
            return ""
        try:
            return chosen(want, entry, program, seen.policy.identifier)
        except Refused:
            return ""

    # The last guards

    def check_step(self, step: Step, run: Runner) -> None:
        """Nothing is encrypted whose secret cannot be read, nothing opened whose metadata have no copy here."""
        if step.action in ("configure", "boot", "reload"):
            return
        if step.action == "keep":
            if self.node.secret(step.object).exists:
                raise Refused(
                    f"write {step.object}", "somebody has just put a file there", "Run again: it is read first."
                )
            return
        wants = [want for want in self.wants if want.path == step.object] or list(self.wants)
        for want in wants:
            super().check_step(replace(step, action="see", object=want.path), run)
        if step.action == "encrypt":
            self._still_so(wants[0], run)
        if step.action == "unlock":
            self._copied(wants[0], run)

    def _still_so(self, want: EncryptionWant, run: Runner) -> None:
        doing, secret = f"encrypt {want.path}", self.node.secret(want.key_file)
        if not secret.exists or secret.unfit(want.protector) or (want.key and not secret.same(want)):
            found = secret.unfit(want.protector) or ("it is another one" if secret.exists else "it is not there")
            raise Refused(
                doing,
                f"its secret cannot be read back from {want.key_file}: {found}",
                "Nothing was encrypted. Find out what changes this file.",
            )
        config = config_of(want, self.node.record(CONFIG))
        require_config(want, config)
        if config.version != "2":
            raise Refused(doing, f"{CONFIG} says policy_version {config.version}", "Run again: it is set to 2.")
        seen = fscrypt.look(run, [want.path], []).directories[want.path]
        if not seen.exists or not stat.S_ISDIR(seen.mode) or seen.policy is not None or seen.foreign or seen.names:
            raise Refused(doing, "it is no longer the empty directory of the plan", "Run again: it is read first.")

    def _copied(self, want: EncryptionWant, run: Runner) -> None:
        entry = self._planned.entry(want.path) if self._planned is not None else None
        if entry is None or entry.client is None:
            return
        metadata = fscrypt_files.look(run, {entry.path: (entry.client.fsname, [want.path])})[entry.path]
        names = metadata.of(metadata.policies[want.path])
        bare = [name for name in names if metadata.files[name].live == "sound" and not metadata.files[name].same]
        if not names or metadata.files[names[0]].live != "sound" or bare:
            raise Refused(
                f"open {want.path}",
                f"its metadata ({', '.join(bare or names) or 'none'}) have no copy on this node",
                "Run again: they are copied first.",
            )

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        wanted = f"{step.action} {step.object}"
        if step.argv[0] == fscrypt_program.PROGRAM:
            return fscrypt_program.failed(wanted, step.argv, rc, out, err)
        if step.action in ("back up", "restore"):
            return fscrypt.failed(wanted, step.argv, rc, out, err)
        return super().tool_error(step, rc, out, err)


def _program_step(action: str, thing: str, reason: str, words: tuple[str, ...], stdin: str | None = None) -> Step:
    return Step(KIND, action, thing, reason, words, stdin, timeout=fscrypt_program.TIMEOUT)
