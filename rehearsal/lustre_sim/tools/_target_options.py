# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line that mkfs.lustre and tunefs.lustre share, with its order-dependent rules and its texts."""

from __future__ import annotations

import dataclasses
import getopt
import re
from collections.abc import Callable

from .. import VERSION, disk
from ..disk import MountData
from ._target_common import NET, Exit, fatal, nids

_LONG = [
    "backfstype=",
    "backfs-mount-opts=",
    "comment=",
    "device-size=",
    "dryrun",
    "failnode=",
    "failover=",
    "force-nohostid",
    "fsname=",
    "help",
    "index=",
    "mdt",
    "mgs",
    "mgsnid=",
    "mgsnode=",
    "mkfsoptions=",
    "mountfsoptions=",
    "network=",
    "nomgs",
    "noformat",
    "ost",
    "param=",
    "quiet",
    "replace",
    "servicenode=",
    "verbose",
    "version",
]
_MKFS_LONG = ["reformat", "stripe-count-hint="]
_TUNEFS_LONG = [
    "erase-param=",
    "erase-params",
    "mountdata-reset-from=",
    "nolocallogs",
    "quota",
    "rename",
    "rename=",
    "writeconf",
]
_SHORT = "b:B:c:d:ef:Ghi:k:L:m:MnNo:Op:qrs:t:u:vVw"
_SHORT_NAMES = {
    "b": "backfstype",
    "B": "backfs-mount-opts",
    "c": "stripe-count-hint",
    "d": "device-size",
    "e": "erase-params",
    "f": "failnode",
    "G": "mgs",
    "h": "help",
    "i": "index",
    "k": "mkfsoptions",
    "L": "fsname",
    "m": "mgsnode",
    "M": "mdt",
    "n": "dryrun",
    "N": "nomgs",
    "o": "mountfsoptions",
    "O": "ost",
    "p": "param",
    "q": "quiet",
    "r": "reformat",
    "s": "servicenode",
    "t": "network",
    "u": "comment",
    "v": "verbose",
    "V": "version",
    "w": "writeconf",
}
_ALIASES = {"mgsnid": "mgsnode", "failover": "failnode", "noformat": "dryrun"}
_MAX_INDEX = 65504
HELP = "help"
_FSNAME = re.compile(r"[A-Za-z0-9_-]")


@dataclasses.dataclass
class Options:
    """What the command line asks for, beyond the changes it already made to ``data``."""

    data: MountData
    program: str
    tune: bool = False
    device: str = ""
    extra: list[str] = dataclasses.field(default_factory=list)  # vdevs of ZFS
    mkfs_options: str = ""
    mount_opts: str | None = None
    device_kb: int = 0
    stripe_hint: int = 0
    dryrun: bool = False
    reformat: bool = False
    replace: bool = False
    rename_from: str | None = None
    verbosity: int = 0
    failover: str = ""  # "failnode" or "servicenode" once one was seen
    index_given: bool = False
    fsname_given: bool = False


Apply = Callable[[Options, str], None]


def parse(program: str, argv: list[str], data: MountData, tune: bool) -> Options:
    """Read the words; raises Exit with the real tool's text and code."""
    known = _LONG + (_TUNEFS_LONG if tune else _MKFS_LONG)
    try:
        found, rest = getopt.gnu_getopt(argv, _SHORT, known)
    except getopt.GetoptError as error:
        raise Exit(22, _complaint(program, argv, error)) from error
    options = Options(data=data, program=program, tune=tune)
    for word, value in found:
        name = word.lstrip("-") if word.startswith("--") else _SHORT_NAMES[word[1]]
        name = _ALIASES.get(name, name)
        _APPLY[name](options, value)
    if not rest:
        raise Exit(22, "")
    options.device, options.extra = rest[0], rest[1:]
    return options


def device_word(argv: list[str], tune: bool) -> str | None:
    """The device of a command line that may have errors elsewhere (tunefs reads the device first)."""
    words = list(argv)
    while words:
        try:
            rest = getopt.gnu_getopt(words, _SHORT, _LONG + (_TUNEFS_LONG if tune else _MKFS_LONG))[1]
            return rest[0] if rest else None
        except getopt.GetoptError as error:
            bad = next((word for word in words if error.opt and word.lstrip("-").split("=")[0] == error.opt), None)
            if bad is None:
                return words[-1]
            words.remove(bad)
    return None


def _complaint(program: str, argv: list[str], error: getopt.GetoptError) -> str:
    name = error.opt
    word = next((w for w in argv if w.startswith("-") and w.lstrip("-").split("=")[0] == name), f"--{name}")
    if "not recognized" in error.msg:
        if word.startswith("--"):
            return f"{program}: unrecognized option '{word}'\n"
        return f"{program}: invalid option -- '{name}'\n"
    if "must not have" in error.msg:
        return f"{program}: option '--{name}' doesn't allow an argument\n"
    if "unique prefix" in error.msg:
        return f"{program}: option '{word}' is ambiguous\n"
    return f"{program}: option '--{name}' requires an argument\n"


# -- one function per option -----------------------------------------------------------------------------------------


def _append(data: MountData, key: str, value: str, separator: str = ":") -> None:
    """Add to a parameter that may be there already: the real tools append, and say nothing."""
    for at, text in enumerate(data.params):
        if text.startswith(key + "="):
            data.params[at] = text + separator + value
            return
    data.params.append(f"{key}={value}")


def _target(flag: int) -> Apply:
    def apply(options: Options, _value: str) -> None:
        options.data.flags |= flag

    return apply


def _index(options: Options, value: str) -> None:
    try:
        number = int(value, 16 if value.lower().startswith("0x") else 10)
    except ValueError:
        raise Exit(
            1, f"{options.program}: wrong index {value}. Target index must be decimal or hexadecimal.\n"
        ) from None
    if not 0 <= number < _MAX_INDEX:
        raise Exit(1, f"{options.program}: wrong index {value}. Target index must be less than {_MAX_INDEX}.\n")
    data = options.data
    if options.tune and number != data.index and not data.flags & (disk.VIRGIN | disk.WRITECONF):
        raise Exit(1, fatal(options.program, "cannot change the index of a registered target"))
    data.index = number
    data.flags &= ~disk.NEEDS_INDEX
    options.index_given = True


def _fsname(options: Options, value: str) -> None:
    if not 1 <= len(value) <= 8:
        raise Exit(1, f"{options.program}: filesystem name must be 1-8 chars\n")
    for letter in value:
        if not _FSNAME.match(letter):
            raise Exit(1, f"{options.program}: char '{letter}' not allowed in filesystem name\n")
    data = options.data
    registered = options.tune and not data.flags & (disk.VIRGIN | disk.WRITECONF)
    if registered and value != data.fsname and options.rename_from is None:
        raise Exit(1, fatal(options.program, "cannot change the name of a registered target"))
    data.fsname = value
    options.fsname_given = True


def _mgsnode(options: Options, value: str) -> None:
    _append(options.data, "mgsnode", nids(options.program, value))
    options.data.flags |= disk.UPDATE if options.tune else 0


def _failover(kind: str) -> Apply:
    def apply(options: Options, value: str) -> None:
        other = "failnode" if kind == "servicenode" else "servicenode"
        if options.failover == other:
            raise Exit(1, f"{options.program}: {kind} cannot use with --{other}\n")
        options.failover = kind
        _append(options.data, "failover.node", nids(options.program, value))
        options.data.flags |= disk.UPDATE
        if kind == "servicenode":
            options.data.flags |= disk.NO_PRIMNODE

    return apply


def _param(options: Options, value: str) -> None:
    key = value.split("=", 1)[0]
    data = options.data
    if options.tune:
        data.params = [text for text in data.params if text.split("=", 1)[0] != key]
        data.flags |= disk.UPDATE
    data.params.append(value)


def _network(options: Options, value: str) -> None:
    if not options.data.flags & (disk.MDT | disk.OST):
        raise Exit(1, f"{options.program}: '--network' only valid for MDT,OST\n", announce=False)
    for net in value.split(","):
        if not NET.match(net):
            raise Exit(1, f"{options.program}: cannot parse network '{net}'\n")
    _append(options.data, "network", value, ",")
    options.data.flags |= disk.UPDATE


def _backfstype(options: Options, value: str) -> None:
    if value not in ("ldiskfs", "zfs"):
        raise Exit(1, f"{options.program}: invalid backend filesystem type {value}\n")
    options.data.mount_type = value


def _stripe_hint(options: Options, value: str) -> None:
    if not options.data.flags & disk.MDT:
        raise Exit(1, f"{options.program}: '--stripe-count-hint' only valid for MDT\n", announce=False)
    if not value.isdigit() or int(value) <= 0:
        raise Exit(1, f"{options.program}: bad stripe count {value}\n")
    options.stripe_hint = int(value)


def _erase_params(options: Options, _value: str) -> None:
    options.data.params = []
    options.data.flags |= disk.UPDATE
    options.failover = ""


def _erase_param(options: Options, value: str) -> None:
    options.data.params = [text for text in options.data.params if text.split("=", 1)[0] != value]
    options.data.flags |= disk.UPDATE


def _writeconf(options: Options, _value: str) -> None:
    options.data.flags |= disk.WRITECONF


def _nomgs(options: Options, _value: str) -> None:
    options.data.flags &= ~disk.MGS


def _set(name: str, value: object = None) -> Apply:
    def apply(options: Options, text: str) -> None:
        setattr(options, name, text if value is None else value)

    return apply


def _verbosity(step: int) -> Apply:
    def apply(options: Options, _value: str) -> None:
        options.verbosity += step

    return apply


def _device_size(options: Options, value: str) -> None:
    options.device_kb = int(value) if value.isdigit() else 0


def _comment(options: Options, value: str) -> None:
    options.data.comment = value


def _replace(options: Options, _value: str) -> None:
    options.replace = True
    options.data.flags &= ~disk.VIRGIN


def _rename(options: Options, value: str) -> None:
    options.rename_from = value or options.data.fsname


def _version(options: Options, _value: str) -> None:
    raise Exit(0, f"{options.program} {VERSION}\n", announce=False)


def _help(_options: Options, _value: str) -> None:
    raise Exit(0, HELP)


def _nothing(_options: Options, _value: str) -> None:
    """The option changes nothing that the simulation keeps."""


_APPLY: dict[str, Apply] = {
    "backfstype": _backfstype,
    "backfs-mount-opts": _nothing,
    "comment": _comment,
    "device-size": _device_size,
    "dryrun": _set("dryrun", True),
    "failnode": _failover("failnode"),
    "force-nohostid": _nothing,
    "fsname": _fsname,
    "help": _help,
    "index": _index,
    "mdt": _target(disk.MDT),
    "mgs": _target(disk.MGS),
    "mgsnode": _mgsnode,
    "mkfsoptions": _set("mkfs_options"),
    "mountfsoptions": _set("mount_opts"),
    "network": _network,
    "nomgs": _nomgs,
    "ost": _target(disk.OST),
    "param": _param,
    "quiet": _verbosity(-1),
    "replace": _replace,
    "servicenode": _failover("servicenode"),
    "verbose": _verbosity(1),
    "version": _version,
    "reformat": _set("reformat", True),
    "stripe-count-hint": _stripe_hint,
    "erase-param": _erase_param,
    "erase-params": _erase_params,
    "mountdata-reset-from": _nothing,
    "nolocallogs": _target(disk.NO_LOCAL_LOGS),
    "quota": _nothing,
    "rename": _rename,
    "writeconf": _writeconf,
}
