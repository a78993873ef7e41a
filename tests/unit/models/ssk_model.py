"""A node's key files, lgss_sk, root's keyring, and the programs of coreutils that move files.

A key file is a line of JSON here: what it holds, whoever made it. Everything that anybody could see of a key is kept in
``shown`` (arguments of programs) and judged by ``secret_seen``.
"""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_local import Local, Seen
from ansible_collections.lustre.core.plugins.module_utils._run import Result

KEYS = "/etc/lustre/keys"


def content_of(secret: int, types: str = "server", **more: Any) -> bytes:
    """A key file of ours; ``secret`` numbers the keys."""
    made = {
        "types": sorted(types.split(",")),
        "fsname": "fs1",
        "mgs_nids": "",
        "nodemap": "default",
        "crypt": "ctr(aes)",
        "hmac": "sha256",
        "key_bits": 256,
        "prime_bits": 2048,
        "lifetime": 604800,
        "key": f"{secret:064x}",
        "prime": "client" in types,
    }
    return json.dumps({**made, **more}).encode().ljust(512)


@dataclass
class File:
    content: bytes
    mode: int = 0o600
    uid: int = 0


@dataclass
class SskModel:
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, Seen] = field(default_factory=lambda: {"/etc/lustre": Seen("folder", 0o755, 0)})
    keyring: dict[str, bytes] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    writes: int = 0
    made: int = 1000
    #: Every state in which somebody else could have read a key, or a mount met a bad file.
    leaks: list[str] = field(default_factory=list)
    #: The run is ended when so many commands were carried out.
    ends_after: int | None = None

    def local(self) -> Local:
        return Local(self._look, lambda path: self.files[path].content, self._private)

    def _look(self, path: str) -> Seen | None:
        if path in self.files:
            return Seen("file", self.files[path].mode, self.files[path].uid)
        return self.folders.get(path)

    @contextlib.contextmanager
    def _private(self, content: bytes) -> Iterator[str]:
        self.files["/run/lustre-ssk-1/key"] = File(content)
        yield "/run/lustre-ssk-1/key"
        del self.files["/run/lustre-ssk-1/key"]

    def write(self, change: FileWrite) -> None:
        self._end()
        self.writes += 1
        if change.content is None:
            del self.files[change.path]
            return
        assert change.exact and isinstance(change.content, bytes), "a key is written as one"
        assert posixpath.dirname(change.path) in self.folders
        self.files[change.path] = File(change.content, change.mode)
        self._watch()

    def _end(self) -> None:
        if self.ends_after is not None:
            if self.ends_after == 0:
                raise KeyboardInterrupt
            self.ends_after -= 1

    def _watch(self) -> None:
        for path, file in self.files.items():
            folder = self.folders.get(posixpath.dirname(path))
            private = folder is not None and not folder.mode & 0o077
            if file.mode & 0o077 and not private and path.startswith("/etc") and file.content.startswith(b"{"):
                self.leaks.append(f"{path} is {file.mode:04o}")

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = list(argv)
        if words[:2] == ["lgss_sk", "-r"]:
            return self._read(words[2])
        if words[:3] == ["keyctl", "show", "@u"]:
            rows = "".join(
                f"  {2337 + n:8} --alswrv      0     0   \\_ user: {d}\n" for n, d in enumerate(self.keyring)
            )
            return Result(0, f"Keyring\n  15769643 --alswrv      0 65534  keyring: _uid.0\n{rows}", "")
        self._end()
        self.calls.append(tuple(argv))
        result = getattr(self, "_" + words[0])(words[1:])
        self._watch()
        return result if isinstance(result, Result) else Result(0, "", "")

    def _read(self, path: str) -> Result:
        file = self.files[path]
        warning = (
            "" if not file.mode & 0o177 else f"warning: secret key '{path}' has insecure file mode 0{file.mode:o}\n"
        )
        if not file.content.startswith(b"{"):
            return Result(
                1, "", f"{warning}File {path} does not have a complete key: got 10 bytes, expected 2407 bytes\n"
            )
        key = json.loads(file.content)
        out = (
            f"Version:        1\nType:           {' '.join(key['types'])}\nHMAC alg:       {key['hmac']}\n"
            f"Crypto alg:     {key['crypt']}\nCtx Expiration: {key['lifetime']} seconds\nShared keylen:  {key['key_bits']} bits\n"
            f"Prime length:   {key['prime_bits']} bits\nFile system:    {key['fsname']}\nMGS NIDs:       {key['mgs_nids']}\n"
            f"Nodemap name:   {key['nodemap']}\nShared key:\n"
        )
        err = warning + dump(key["key"].rjust(key["key_bits"] // 4, "0"))
        if key["prime"]:
            out += "Prime (p):\n"
            err += dump("ab" * (key["prime_bits"] // 8))
        return Result(0, out, err)

    def _lgss_sk(self, words: list[str]) -> Result:
        options = dict(zip(words[::2], words[1::2], strict=True))
        if "-l" in options:
            return self._load(options["-l"])
        letters = {
            "-f": "fsname",
            "-g": "mgs_nids",
            "-n": "nodemap",
            "-k": "key_bits",
            "-p": "prime_bits",
            "-e": "lifetime",
        }
        changes: dict[str, Any] = {
            name: int(options[letter]) if letter in "-k-p-e" else options[letter]
            for letter, name in letters.items()
            if letter in options
        }
        changes |= {"crypt": "ctr(aes)"} if "-c" in options else {}
        changes |= {"hmac": options["-i"].lower()} if "-i" in options else {}
        if "-w" in options:
            path = options["-w"]
            assert path not in self.files, f"error: opening '{path}': File exists"
            assert posixpath.dirname(path) in self.folders
            self.made += 1
            self.files[path] = File(content_of(self.made, options["-t"], **{"mgs_nids": "", **changes}), 0o400)
            return Result(0, "Reading random data for shared key from '/dev/random'\n", "")
        file = self.files[options["-m"]]
        key = json.loads(file.content) | changes
        if "-t" in options:
            key["types"] = sorted(options["-t"].split(","))
            key["prime"] = "client" in key["types"]
        file.content = json.dumps(key).encode().ljust(512)
        return Result(0, "", "")

    def _load(self, path: str) -> Result:
        key = json.loads(self.files[path].content)
        names = [f"lustre:{key['fsname']}:{key['nodemap']}"] if "server" in key["types"] else []
        names += [f"lustre:MGS:{key['nodemap']}"] if "mgs" in key["types"] else []
        nids = [nid for nid in key["mgs_nids"].split(",") if nid]
        names += [f"lustre:{key['fsname']}", *(f"lustre:MGC{nid}" for nid in nids)] if "client" in key["types"] else []
        self.keyring.update(dict.fromkeys(names, key["key"]))
        return Result(0, "", "")

    def _keyctl(self, words: list[str]) -> Result:
        assert words[:2] == ["purge", "user"]
        found = self.keyring.pop(words[2], None)
        return Result(0, f"purged {int(found is not None)} keys\n", "")

    def _install(self, words: list[str]) -> None:
        assert words[:4] == ["-d", "-m", "0700", "--"]
        for path in words[4:]:
            self.folders[path] = Seen("folder", 0o700, 0)

    def _cp(self, words: list[str]) -> None:
        self.files[words[2]] = File(self.files[words[1]].content, self.files[words[1]].mode)

    def _chmod(self, words: list[str]) -> None:
        self.files[words[2]].mode = int(words[0], 8)

    def _chown(self, words: list[str]) -> None:
        assert words[0] == "root:root"
        self.files[words[2]].uid = 0

    def _mv(self, words: list[str]) -> None:
        assert words[:2] == ["-T", "--"] and posixpath.dirname(words[3]) in self.folders
        self.files[words[3]] = self.files.pop(words[2])

    def _rm(self, words: list[str]) -> None:
        assert words[:2] == ["-rf", "--"] and words[2].endswith("/.lustre-new"), "only a folder of ours"
        self.folders.pop(words[2])
        for path in [path for path in self.files if path.startswith(f"{words[2]}/")]:
            del self.files[path]

    def _rmdir(self, words: list[str]) -> None:
        assert words[0] == "--ignore-fail-on-non-empty"
        if not any(path.startswith(f"{words[2]}/") for path in self.files):
            del self.folders[words[2]]


def dump(digits: str) -> str:
    """As lgss_sk dumps: offset, eight groups of two bytes, the letters (which may look like digits)."""
    rows = [digits[at : at + 32] for at in range(0, len(digits), 32)]
    return "".join(
        f"  {at * 16:04x}: {' '.join(row[n : n + 4] for n in range(0, len(row), 4)):39}  abcd.0123456789.\n"
        for at, row in enumerate(rows)
    )
