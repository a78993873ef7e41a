# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lctl`` commands about parameters and configuration logs, with the texts and exit codes of 2.17.0.

Exit codes are the errno of the command; ``set_param`` and ``get_param`` with several parameters return what the
*last* one gave (set) or any failure (get), as recorded.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, TextIO

from ..sim_error import NotLoaded, SimError

Command = Callable[[list[str], TextIO, TextIO, Any], int]
MOUNT_PARAMS = "/etc/lustre/mount.{}.params"
USAGE_GET = (
    "get the Lustre or LNET parameter\n"
    "usage: get_param [--dshbak|-b] [--color|-c auto|always|never]\n"
    "\t\t   [--classify|-F] [--header|-H] [--links|-l]\n"
    "\t\t   [--no-links|-L] [--no-name|-n] [--only-name|-N]\n"
    "\t\t   [--merge|-m] [--no-merge|-M] [--path|-p]\n"
    "\t\t   [--readable|-r] [--recursive|-R] [--only-tunable|-t]\n"
    "\t\t   [--writable|-w] [--yaml|-y]\n"
    "\t\t   PARAM1 [PARAM2 ...]\n"
    "Get the value of Lustre or LNET parameter from the specified path.\n"
    "The path can contain shell-style filename patterns.\n"
)


HELP = {
    "set_param": (
        "set the Lustre or LNET parameter\n"
        "usage: set_param [--client|-C[FSNAME]] [--delete|-d] [--no-name|-n]\n"
        "\t\t   [--file|-F YAML_PARAM FILE] [--permanent|-P] [--thread|-t[THREAD_COUNT]]\n"
        "\t\t PARAM1=VALUE1 [PARAM2=VALUE2 ...]\n"
        "Set the value of the Lustre or LNET parameter at the specified path.\n"
    ),
    "get_param": USAGE_GET,
}


def slashed(pattern: str) -> str:
    return pattern.replace(".", "/")


def missing(verb: str, pattern: str, err: TextIO) -> int:
    err.write(f"error: {verb}: param_path '{slashed(pattern)}': {os.strerror(errno.ENOENT)}\n")
    return errno.ENOENT


def split_options(argv: list[str], known: str) -> tuple[set[str], list[str], list[str]]:
    """Short options (bundled or not), unknown ones, and the other words."""
    options: set[str] = set()
    unknown: list[str] = []
    words: list[str] = []
    for word in argv:
        if word.startswith("-") and len(word) > 1 and not word.startswith("--") and not words:
            (options.update(word[1:]) if set(word[1:]) <= set(known) else unknown.append(word))
        else:
            words.append(word)
    return options, unknown, words


def get_param(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    options, unknown, patterns = split_options(argv, "nNFRyHtrwpbmMlL")
    if unknown or not patterns:
        out.write(USAGE_GET + "\n")
        return 4
    worst = 0
    for pattern in patterns:
        try:
            found = kernel.call("params.get", pattern=pattern, recursive="R" in options)
        except NotLoaded:
            worst = missing("get_param", pattern, err)
        except SimError as error:
            if error.errno != errno.ENOENT:
                raise
            worst = missing("get_param", pattern, err)
        else:
            for name, value, *failure in found:
                if value is None:
                    worst, path = failure
                    err.write(f"error: read_param: '{path}': {os.strerror(worst)}\n")
                else:
                    out.write(_shown(name, value, options))
    return worst


def _shown(name: str, value: str, options: set[str]) -> str:
    if "N" in options:
        return name + "\n"
    if "n" in options:
        return value + "\n"
    if "y" in options:
        return f"{name}: {value}\n"
    return f"{name}=\n{value}\n" if "\n" in value else f"{name}={value}\n"


def list_param(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    options, unknown, patterns = split_options(argv, "FRDLlprtwn")
    if unknown or not patterns:
        out.write("usage: list_param [--classify|-F] [--recursive|-R] PARAM1 [PARAM2 ...]\n")
        return 4
    rc = 0
    for pattern in patterns:
        try:
            for name, mark in kernel.call("params.list", pattern=pattern, recursive="R" in options):
                out.write(name + (mark if "F" in options else "") + "\n")
        except SimError:
            rc = missing("list_param", pattern, err)
            err.write(f"error: list_param: listing '{slashed(pattern)}': {os.strerror(errno.ENOENT)}\n")
    return rc


def set_param(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    options, words, client = _set_options(argv)
    if client is not None:
        return _store_for_mount(client, words, out)
    if "F" in options:
        return _set_from_file(words, out, err, kernel)
    pairs = _pairs(words, delete="d" in options)
    if not pairs:
        out.write("usage: set_param [-n] [-P] [-d] PARAM1=VALUE1 [PARAM2=VALUE2 ...]\n")
        return 4
    rc = 0
    for name, value in pairs:
        if "P" in options:
            rc = _store(name, None if "d" in options else value, err, kernel)
        elif value is None:
            err.write(f"error: set_param: setting {name}: {os.strerror(errno.EINVAL)}\n")
            rc = errno.EINVAL
        else:
            rc = _set_live(name, value, "n" in options, out, err, kernel)
    return rc


def _set_options(argv: list[str]) -> tuple[set[str], list[str], str | None]:
    """``-C``/``--client`` may carry a file system's name; the other options bundle."""
    options: set[str] = set()
    client: str | None = None
    index = 0
    long = {"--permanent": "P", "--delete": "d", "--no-name": "n", "--file": "F"}
    while index < len(argv) and argv[index].startswith("-"):
        word = argv[index]
        if word.startswith(("-C", "--client")):
            client = word.removeprefix("--client").removeprefix("-C").lstrip("=") or "client"
        elif word in long:
            options.add(long[word])
        elif set(word[1:]) <= set("nPdF"):
            options.update(word[1:])
        elif not word.startswith("-t"):
            break
        index += 1
    return options, argv[index:], client


def _pairs(words: list[str], delete: bool) -> list[tuple[str, str | None]]:
    """``NAME=VALUE`` words; a name alone takes the next word as its value, as recorded (``set_param jobid_var X``)."""
    pairs: list[tuple[str, str | None]] = []
    index = 0
    while index < len(words):
        name, equals, value = words[index].partition("=")
        if equals or delete:
            pairs.append((name, value if equals else None))
        elif index + 1 < len(words):
            pairs.append((name, words[index + 1]))
            index += 1
        else:
            pairs.append((name, None))
        index += 1
    return pairs


def _set_live(pattern: str, value: str, quiet: bool, out: TextIO, err: TextIO, kernel: Any) -> int:
    setting = f"error: set_param: setting '{slashed(pattern)}'='{value}': "
    try:
        results = kernel.call("params.set", pattern=pattern, value=value)
    except SimError as error:
        if error.errno != errno.ENOENT and not isinstance(error, NotLoaded):
            raise
        missing("set_param", pattern, err)
        err.write(setting + os.strerror(errno.ENOENT) + "\n")
        return errno.ENOENT
    rc = 0
    for result in results:
        if result["errno"] == 0:
            if not quiet:
                out.write(f"{result['name']}={value}\n")
            continue
        rc = rc or result["errno"]
        text = os.strerror(result["errno"])
        if result["opened"]:
            err.write(f"error: set_param: setting {result['path']}={value}: {text}\n")
        else:
            err.write(f"error: set_param: opening '{result['path']}': {text}\n")
    if rc:
        err.write(setting + os.strerror(rc) + "\n")
    return int(rc)


def _store(name: str, value: str | None, err: TextIO, kernel: Any) -> int:
    try:
        kernel.call("params.store", name=name, value=value)
    except SimError as error:
        if error.errno == errno.ENODEV:
            err.write("This command must be run on the MGS.\n")
        err.write(f"error: executing set_param: {os.strerror(error.errno)}\n")
        return error.errno
    return 0


def _store_for_mount(fsname: str, words: list[str], out: TextIO) -> int:
    """``set_param -C``: only a file, read when the next client mount is made."""
    path = MOUNT_PARAMS.format(fsname)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as stream:
        stream.writelines(word + "\n" for word in words)
    out.write(f"params written to {path}:\n" + "".join(word + "\n" for word in words))
    return 0


def _set_from_file(words: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    """``set_param -F FILE`` applies the set_param records of a saved ``llog_print``."""
    rc = 0
    try:
        with open(words[0], encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except OSError as error:
        err.write(f"error: set_param: cannot open '{words[0]}': {error.strerror}\n")
        return error.errno or 1
    for line in lines:
        if "event: set_param" not in line or ", parameter: " not in line:
            continue
        name, _, value = line.split(", parameter: ", 1)[1].removesuffix(" }").partition(", value: ")
        done = _store(name, value, err, kernel)
        rc = rc or done
        if done == 0:
            out.write(f"set_param: {name}={value}\n")
    return rc


def conf_param(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    delete = "-d" in argv
    words = [word for word in argv if word != "-d"]
    try:
        kernel.call("params.conf", text=words[0] if words else "", delete=delete)
    except SimError as error:
        err.write(f"error: conf_param: {os.strerror(error.errno)}\n")
        return error.errno
    return 0


def lcfg_erase(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    """As recorded: asks nothing, says nothing, works on a file system in use."""
    words = [word for word in argv if not word.startswith("-")]
    try:
        kernel.call("mgs.erase_fs", name=words[0] if words else "")
    except SimError as error:
        err.write(f"error: lcfg_erase: OBD_IOC_LCFG_ERASE failed: {os.strerror(error.errno)}\n")
        return error.errno
    return 0


def llog_catlist(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    try:
        names = kernel.call("params.log_names")
    except SimError as error:
        err.write(f"llog_catlist: OBD_IOC_CATLOGLIST failed: {os.strerror(error.errno)}\n")
        return error.errno
    out.write("".join(f"config_log: {name}\n" for name in names))
    return 0


def llog_print(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    words = [word for word in argv if not word.startswith("-")]
    if not words:
        err.write("llog_print: missing log name\n")
        return errno.EINVAL
    return _log_lines("params.log_print", "OBD_IOC_LLOG_PRINT", words[0], out, err, kernel, raw="-r" in argv)


def llog_info(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    return _log_lines("params.log_info", "OBD_IOC_LLOG_INFO", argv[0] if argv else "", out, err, kernel)


def _log_lines(op: str, ioctl: str, log: str, out: TextIO, err: TextIO, kernel: Any, **args: Any) -> int:
    try:
        lines = kernel.call(op, log=log, **args)
    except SimError as error:
        err.write(f"{log}: {ioctl} failed: {os.strerror(error.errno)}\n")
        return error.errno
    out.write("".join(line + "\n" for line in lines))
    return 0


def llog_cancel(argv: list[str], out: TextIO, err: TextIO, kernel: Any) -> int:
    words = [word.removeprefix("--log_idx=") for word in argv if word != "--log_idx"]
    numbers = [word for word in words if word.isdigit()]
    names = [word for word in words if not word.isdigit()]
    if not numbers or not names:
        err.write("llog_cancel: missing log name or index\n")
        return errno.EINVAL
    try:
        kernel.call("params.log_cancel", log=names[0], index=int(numbers[0]))
    except SimError as error:
        where = f"{names[0]}:{numbers[0]}"
        err.write(f"llog_cancel: cancel catalog '{where}' failed: {os.strerror(error.errno)}\n")
        return error.errno
    return 0


COMMANDS: dict[str, Command] = {
    "get_param": get_param,
    "set_param": set_param,
    "list_param": list_param,
    "conf_param": conf_param,
    "lcfg_erase": lcfg_erase,
    "erase_lcfg": lcfg_erase,
    "llog_catlist": llog_catlist,
    "llog_print": llog_print,
    "llog_info": llog_info,
    "llog_cancel": llog_cancel,
}
