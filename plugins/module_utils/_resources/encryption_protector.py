# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which protector of the program fscrypt opens a directory, which of its files are lost, and what its configuration says."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_files, fscrypt_program
from ansible_collections.lustre.core.plugins.module_utils._cli.mounts import MountEntry
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program_state import Program
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import EncryptionWant

CONFIG = fscrypt_program.CONFIG


def missing_files(program: Program, policy: str) -> list[str]:
    """Files of a policy that are not on the mount, and of which this node has a sound copy."""
    files = program.metadata.files
    return [
        name for name in program.metadata.of(policy) if files[name].live == "missing" and files[name].copy == "sound"
    ]


def to_restore(want: EncryptionWant, entry: MountEntry, program: Program, policy: str) -> list[str]:
    """The same; Refused when something is lost that no directory can be opened without."""
    files, name = program.metadata.files, f"policies/{policy}"
    fsname = entry.client.fsname if entry.client is not None else ""
    file = files[name]
    if file.live not in ("sound", "missing"):
        raise Refused(
            f"open {want.path}",
            f"{entry.path}/.fscrypt/{name} cannot be used: {file.live}",
            f"The copy in {fscrypt_files.folder_of(fsname)} is {file.copy}. Move the file away, never remove it, and run "
            "again: a sound copy is put in its place.",
        )
    if file.live == "missing" and file.copy != "sound":
        raise _lost(want, entry.path, fsname, f"{name} is missing")
    others = {one: files[one] for one in program.metadata.of(policy)[1:]}
    if not any(one.live == "sound" or (one.live == "missing" and one.copy == "sound") for one in others.values()):
        told = ", ".join(f"{one} is {how.live}" for one, how in others.items())
        raise _lost(want, entry.path, fsname, f"no protector of its policy is left: {told}")
    return missing_files(program, policy)


def _lost(want: EncryptionWant, mount: str, fsname: str, found: str) -> Refused:
    return Refused(
        f"open {want.path}",
        f"in {mount}/.fscrypt {found}, and {fscrypt_files.folder_of(fsname)} on this node has no sound copy",
        "If the kernel's calls encrypted this directory, leave out protector. Else another node that has it may have the copy: "
        "put it into the same folder here and run again. Remove nothing: without this file the data are lost.",
    )


def inside(want: EncryptionWant, entry: MountEntry) -> str:
    """The directory's path inside of the file system: what its protector is called unless it is given another name."""
    subdir = entry.client.subdir if entry.client is not None else ""
    return want.protector_name or f"{subdir}{want.path[len(entry.path.rstrip('/')) :]}"


def chosen(want: EncryptionWant, entry: MountEntry, program: Program, policy: str) -> str:
    """The descriptor of the protector that is described; "" where that is only known when lost files are back."""
    status = program.status
    if status is None:
        return ""
    if policy not in status.policies:
        if program.metadata.files[f"policies/{policy}"].live != "sound":
            return ""
        found = "; ".join(status.broken) or "fscrypt does not know its policy"
        raise Refused(f"open {want.path}", found, f"See `fscrypt status {entry.path}`.")
    rows = {name: status.protectors.get(name) for name in status.policies[policy]}
    fits = {at: row for at, row in rows.items() if row is not None and row.kind == want.protector}
    named = [at for at, row in fits.items() if row.name == inside(want, entry)]
    if named or (len(fits) == 1 and not want.protector_name):
        return next(iter(named or fits))
    if not all(rows.values()):
        return ""
    told = ", ".join(f"{row.kind} {row.name}" for row in rows.values() if row is not None)
    raise Refused(
        f"open {want.path}",
        f"its protectors are: {told}; described is {want.protector} {inside(want, entry)}",
        "Describe one of them by protector and protector_name; `fscrypt metadata add-protector-to-policy` adds another one.",
    )


def protector_words(want: EncryptionWant, entry: MountEntry, program: Program) -> tuple[str, ...]:
    """How the program is told of the protector of a new directory: a new one, or one of this name that is there already."""
    name = inside(want, entry)
    known = program.status.named(name) if program.status is not None else None
    if known is None:
        return fscrypt_program.new(want.protector, name)
    descriptor, row = known
    if row.kind != want.protector:
        raise Refused(
            f"encrypt {want.path}",
            f"the protector {name} of {entry.path} is of the kind {row.kind}, described is {want.protector}",
            "Give it another name by protector_name.",
        )
    return fscrypt_program.existing(entry.path, descriptor)


def config_of(want: EncryptionWant, text: str) -> fscrypt_program.Config:
    """What the program's configuration says, or will say when the program has made it (text "")."""
    if not text:
        return fscrypt_program.Config()
    try:
        return fscrypt_program.parse_config(text)
    except ValueError as error:
        remedy = "Correct it; or move it away, and it is made anew."
        raise Refused(f"encrypt {want.path}", f"{CONFIG} cannot be used: {error}", remedy) from None


def require_config(want: EncryptionWant, config: fscrypt_program.Config) -> None:
    if (config.contents, config.filenames) != (want.contents, want.filenames):
        raise Refused(
            f"encrypt {want.path}",
            f"{CONFIG} says {config.contents} and {config.filenames}, described are {want.contents} and {want.filenames}",
            "The program takes what its configuration says: change either.",
        )
