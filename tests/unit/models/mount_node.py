"""A node's mounts: the kernel's table, fstab, folders, automount units, LNet and whether the MGS answers.

From mount(8), fstab(5), systemd.automount(5) and the recordings ``mount/*``, ``shutdown/*``.
What must never happen asserts at once: a mount without an answer of its MGS, by force, over
a busy path, or of what is mounted already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import Local
from ansible_collections.lustre.core.plugins.module_utils._run import Result

FSTAB = "/etc/fstab"
OWN_NID = "10.77.0.21@tcp"


@dataclass
class Mount:
    source: str
    path: str
    options: list[str]
    kind: str = "lustre"

    def line(self) -> str:
        return f"{self.source} {self.path} {self.kind} {','.join(self.options)} 0 0"


@dataclass
class MountModel:
    mounts: list[Mount] = field(default_factory=list)
    fstab: str = ""
    folders: set[str] = field(default_factory=set)
    mgs_answers: bool = True
    lnet: bool = True
    calls: list[tuple[str, ...]] = field(default_factory=list)
    #: Paths whose lines may be written only when they are mounted.
    to_mount: set[str] = field(default_factory=set)
    reloaded: bool = True
    asked_mgs: bool = False
    #: Whether an MGS is mounted on this node: a target that brings the MGS needs nobody's answer.
    mgs_device: str = "/dev/mgt"

    def local(self) -> Local:
        return Local(
            table=lambda: "".join(f"{mount.line()}\n" for mount in self.mounts),
            text=lambda path: self.fstab,
            realpath=lambda path: path,
            exists=lambda path: True,
            isdir=lambda path: path in self.folders,
            holders=lambda path: [],
            sleep=lambda seconds: None,
        )

    def write(self, change: FileWrite) -> None:
        assert change.path == FSTAB and change.content is not None
        before = self.lines()
        self.fstab, self.reloaded = change.content, False
        for path, row in self.lines().items():
            if row != before.get(path) and path in self.to_mount and "x-systemd.automount" not in row[3].split(","):
                # A node that boots now would wait in the kernel for an MGS that never answered.
                assert self.at(path) is not None, f"the line of {path} is written before its mount is seen to work"

    def at(self, path: str) -> Mount | None:
        return next((mount for mount in reversed(self.mounts) if mount.path == path and mount.kind != "autofs"), None)

    def waiting(self, path: str) -> bool:
        return any(mount.path == path and mount.kind == "autofs" for mount in self.mounts)

    def lines(self) -> dict[str, list[str]]:
        """The fields of fstab's lines by mount point."""
        rows = [line.split() for line in self.fstab.splitlines() if line.strip() and not line.startswith("#")]
        assert len({row[1] for row in rows}) == len(rows), "two lines for one mount point"
        return {row[1]: row for row in rows}

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        self.calls.append(tuple(argv))
        return getattr(self, f"_{argv[0]}")(list(argv))

    def _lctl(self, argv: list[str]) -> Result:
        if argv[1] == "list_nids":
            return (
                Result(0, f"{OWN_NID}\n", "")
                if self.lnet
                else Result(100, "", "IOC_LIBCFS_GET_NI error 100: Network is down\n")
            )
        if argv[1] == "ping":
            self.asked_mgs = self.mgs_answers
            return (
                Result(0, "12345-0@lo\n", "")
                if self.mgs_answers
                else Result(110, "", "failed to ping: Connection timed out\n")
            )
        assert argv[1] == "dl"
        here = any(mount.source == self.mgs_device for mount in self.mounts)
        return Result(0, "  0 UP mgs MGS MGS 6\n" if here else "", "")

    def _mkdir(self, argv: list[str]) -> Result:
        assert argv[1:3] == ["-p", "--"]
        self.folders.add(argv[3])
        return Result(0, "", "")

    def _mount(self, argv: list[str]) -> Result:
        assert argv[1:3] == ["-t", "lustre"]
        options = argv[4].split(",") if argv[3] == "-o" else []
        source, path = argv[-2:]
        assert path in self.folders, "the mount point is missing"
        live = self.at(path)
        if "remount" in options:
            assert live is not None and live.source == source, "a remount of what is not mounted"
            # the client's remount handles ro and rw; the VFS the other flags
            words = [word for word in options if word != "remount"]
            for pair in (("ro", "rw"), ("nosuid", "suid")):
                new = [word for word in words if word in pair]
                live.options = [word for word in live.options if word not in pair or not new] + new
            return Result(0, "", "")
        assert live is None, f"{path} is mounted already"
        if source != self.mgs_device:
            assert self.asked_mgs, "a mount without an answer of the MGS hangs in the kernel"
            assert self.mgs_answers
        assert not any(word.startswith(("x-", "retry=")) or word in ("_netdev", "nofail") for word in options)
        shown = options if {"ro", "rw"} & set(options) else ["rw", *options]
        self.mounts.append(Mount(source, path, shown))
        return Result(0, "", "")

    def _umount(self, argv: list[str]) -> Result:
        assert len(argv) == 2, "by force or lazily: clients are evicted, or a device stays in use unseen"
        live = self.at(argv[1])
        assert live is not None
        if any(mount.path.startswith(f"{argv[1]}/") for mount in self.mounts):
            return Result(32, "", f"umount: {argv[1]}: target is busy.\n")
        self.mounts.remove(live)
        return Result(0, "", "")

    def _systemctl(self, argv: list[str]) -> Result:
        if argv[1] == "daemon-reload":
            self.reloaded = True
            return Result(0, "", "")
        unit = argv[2]
        path = "/" + unit.removesuffix(".automount").replace("-", "/")
        if argv[1] == "start":
            assert self.reloaded, "systemd would start the unit of a line that is no more"
            assert "x-systemd.automount" in self.lines()[path][3], "there is no such unit: the line does not ask for it"
            self.mounts.append(Mount("systemd-1", path, ["rw", "relatime"], "autofs"))
        else:
            assert argv[1] == "stop"
            self.mounts = [mount for mount in self.mounts if mount.path != path or mount.kind != "autofs"]
        return Result(0, "", "")
