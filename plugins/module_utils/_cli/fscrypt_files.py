# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Metadata of the program fscrypt and their backup on the node: what is asked of fscrypt_metadata.py, and what it answers."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_metadata
from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Below it a folder per file system: policies and protectors under the names that they have on the mount.
FOLDER = "/etc/lustre/encryption/fscrypt"
TIMEOUT = 60.0


@dataclass(frozen=True)
class File:
    """One metadata file: ``live`` on the mount and ``copy`` on the node are sound, missing, or what is wrong with them."""

    live: str
    copy: str
    same: bool
    protectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """Of one mount: the policy of each directory ("" without one), and files by ``policies/...``, ``protectors/...``."""

    policies: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    def of(self, policy: str) -> list[str]:
        """The names of the files of one policy, its own first."""
        name = f"policies/{policy}"
        return [name, *(f"protectors/{one}" for one in self.files[name].protectors)] if name in self.files else []


def folder_of(fsname: str) -> str:
    return f"{FOLDER}/{fsname}"


def argv(*words: str) -> tuple[str, ...]:
    return fscrypt.argv(*words)


def program(request: Mapping[str, Any]) -> str:
    """Standard input of it."""
    return f"{inspect.getsource(fscrypt_metadata)}\nsys.exit(run(json.loads({json.dumps(request)!r})))\n"


def look(run: Runner, mounts: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, Metadata]:
    """``mounts``: by mount point the name of the file system and directories; all in one process."""
    request = {
        "do": "look",
        "mounts": {mount: {"folder": folder_of(fs), "paths": list(paths)} for mount, (fs, paths) in mounts.items()},
    }
    words = argv("look-metadata", *mounts)
    rc, out, err = run(words, program(request), TIMEOUT)
    if rc != 0:
        raise fscrypt.failed("look at the metadata of fscrypt", words, rc, out, err)
    try:
        answer = json.loads(out)
        return {mount: _metadata(answer[mount]) for mount in mounts}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise UnknownOutput("fscrypt_metadata.py", "metadata of fscrypt", out) from None


def _metadata(answer: Mapping[str, Any]) -> Metadata:
    files = {
        name: File(str(one["live"]), str(one["copy"]), bool(one["same"]), tuple(one["protectors"]))
        for name, one in answer["files"].items()
    }
    return Metadata(dict(answer["policies"]), files)


def backup(mount: str, fsname: str, paths: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Words and standard input of the step."""
    request = {"do": "backup", "mount": mount, "folder": folder_of(fsname), "paths": list(paths)}
    return argv("backup-metadata", mount), program(request)


def restore(mount: str, fsname: str, names: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Words and standard input of the step."""
    request = {"do": "restore", "mount": mount, "folder": folder_of(fsname), "names": list(names)}
    return argv("restore-metadata", mount), program(request)
