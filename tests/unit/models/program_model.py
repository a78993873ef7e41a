"""The program fscrypt 0.3.5 on the mounts of EncryptionModel, as it was recorded; metadata are real files below a folder.

Rules: it makes a directory's key by itself; an encrypted directory without its policy's file, or without a protector that the
secret given fits, is never opened again; with ``--skip-unlock`` a new directory is locked; it gives the directory mode 0700.
"""

from __future__ import annotations

import ast
import hashlib
import json
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_files, fscrypt_metadata
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt_program import CONFIG, KINDS
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program_state import (
    ProgramLocal,
    Secret,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.models.encryption_model import DIRECTORY, IDS, EncryptionModel, Entry

WRITTEN = """{
\t"source": "custom_passphrase",
\t"options": {
\t\t"padding": "32",
\t\t"contents": "AES_256_XTS",
\t\t"filenames": "AES_256_CTS",
\t\t"policy_version": "2"
\t}
}
"""
_NUMBERS = {"raw_key": 3, "custom_passphrase": 2}


def part(number: int, data: bytes) -> bytes:
    """A field of a protocol buffer."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def protector_file(descriptor: str, kind: str, name: str, secret: bytes) -> bytes:
    mark = hashlib.sha256(secret).digest()
    return (
        part(1, descriptor.encode()) + bytes([2 << 3, _NUMBERS[kind]]) + part(3, name.encode()) + part(7, part(2, mark))
    )


def policy_file(descriptor: str, protectors: Sequence[str]) -> bytes:
    wrapped = b"".join(part(3, part(1, one.encode()) + part(2, b"k" * 64)) for one in protectors)
    return part(1, descriptor.encode()) + part(2, b"\x08\x20\x10\x01\x18\x04\x20\x02") + wrapped


@dataclass
class ProgramModel(EncryptionModel):
    """``root``: the folder below which mounts and ``/etc/lustre`` have their files."""

    root: Path = Path("/nonexistent")
    release: str = "v0.3.5"
    takes: bool = True
    installed: bool = True
    #: Policies that were opened while a file that opens them had no copy on the node: there must be none.
    bare: list[str] = field(default_factory=list)

    #: What ``root`` lives as long as, where it is a temporary folder.
    folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def temporary(cls, **more: Any) -> ProgramModel:
        folder = tempfile.TemporaryDirectory(prefix="lc-")
        return cls(root=Path(folder.name), folder=folder, **more)

    def local(self) -> ProgramLocal:
        return ProgramLocal(
            self.table, lambda path: self.files.get(path, ""), IDS.__getitem__, IDS.__getitem__, self.secret
        )

    def secret(self, path: str) -> Secret:
        if path not in self.files:
            return Secret(False)
        if self.modes.get(path, 0o600) & 0o077:
            return Secret(True, problem="it belongs to user 0 and has mode 0644")
        content = self.files[path]
        return Secret(True, content if isinstance(content, bytes) else content.encode())

    def write(self, change: FileWrite) -> None:
        assert change.path not in self.files or not change.path.startswith("/etc/lustre/keys"), (
            "a secret is written over"
        )
        super().write(change)

    def meta(self, mount: str = "/mnt/fs1") -> Path:
        return Path(f"{self.root}{mount}/.fscrypt")

    def copies(self, fsname: str = "fs1") -> Path:
        return Path(f"{self.root}{fscrypt_files.folder_of(fsname)}")

    def set_up(self, mount: str = "/mnt/fs1") -> None:
        for name in ("policies", "protectors"):
            (self.meta(mount) / name).mkdir(parents=True)

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = tuple(argv)
        if words[1:3] == ("-I", "-") and words[3].endswith("-metadata"):
            self.calls.append(words)
            assert stdin is not None
            return self._metadata(self._request(stdin))
        if words[0] in ("env", "fscrypt"):
            self.calls.append(words)
            return self._program(list(words), stdin)
        if words[0] == "systemctl":
            self.calls.append(words), self.changes.append(words)
            assert words == ("systemctl", "daemon-reload")
            return Result(0, "", "")
        return super().__call__(argv, stdin, timeout)

    # fscrypt_metadata.py: the collection's own functions, on this model's files

    def _request(self, stdin: str) -> dict[str, Any]:
        line = stdin.rstrip("\n").rsplit("\n", 1)[1]
        request = dict(json.loads(ast.literal_eval(line[len("sys.exit(run(json.loads(") : -3])))
        assert stdin == fscrypt_files.program(request)
        return request

    def _metadata(self, request: dict[str, Any]) -> Result:
        root = str(self.root)
        if request["do"] != "look":
            self.changes.append((request["do"], request["mount"]))
        for asked in request.get("mounts", {}).values():
            asked["folder"] = root + asked["folder"]
        if "mounts" in request:
            request["mounts"] = {root + mount: asked for mount, asked in request["mounts"].items()}
        else:
            request.update(mount=root + request["mount"], folder=root + request["folder"])
        try:
            if request["do"] == "restore":
                told = fscrypt_metadata.restore(request)
            else:
                told = getattr(fscrypt_metadata, request["do"])(request, self._policy_of)
        except fscrypt_metadata.Unusable as error:
            return Result(1, json.dumps({"errno": None, "error": str(error).replace(root, "")}) + "\n", "")
        return Result(0, json.dumps(told).replace(root, "") + "\n", "")

    def _policy_of(self, path: str) -> str:
        entry = self.entries.get(path)
        return entry.policy[-32:] if entry is not None and entry.policy else ""

    # The program

    def _program(self, words: list[str], stdin: str | None) -> Result:
        asked = words[0] == "env"
        if asked:
            assert words[1:3] == ["FSCRYPT_CONF=/dev/stdin", "fscrypt"] and stdin is not None
            json.loads(stdin)
            words = words[2:]
        if not self.installed:
            assert asked, "a program that is not there was called"
            return Result(127, "", "env: 'fscrypt': No such file or directory\n")
        if words == ["fscrypt", "--version"]:
            return Result(0, f"fscrypt version {self.release}\n", "")
        if not asked:
            self.changes.append(tuple(words))
            if CONFIG not in self.files and words != ["fscrypt", "setup", "--quiet"]:
                return self._error(words[1], f'"{CONFIG}" doesn\'t exist')
        try:
            return Result(0, getattr(self, f"_program_{words[1]}")(words[2:], stdin if not asked else None), "")
        except ValueError as error:
            return self._error(words[1], str(error))

    def _error(self, command: str, text: str) -> Result:
        return Result(1, "", f"[ERROR] fscrypt {command}: {text}\n")

    def _program_setup(self, words: list[str], stdin: str | None) -> str:
        assert words[0] == "--quiet" and stdin is None
        if not words[1:]:
            assert CONFIG not in self.files
            self.files[CONFIG] = WRITTEN
            return ""
        if not self.takes:
            raise ValueError("filesystem type lustre is not supported for fscrypt setup")
        if self.meta(words[1]).exists():
            raise ValueError(f"filesystem {words[1]} is already setup for use with\n   fscrypt")
        self.set_up(words[1])
        return ""

    def _program_status(self, words: list[str], stdin: str | None) -> str:
        (mount,) = words
        base = self.meta(mount)
        if not self.takes or not base.exists():
            raise ValueError(f"filesystem {mount} is not setup for use with fscrypt")
        rows = [self._row(path) for path in sorted((base / "protectors").iterdir())]
        policies = [
            (path.name, self._opened_by(path), (mount, path.name) in self.keys)
            for path in sorted((base / "policies").iterdir())
        ]
        text = f'lustre filesystem "{mount}" has {len(rows)} protector{"s" * (len(rows) != 1)} and '
        text += f"{len(policies)} polic{'y' if len(policies) == 1 else 'ies'}.\n"
        text += "Only root can create fscrypt metadata on this filesystem.\n\n"
        if rows:
            text += "PROTECTOR         LINKED  DESCRIPTION\n" + "".join(f"{row}\n" for row in rows)
        if policies:
            text += "\nPOLICY                            UNLOCKED  PROTECTORS\n"
        for name, opens, there in policies:
            shown = ", ".join(opens) if opens else f'[fscrypt metadata file at "{name}" is corrupt]'
            text += f"{name}  {('Yes' if there else 'No') if opens else '':8}  {shown}\n"
        return text

    def _row(self, path: Path) -> str:
        kind, name, _mark = self._protector(path) or ("", "", b"")
        if not kind:
            return f'                          [fscrypt metadata file at "{path}" is corrupt]'
        words = next(words for words, known in KINDS.items() if known == kind)
        return f'{path.name}  No      {words} "{name}"'

    def _protector(self, path: Path) -> tuple[str, str, bytes] | None:
        try:
            data = path.read_bytes()
            fscrypt_metadata.opened_by(f"protectors/{path.name}", data)
        except (fscrypt_metadata.Unusable, FileNotFoundError):
            return None
        parts = dict(fscrypt_metadata.fields(data))
        kind = next(kind for kind, number in _NUMBERS.items() if data[19] == number)
        return kind, parts[3].decode(), parts[7][2:]

    def _opened_by(self, path: Path) -> list[str]:
        try:
            return fscrypt_metadata.opened_by(f"policies/{path.name}", path.read_bytes())
        except fscrypt_metadata.Unusable:
            return []

    def _program_encrypt(self, words: list[str], stdin: str | None) -> str:
        options, path = _options(words)
        if options.get("key") == "/dev/null/none":
            assert path in self.mounts
            raise ValueError(
                f'Directory "{path}" cannot be encrypted because it\n   is non-empty.'
                if self.takes
                else "This kernel doesn't support encryption on lustre\n   filesystems."
            )
        entry, mount = self.entries[path], self.mount(path)
        assert not entry.policy and not entry.names, "the program was asked for what it must refuse"
        assert "skip-unlock" in options, "a directory would be open before its metadata have a copy"
        base = self.meta(mount)
        if not base.exists():
            raise ValueError(f"filesystem {mount} is not setup for use with fscrypt")
        secret = self._given(options, stdin)
        if "protector" in options:
            at = options["protector"].partition(":")[2]
            found = self._protector(base / "protectors" / at)
            if found is None or found[2] != hashlib.sha256(secret).digest():
                raise ValueError("incorrect key provided")
        else:
            at, names = secrets.token_hex(8), [self._protector(one) for one in (base / "protectors").iterdir()]
            if options["name"] in [one[1] for one in names if one]:
                raise ValueError(f'there is already a protector named "{options["name"]}"')
            made = protector_file(at, options["source"], options["name"], secret)
            (base / "protectors" / at).write_bytes(made)
        name = secrets.token_hex(16)
        (base / "policies" / name).write_bytes(policy_file(name, [at]))
        options_now = json.loads(self.files[CONFIG])["options"]
        assert options_now["policy_version"] == "2", "Lustre takes no other"
        contents, filenames = (options_now[one].replace("_", "-") for one in ("contents", "filenames"))
        entry.policy = fscrypt.Policy(contents, filenames, name).text()
        entry.mode = DIRECTORY | 0o700
        self.policies.append((path, name))
        return ""

    def _given(self, options: dict[str, str], stdin: str | None) -> bytes:
        if "key" not in options:
            assert stdin is not None and stdin.endswith("\n")
            return stdin[:-1].encode()
        assert stdin is None
        content = self.files[options["key"]]
        assert isinstance(content, bytes)
        if len(content) != 32:
            raise ValueError("key file must be 32 bytes")
        return content

    def _program_unlock(self, words: list[str], stdin: str | None) -> str:
        options, path = _options(words)
        entry, mount = self.entries[path], self.mount(path)
        base, name = self.meta(mount), entry.policy[-32:]
        if (mount, name) in self.keys:
            raise ValueError(f"{path}: this file or directory is already\n  unlocked")
        if not (base / "policies" / name).exists():
            raise ValueError("filesystem does not contain the policy\n   metadata")
        protectors = self._opened_by(base / "policies" / name)
        if "unlock-with" in options:
            protectors = [one for one in protectors if options["unlock-with"] == f"{mount}:{one}"]
        found = [one for one in (self._protector(base / "protectors" / at) for at in protectors) if one]
        if not found:
            raise ValueError("could not load any protectors")
        if len(found) > 1:
            raise ValueError("multiple protectors available")
        if found[0][2] != hashlib.sha256(self._given(options, stdin)).digest():
            raise ValueError("incorrect key provided")
        for file in (f"policies/{name}", *(f"protectors/{one}" for one in protectors)):
            copy = self.copies(self.mounts[mount]) / file
            if not copy.exists() or copy.read_bytes() != (base / file).read_bytes():
                self.bare.append(file)
        self.keys.add((mount, name))
        return ""


def _options(words: list[str]) -> tuple[dict[str, str], str]:
    assert words[0] == "--quiet"
    found = dict(word[2:].partition("=")[::2] for word in words[1:-1])
    return found, words[-1]


def encrypted(model: ProgramModel, path: str, name: str, protectors: dict[str, tuple[str, str, bytes]]) -> None:
    """A directory that was encrypted before, its metadata in place."""
    base = model.meta(model.mount(path))
    if not base.exists():
        model.set_up(model.mount(path))
    for at, (kind, called, secret) in protectors.items():
        (base / "protectors" / at).write_bytes(protector_file(at, kind, called, secret))
    (base / "policies" / name).write_bytes(policy_file(name, list(protectors)))
    model.entries[path] = Entry(DIRECTORY | 0o700, policy=fscrypt.Policy("AES-256-XTS", "AES-256-CTS", name).text())
