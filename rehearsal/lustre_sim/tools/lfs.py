# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lfs: what an administrator looks at (df, check, osts, mdts), names and identifiers, and the simplest layouts."""

from __future__ import annotations

import errno
import getopt
import os
from collections.abc import Callable
from typing import Any, TextIO

from .. import VERSION
from ..faults import Faults
from ..sim_error import NotLoaded, SimError
from .lfs_flushctx import flushctx
from .lfs_layout import getstripe, setstripe
from .lfs_project import project

PROGRAM = "lfs"
_COMMANDS = (
    "quit exit help --help version --version list-commands --list-commands --ignore_errors ignore_errors setstripe "
    "getstripe setdirstripe getdirstripe mkdir rm_entry rmentry unlink_foreign pool_list find check osts mdts df getname "
    "setquota quota project flushctx changelog changelog_clear fid2path path2fid rmfid data_version hsm_state hsm_set "
    "hsm_clear hsm_action hsm_archive hsm_restore hsm_release hsm_remove hsm_cancel hsm swap_layouts migrate mv ladvise "
    "mirror getsom somsync heat_get heat_set pcc"
).split()
_CHECK_USAGE = (
    "Display the status of MGTs, MDTs or OSTs (as specified in the command)\n"
    "or all the servers (MGTs, MDTs and OSTs) [for specified path only].\n"
    "usage: check {mgts|osts|mdts|all} [PATH]\n"
)
_CHECK_KINDS = {
    "servers": ("osc", "mdc", "mgc"),
    "all": ("osc", "mdc", "mgc"),
    "osts": ("osc",),
    "mdts": ("mdc",),
    "mgts": ("mgc",),
    "mgs": ("mgc",),
}


class Context:
    """What a command needs of its surroundings."""

    def __init__(self, out: TextIO, err: TextIO, kernel: Any) -> None:
        self.out, self.err, self.kernel = out, err, kernel

    def filesystems(self) -> list[dict[str, Any]]:
        try:
            return list(self.kernel.call("obd.filesystems"))
        except NotLoaded:
            return []

    def of_path(self, path: str) -> dict[str, Any] | None:
        """The client mount that holds a path."""
        real = os.path.realpath(path)
        holding = [
            fs for fs in self.filesystems() if real == fs["path"] or real.startswith(fs["path"].rstrip("/") + "/")
        ]
        return max(holding, key=lambda fs: len(fs["path"]), default=None)

    def meant(self, paths: list[str]) -> list[dict[str, Any]] | None:
        """The client mounts that a command is about: all, or the one of the path it was given; None outside of Lustre."""
        if not paths:
            return self.filesystems()
        one = self.of_path(paths[0])
        return None if one is None else [one]


def main(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    if argv:
        return _run(argv, Context(out, err, kernel))
    rc = 0
    for line in stdin:  # a batch ends at the first command that fails, as lctl's does
        words = line.split()
        if rc or words[:1] in (["quit"], ["exit"]):
            break
        if words:
            rc = _run(words, Context(out, err, kernel))
    return rc


def _run(argv: list[str], context: Context) -> int:
    name, words, err = argv[0], argv[1:], context.err
    command = COMMANDS.get(name)
    if command is not None:
        try:
            return command(words, context)
        except SimError as error:
            err.write(f"lfs {name}: error: {os.strerror(error.errno)}\n")
            return error.errno
    if name in _COMMANDS:
        err.write(f"lfs {name}: the simulation has no such command\n")
        return errno.EOPNOTSUPP
    err.write(f"lfs: '{name}' is not a valid command. See 'lfs --list-commands'.\n")
    return 1


# -- df --------------------------------------------------------------------------------------------------------------


def _df(words: list[str], context: Context) -> int:
    flags, paths = getopt.gnu_getopt(words, "hHilp:v", ["human-readable", "inodes", "lazy", "pool=", "verbose"])
    names = {name for name, _ in flags}
    human = bool(names & {"-h", "-H", "--human-readable"})
    inodes = bool(names & {"-i", "--inodes"})
    filesystems = context.meant(paths)
    if filesystems is None:
        context.out.write(f"df:{paths[0]} Not a Lustre filesystem\n")
        return errno.EOPNOTSUPP
    for fs in filesystems:
        _df_one(fs, human, inodes, context.out)
    return 0


def _df_one(fs: dict[str, Any], human: bool, inodes: bool, out: TextIO) -> None:
    if inodes:
        titles = ("Inodes", "IUsed", "IFree", "IUse%")
    else:
        titles = ("bytes" if human else "1K-blocks", "Used", "Available", "Use%")
    out.write(f"{'UUID':<20} {titles[0]:>11} {titles[1]:>11} {titles[2]:>11} {titles[3]:>4}  Mounted on\n")
    up = [target for target in fs["targets"] if target["state"] == "FULL"]
    for target in up:
        out.write(
            _row(
                f"{target['name']}_UUID",
                _numbers(target, inodes),
                human,
                f"{fs['path']}[{target['kind']}:{target['index']}]",
            )
        )
    osts = [_numbers(target, inodes) for target in up if target["kind"] == "OST"]
    total = tuple(sum(column) for column in zip(*osts)) if osts else (0, 0, 0)
    if inodes:
        mdts = [_numbers(target, True) for target in up if target["kind"] == "MDT"]
        used, free = sum(row[1] for row in mdts), min(total[2], sum(row[2] for row in mdts))
        total = (used + free, used, free)
    out.write("\n" + _row("filesystem_summary:", total, human, fs["path"]) + "\n")


def _numbers(target: dict[str, Any], inodes: bool) -> tuple[int, ...]:
    if inodes:
        return target["filestotal"], target["filestotal"] - target["filesfree"], target["filesfree"]
    return target["kbytestotal"], target["kbytestotal"] - target["kbytesfree"], target["kbytesavail"]


def _row(name: str, numbers: tuple[int, ...], human: bool, where: str) -> str:
    whole = numbers[1] + numbers[2]
    percent = f"{-(-numbers[1] * 100 // whole) if whole else 0}%"
    width = 9 if human else 11
    shown = [_human(number) if human else str(number) for number in numbers]
    return f"{name:<20} {shown[0]:>{width}} {shown[1]:>{width}} {shown[2]:>{width}} {percent:>4}  {where}\n"


def _human(kilobytes: int) -> str:
    value, step = float(kilobytes), 0
    while value >= 1024:
        value, step = value / 1024, step + 1
    return f"{value:.1f}{'KMGTPE'[step]}"


# -- servers ---------------------------------------------------------------------------------------------------------


def _check(words: list[str], context: Context) -> int:
    kind = words[0] if words else ""
    if kind not in _CHECK_KINDS:
        context.err.write(f"lfs check: unrecognized option '{kind}'\n")
        context.out.write(_CHECK_USAGE)
        return 4
    try:
        rows = context.kernel.call("obd.check")
    except NotLoaded:
        rows = []
    for row in rows:
        if row["type"] not in _CHECK_KINDS[kind]:
            continue
        if row["errno"]:
            context.err.write(
                f"lfs check: error: check '{row['name']}': {os.strerror(row['errno'])} ({row['errno']})\n"
            )
        else:
            context.out.write(f"{row['name']} active.\n")
    return 0


def _list(kind: str, title: str) -> Callable[[list[str], Context], int]:
    def command(words: list[str], context: Context) -> int:
        filesystems = context.meant(words)
        if filesystems is None:
            context.err.write(f"lfs {kind.lower()}s: error: '{words[0]}' is not on a mounted Lustre filesystem\n")
            return errno.ENODEV
        for fs in filesystems:
            context.out.write(f"{title}:\n")
            for target in fs["targets"]:
                if target["kind"] == kind:
                    state = "ACTIVE" if target["state"] == "FULL" else "INACTIVE"
                    context.out.write(f"{target['index']}: {target['name']}_UUID {state}\n")
        return 0

    return command


def _getname(words: list[str], context: Context) -> int:
    flags, paths = getopt.gnu_getopt(words, "hinu", ["fsname", "instance", "uuid"])
    names = {name for name, _ in flags}
    for fs in [context.of_path(path) for path in paths] if paths else context.filesystems():
        if fs is None:
            context.err.write(f"lfs getname: cannot get instance for '{paths[0]}': Inappropriate ioctl for device\n")
            return errno.ENOTTY
        name = (
            fs["instance"]
            if names & {"-i", "--instance"}
            else fs["fsname"]
            if names & {"-n", "--fsname"}
            else (f"{fs['fsname']}-{fs['instance']}")
        )
        context.out.write(name + ("\n" if paths else f" {fs['path']}\n"))
    return 0


# -- names and layouts -----------------------------------------------------------------------------------------------


def _fid(path: str) -> str:
    return f"[0x200000401:0x{os.lstat(path).st_ino:x}:0x0]"


def _path2fid(words: list[str], context: Context) -> int:
    for path in words:
        try:
            context.out.write(_fid(path) + "\n")
        except OSError as error:
            context.err.write(f"lfs path2fid: cannot get fid for '{path}': {error.strerror}\n")
            return error.errno or 1
    return 0


def _fid2path(words: list[str], context: Context) -> int:
    if len(words) < 2:
        context.err.write("usage: fid2path FSNAME|ROOT FID...\n")
        return 4
    root = (
        words[0]
        if words[0].startswith("/")
        else next((fs["path"] for fs in context.filesystems() if fs["fsname"] == words[0]), words[0])
    )
    for wanted in words[1:]:
        for folder, names, files in os.walk(root):
            found = next(
                (os.path.join(folder, n) for n in names + files if _fid(os.path.join(folder, n)) == wanted), None
            )
            if found:
                context.out.write(found + "\n")
                break
        else:
            context.err.write(f"lfs fid2path: cannot find {root} {wanted}: No such file or directory\n")
            return errno.ENOENT
    return 0


def _mkdir(words: list[str], context: Context) -> int:
    flags, paths = getopt.gnu_getopt(words, "c:i:m:H:D", ["mdt-count=", "mdt-index=", "mode=", "mdt-hash=", "default"])
    options = dict(flags)
    for path in paths:
        fs = context.of_path(os.path.dirname(os.path.abspath(path)))
        known = {target["index"] for target in fs["targets"] if target["kind"] == "MDT"} if fs else set()
        index = options.get("-i", options.get("--mdt-index", "-1")).split(",")[0]
        text, number = "", 0
        if os.path.exists(path):
            text, number = "stripe already set", errno.EEXIST
        elif fs is None:
            text, number = os.strerror(errno.ENOTTY), errno.ENOTTY
        elif index.lstrip("-").isdigit() and int(index) >= 0 and int(index) not in known:
            text, number = os.strerror(errno.ENODEV), errno.ENODEV
        if number:
            context.err.write(
                f"lfs mkdir: dirstripe error on '{path}': {text}\n"
                f"lfs setdirstripe: cannot create dir '{path}': {os.strerror(number)}\n"
            )
            return number
        os.mkdir(path)
    return 0


def _version(_words: list[str], context: Context) -> int:
    context.out.write(f"lfs {VERSION}\n")
    return 0


def _list_commands(_words: list[str], context: Context) -> int:
    for at in range(0, len(_COMMANDS), 4):
        context.out.write("".join(f"{name:<20}" for name in _COMMANDS[at : at + 4]) + "\n")
    return 0


COMMANDS: dict[str, Callable[[list[str], Context], int]] = {
    "df": _df,
    "check": _check,
    "osts": _list("OST", "OBDS"),
    "mdts": _list("MDT", "MDTS"),
    "getname": _getname,
    "path2fid": _path2fid,
    "fid2path": _fid2path,
    "mkdir": _mkdir,
    "setdirstripe": _mkdir,
    "flushctx": flushctx,
    "project": project,
    "setstripe": setstripe,
    "getstripe": getstripe,
    "--version": _version,
    "version": _version,
    "--list-commands": _list_commands,
    "list-commands": _list_commands,
}
