"""A node for the tests of mounts: its table, fstab and folders change as the strict runner's calls would change them."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli import fstab
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import Local


class MountedNode:
    """``run`` wraps a strict fake: what it lets through takes effect here."""

    def __init__(self, table=(), fstab_lines=(), missing=(), real=None, systemd=True, held=None, absent=()):
        self.table = list(table)
        self.fstab = "".join(line + "\n" for line in fstab_lines)
        self.missing, self.real, self.systemd = set(missing), dict(real or {}), systemd
        self.held, self.absent = held or {}, set(absent)
        self.slept = 0.0
        self.waiting = []

    def local(self):
        return Local(
            table=lambda: "".join(line + "\n" for line in self.table),
            text=lambda path: self.fstab,
            realpath=lambda path: self.real.get(path, path),
            exists=lambda path: self.systemd if path == "/run/systemd/system" else path not in self.absent,
            isdir=lambda path: path not in self.missing,
            holders=lambda path: self.held.get(path, []),
            waiting=lambda: self.waiting,
            sleep=self._sleep,
        )

    def _sleep(self, seconds):
        self.slept += seconds

    def write(self, change):
        assert change.path == fstab.PATH
        self.fstab = change.content

    def around(self, runner):
        def run(argv, stdin=None, timeout=120.0):
            result = runner(argv, stdin, timeout)
            if result.rc == 0:
                self._effect(tuple(argv))
            return result

        return run

    def _effect(self, argv):
        if argv[0] == "mkdir":
            self.missing.discard(argv[-1])
        elif argv[0] == "mount":
            options = argv[4] if argv[3] == "-o" else "rw"
            self.table = [line for line in self.table if "remount" not in options or line.split()[1] != argv[-1]]
            shown = ",".join(word for word in options.split(",") if word != "remount")
            shown = shown if {"ro", "rw"} & set(shown.split(",")) else f"rw,{shown}"
            self.table.append(f"{argv[-2]} {argv[-1]} lustre {shown} 0 0")
        elif argv[0] == "umount":
            self.table = [line for line in self.table if line.split()[1] != argv[-1] or " autofs " in line]
        elif argv[:2] == ("systemctl", "stop"):
            self.table = [line for line in self.table if " autofs " not in line]
        elif argv[:2] == ("systemctl", "start"):
            path = "/" + argv[2].rpartition(".")[0].replace("-", "/").replace("\\x20", "\\040")
            self.table.append(f"systemd-1 {path} autofs rw,relatime,direct 0 0")
