# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl's commands for nodemaps, with the texts and exit codes of 2.17.0.

Two manners, as recorded: the older commands end with 1 and say ``VERB: REASON`` after the failed ioctl, the newer ones
end with the errno and a sentence. Wrong words print the usage on standard output and end with 4.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from ..sim_error import NotLoaded, SimError
from . import lctl_params
from ._getopt import NONE, REQUIRED, Parsed, getopt_long
from ._parser import Io

HELP = {
    "nodemap_activate": "activate nodemap idmapping functions\nusage: nodemap_activate {0|1}",
    "nodemap_add": (
        "create a new nodemap\nusage: nodemap_add [-d|--dynamic] [-p|--parent PARENT_NAME] --name NODEMAP_NAME"
    ),
    "nodemap_del": "remove a nodemap\nusage: nodemap_del NODEMAP_NAME",
    "nodemap_add_range": "add a nid range to a nodemap\nusage: nodemap_add_range --name NODEMAP_NAME --range NID_RANGE",
    "nodemap_del_range": "delete a nid range from a nodemap\nusage: nodemap_del_range --name NODEMAP_NAME --range NID_RANGE",
    "nodemap_banlist_add": "ban a nid range\nusage: nodemap_banlist_add --name NODEMAP_NAME --range NID_RANGE",
    "nodemap_banlist_del": "allow a banned nid range\nusage: nodemap_banlist_del --name NODEMAP_NAME --range NID_RANGE",
    "nodemap_modify": (
        "modify a nodemap property\n"
        "usage: nodemap_modify --name NODEMAP_NAME --property PROPERTY_NAME{=VALUE| --value VALUE}\n"
        "valid properties: admin trusted map_mode squash_uid squash_gid squash_projid deny_unknown audit_mode "
        "forbid_encryption readonly_mount rbac deny_mount child_raise_privileges"
    ),
    "nodemap_add_idmap": (
        "add a UID or GID mapping to a nodemap\n"
        "usage: nodemap_add_idmap --name NODEMAP_NAME --idtype {uid|gid|projid} --idmap CLIENTID:FSID"
    ),
    "nodemap_del_idmap": (
        "delete a UID or GID mapping from a nodemap\n"
        "usage: nodemap_del_idmap --name NODEMAP_NAME --idtype {uid|gid|projid} --idmap CLIENTID:FSID"
    ),
    "nodemap_add_offset": (
        "add an offset to UID, GID and PROJID\nusage: nodemap_add_offset --name NODEMAP_NAME --offset OFFSET --limit LIMIT"
    ),
    "nodemap_del_offset": "delete the offset of a nodemap\nusage: nodemap_del_offset --name NODEMAP_NAME",
}
_IOCTL = {
    "nodemap_add": 0x40, "nodemap_del": 0x41, "nodemap_add_range": 0x42, "nodemap_del_range": 0x43,
    "nodemap_add_idmap": 0x44, "nodemap_del_idmap": 0x45, "nodemap_activate": 0x48, "nodemap_add_offset": 0x4C,
    "nodemap_del_offset": 0x4D, "nodemap_test_nid": 0x55, "nodemap_test_id": 0x56, "nodemap_set_fileset": 0x5A,
    "nodemap_set_sepol": 0x5B, "nodemap_fileset_add": 0x62, "nodemap_set_cap": 0x63, "nodemap_fileset_del": 0x64,
    "nodemap_fileset_modify": 0x65, "nodemap_banlist_add": 0x68, "nodemap_banlist_del": 0x69,
}  # fmt: skip
_PROPERTY_IOCTL = {
    "admin": 0x49, "trusted": 0x4A, "deny_unknown": 0x4B, "squash_uid": 0x51, "squash_gid": 0x52, "squash_projid": 0x53,
    "audit_mode": 0x5C, "forbid_encryption": 0x5D, "readonly_mount": 0x5E, "map_mode": 0x59, "rbac": 0x5F,
    "deny_mount": 0x60, "child_raise_privileges": 0x61,
}  # fmt: skip
_LONGS = {
    "name": REQUIRED, "range": REQUIRED, "property": REQUIRED, "value": REQUIRED, "idtype": REQUIRED, "idmap": REQUIRED,
    "offset": REQUIRED, "limit": REQUIRED, "fileset": REQUIRED, "sepol": REQUIRED, "type": REQUIRED, "caps": REQUIRED,
    "nid": REQUIRED, "id": REQUIRED, "parent": REQUIRED, "rename": REQUIRED, "dynamic": NONE, "alt": NONE, "ro": NONE,
    "rw": NONE, "primary": NONE, "all": NONE, "list": NONE,
}  # fmt: skip
_SHORTS = {"n": "name", "d": "dynamic", "p": "parent"}
_INFO = """Global nodemap state:
	{state}

Defined nodemaps:
{names}

Available nodemap parameters:
	admin_nodemap        root is not squashed on policy group
	audit_mode           client can record FS access events to the Changelogs
	deny_mount           disable client mounts
	deny_unknown         deny access for unknown (squashed) users
	exports              list of client connections (NIDs) for this nodemap
	fileset              fileset restrictions for this nodemap
	forbid_encryption    prevent clients from using encryption
	id                   unique identifier for this nodemap
	idmap                identity mapping rules for UID/GID/PROJID translation
	map_mode             identity mapping mode
	offset               idmap range offset for identity translation
	ranges               NID ranges assigned to this nodemap
	rbac                 role-based admin control settings
	readonly_mount       force clients to mount read-only
	sepol                SELinux policy for this nodemap
	squash_gid           GID for unmapped users
	squash_projid        project ID for unmapped projects
	squash_uid           UID for unmapped users
	trusted_nodemap      accept client identities without mapping
"""


def _usage(verb: str, io: Io, *told: str) -> int:
    io.out.write(HELP.get(verb, verb) + "\n")
    io.err.write("".join(f"{line}\n" for line in told))
    return 4


def _options(verb: str, argv: list[str], io: Io) -> Parsed:
    return getopt_long(verb, argv, _LONGS, _SHORTS, io.err)


def _failed(io: Io, number: int, code: int, sentence: str = "") -> None:
    io.err.write(f"error: invalid ioctl: 000ce{number:03x} errno: {code}: {os.strerror(code)}\n")
    if sentence:
        io.err.write(f"{sentence}: {os.strerror(code)}\n")


def _do(verb: str, io: Io, sentence: str = "", ioctl: int = 0, **given: Any) -> int:
    """Without a sentence the older manner: exit code 1."""
    try:
        io.kernel.call("nodemap.do", verb=verb.removeprefix("nodemap_"), **given)
    except NotLoaded:
        io.err.write("opening /dev/obd failed: No such file or directory\nhint: the kernel modules may not be loaded\n")
        return errno.ENOENT
    except SimError as error:
        _failed(io, ioctl or _IOCTL[verb], error.errno, sentence or verb)
        return error.errno if sentence else 1
    return 0


def activate(argv: list[str], io: Io) -> int:
    if len(argv) != 1:
        return _usage("nodemap_activate", io)
    return _do("nodemap_activate", io, value=argv[0])


def add(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_add", argv, io)
    name = parsed.value("name") or (parsed.words[0] if parsed.words else "")
    if parsed.failed or not name:
        return _usage("nodemap_add", io)
    parent, dynamic = parsed.value("parent") or "", parsed.has("dynamic")
    if parent and not dynamic:
        return _usage("nodemap_add", io, "nodemap_add: invalid parent for non-dynamic nodemap")
    if _exists(io, name):
        io.err.write(f"error: nodemap '{name}' already exists\nnodemap_add: {os.strerror(errno.EINVAL)}\n")
        return 1
    return _do("nodemap_add", io, name=name, parent=parent, dynamic=dynamic)


def _exists(io: Io, name: str) -> bool:
    try:
        return bool(io.kernel.call("params.get", pattern=f"nodemap/{name}/id"))
    except SimError:
        return False


def remove(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_del", argv, io)
    name = parsed.value("name") or (parsed.words[0] if parsed.words else "")
    if parsed.failed or not name:
        return _usage("nodemap_del", io)
    if not _exists(io, name):
        io.err.write(f"error: nodemap '{name}' does not exist\nnodemap_del: {os.strerror(errno.EINVAL)}\n")
        return 1
    return _do("nodemap_del", io, name=name)


def _range(verb: str) -> Any:
    def run(argv: list[str], io: Io) -> int:
        parsed = _options(verb, argv, io)
        text = parsed.value("range") or ""
        if parsed.failed or not text:
            return _usage(verb, io)
        if "@" not in text:
            told = f"error: nodemap_xxx_range: can't parse nid range: {text}"
            return _usage(verb, io, f"nidrange \"{text}\" doesn't contain '@'", told)
        return _do(verb, io, name=parsed.value("name") or "", text=text)

    return run


def modify(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_modify", argv, io)
    name, (key, _equals, inline) = parsed.value("name") or "", (parsed.value("property") or "").partition("=")
    value = parsed.value("value") or inline
    if parsed.failed or not name or not key:
        return _usage("nodemap_modify", io)
    if key not in _PROPERTY_IOCTL:
        return _usage("nodemap_modify", io, f"error: nodemap_modify: nodemap_modify invalid property: {key}")
    sentence = f"error: nodemap_modify: cannot modify nodemap '{name}' to param '{key}': value '{value}'"
    return _do("nodemap_modify", io, sentence, _PROPERTY_IOCTL[key], name=name, key=key, value=value)


def _idmap(verb: str) -> Any:
    def run(argv: list[str], io: Io) -> int:
        parsed = _options(verb, argv, io)
        kind = parsed.value("idtype") or ""
        if kind not in ("uid", "gid", "projid"):
            return _usage(verb, io, f"{verb}: incorrect ID type, must be one of uid, gid, projid.")
        return _do(verb, io, name=parsed.value("name") or "", kind=kind, text=parsed.value("idmap") or "")

    return run


def add_offset(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_add_offset", argv, io)
    name, offset, limit = (parsed.value(key) or "" for key in ("name", "offset", "limit"))
    if not (offset.isdigit() and limit.isdigit()):
        return _usage("nodemap_add_offset", io)
    told = f"nodemap_add_offset: cannot set offset {offset}+{limit} to nodemap '{name}' because it overlaps with existing offset"
    return _do("nodemap_add_offset", io, told, name=name, offset=int(offset), limit=int(limit))


def del_offset(argv: list[str], io: Io) -> int:
    name = _options("nodemap_del_offset", argv, io).value("name") or ""
    return _do("nodemap_del_offset", io, f"nodemap_del_offset: cannot del offset from nodemap '{name}'", name=name)


def _fileset(verb: str) -> Any:
    def run(argv: list[str], io: Io) -> int:
        parsed = _options(verb, argv, io)
        name, path = parsed.value("name") or "", parsed.value("fileset") or ""
        told = f"error: cannot '{verb}' with fileset '{path}' on nodemap '{name}'"
        if parsed.failed or not name or not (path or parsed.has("all")):
            return _usage(verb, io)
        if verb == "nodemap_fileset_add":
            kinds = {"alternate": parsed.has("alt"), "read_only": parsed.has("ro")}
            return _do(verb, io, told, name=name, path=path, **kinds)
        if verb == "nodemap_fileset_del":
            return _do(verb, io, told, name=name, path=path, everything=parsed.has("all"))
        words = {"alt": ("alternate", True), "primary": ("alternate", False), "ro": ("ro", True), "rw": ("ro", False)}
        changes: dict[str, Any] = dict(change for word, change in words.items() if parsed.has(word))
        if parsed.value("rename"):
            changes["path"] = parsed.value("rename")
        return _do(verb, io, told, name=name, path=path, changes=changes)

    return run


def set_fileset(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_set_fileset", argv, io)
    return _do("nodemap_set_fileset", io, name=parsed.value("name") or "", path=parsed.value("fileset") or "")


def set_sepol(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_set_sepol", argv, io)
    return _do("nodemap_set_sepol", io, name=parsed.value("name") or "", policy=parsed.value("sepol") or "")


def set_cap(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_set_cap", argv, io)
    name, kind, caps = (parsed.value(key) or "" for key in ("name", "type", "caps"))
    if kind not in ("mask", "set", "off"):
        return _usage("nodemap_set_cap", io)
    told = f"error: nodemap_set_cap: cannot set capabilities '{caps}' on nodemap '{name}'"
    return _do("nodemap_set_cap", io, told, name=name, kind=kind, caps=caps)


def test_nid(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_test_nid", argv, io)
    nid = parsed.value("nid") or (parsed.words[0] if parsed.words else "")
    try:
        io.out.write(io.kernel.call("nodemap.test_nid", nid=nid) + "\n")
    except SimError as error:
        _failed(io, _IOCTL["nodemap_test_nid"], error.errno, "nodemap_test_nid")
        return 1
    return 0


def test_id(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_test_id", argv, io)
    nid, kind, number = (parsed.value(key) or "" for key in ("nid", "idtype", "id"))
    try:
        answer = io.kernel.call("nodemap.test_id", nid=nid, kind=kind, number=int(number or 0))
    except SimError as error:
        _failed(io, _IOCTL["nodemap_test_id"], error.errno)
        return error.errno
    io.out.write(f"{answer}\n")
    return 0


def info(argv: list[str], io: Io) -> int:
    parsed = _options("nodemap_info", argv, io)
    name = parsed.value("name") or (parsed.words[0] if parsed.words else "")
    get = lctl_params.COMMANDS["get_param"]
    if name == "list":
        return _names(io)
    if name == "all":
        return lctl_params.COMMANDS["list_param"](["nodemap.*.*"], io.out, io.err, io.kernel)
    if not name:
        return get(["-R", "nodemap.*"], io.out, io.err, io.kernel)
    return get([f"nodemap.{name}.{parsed.value('property') or '*'}"], io.out, io.err, io.kernel)


def _names(io: Io) -> int:
    for name in _defined(io):
        io.out.write(f"nodemap.{name}\n")
    return 0


def _defined(io: Io) -> list[str]:
    return [name.split(".")[1] for name, _value in io.kernel.call("params.get", pattern="nodemap/*/id")]


def subcommand(argv: list[str], io: Io) -> int:
    """``nodemap info --list`` and the other commands without their first half."""
    if argv[:1] == ["info"] and "--list" in argv:
        active = dict(io.kernel.call("params.get", pattern="nodemap/active"))["nodemap.active"]
        names = "\n".join(f"\t{name}" for name in _defined(io))
        io.out.write(_INFO.format(state="active" if active == "1" else "inactive", names=names))
        return 0
    function = FUNCTIONS.get(f"nodemap_{argv[0]}") if argv else None
    return _usage("nodemap", io) if function is None else int(function(argv[1:], io))


FUNCTIONS: dict[str, Any] = {
    "nodemap_activate": activate,
    "nodemap_add": add,
    "nodemap_new": add,
    "nodemap_del": remove,
    **{verb: _range(verb) for verb in ("nodemap_add_range", "nodemap_del_range")},
    **{verb: _range(verb) for verb in ("nodemap_banlist_add", "nodemap_banlist_del")},
    **{f"nodemap_fileset_{what}": _fileset(f"nodemap_fileset_{what}") for what in ("add", "del", "modify")},
    "nodemap_modify": modify,
    "nodemap_add_offset": add_offset,
    "nodemap_del_offset": del_offset,
    **{verb: _idmap(verb) for verb in ("nodemap_add_idmap", "nodemap_del_idmap")},
    "nodemap_set_fileset": set_fileset,
    "nodemap_set_sepol": set_sepol,
    "nodemap_set_cap": set_cap,
    "nodemap_test_nid": test_nid,
    "nodemap_test_id": test_id,
    "nodemap_info": info,
    "nodemap": subcommand,
}
