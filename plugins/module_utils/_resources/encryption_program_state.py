# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known on this node of directories that the program fscrypt manages, and what at boot is to open them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_files, fscrypt_ioctl, fscrypt_program
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt_files import Metadata
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import (
    Have,
    Local,
    public,
    unit_of,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import (
    EncryptionWant,
    passphrase_of,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

GET_PROGRAM = f"Install the package fscrypt, {fscrypt_program.SINCE} or newer"
#: What may be said besides where nothing is encrypted yet.
OR_NONE = "; or leave out protector: the kernel's own calls encrypt without any program."
_LONGEST = 4096


@dataclass(frozen=True)
class Secret:
    """A key file with what is in it, for comparing and for the program's standard input; or what is wrong with it."""

    exists: bool
    content: bytes = field(default=b"", repr=False)
    problem: str = ""

    def unfit(self, kind: str) -> str:
        """Why it cannot be the secret of such a protector; "" when it can, or is not there."""
        if self.problem or not self.exists:
            return self.problem
        if kind == "raw_key":
            wrong = len(self.content) != fscrypt_program.RAW_KEY_SIZE
            return f"it has not {fscrypt_program.RAW_KEY_SIZE} bytes" if wrong else ""
        return "" if passphrase_of(self.content) is not None else "it is not one line of text"

    def same(self, want: EncryptionWant) -> bool:
        if want.protector == "raw_key":
            return self.content == want.secret
        return passphrase_of(self.content) == want.key


def secret_in(path: str) -> Secret:
    try:
        return Secret(True, fscrypt_ioctl.read_private(path, _LONGEST))
    except FileNotFoundError:
        return Secret(False)
    except (fscrypt_ioctl.Unusable, OSError) as error:
        return Secret(True, problem=str(error))


@dataclass(frozen=True)
class ProgramLocal(Local):
    """``record`` reads the program's configuration and the units' drop-ins, too."""

    secret: Callable[[str], Secret] = secret_in


@dataclass(frozen=True)
class Program:
    """The program on one mount. ``status`` None: not set up; ``problem``: why it can do nothing there."""

    status: fscrypt_program.Status | None
    metadata: Metadata
    problem: str = ""


@dataclass(frozen=True)
class ProgramHave(Have):
    """``programs`` by mount point; ``config`` and ``drop_ins`` (by directory) are texts, "" when not there."""

    programs: Mapping[str, Program] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    config: str = ""
    drop_ins: Mapping[str, str] = field(default_factory=dict)

    def secret(self, want: EncryptionWant) -> Secret:
        return self.secrets.get(want.key_file, Secret(False))


def program_on(run: Runner, mount: str, metadata: Metadata) -> Program:
    try:
        status = fscrypt_program.status(run, mount)
        if status is None and not fscrypt_program.accepts(run, mount):
            problem = f"fscrypt {fscrypt_program.release(run)} of this node refuses Lustre"
            return Program(None, metadata, problem)
    except ToolMissing:
        return Program(None, metadata, "the program fscrypt is not on this node")
    return Program(status, metadata)


def drop_in(want: EncryptionWant) -> tuple[str, str]:
    """Path and text of what lets the unit of a directory open it by the program, before it looks whether it is open."""
    path = f"/etc/systemd/system/{unit_of(want.path)}.d/fscrypt.conf"
    file = want.key_file.replace("%", "%%")
    text = (
        "# Written by lustre.core.encryption_policy: this directory is opened by the program fscrypt.\n"
        "# A directory that is open already is an error to it; what counts is what ExecStart finds after it.\n"
        f"[Service]\nStandardInput=file:{file}\nExecStartPre=-/usr/bin/env fscrypt unlock --quiet %f\n"
    )
    return path, text


def public_program(want: EncryptionWant, have: ProgramHave, descriptor: str) -> dict[str, Any]:
    entry = have.entry(want.path)
    fsname = entry.client.fsname if entry is not None and entry.client is not None else None
    return {
        **public(want, have),
        "protector": {"kind": want.protector, "descriptor": descriptor or None},
        "backup": fscrypt_files.folder_of(fsname) if fsname else None,
    }
