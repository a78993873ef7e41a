# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl's commands about devices: dl, device_list, the current device, activate and deactivate."""

from __future__ import annotations

import errno
import os

from ..sim_error import NotLoaded, SimError
from ._parser import Io, interpret

#: What a command ends with that has shown how it is used; ``--device`` then shows its own use as well.
_USAGE = 4


def dl(argv: list[str], io: Io) -> int:
    """``dl [-t]``: as recorded, ``-t`` adds the server's NID to connected client devices only."""
    try:
        devices = io.kernel.call("obd.devices")
    except NotLoaded:
        io.err.write("Writer error: failed to resolve Netlink family id\n")
        return -errno.ENOENT
    for one in devices:
        where = f" {one['nid']}" if "-t" in argv and one["nid"] else ""
        io.out.write(
            f"{one['index']:3} {one['status']} {one['type']} {one['name']} {one['uuid']} {one['refs']}{where}\n"
        )
    return 0


def device(argv: list[str], io: Io) -> int:
    """``device NAME|%NAME|$INDEX``: the device that the following commands of a batch are about."""
    if not argv:
        io.err.write("usage: device <%name|$name|devno>\n")
        return -errno.EINVAL
    name = argv[0].lstrip("%$")
    devices = io.kernel.call("obd.devices")
    found = next((one["name"] for one in devices if name in (one["name"], str(one["index"]))), None)
    if found is None:
        io.out.write("Reader error: 'Object not found' at 0\n")
        io.err.write(f"No device found for name {name}: {os.strerror(errno.EINVAL)}\n")
        return -1
    io.shared["device"] = found
    return 0


def with_device(argv: list[str], io: Io) -> int:
    """``--device NAME COMMAND ...``"""
    rc = device(argv[:1], io)
    if rc or len(argv) < 2:
        return rc
    rc = interpret(io).command(argv[1:])
    if rc == _USAGE:
        io.out.write("run <command> after connecting to device <devno>\n--device <devno> <command [args ...]>\n")
    return rc


def _switch(active: bool, argv: list[str], io: Io) -> int:
    name = io.shared.get("device")
    verb = "activate" if active else "deactivate"
    if name is None:
        io.err.write(f"error: {verb}: no device selected\n")
        return -errno.EINVAL
    try:
        io.kernel.call("obd.set_active", device=name, active=active)
    except SimError as error:
        io.err.write(f"error: {verb}: {os.strerror(error.errno)}\n")
        return -error.errno
    return 0


def activate(argv: list[str], io: Io) -> int:
    return _switch(True, argv, io)


def deactivate(argv: list[str], io: Io) -> int:
    return _switch(False, argv, io)


FUNCTIONS = {
    "dl": dl,
    "device_list": dl,
    "device": device,
    "cfg_device": device,
    "--device": with_device,
    "activate": activate,
    "deactivate": deactivate,
}
