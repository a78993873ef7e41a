# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encryption of directories by the kernel's ioctls: what is asked of a process of its own, and what it answers.

The program is fscrypt_ioctl.py, sent to this very Python by standard input with the request
behind it: a key is on no command line and in no file, and a mount that hangs holds that
process and not the module.
"""

from __future__ import annotations

import errno
import inspect
import json
import sys
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt_ioctl import ABSENT, INCOMPLETE, PRESENT
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 60.0
#: Removing a key writes back what is dirty on the whole mount first.
LOCK_TIMEOUT = 600.0
KEY_STATES: Mapping[int, str] = {ABSENT: "absent", PRESENT: "present", INCOMPLETE: "incomplete"}

#: Numbers of linux/fscrypt.h, by the names that people write. Lustre takes these (2.17.0, client_side_encryption).
CONTENTS: Mapping[str, int] = {"AES-256-XTS": 1, "AES-128-CBC": 5, "Adiantum": 9}
FILENAMES: Mapping[str, int] = {"AES-256-CTS": 4, "AES-128-CTS": 6, "Adiantum": 9}
#: The kernel takes these pairs and no other.
PAIRS: Mapping[str, str] = {"AES-256-XTS": "AES-256-CTS", "AES-128-CBC": "AES-128-CTS", "Adiantum": "Adiantum"}


@dataclass(frozen=True)
class Policy:
    """A policy of version 2; ``identifier`` is the name of the key that opens the directory."""

    contents: str
    filenames: str
    identifier: str
    flags: int = 3

    def text(self) -> str:
        """As the kernel has it, in hexadecimal."""
        return fscrypt_ioctl.policy(
            CONTENTS[self.contents], FILENAMES[self.filenames], self.identifier, self.flags
        ).hex()


@dataclass(frozen=True)
class Seen:
    """A path as it is.

    ``policy`` None: not encrypted, or encrypted in a way that is not ours, then ``foreign`` is its policy in
    hexadecimal. ``key``: absent, present, incomplete. ``refused``: the kernel's answer where it does not encrypt here
    (EOPNOTSUPP, ENOTTY). ``names``: some names in a directory without a policy. ``busy``: open files, where asked for.
    """

    exists: bool
    mode: int = 0
    uid: int = 0
    gid: int = 0
    real: str = ""
    policy: Policy | None = None
    foreign: str = ""
    key: str = "absent"
    users: int = 0
    refused: str = ""
    names: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyFile:
    """A key file without its content: the identifier of its key, or what is wrong with it."""

    exists: bool
    identifier: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Look:
    directories: Mapping[str, Seen] = field(default_factory=dict)
    key_files: Mapping[str, KeyFile] = field(default_factory=dict)


def argv(*words: str) -> tuple[str, ...]:
    """The command; the words are for whoever reads it, the request itself goes by standard input."""
    return (sys.executable or "python3", "-I", "-", *words)


def program(request: Mapping[str, Any]) -> str:
    """Standard input of it."""
    return f"{inspect.getsource(fscrypt_ioctl)}\nsys.exit(run(json.loads({json.dumps(request)!r})))\n"


def look(run: Runner, paths: Sequence[str], key_files: Sequence[str], busy: Sequence[str] = ()) -> Look:
    """Directories and key files in one process; of ``busy`` the open files, too."""
    request = {"do": "look", "paths": list(paths), "key_files": list(key_files), "busy": list(busy)}
    words = argv("look", *paths)
    rc, out, err = run(words, program(request), TIMEOUT)
    if rc != 0:
        raise failed("look at encrypted directories", words, rc, out, err)
    answer = _answer(out)
    try:
        return Look(
            {path: _seen(answer["directories"][path]) for path in paths},
            {path: KeyFile(**answer["key_files"][path]) for path in key_files},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownOutput("fscrypt_ioctl.py", f"encrypted directories ({error})", out) from None


def _seen(answer: Mapping[str, Any]) -> Seen:
    values: dict[str, Any] = {
        name: answer[name] for name in ("exists", "mode", "uid", "gid", "real", "users", "refused") if name in answer
    }
    values.update({name: tuple(answer[name]) for name in ("names", "busy") if name in answer})
    if "policy" in answer:
        policy = parse_policy(answer["policy"])
        if policy is None:
            values["foreign"] = answer["policy"]
        else:
            values.update(policy=policy, key=KEY_STATES[answer["key"]])
    return Seen(**values)


def parse_policy(text: str) -> Policy | None:
    """The kernel's policy; None when it is of another version or has modes or bits that are not known here."""
    raw = bytes.fromhex(text)
    contents = {number: name for name, number in CONTENTS.items()}
    filenames = {number: name for name, number in FILENAMES.items()}
    if len(raw) != 24 or raw[0] != fscrypt_ioctl.POLICY_V2 or raw[1] not in contents or raw[2] not in filenames:
        return None
    policy = Policy(contents[raw[1]], filenames[raw[2]], raw[8:].hex(), raw[3])
    return policy if policy.text() == text else None


def _answer(out: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(out)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise UnknownOutput("fscrypt_ioctl.py", "its answer, a JSON object", out)
    return answer


_CAUSES: Mapping[int, str] = {
    errno.EOPNOTSUPP: "Encryption is off on this mount: it was mounted with noencrypt, or the MDT does not grant it.",
    errno.ENOTTY: "This build of the client has no encryption.",
    errno.ENOKEY: "The key is not there: unlock the directory first.",
    errno.ENOTEMPTY: "It is not empty, and only an empty directory can be encrypted.",
    errno.EEXIST: "It has another encryption policy already.",
    errno.EPERM: "The root of a mount cannot be encrypted, and keys are for root; with nodemaps, the role fscrypt_admin of rbac is needed.",
    errno.EACCES: "The directory belongs to somebody else. If root is squashed for this client, run this where it is not.",
}


def failed(wanted: str, words: Sequence[str], rc: int, out: str, err: str) -> ToolError:
    """The error of a process that failed, told by its JSON object, or by what Python said when there is none."""
    number, said = None, err
    try:
        answer = json.loads(out)
        number, said = answer["errno"], answer["error"]
    except (ValueError, RecursionError, KeyError, TypeError):
        out = out[:600]
    return ToolError(wanted, words, rc, "", said, code=number, remedy=_CAUSES.get(number or 0, ""))
