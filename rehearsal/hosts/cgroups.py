# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One cgroup per host, in the unified hierarchy and, on machines that have both, in systemd's own.

A host's cgroup holds exactly its processes, nspawn included: that is how they are found
and ended, never by name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Iterator

from rehearsal.hosts import kernel
from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.layout import CGROUP_TOP

_MOUNT_POINT = Path("/sys/fs/cgroup")


def _mounts() -> Iterator[tuple[Path, str, list[str]]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, options = line.split()[:4]
        if kind in ("cgroup", "cgroup2"):
            yield Path(target), kind, options.split(",")


def hierarchies() -> list[Path]:
    """Mount points of the hierarchies that systemd uses: unified first, then ``name=systemd`` if there is one."""
    unified = [target for target, kind, _ in _mounts() if kind == "cgroup2"]
    named = [target for target, kind, options in _mounts() if kind == "cgroup" and "name=systemd" in options]
    return unified[:1] + named[:1]


def ensure() -> None:
    """Mount the unified hierarchy in a mount namespace of our own where the machine has not mounted it."""
    if any(kind == "cgroup2" for _, kind, _ in _mounts()):
        return
    kernel.private_mounts()
    legacy = any(kind == "cgroup" for _, kind, _ in _mounts())
    target = _MOUNT_POINT / "unified" if legacy else _MOUNT_POINT
    target.mkdir(parents=True, exist_ok=True)
    kernel.mount("none", target, "cgroup2", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def create(name: str) -> None:
    for top in hierarchies():
        (top / name).mkdir(parents=True, exist_ok=True)


def enter(name: str) -> None:
    """Move the calling process into the cgroup; its children are born there."""
    for top in hierarchies():
        (top / name / "cgroup.procs").write_text("0")


def processes(name: str) -> list[int]:
    """Ids of all processes in the cgroup and below it."""
    found: set[int] = set()
    for top in hierarchies():
        for directory, _, _ in os.walk(top / name):
            try:
                found.update(int(line) for line in Path(directory, "cgroup.procs").read_text().split())
            except OSError:  # removed meanwhile, or a threaded cgroup, whose processes its parent lists
                continue
    return sorted(found - {0})


def kill(name: str, seconds: float = 10.0) -> None:
    """End every process of the cgroup at once, as a power cut does, and wait until they are gone."""
    deadline = time.monotonic() + seconds
    switch = hierarchies()[0] / name / "cgroup.kill"
    while left := processes(name):
        if time.monotonic() > deadline:
            raise RehearsalError(f"Processes {left} of the cgroup {name} do not end within {seconds:g} s of SIGKILL.")
        with contextlib.suppress(OSError):  # kernels before 5.14 have no such switch
            switch.write_text("1")
        for pid in left:
            if _zombie(pid):
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if all(_zombie(pid) for pid in left):
            return
        time.sleep(0.02)


def _zombie(pid: int) -> bool:
    return kernel.ProcessId.of(pid) is None


def remove(name: str) -> None:
    """Remove the cgroup with all below it, and the common parent when it is the last one."""
    for top in hierarchies():
        for directory, _, _ in os.walk(top / name, topdown=False):
            _remove_directory(Path(directory))
        parent = (top / name).parent
        while parent != top:
            try:
                parent.rmdir()
            except OSError:
                break
            parent = parent.parent


def _remove_directory(path: Path, seconds: float = 3.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            path.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:  # a process that has ended counts until it is reaped
            if time.monotonic() > deadline:
                raise RehearsalError(f"Could not remove the cgroup {path}: {error.strerror}.") from error
            time.sleep(0.02)


def existing(site: str | None = None) -> list[Path]:
    """cgroup directories of ours that are there: of one site, or of all."""
    name = f"{CGROUP_TOP}/{site}" if site else CGROUP_TOP
    return [top / name for top in hierarchies() if (top / name).is_dir()]
