# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Block devices of a site: sparse files behind loop devices that detach themselves when the keeper ends."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.spec import Device

_LOOP_CONFIGURE = 0x4C0A
_LOOP_CLR_FD = 0x4C01
_LOOP_CTL_REMOVE = 0x4C81
_LOOP_CTL_GET_FREE = 0x4C82
_AUTOCLEAR = 4
_CONTROL = "/dev/loop-control"
_MAJOR = 7
#: What a LUKS2 header takes of a disk; the data lies behind.
_HEADER = 16 << 20


@dataclass
class Attached:
    """A loop device in use; ``handle`` keeps it attached."""

    number: int
    handle: int
    ours: bool  # the node did not exist before: remove it afterwards

    @property
    def node(self) -> str:
        return f"/dev/loop{self.number}"


def backing_file(directory: Path, device: Device) -> Path:
    return directory / f"{device.behind or device.name}.img"


def attach(directory: Path, device: Device) -> Attached:
    """Make the sparse file of a device if needed and put a loop device in front of it."""
    path = backing_file(directory, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    backing = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not device.behind:
            os.ftruncate(backing, device.size)
        return _attach(backing, path, _HEADER if device.behind else 0)
    finally:
        os.close(backing)


def _attach(backing: int, path: Path, offset: int) -> Attached:
    for _ in range(50):
        before = _numbers()
        with open(_CONTROL, "rb") as control:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
        node = f"/dev/loop{number}"
        if not os.path.exists(node):  # a /dev that the kernel does not fill by itself
            os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(_MAJOR, number))
        handle = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, _LOOP_CONFIGURE, _configuration(backing, path, offset))
            return Attached(number, handle, number not in before)
        except OSError as error:
            os.close(handle)
            if error.errno != errno.EBUSY:  # another process was faster with this number
                raise RehearsalError(f"Could not attach {path} to {node}: {error.strerror}.") from error
    raise RehearsalError(f"Could not get a loop device for {path}: others took each free one. Run it again.")


def _configuration(backing: int, path: Path, offset: int) -> bytes:
    """``struct loop_config`` of linux/loop.h: descriptor, block size, struct loop_info64, reserved."""
    info = struct.pack(
        "=QQQQQIIII64s64s32sQQ", 0, 0, 0, offset, 0, 0, 0, 0, _AUTOCLEAR, os.fsencode(path)[:63], b"", b"", 0, 0
    )
    return struct.pack("=II", backing, 512) + info + bytes(64)


def detach(attached: Attached) -> None:
    os.close(attached.handle)
    if attached.ours:
        remove_node(attached.number)


def _numbers() -> set[int]:
    return {int(name[4:]) for name in os.listdir("/sys/block") if name.startswith("loop")}


def remove_node(number: int) -> None:
    """Remove a loop device that nobody uses; in use by somebody: left alone."""
    with open(_CONTROL, "rb") as control:
        try:
            fcntl.ioctl(control, _LOOP_CTL_REMOVE, number)
        except OSError:
            return


def attached_below(directory: Path) -> list[tuple[int, str]]:
    """Loop devices whose backing file is, or was, below a directory: (number, backing file)."""
    found = []
    for number in sorted(_numbers()):
        try:
            backing = Path(f"/sys/block/loop{number}/loop/backing_file").read_text().strip()
        except OSError:
            continue
        if backing.startswith(f"{directory}/"):
            found.append((number, backing))
    return found


def force_detach(number: int) -> None:
    """Detach a loop device of a keeper that is gone."""
    try:
        handle = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.ioctl(handle, _LOOP_CLR_FD)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise RehearsalError(f"Could not detach /dev/loop{number}: {error.strerror}.") from error
    finally:
        os.close(handle)
