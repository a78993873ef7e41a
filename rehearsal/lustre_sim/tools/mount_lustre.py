# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""mount.lustre: the helper that mount(8) calls as ``mount.lustre SOURCE FOLDER [-fnsv] -o OPTIONS``.

Called under the name mount.lustre_tgt (a symbolic link, as on real 2.17) the mount table shows that type.
"""

from __future__ import annotations

import errno
import getopt
import os
import sys
import time
from typing import Any, TextIO

from .. import VERSION, settings
from ..faults import Faults
from ..keyring import Keyring
from ..shared_key import load_path
from ..sim_error import SimError
from ._target_common import Exit, nid

PROGRAM = "mount.lustre"
TABLE = "/proc/self/mounts"
_MS_RDONLY, _MS_REMOUNT = 1, 32
_MAX_RETRIES = 99  # of the real one, too
_PAUSE = 4.0  # seconds between two tries; the real one: 32, and more from the 13th on
# words that mount(8) or systemd use and no file system sees
_NOT_PASSED = {
    "defaults",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "nousers",
    "owner",
    "noowner",
    "group",
    "_netdev",
    "nofail",
    "loop",
    "rw",
    "async",
    "exec",
    "suid",
    "dev",
    "atime",
    "diratime",
    "norelatime",
    "force",
}
_NOT_PASSED_KEYS = ("x-", "comment=", "md_stripe_cache_size=")
_HINTS = {
    errno.EBUSY: "Is the backend filesystem mounted?\nCheck /etc/mtab and /proc/mounts\n",
    errno.ENODEV: "Are the lustre modules loaded?\nCheck /etc/modprobe.conf and /proc/filesystems\n",
    errno.ENOTBLK: "Do you need -o loop?\n",
    errno.ENOMEDIUM: "This filesystem needs at least 1 OST\n",
    errno.ENOENT: "Is the MGS specification correct?\nIs the filesystem name correct?\n"
    "If upgrading, is the copied client log valid? (see upgrade docs)\n",
    errno.EALREADY: "The target service is already running. ({source})\n",
    errno.ENXIO: "The target service failed to start (bad config log?) ({source}).  See /var/log/messages.\n",
    errno.EIO: "Is the MGS running?\n",
    errno.EADDRINUSE: "The target service's index is already in use. ({source})\n",
    errno.EINVAL: "This may have multiple causes.\n{name}Are the mount options correct?\n"
    "Check the syslog for more info.\n",
}


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    faults = Faults.of(kernel)
    ended = faults.at_start(PROGRAM, out)
    if ended is not None:
        return ended
    try:
        return run(argv, out, err, kernel, faults)
    except Exit as end:
        err.write(end.text)
        return end.rc


def run(argv: list[str], out: TextIO, err: TextIO, kernel: Any, faults: Faults) -> int:
    try:
        found, rest = getopt.gnu_getopt(
            argv, "fhno:svVt:", ["fake", "force", "help", "nomtab", "options=", "verbose", "version"]
        )
    except getopt.GetoptError as error:
        raise Exit(22, f"{PROGRAM}: unknown option '{error.opt}'\n" + _usage()) from error
    words = dict(found)
    if "-V" in words or "--version" in words:
        out.write(f"{PROGRAM} {VERSION} (libmount)\n")
        return 0
    if "-h" in words or "--help" in words:
        out.write(_usage())
        return 0
    if len(rest) < 2:
        raise Exit(22, f"{PROGRAM}: too few arguments\n" + _usage())
    given, path = _source(rest[0]), rest[1]
    source = convert(given) if ":/" in given else given
    try:
        path = os.path.realpath(path, strict=True)
    except OSError as error:
        raise Exit(error.errno or 2, f"warning: {rest[1]}: cannot resolve: {error.strerror}\n") from error
    options = [word for text in ("-o", "--options") for word in words.get(text, "").split(",") if word]
    remount = "remount" in options
    _check_table(given, source, path, remount, "--force" in words or "force" in options)
    passed = [word for word in options if word not in _NOT_PASSED and not word.startswith(_NOT_PASSED_KEYS)]
    client = ":/" in given
    if not client and not remount:
        _need_target(source)
    retries = next((int(word[6:]) for word in options if word.startswith("retry=") and word[6:].isdigit()), 0)
    if "-f" in words or "--fake" in words:
        return 0
    _skpath(options, client, err, kernel)
    number = _mount(kernel, source, path, passed, remount, min(retries, _MAX_RETRIES))
    faults.half_way(PROGRAM)
    if number:
        _complain(err, given, path, number)
        return number
    if client and not remount:
        _apply_params(kernel, source)
    return 0


def _mount(kernel: Any, source: str, path: str, options: list[str], remount: bool, retries: int) -> int:
    """errno of the mount, 0 = done; between two tries it waits, as the real one does."""
    fstype = "lustre_tgt" if os.path.basename(sys.argv[0]).endswith("_tgt") else "lustre"
    number = 0
    for number_of_try in range(retries + 1):
        if number_of_try:
            time.sleep(_PAUSE)
        try:
            if remount:
                kernel.call("mounts.remount", source=source, path=path, options=options)
                _change_flags(path, "ro" in options)
            else:
                kernel.call("node.load", module="lustre")
                kernel.call("mounts.mount", source=source, path=path, options=options, fstype=fstype)
        except SimError as error:
            number = error.errno
        else:
            return 0
    return number


def _change_flags(path: str, read_only: bool) -> None:
    """The one option of a remount that the kernel itself keeps for a simulated mount, as mount(2) changes it."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    flags = _MS_REMOUNT | (_MS_RDONLY if read_only else 0)
    if library.mount(None, os.fsencode(path), None, ctypes.c_ulong(flags), None) != 0:
        raise SimError(ctypes.get_errno(), f"mount({path})")


def _source(text: str) -> str:
    """Symbolic links of a device are resolved, as the real helper does: the mount table shows the result."""
    if ":/" in text or not os.path.exists(text):
        return text
    real = os.path.realpath(text)
    name = os.path.basename(real)
    if name.startswith("dm-") and name[3:].isdigit():
        try:
            with open(f"/sys/block/{name}/dm/name", encoding="utf-8") as stream:
                return f"/dev/mapper/{stream.read().strip()}"
        except OSError:
            return real
    return real


def convert(text: str) -> str:
    """Host names of a client's source become addresses."""
    at = text.index(":/")
    groups = [",".join(nid(PROGRAM, part) for part in group.split(",")) for group in text[:at].split(":")]
    return ":".join(groups) + text[at:]


def _check_table(given: str, source: str, path: str, remount: bool, force: bool) -> None:
    if force:
        return
    with open(TABLE, encoding="utf-8", errors="surrogateescape") as stream:
        rows = [line.split() for line in stream]
    there = any(
        row[0] in (given, source)
        and row[1] == path.replace(" ", "\\040")
        and row[2].startswith(("lustre", "fuse.lustre"))
        for row in rows
        if len(row) > 2
    )
    if there and not remount:
        raise Exit(17, f"{PROGRAM}: according to /etc/mtab {given} is already mounted on {path}\n")
    if remount and not there:
        raise Exit(2, f"{PROGRAM}: according to /etc/mtab {given} is not already mounted on {path}\n")


def _need_target(device: str) -> None:
    from .. import disk

    try:
        found = disk.read_mountdata(device) if os.path.exists(device) else None
    except SimError:
        found = None
    if found is None:
        raise Exit(
            19,
            f"{PROGRAM}: {device} has not been formatted with mkfs.lustre or the backend filesystem type is "
            "not supported by this tool\n",
        )
    if found.flags & disk.NEEDS_INDEX and not found.stand_alone_mgs:
        raise Exit(22, f"{PROGRAM}: {device} has no index assigned (probably formatted with old mkfs)\n")
    if not found.flags & disk.MGS and not found.param("mgsnode"):
        raise Exit(22, f"{PROGRAM}: missing option mgsnode=<nid>\n")


def _skpath(options: list[str], client: bool, err: TextIO, kernel: Any) -> None:
    """The keys of ``skpath=`` are loaded before the mount; a bad one ends it."""
    for word in options:
        if word.startswith("skpath="):
            failure = load_path(word[7:], client, Keyring.of(kernel), err.write, settings.prime_seconds(kernel))
            if failure:
                raise Exit(32, f"{PROGRAM}: Error loading shared keys: {failure}\n")


def _apply_params(kernel: Any, source: str) -> None:
    """The parameters that ``lctl set_param -C`` stored for mounts of this client; what fails is only logged."""
    fsname = source[source.index(":/") + 2 :].split("/")[0]
    for name in ("client", fsname):
        try:
            with open(f"/etc/lustre/mount.{name}.params", encoding="utf-8") as stream:
                lines = [line.strip() for line in stream]
        except OSError:
            continue
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                try:
                    kernel.call("params.set", pattern=key.strip(), value=value.strip())
                except SimError:
                    continue


def _complain(err: TextIO, source: str, path: str, number: int) -> None:
    name = source.rsplit(":", 1)[1][1:] if ":/" in source else ""
    err.write(f"{PROGRAM}: mount {source} at {path} failed: {os.strerror(number)}\n")
    hint = _HINTS.get(number, "")
    err.write(hint.format(source=source, name=f"Is '{name}' the correct filesystem name?\n" if name else ""))


def _usage() -> str:
    return (
        f"\n{PROGRAM} v{VERSION}\n"
        f"usage: {PROGRAM} [-fhnvV] [-o <mount options>] <device> <mountpt>\n"
        "\t<device>: the disk device, or for a client:\n"
        "\t\t<mgsnid>[:<altmgsnid>...]:/<filesystem>[/<subdir>]\n"
        "\t<filesystem>: name of the Lustre filesystem (e.g. lustre1)\n"
        "\t<mountpt>: filesystem mountpoint (e.g. /mnt/lustre)\n"
    )
