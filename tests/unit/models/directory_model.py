"""Directories of mounted file systems as install(1), chown(1), chmod(1) and stat(1) of GNU coreutils treat them.

A directory made in one with the set-group-ID bit gets it, too, and neither ``chmod 0755`` nor
``install -m 0755`` takes it away: that needs a mode of five digits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result

DIRECTORY = 0o040000
SETGID = 0o2000
IDS = {"root": 0, "alice": 1000, "staff": 50}


@dataclass
class Entry:
    mode: int = DIRECTORY | 0o755
    uid: int = 0
    gid: int = 0


@dataclass
class DirectoryModel:
    mounts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def table(self) -> str:
        return "/dev/sda1 / ext4 rw 0 0\n" + "".join(
            f"10.77.0.11@tcp:/{name} {path} lustre rw 0 0\n" for path, name in self.mounts.items()
        )

    def inside(self, path: str) -> str | None:
        above = [mount for mount in self.mounts if path.startswith(f"{mount}/")]
        return self.mounts[max(above, key=len)] if above else None

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = list(argv)
        if words[0] == "stat":
            return self._stat(words[words.index("--") + 1 :])
        self.calls.append(tuple(argv))
        return getattr(self, f"_{words[0]}")(words)

    def _stat(self, paths: list[str]) -> Result:
        rows = [f"{e.mode:x} {e.uid} {e.gid} {path}\n" for path in paths if (e := self.entries.get(path))]
        gone = [
            f"stat: cannot statx '{path}': No such file or directory\n" for path in paths if path not in self.entries
        ]
        return Result(1 if gone else 0, "".join(rows), "".join(gone))

    def _made(self, path: str) -> Entry:
        """mkdir(2) with the parents that are missing; the bit is inherited."""
        if path in self.mounts or path == "/":
            return self.entries.setdefault(path, Entry())
        if path not in self.entries:
            parent = self._made(posixpath.dirname(path))
            self.entries[path] = Entry(
                DIRECTORY | 0o755 | (parent.mode & SETGID), 0, parent.gid if parent.mode & SETGID else 0
            )
        return self.entries[path]

    def _permit(self, entry: Entry, octal: str) -> None:
        kept = 0 if len(octal) > 4 else entry.mode & SETGID
        entry.mode = DIRECTORY | int(octal, 8) | kept

    def _install(self, argv: list[str]) -> Result:
        assert argv[1:3] == ["-d", "-m"] and argv[4] == "-o" and argv[6] == "-g" and argv[8] == "--"
        entry = self._made(argv[9])
        entry.uid, entry.gid = IDS[argv[5]], IDS[argv[7]]
        self._permit(entry, argv[3])
        return Result(0, "", "")

    def _chown(self, argv: list[str]) -> Result:
        owner, group = argv[1].split(":")
        self.entries[argv[3]].uid, self.entries[argv[3]].gid = IDS[owner], IDS[group]
        return Result(0, "", "")

    def _chmod(self, argv: list[str]) -> Result:
        self._permit(self.entries[argv[3]], argv[1])
        return Result(0, "", "")
