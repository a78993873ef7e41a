# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wanted nodemaps, checked before anything is asked or changed: shapes, values, and what contradicts itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import (
    FLAGS,
    ID_TYPES,
    MAP_MODES,
    NUMBERS,
    SETS,
    Fileset,
)
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, merged, span_of_nid, spans_of
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known

DEFAULT = "default"
PURGES = ("ranges", "idmap", "filesets", "banlist")
#: Roles by the release that brought them (2.16, 2.17, 2.18).
ROLES = (
    frozenset({"byfid_ops", "chlg_ops", "dne_ops", "file_perms", "fscrypt_admin", "quota_ops"}),
    frozenset({"hsm_ops", "ignore_root_prjquota", "local_admin", "pool_quota_ops", "server_upcall"}),
    frozenset({"foreign_ops", "immutable_flags", "lqa_quota_ops", "projid_set"}),
)
#: What children of a nodemap may have more freely than it, in Lustre's words (lustre_nodemap.h of 2.17); of roles, each by itself.
PRIVILEGES = (
    "child_raise_privs", "admin", "trusted", "deny_unknown", "readonly_mount", "forbid_encryption", "caps", "deny_mount",
)  # fmt: skip
OPTIONS = (
    "name", "state", "ranges", "idmap", "offset", *FLAGS, *NUMBERS, *SETS, "filesets", "sepol", "capabilities",
    "banlist", "parent", "dynamic", "purge",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_]{1,16}\Z")
_PATH = re.compile(r"(?:/[^/\s,{}]+)+\Z")
_SEPOL = re.compile(r"[01]:[A-Za-z0-9_-]+:[0-9]+:[0-9a-fA-F]+\Z")
_CAP = re.compile(r"cap_[a-z_]+\Z")
_WORD = re.compile(r"[a-z_]+\Z")
_LAST_ID = 2**32 - 1
#: One idmap entry is one record of the MGS's index, and one line that is read back.
MAX_IDS = 65536


@dataclass(frozen=True)
class NodemapWant:
    """One wanted nodemap; None is what is not said, and stays as it is. Spans are merged, ids expanded."""

    name: str
    present: bool = True
    ranges: tuple[Span, ...] | None = None
    idmap: Mapping[str, Mapping[int, int]] | None = None
    offset: tuple[int, int] | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    filesets: tuple[Fileset, ...] | None = None
    sepol: str | None = None
    caps: tuple[str, frozenset[str]] | None = None
    banlist: tuple[Span, ...] | None = None
    parent: str = ""
    dynamic: bool = False
    purge: frozenset[str] = frozenset()
    path: str = "nodemaps"

    @property
    def primary(self) -> Fileset | None:
        return next((one for one in self.filesets or () if not one.alternate), None)


@dataclass(frozen=True)
class Wanted:
    """All that one call wants; ``active`` None leaves it; ``protect`` as spans, with the text as it was given."""

    maps: tuple[NodemapWant, ...] = ()
    active: bool | None = None
    purge: bool = False
    protect: Mapping[str, Span] = field(default_factory=dict)
    consent: frozenset[str] = frozenset()


def wanted_from_options(options: Mapping[str, Any], path: str = "") -> Wanted:
    """From the options of the module; BadValue names the entry that is unusable."""
    at = f"{path}." if path else ""
    maps = [want_from_options(item, f"{at}nodemaps[{n}]") for n, item in enumerate(options.get("nodemaps") or ())]
    _check_names(maps)
    _check_overlaps(maps)
    _check_offsets(maps)
    protect: dict[str, Span] = {}
    for number, nid in enumerate(options.get("protect") or ()):
        protect[str(nid)] = _parsed(span_of_nid, str(nid), f"{at}protect[{number}]", "Give single NIDs.")
    active = options.get("active")
    return Wanted(
        tuple(maps),
        None if active is None else boolean(options, "active", path or "options"),
        boolean(options, "purge", path or "options"),
        protect,
        frozenset(str(name) for name in options.get("consent") or ()),
    )


def want_from_options(options: Mapping[str, Any], path: str) -> NodemapWant:
    """One item of ``nodemaps``."""
    require_known(options, OPTIONS, path)
    name = str(options.get("name") or "")
    if not _NAME.match(name) or name == "active":
        raise BadValue(
            f"{path}.name",
            f"{name!r} is no name of a nodemap",
            "It has 1 to 16 letters, digits or _, and is not active.",
        )
    state = str(options.get("state") or "present")
    if state not in ("present", "absent"):
        raise BadValue(f"{path}.state", f"{state!r} is no state", "Use present or absent.")
    present = state == "present"
    if not present:
        _check_absent(options, name, path)
    elif name == DEFAULT:
        _check_default(options, path)
    want = NodemapWant(
        name,
        present,
        _spans(options, "ranges", path),
        _idmap(options.get("idmap"), f"{path}.idmap"),
        _offset(options.get("offset"), f"{path}.offset"),
        {flag: boolean(options, flag, path) for flag in FLAGS if options.get(flag) is not None},
        {key: _squash(options[key], f"{path}.{key}") for key in NUMBERS if options.get(key) is not None},
        {key: _set(key, options[key], f"{path}.{key}") for key in SETS if options.get(key) is not None},
        _filesets(options.get("filesets"), f"{path}.filesets"),
        _sepol(options.get("sepol"), f"{path}.sepol"),
        _caps(options.get("capabilities"), f"{path}.capabilities"),
        _spans(options, "banlist", path),
        str(options.get("parent") or ""),
        boolean(options, "dynamic", path),
        _purge(options.get("purge"), f"{path}.purge"),
        path,
    )
    return _consistent(want)


def _consistent(want: NodemapWant) -> NodemapWant:
    path = want.path
    if want.dynamic != bool(want.parent):
        raise BadValue(
            f"{path}.parent", "a dynamic nodemap has a parent, and only a dynamic one has", "Give both or neither."
        )
    if want.offset and want.offset[1]:
        limit = want.offset[1]
        large = [
            f"{kind} {client}"
            for kind, ids in (want.idmap or {}).items()
            for client in sorted(ids)[-1:]
            if client >= limit
        ]
        large += [f"{key} {number}" for key, number in want.numbers.items() if number >= limit]
        if large:
            raise BadValue(
                f"{path}.offset.limit",
                f"{limit} does not reach over {large[0]}",
                "The limit must be above every mapped and every squash id.",
            )
    if want.flags.get("gssonly_identification") and want.ranges:
        raise BadValue(
            f"{path}.ranges", "a nodemap with gssonly_identification has no NID ranges", "Leave out one of the two."
        )
    # To ban a NID of a new range its nodemap is closed for mounts for a moment (a NID must be in a range before it can
    # be banned): a run that ended in that moment is put right by the next one only when the opening is wanted.
    if want.banlist and "deny_mount" not in want.flags:
        return NodemapWant(**{**want.__dict__, "flags": {**want.flags, "deny_mount": False}})
    return want


def _check_names(maps: Sequence[NodemapWant]) -> None:
    seen: dict[str, NodemapWant] = {}
    for want in maps:
        if want.name in seen:
            raise BadValue(
                f"{want.path}.name", f"{want.name} is that of {seen[want.name].path}, too", "Keep one of the two."
            )
        seen[want.name] = want


def _check_overlaps(maps: Sequence[NodemapWant]) -> None:
    """A NID belongs to one nodemap: the MGS would refuse the second range, in the middle of the work."""
    owned = sorted((span, want.name, want.path) for want in maps if want.present for span in want.ranges or ())
    for (span, name, _path), (other, second, path) in zip(owned, owned[1:]):
        if span.meets(other) and name != second:
            raise BadValue(
                f"{path}.ranges",
                f"{other.text} of {second} overlaps {span.text} of {name}",
                "A NID belongs to one nodemap: cut one of the two ranges.",
            )


def _check_offsets(maps: Sequence[NodemapWant]) -> None:
    placed = sorted((*want.offset, want.name, want.path) for want in maps if want.present and want.offset)
    placed = [entry for entry in placed if entry[1]]
    for (start, limit, name, _path), (second, _limit, other, path) in zip(placed, placed[1:]):
        if second < start + limit:
            raise BadValue(
                f"{path}.offset",
                f"ids from {second} on belong to {name} already (it has {start} to {start + limit - 1})",
                f"Give {other} an offset of its own.",
            )


def _check_absent(options: Mapping[str, Any], name: str, path: str) -> None:
    if name == DEFAULT:
        raise BadValue(f"{path}.state", "the nodemap default cannot be removed", "Restrict it instead.")
    said = [
        key for key in OPTIONS if key not in ("name", "state") and options.get(key) not in (None, [], {}, "", False)
    ]
    if said:
        raise BadValue(f"{path}.{said[0]}", f"{name} is to be absent", "Leave out everything but its name and state.")


def _check_default(options: Mapping[str, Any], path: str) -> None:
    for key in ("ranges", "idmap", "offset", "sepol", "parent", "dynamic", "banlist"):
        if options.get(key) not in (None, [], {}, "", False):
            raise BadValue(
                f"{path}.{key}",
                f"the nodemap default has no {key}",
                "It holds every NID that no range of another nodemap holds; make a nodemap for these.",
            )


def _parsed(reader: Callable[[str], Any], text: str, path: str, remedy: str) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise BadValue(path, str(error), remedy) from None


def _spans(options: Mapping[str, Any], key: str, path: str) -> tuple[Span, ...] | None:
    if options.get(key) is None:
        return None
    found: list[Span] = []
    for number, text in enumerate(options[key]):
        found += _parsed(spans_of, str(text), f"{path}.{key}[{number}]", "Write it such as 10.0.0.[1-20]@tcp.")
    return tuple(merged(found))


def _number(value: Any, path: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,10}", str(value)) or int(value) > _LAST_ID:
        raise BadValue(path, f"{value!r} is no id", f"Give a whole number from 0 to {_LAST_ID}.")
    return int(value)


def _squash(value: Any, path: str) -> int:
    number = _number(value, path)
    if number == 0:
        raise BadValue(path, "0 would make everybody root", "Give the id of somebody without rights, such as 65534.")
    return number


def _idmap(value: Any, path: str) -> dict[str, dict[int, int]] | None:
    if value is None:
        return None
    require_known(value, ID_TYPES, path)
    return {kind: _ids(value[kind], f"{path}.{kind}") for kind in ID_TYPES if value.get(kind) is not None}


def _ids(texts: Sequence[Any], path: str) -> dict[int, int]:
    """``["500:1000", "600-610:2000"]`` one by one; each id on either side once."""
    found: dict[int, int] = {}
    back: dict[int, int] = {}
    for number, text in enumerate(texts):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?:(\d{1,10})(?:-(\d{1,10}))?", str(text).strip())
        at = f"{path}[{number}]"
        if not match:
            raise BadValue(at, f"{text!r} is no id map", "Write CLIENT:FS or FIRST-LAST:FS, in quotes.")
        first, last, start = int(match[1]), int(match[2] or match[1]), int(match[3])
        if last < first or (match[4] and int(match[4]) - start != last - first) or max(last, start) > _LAST_ID:
            raise BadValue(at, f"{text!r} is no id map", "Both sides go up, by the same number of ids.")
        if last - first + len(found) >= MAX_IDS:
            raise BadValue(at, f"{text!r} makes more than {MAX_IDS} id maps", "Use offset for whole ranges of ids.")
        for step in range(last - first + 1):
            client, fs = first + step, start + step
            if found.get(client, fs) != fs or back.get(fs, client) != client:
                raise BadValue(
                    at, f"{text!r}: {client} or {fs} is mapped twice", "Ids are mapped one to one, in both directions."
                )
            found[client], back[fs] = fs, client
    return found


def _offset(value: Any, path: str) -> tuple[int, int] | None:
    if value is None:
        return None
    require_known(value, ("offset", "limit"), path)
    start, limit = _number(value.get("offset"), f"{path}.offset"), _number(value.get("limit"), f"{path}.limit")
    if start + limit > _LAST_ID:
        raise BadValue(f"{path}.limit", f"{start} + {limit} is above the last id {_LAST_ID}", "Give a lower one.")
    return start, limit


def _set(key: str, value: Any, path: str) -> frozenset[str]:
    words = frozenset(str(word) for word in value)
    if key == "map_mode":
        for name, ids in MAP_MODES.items():
            if words == {name}:
                return ids
        if not words or not words <= set(ID_TYPES):
            raise BadValue(
                path, f"{', '.join(sorted(words)) or 'nothing'} is no map mode", "Use all, or some of uid, gid, projid."
            )
        return words
    if words & {"all", "none"} and len(words) > 1:
        raise BadValue(path, "all and none stand alone", "List the names, or write one of the two.")
    bad = sorted(word for word in words if not _WORD.match(word))
    if bad:
        raise BadValue(path, f"{bad[0]!r} is no name", "Write names as the release's manual does, such as quota_ops.")
    known = {*PRIVILEGES, *ROLES[0], *ROLES[1], *ROLES[2], "all", "none"}
    if key == "child_raise_privileges" and not words <= known:
        raise BadValue(
            path,
            f"{sorted(words - known)[0]!r} is nothing that a child could have more freely",
            f"Known are: {', '.join(PRIVILEGES)}, and each role.",
        )
    return words - {"none"}


def _filesets(value: Any, path: str) -> tuple[Fileset, ...] | None:
    if value is None:
        return None
    found: list[Fileset] = []
    for number, item in enumerate(value):
        at = f"{path}[{number}]"
        require_known(item, ("path", "alternate", "read_only"), at)
        text = str(item.get("path") or "")
        if not _PATH.match(text) or {".", ".."} & set(text.split("/")):
            raise BadValue(
                f"{at}.path",
                f"{text!r} is no directory of the file system",
                "Write it from the file system's root, such as /tenants/a, without blanks, commas or a slash at its end.",
            )
        if any(one.path == text for one in found):
            raise BadValue(f"{at}.path", f"{text} is listed twice", "Keep one of the two.")
        found.append(Fileset(text, boolean(item, "alternate", at), boolean(item, "read_only", at)))
    primaries = [one for one in found if not one.alternate]
    if found and len(primaries) != 1:
        raise BadValue(
            path,
            f"{len(primaries)} of them are primary",
            "Exactly one is the root that clients see; say alternate: true of the others.",
        )
    return tuple(sorted(found, key=lambda one: one.alternate))


def _sepol(value: Any, path: str) -> str | None:
    if value is None or value == "":
        return None if value is None else ""
    if not _SEPOL.match(str(value)):
        raise BadValue(
            path, f"{value!r} is no SELinux policy", "Give what l_getsepol prints on a client: MODE:NAME:VERSION:HASH."
        )
    return str(value)


def _caps(value: Any, path: str) -> tuple[str, frozenset[str]] | None:
    if value is None:
        return None
    require_known(value, ("type", "caps"), path)
    kind, names = str(value.get("type") or ""), frozenset(str(name) for name in value.get("caps") or ())
    if kind not in ("mask", "set", "off"):
        raise BadValue(f"{path}.type", f"{kind!r} is no type", "Use mask, set or off.")
    bad = sorted(name for name in names if not _CAP.match(name))
    if bad:
        raise BadValue(f"{path}.caps", f"{bad[0]!r} is no capability", "Write them such as cap_chown.")
    if bool(names) == (kind == "off"):
        raise BadValue(
            f"{path}.caps", f"type {kind} has {len(names)} capabilities", "List them for mask and set, none for off."
        )
    return kind, names


def _purge(value: Any, path: str) -> frozenset[str]:
    names = frozenset(str(name) for name in value or ())
    if not names <= set(PURGES):
        raise BadValue(
            path, f"{sorted(names - set(PURGES))[0]!r} cannot be purged", f"Use some of {', '.join(PURGES)}."
        )
    return names
