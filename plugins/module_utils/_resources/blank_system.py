# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel and udev know of a block device and its users; no process is started."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import devfiles
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files, Mount, Node


class System(NamedTuple):
    """What sysfs says of a device: kernel name, bytes, read-only, holders, names of its partitions."""

    kname: str
    size: int
    read_only: bool
    holders: tuple[str, ...]
    partitions: tuple[str, ...]


class Shared(NamedTuple):
    """What is read once for all devices: mounts, swap paths, RAID member names."""

    mounts: Sequence[Mount]
    swaps: Sequence[str]
    raid: frozenset[str]


def read_shared(files: Files) -> Shared:
    """The kernel's tables of what is in use; /proc/mdstat exists only where the RAID driver is loaded."""
    try:
        raid = devfiles.parse_mdstat(files.text("/proc/mdstat"))
    except FileNotFoundError:
        raid = set()
    mounts = devfiles.parse_mountinfo(files.text("/proc/self/mountinfo"))
    return Shared(mounts, devfiles.parse_swaps(files.text("/proc/swaps")), frozenset(raid))


def read_sysfs(files: Files, number: str) -> System:
    base = f"/sys/dev/block/{number}"
    kname = devfiles.parse_uevent(files.text(f"{base}/uevent"))["DEVNAME"].rpartition("/")[2]
    return System(
        kname=kname,
        size=int(files.text(f"{base}/size")) * 512,
        read_only=int(files.text(f"{base}/ro")) != 0,
        holders=tuple(files.names(f"{base}/holders")),
        partitions=tuple(name for name in files.names(base) if name.startswith(kname)),
    )


def read_udev(files: Files, number: str) -> dict[str, str]:
    """udev's record of the device; none exists in a container, which is an answer (the other probes stand)."""
    try:
        return devfiles.parse_uevent(files.text(f"/run/udev/data/b{number}"))
    except FileNotFoundError:
        return {}


def mounts_of(mounts: Sequence[Mount], path: str, number: str, files: Files) -> tuple[str, ...]:
    """Mount points of a device or dataset: by device number, by the very source, or by what the source leads to.

    A Lustre target's mount carries an anonymous device number, so its source decides.
    """
    found = []
    for mount in mounts:
        same = mount.source == path or (bool(number) and mount.number == number)
        if not same and number and mount.source.startswith("/dev/"):
            try:
                same = files.node(mount.source).number == number
            except OSError:
                same = False
        if same:
            found.append(mount.path)
    return tuple(found)


def swap_paths(swaps: Sequence[str], node: Node, files: Files) -> tuple[str, ...]:
    """Swap areas on this very device; a path that this node does not have is another namespace's (a container's host)."""
    found = []
    for path in swaps:
        try:
            if files.node(path).number == node.number:
                found.append(path)
        except FileNotFoundError:
            continue
    return tuple(found)
