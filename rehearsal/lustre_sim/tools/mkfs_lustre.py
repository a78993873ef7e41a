# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""mkfs.lustre: the recorded text around a real mke2fs on the real device.

As the real one it refuses only what is Lustre or mounted; any other content is overwritten without a word.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any, TextIO

from .. import disk
from ..disk import MountData
from ..faults import Faults
from ..sim_error import SimError
from ._target_common import Exit, fatal, print_data
from ._target_options import HELP, Options, parse

PROGRAM = "mkfs.lustre"
_CHUNK = 127  # the real tool copies mke2fs' output in pieces of this size, each after three blanks
_GIB_KB = 1 << 20
_MAX_JOURNAL_MB = {"MDT": 4096, "OST": 1024, "MGS": 1024}


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any = None) -> int:
    faults = Faults.of(kernel)
    ended = faults.at_start(PROGRAM, out)
    if ended is not None:
        return ended
    try:
        if not argv:
            raise Exit(22, _usage(), announce=False)
        options = parse(PROGRAM, argv, MountData(flags=disk.NEEDS_INDEX | disk.UPDATE | disk.VIRGIN), tune=False)
        return run(options, out, err, faults)
    except Exit as end:
        if end.rc == 0:
            out.write(_usage() if end.text == HELP else end.text)
            return 0
        return end.tell(PROGRAM, err)


def run(options: Options, out: TextIO, err: TextIO, faults: Faults) -> int:
    data = options.data
    check(options, err)
    if data.mount_type == "zfs":
        raise Exit(19, fatal(PROGRAM, f"{options.device}: there is no ZFS in the simulation"))
    exists = prepare(options, faults)
    complete(options)
    print_data("Permanent disk data", data, out)
    if options.dryrun:
        out.write("exiting before disk write.\n")
        return 0
    if disk.mounts_of(options.device):
        raise Exit(17, f"{options.device}: is currently mounted, exiting without any change\n", announce=False)
    loud = options.verbosity >= 0
    if not options.reformat and exists:
        _refuse_lustre(options, out, loud)
    format_device(options, exists, out, loud)
    faults.half_way(PROGRAM)
    if loud:
        out.write(f"Writing {disk.MOUNTDATA}\n")
    if faults.on("device-vanishes", options.device):
        raise Exit(5, fatal(PROGRAM, "failed to write local files") + f"{PROGRAM}: Input/output error\n")
    disk.first_mountdata(options.device, data)
    if "mmp" in features(options):
        disk.tool("tune2fs", "-O", "mmp", options.device)
    return 0


# -- what is asked for -----------------------------------------------------------------------------------------------


def check(options: Options, err: TextIO) -> None:
    """The rules between options, in the order of the real tool."""
    data = options.data
    if not data.flags & (disk.MDT | disk.OST | disk.MGS):
        raise Exit(22, fatal(PROGRAM, "must set target type: MDT,OST,MGS"))
    if data.flags & disk.OST and data.flags & (disk.MDT | disk.MGS):
        raise Exit(22, fatal(PROGRAM, "OST type is exclusive with MDT,MGS"))
    if data.stand_alone_mgs:
        for given, name in ((options.index_given, "index"), (options.fsname_given, "fsname")):
            if given:
                # formats nothing and still ends with 0
                err.write(f"{PROGRAM}: '--{name}' only valid for MDT,OST\n{_usage()}")
                raise Exit(0)
        data.flags &= ~disk.NEEDS_INDEX
        return
    if not data.fsname:
        raise Exit(22, fatal(PROGRAM, "Must specify --fsname for MDT/OST device"))
    if data.flags & disk.NEEDS_INDEX:
        if data.flags & disk.MDT:
            data.index = 0
            data.flags &= ~disk.NEEDS_INDEX
        err.write(
            f"warning: {options.device}: for Lustre 2.4 and later, the target index must be specified with --index\n"
        )
    if not data.flags & disk.MGS and not data.param("mgsnode"):
        raise Exit(22, fatal(PROGRAM, "Must specify --mgsnode"))


def prepare(options: Options, faults: Faults) -> bool:
    """Whether the device exists: a block device, or a plain file; a missing file is made when a size is given."""
    device = options.device
    try:
        if faults.on("device-vanishes", device) and not options.dryrun:
            raise FileNotFoundError
        os.stat(device)
    except OSError:
        if options.device_kb and not device.startswith("/dev/"):
            return False
        raise Exit(
            2, f"{PROGRAM}: {device} apparently does not exist\n" + fatal(PROGRAM, "unable to prepare backend (2)")
        ) from None
    return True


def complete(options: Options) -> None:
    """Fill in the defaults that the backend chooses."""
    default = ",errors=remount-ro" if options.data.flags & disk.OST else "user_xattr,errors=remount-ro"
    options.data.mount_opts = default if options.mount_opts is None else options.mount_opts


# -- the backing file system ------------------------------------------------------------------------------------------


def features(options: Options) -> list[str]:
    kind = options.data.kind
    wanted = ["uninit_bg"]
    if kind != "MGS":
        wanted.append("extents")
    if kind == "MDT":
        wanted.append("dirdata")
    if options.failover:
        wanted.append("mmp")
    wanted += ["dir_nlink", "quota", "project", "huge_file"]
    if kind == "MDT":
        wanted.append("ea_inode")
    if kind != "MGS":
        wanted.append("large_dir")
    return [*wanted, "^fast_commit", "flex_bg"]


def mke2fs_options(options: Options, kilobytes: int) -> str:
    """The text after the label, as the real tool prints it; user options come first, -O and -E are merged."""
    kind = options.data.kind
    user = options.mkfs_options
    user, user_features = _take(user, "-O")
    user, user_extended = _take(user, "-E")
    words = [user.strip()] if user.strip() else [""]
    if "-J" not in user and kilobytes > _GIB_KB:
        words.append(f"-J size={min(kilobytes // 102400 * 4, _MAX_JOURNAL_MB[kind])}")
    if kind != "MGS" and "-I" not in user.split():
        words.append("-I 512" if kind == "OST" else "-I 2048" if options.stripe_hint > 10 else "-I 1024")
    if "-i" not in user.split() and "-N" not in user.split():
        words += _bytes_per_inode(kind, kilobytes)
    if options.verbosity < 2:
        words.append("-q")
    words.append("-O " + ",".join(([user_features] if user_features else []) + features(options)))
    if kind == "OST" and "-G" not in user.split():
        words.append("-G 256")
    extended = [user_extended] if user_extended else []
    if kind == "OST" and "resize=" not in user_extended:
        extended.append('resize="4290772992"')
    extended += ["lazy_journal_init", 'lazy_itable_init="0"', "packed_meta_blocks"]
    words += ["-E " + ",".join(extended), "-F"]
    return " ".join(words)


def format_device(options: Options, exists: bool, out: TextIO, loud: bool) -> None:
    data, device = options.data, options.device
    if not exists:
        with open(device, "wb") as stream:
            stream.truncate(options.device_kb * 1024)
    elif loud and not options.device_kb:
        out.write(f"device size = {disk.size_kb(device) >> 10}MB\n")
    kilobytes = options.device_kb or disk.size_kb(device)
    text = mke2fs_options(options, kilobytes)
    command = f"mke2fs -j -b 4096 -L {data.name()} {text} {device} {kilobytes}k"
    if loud:
        out.write(
            f"formatting backing filesystem {data.mount_type} on {device}\n"
            f"\ttarget name   {data.name()}\n\tkilobytes     {kilobytes}\n\toptions       {text}\n"
            f"mkfs_cmd = {command}\n"
        )
    done = subprocess.run(_executed(command), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return
    for line in (done.stdout + done.stderr).splitlines():
        if line.startswith("mke2fs ") and "(" in line:
            continue
        for at in range(0, len(line), _CHUNK):
            out.write("   " + line[at : at + _CHUNK])
        out.write("\n")
    status = done.returncode << 8
    raise Exit(
        1,
        fatal(PROGRAM, f"Unable to build fs {device} ({status})") + fatal(PROGRAM, f"mkfs failed {status}"),
        announce=False,
    )


def _executed(command: str) -> list[str]:
    """The command as run: mmp comes last, when the files are written, as debugfs would wait for it."""
    words = shlex.split(command)
    at = words.index("-O") + 1
    words[at] = ",".join(word for word in words[at].split(",") if word != "mmp")
    return words


def _refuse_lustre(options: Options, out: TextIO, loud: bool) -> None:
    if loud:
        out.write("checking for existing Lustre data: ")
    try:
        found = disk.has_lustre_data(options.device)
    except SimError:
        found = False
    if loud:
        out.write("found\n" if found else "not found\n")
    if found:
        raise Exit(
            1,
            fatal(
                PROGRAM,
                f"Device {options.device} was previously formatted for lustre. Use --reformat to "
                "reformat it, or tunefs.lustre to modify.",
            ),
        )


def _bytes_per_inode(kind: str, kilobytes: int) -> list[str]:
    if kind == "MDT":
        return ["-i 2560"]
    if kind == "OST":
        for limit, size in ((16 << 30, 1 << 20), (8 << 30, 1 << 19), (1 << 30, 1 << 18), (10 << 20, 69905)):
            if kilobytes > limit:
                return [f"-i {size}"]
    return []


def _take(text: str, option: str) -> tuple[str, str]:
    """Remove ``-O words`` from a user's options; both parts."""
    words = text.split()
    if option not in words:
        return text, ""
    at = words.index(option)
    return " ".join(words[:at] + words[at + 2 :]), words[at + 1] if at + 1 < len(words) else ""


def _usage() -> str:
    from ._target_usage import usage

    return usage(PROGRAM, tune=False)
