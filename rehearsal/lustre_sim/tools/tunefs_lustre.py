# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tunefs.lustre: reads CONFIGS/mountdata, prints it, changes it. Repeated options append, as with the real one."""

from __future__ import annotations

import copy
import os
from typing import Any, TextIO

from .. import VERSION, disk
from ..faults import Faults
from ..sim_error import SimError
from ._target_common import Exit, fatal, print_data
from ._target_options import device_word, parse

PROGRAM = "tunefs.lustre"


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any = None) -> int:
    faults = Faults.of(kernel)
    ended = faults.at_start(PROGRAM, out)
    if ended is not None:
        return ended
    if "-V" in argv or "--version" in argv:
        out.write(f"{PROGRAM} {VERSION}\n")
        return 0
    try:
        device = device_word(argv, tune=True)
        if device is None:
            from ._target_usage import usage

            raise Exit(22, usage(PROGRAM, tune=True), announce=False)
        if "/" in device and not device.startswith(("/", ".")):
            raise _no_pool(device, out)
        return run(argv, device, out, err, faults)
    except Exit as end:
        return end.tell(PROGRAM, err)


def _no_pool(device: str, out: TextIO) -> Exit:
    """A dataset of a pool that does not exist, as every pool here; recorded."""
    out.write("checking for existing Lustre data: not found\n")
    return Exit(19, fatal(PROGRAM, f"Device {device} has not been formatted with mkfs.lustre"))


def run(argv: list[str], device: str, out: TextIO, err: TextIO, faults: Faults) -> int:
    loud = not {"-q", "--quiet"} & set(argv)
    old = _read(device, out, loud, faults)
    if loud:
        print_data("Read previous values", old, out, separator="-")
    data = copy.deepcopy(old)
    try:
        options = parse(PROGRAM, argv, data, tune=True)
    except Exit as end:
        if "unrecognized option" in end.text:
            end.text *= 2  # the real tool reads its options twice
        raise
    if options.mount_opts is not None:
        data.mount_opts = options.mount_opts
    if loud:
        print_data("Permanent disk data", data, out)
    if options.dryrun:
        out.write("exiting before disk write.\n")
        return 0
    if disk.mounts_of(device):
        raise Exit(17, f"{device}: is currently mounted, exiting without any change\n", announce=False)
    faults.half_way(PROGRAM)
    if loud:
        out.write(f"Writing {disk.MOUNTDATA}\n")
    disk.write_mountdata(device, data)
    return 0


def _read(device: str, out: TextIO, loud: bool, faults: Faults) -> disk.MountData:
    missing = faults.on("device-vanishes", device) or not os.path.exists(device)
    if missing:
        raise Exit(
            2, f"{PROGRAM}: {device} apparently does not exist\n" + fatal(PROGRAM, "unable to prepare backend (2)")
        )
    if loud:
        out.write("checking for existing Lustre data: ")
    try:
        found = disk.read_mountdata(device)
    except SimError:
        found = None
    if loud:
        out.write("not found\n" if found is None else "found\n")
    if found is None:
        raise Exit(19, fatal(PROGRAM, f"Device {device} has not been formatted with mkfs.lustre"))
    return found
