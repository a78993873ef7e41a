# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``lctl get_param nodemap.*`` shows, as values, and what this node's lctl can do with nodemaps.

Observed on Lustre 2.17.0, unless said otherwise:

* Lists are relaxed YAML: ``[]`` for an empty one, else one ``{ key: value, ... }`` a line.  A file set is such a list
  since 2.17; before it was the plain path.
* Properties have other names when they are read (``admin`` → ``admin_nodemap``).
* The nodemap ``default`` has neither ranges nor id maps, offset, SELinux policy; ``rbac`` of it cannot be read before 2.18.
* Ranges of ids that were mapped in one go are read back one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Container, Iterator, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, span_between
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

ID_TYPES = ("uid", "gid", "projid")
#: Property as nodemap_modify calls it → last part of its parameter's name, where that is another one.
READ_AS = {"admin": "admin_nodemap", "trusted": "trusted_nodemap"}
FLAGS = (
    "admin", "trusted", "deny_unknown", "audit_mode", "forbid_encryption", "readonly_mount", "deny_mount",
    "gssonly_identification",
)  # fmt: skip
NUMBERS = ("squash_uid", "squash_gid", "squash_projid")
SETS = ("map_mode", "rbac", "child_raise_privileges")
#: What a nodemap has right after nodemap_add, where the release has it (from the recordings of 2.17.0).
NEW_FLAGS = {name: name == "audit_mode" for name in FLAGS}
NEW_NUMBERS = dict.fromkeys(NUMBERS, 65534)
MAP_MODES = {"all": frozenset(ID_TYPES), "both": frozenset({"uid", "gid"})}
_ON_MGS = "mgs.MGS.filesystems"
#: Only these begin a value: those of several lines may hold ``=`` themselves.
ASKED = ("version", _ON_MGS, "nodemap.active", "nodemap.*.*")
_HELPED = ("nodemap_modify", "nodemap_add_offset", "nodemap_add")
_NAME = re.compile(r"nodemap\.(?P<name>[^.]+)\.(?P<key>[a-z_]+)\Z")


@dataclass(frozen=True)
class Fileset:
    """A directory that clients of a nodemap see as their root (the primary one), or may ask for (an alternate)."""

    path: str
    alternate: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Nodemap:
    """One nodemap as it is; ``ranges`` and ``banlist`` as they are stored, ``caps``: kind (``off``) and names."""

    name: str
    flags: Mapping[str, bool] = field(default_factory=lambda: dict(NEW_FLAGS))
    numbers: Mapping[str, int] = field(default_factory=lambda: dict(NEW_NUMBERS))
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ranges: tuple[Span, ...] = ()
    banlist: tuple[Span, ...] = ()
    idmap: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    offset: tuple[int, int] | None = None
    filesets: tuple[Fileset, ...] = ()
    sepol: str = ""
    caps: tuple[str, frozenset[str]] = ("off", frozenset())
    parent: str = ""
    clients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Features:
    """What this node's Lustre can do: ``properties`` of nodemap_modify, and whole groups of commands."""

    properties: frozenset[str] = frozenset()
    offset: bool = False
    filesets: bool = False
    banlist: bool = False
    caps: bool = False
    dynamic: bool = False


@dataclass(frozen=True)
class State:
    """All nodemaps of this node; ``here``: it has any at all (a server with its modules loaded)."""

    active: bool = False
    maps: Mapping[str, Nodemap] = field(default_factory=dict)
    features: Features = field(default_factory=Features)
    mgs: bool = False
    here: bool = True
    release: str = ""


def read(run: Runner) -> State:
    """Everything in one process: usage texts, then the values."""
    commands = [*(("help", name) for name in _HELPED), ("get_param", *ASKED)]
    result = lctl.run_batch(run, commands, timeout=120.0)
    answer = lctl_params.parse(result.out, result.err, ASKED)
    if not (answer.values or answer.missing):
        raise ToolError("read the nodemaps of this node", ("lctl",), result.rc, result.out, result.err)
    broken = {name: why for name, why in answer.unreadable.items() if name.startswith("nodemap.")}
    if broken:
        name, why = sorted(broken.items())[0]
        raise ToolError(f"read {name} ({why})", ("lctl", "get_param", name), result.rc, "", result.err)
    return parse(answer.values, result.out + result.err)


def parse(values: Mapping[str, str], usage: str = "") -> State:
    """From parameters by full name, and the usage texts of lctl; UnknownOutput for a shape that is not known."""
    release, mgs = values.get("version", ""), _ON_MGS in values
    if "nodemap.active" not in values:
        return State(mgs=mgs, here=False, release=release)
    raw: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        match = _NAME.match(name)
        if match:
            raw.setdefault(match["name"], {})[match["key"]] = value
    features = features_of(raw.get("default", {}), {key for keys in raw.values() for key in keys}, usage)
    maps = {name: _nodemap(name, keys) for name, keys in raw.items()}
    return State(_flag(values["nodemap.active"], "nodemap.active"), maps, features, mgs, True, release)


def features_of(default: Mapping[str, str], keys: Container[str], usage: str) -> Features:
    """From what the nodemaps show (``default`` has no offset and no roles) and what the usage texts name."""
    listed = re.search(r"^valid properties: *(.*)$", usage, re.M)
    names = set(listed[1].split() if listed else ())
    names |= {name for name in (*FLAGS, *NUMBERS, *SETS) if READ_AS.get(name, name) in keys}
    return Features(
        frozenset(names),
        "usage: nodemap_add_offset" in usage or "offset" in keys,
        default.get("fileset", "").lstrip().startswith("["),
        "banlist" in default,
        "enable_cap_mask" in default,
        "--dynamic" in usage,
    )


def _nodemap(name: str, keys: Mapping[str, str]) -> Nodemap:
    def where(key: str) -> str:
        return f"nodemap.{name}.{key}"

    flags = {flag: READ_AS.get(flag, flag) for flag in FLAGS}
    return Nodemap(
        name,
        {flag: _flag(keys[key], where(key)) for flag, key in flags.items() if key in keys},
        {key: _whole(keys[key], where(key)) for key in NUMBERS if key in keys},
        {key: _words(keys[key], key) for key in SETS if key in keys},
        tuple(_spans(keys.get("ranges", ""), where("ranges"))),
        tuple(_spans(keys.get("banlist", ""), where("banlist"))),
        parse_idmap(keys.get("idmap", ""), where("idmap")),
        parse_offset(keys.get("offset", ""), where("offset")),
        tuple(parse_filesets(keys.get("fileset", ""), where("fileset"))),
        keys.get("sepol", "").strip(),
        parse_caps(keys.get("enable_cap_mask", "off"), where("enable_cap_mask")),
        keys.get("parent", "").strip(),
        tuple(dict.fromkeys(row["nid"] for row in _rows(keys.get("exports", ""), where("exports"), ("nid",)))),
    )


def _unknown(where: str, text: str) -> UnknownOutput:
    return UnknownOutput(f"lctl get_param {where}", "the nodemaps of this node", text)


def _rows(text: str, where: str, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The ``{ key: value, ... }`` lines of a list in brackets."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines == ["[]"]:
        return
    if lines[0] != "[" or lines[-1] != "]":
        raise _unknown(where, text)
    for line in lines[1:-1]:
        inner = line.removesuffix(",")
        if not (inner.startswith("{") and inner.endswith("}")):
            raise _unknown(where, line)
        row = dict(_pair(item, where) for item in inner[1:-1].split(", "))
        if any(key not in row for key in needed):
            raise _unknown(where, line)
        yield row


def _pair(item: str, where: str) -> tuple[str, str]:
    key, colon, value = item.partition(":")
    if not colon:
        raise _unknown(where, item)
    return key.strip(), value.strip()


def _flag(text: str, where: str) -> bool:
    if text.strip() not in ("0", "1"):
        raise _unknown(where, text)
    return text.strip() == "1"


def _whole(text: str, where: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text.strip()):
        raise _unknown(where, text)
    return int(text)


def _words(text: str, key: str) -> frozenset[str]:
    """``file_perms,dne_ops`` (or with blanks) as a set; ``none`` is the empty one, map modes by their ids."""
    words = frozenset(re.split(r"[,\s]+", text.strip())) - {"", "none"}
    return MAP_MODES.get(text.strip(), words) if key == "map_mode" else words


def _spans(text: str, where: str) -> Iterator[Span]:
    for row in _rows(text, where, ("start_nid", "end_nid")):
        try:
            yield span_between(row["start_nid"], row["end_nid"])
        except ValueError:
            raise _unknown(where, str(row)) from None


def parse_idmap(text: str, where: str = "nodemap.*.idmap") -> dict[str, dict[int, int]]:
    """Client id → id in the file system, by type."""
    found: dict[str, dict[int, int]] = {}
    for row in _rows(text, where, ("idtype", "client_id", "fs_id")):
        if row["idtype"] not in ID_TYPES:
            raise _unknown(where, str(row))
        found.setdefault(row["idtype"], {})[_whole(row["client_id"], where)] = _whole(row["fs_id"], where)
    return found


def parse_offset(text: str, where: str = "nodemap.*.offset") -> tuple[int, int] | None:
    """Start and limit; None when there is none.  One of them holds for all three kinds of ids."""
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if lines[0] != "{" or lines[-1] != "}":
        raise _unknown(where, text)
    values = dict(_pair(line, where) for line in lines[1:-1])
    pairs = {
        (_whole(values.get(f"start_{kind}", ""), where), _whole(values.get(f"limit_{kind}", ""), where))
        for kind in ID_TYPES
    }
    if len(pairs) != 1:
        raise _unknown(where, text)
    start, limit = pairs.pop()
    return (start, limit) if limit else None


def parse_filesets(text: str, where: str = "nodemap.*.fileset") -> list[Fileset]:
    """A list since 2.17, before that the path or nothing."""
    if not text.strip().startswith("["):
        path = text.strip()
        if "\n" in path or (path and not path.startswith("/")):
            raise _unknown(where, text)
        return [Fileset(path)] if path else []
    found = []
    for row in _rows(text, where, ()):
        kinds = [kind for kind in ("primary", "alternate") if kind in row]
        mode = row.get("mode", "rw")
        if len(kinds) != 1 or mode not in ("ro", "rw") or set(row) - {*kinds, "mode"}:
            raise _unknown(where, str(row))
        found.append(Fileset(row[kinds[0]], kinds[0] == "alternate", mode == "ro"))
    return found


def parse_caps(text: str, where: str = "nodemap.*.enable_cap_mask") -> tuple[str, frozenset[str]]:
    """``off``, or the lines ``type: mask`` and ``caps: cap_chown,...``."""
    if text.strip() == "off":
        return "off", frozenset()
    found = lctl_params.keys(text)
    if found.get("type") not in ("mask", "set") or "caps" not in found or len(found) != 2:
        raise _unknown(where, text)
    return found["type"], frozenset(re.split(r"[,\s]+", found["caps"])) - {""}
