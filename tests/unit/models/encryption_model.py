"""Encrypted directories as Lustre's client treats them: policies on directories, keys on mounts.

Rules: a key belongs to a mount and opens every directory of its identifier there; a policy never changes; only an empty
directory takes one; root may set a policy whose key nobody gave (seen on Linux 6.18), which is the accident to guard against.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import Local
from ansible_collections.lustre.core.plugins.module_utils._run import Result

DIRECTORY = 0o040000
IDS = {"root": 0, "alice": 1000, "staff": 50}


@dataclass
class Entry:
    mode: int = DIRECTORY | 0o755
    uid: int = 0
    gid: int = 0
    policy: str = ""
    names: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    real: str = ""


@dataclass
class EncryptionModel:
    """``files``: the node's own files; ``keys``: (mount point, identifier) that were given to the kernel."""

    mounts: dict[str, str] = field(default_factory=lambda: {"/mnt/fs1": "fs1"})
    entries: dict[str, Entry] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    keys: set[tuple[str, str]] = field(default_factory=set)
    granted: dict[str, bool] = field(default_factory=dict)
    refused: str = ""
    options: str = "rw"
    tmpfs: tuple[str, ...] = ("/run",)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    changes: list[tuple[str, ...]] = field(default_factory=list)
    #: What a policy was ever set for, with whether its key was readable from a file or stated at that moment.
    policies: list[tuple[str, str]] = field(default_factory=list)

    def table(self) -> str:
        rows = ["/dev/sda1 / ext4 rw 0 0\n", *(f"tmpfs {path} tmpfs rw 0 0\n" for path in self.tmpfs)]
        rows += [f"10.77.0.11@tcp:/{name} {path} lustre {self.options} 0 0\n" for path, name in self.mounts.items()]
        return "".join(rows)

    def local(self) -> Local:
        return Local(self.table, lambda path: self.files.get(path, ""), IDS.__getitem__, IDS.__getitem__)

    def write(self, change: FileWrite) -> None:
        self.changes.append(("write", change.path))
        assert change.content is not None
        self.files[change.path] = change.content
        self.modes[change.path] = change.mode

    def mount(self, path: str) -> str:
        return max((mount for mount in self.mounts if path.startswith(f"{mount}/")), key=len, default="")

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = tuple(argv)
        self.calls.append(words)
        if words[1:3] == ("-I", "-"):
            assert stdin is not None
            return self._asked(request_of(stdin))
        if words[0] == "lctl":
            return self._imports(words)
        self.changes.append(words)
        return getattr(self, f"_{words[0]}")(list(words))

    def _imports(self, words: tuple[str, ...]) -> Result:
        assert words == ("lctl", "get_param", "mdc.*.import")
        if not self.mounts:
            return Result(2, "", "error: get_param: param_path 'mdc/*/import': No such file or directory\n")
        text = ""
        for name in self.mounts.values():
            flags = "version, client_encryption" if self.granted.get(name, True) else "version, acl"
            text += f"mdc.{name}-MDT0000-mdc-ffff8a00.import=\nimport:\n    connect_flags: [ {flags} ]\n"
        return Result(0, text, "")

    # fscrypt_ioctl.py

    def _asked(self, request: dict[str, Any]) -> Result:
        try:
            done = getattr(self, f"_{request['do']}")(request)
        except OSError as error:
            return Result(1, json.dumps({"errno": error.errno, "error": error.strerror}) + "\n", "")
        except fscrypt_ioctl.Unusable as error:
            return Result(1, json.dumps({"errno": None, "error": str(error)}) + "\n", "")
        return Result(0, json.dumps(done) + "\n", "")

    def _look(self, request: dict[str, Any]) -> dict[str, Any]:
        shown = {path: self._seen(path, path in request["busy"]) for path in request["paths"]}
        return {"directories": shown, "key_files": {path: self._key_file(path) for path in request["key_files"]}}

    def _seen(self, path: str, busy: bool) -> dict[str, Any]:
        entry = self.entries.get(path)
        if entry is None:
            return {"exists": False}
        shown: dict[str, Any] = {"exists": True, "mode": entry.mode, "uid": entry.uid, "gid": entry.gid}
        if not entry.mode & DIRECTORY:
            return shown
        shown["real"] = entry.real or path
        if self.refused:
            return {**shown, "refused": self.refused}
        if not entry.policy:
            return {**shown, "names": entry.names[:5]}
        shown["policy"] = entry.policy
        if entry.policy.startswith("02"):
            there = (self.mount(path), entry.policy[-32:]) in self.keys
            shown.update(key=2 if there else 1, own=there, users=int(there))
            if busy and there:
                shown["busy"] = entry.busy
        return shown

    def key_in(self, path: str) -> str:
        """The identifier of a key file's key."""
        return fscrypt_ioctl.identifier(fscrypt_ioctl.key_of(self.files[path].encode()))

    def _key_file(self, path: str) -> dict[str, Any]:
        if path not in self.files:
            return {"exists": False}
        if self.modes.get(path, 0o600) & 0o077:
            return {"exists": True, "problem": f"it belongs to user 0 and has mode {self.modes[path]:04o}"}
        try:
            return {"exists": True, "identifier": self.key_in(path)}
        except fscrypt_ioctl.Unusable as error:
            return {"exists": True, "problem": str(error)}

    def _unlock(self, request: dict[str, Any]) -> dict[str, Any]:
        self.changes.append(("unlock", request["path"]))
        assert ("key" in request) != ("key_file" in request)
        text = request["key"] if "key" in request else self.files[request["key_file"]]
        name = fscrypt_ioctl.identifier(fscrypt_ioctl.key_of(text.encode()))
        if name != request["identifier"]:
            raise fscrypt_ioctl.Unusable("the key is another one")
        self.keys.add((self.mount(request["path"]), name))
        return {"identifier": name}

    def _encrypt(self, request: dict[str, Any]) -> dict[str, Any]:
        self.changes.append(("encrypt", request["path"]))
        entry = self.entries[request["path"]]
        assert not entry.policy and not entry.names, "the kernel was asked for what it must refuse"
        entry.policy = request["policy"]
        self.policies.append((request["path"], request["policy"][-32:]))
        return {"policy": entry.policy}

    def _lock(self, request: dict[str, Any]) -> dict[str, Any]:
        self.changes.append(("lock", request["path"]))
        self.keys.discard((self.mount(request["path"]), request["identifier"]))
        return {"busy": False, "other_users": False}

    # coreutils

    def _install(self, argv: list[str]) -> Result:
        assert argv[1:3] == ["-d", "-m"] and argv[4] == "-o" and argv[6] == "-g" and argv[8] == "--"
        self.entries[argv[9]] = Entry(DIRECTORY | int(argv[3], 8), _id(argv[5]), _id(argv[7]))
        return Result(0, "", "")

    def _chown(self, argv: list[str]) -> Result:
        owner, _colon, group = argv[1].partition(":")
        entry = self.entries[argv[3]]
        entry.uid, entry.gid = _id(owner) if owner else entry.uid, _id(group) if group else entry.gid
        return Result(0, "", "")

    def _chmod(self, argv: list[str]) -> Result:
        self.entries[argv[3]].mode = DIRECTORY | int(argv[1], 8)
        return Result(0, "", "")


def _id(name: str) -> int:
    return int(name) if name.isdigit() else IDS[name]


def request_of(stdin: str) -> dict[str, Any]:
    """What stands behind the program's text."""
    source, line = stdin.rstrip("\n").rsplit("\n", 1)
    assert source + "\n" + line + "\n" == fscrypt.program(
        json.loads(ast.literal_eval(line[len("sys.exit(run(json.loads(") : -3]))
    )
    return dict(json.loads(ast.literal_eval(line[len("sys.exit(run(json.loads(") : -3])))
