"""The nodemaps of an MGS as lctl changes and shows them, from the recordings ``nodemap/*`` of Lustre 2.17.0.

A range is judged by the address arithmetic of this file, not by that of the collection; a batch ends at the first
command that fails; an unknown command is no failure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._run import Result

FLAGS = {
    "admin": "0", "trusted": "0", "deny_unknown": "0", "audit_mode": "1", "forbid_encryption": "0", "readonly_mount": "0",
    "deny_mount": "0",
}  # fmt: skip
OTHERS = {
    "squash_uid": "65534", "squash_gid": "65534", "squash_projid": "65534", "map_mode": "all",
    "child_raise_privileges": "none",
}  # fmt: skip
ROLES = (
    "file_perms,dne_ops,quota_ops,byfid_ops,chlg_ops,fscrypt_admin,server_upcall,ignore_root_prjquota,hsm_ops,"
    "local_admin,pool_quota_ops"
)
READ = {"admin": "admin_nodemap", "trusted": "trusted_nodemap"}
USAGE = "usage: nodemap_modify --name NODEMAP_NAME --property PROPERTY_NAME{=VALUE| --value VALUE}\nvalid properties: "
Range = tuple[int, int]


def bounds(text: str) -> Range:
    """First and last address of ``10.0.[1-2].*@tcp``; a mask is stored as one address (2.17.0)."""
    address, at, net = text.partition("@")
    assert at and net == "tcp", text
    low, high = 0, 0
    for part in re.findall(r"\[[^\]]*\]|[^.]+", address.partition("/")[0]):
        numbers = (0, 255) if part == "*" else tuple(int(number) for number in part.strip("[]").split("-"))
        assert not (low != high and numbers != (0, 255)), f"{text} has a hole in it"
        low, high = low * 256 + numbers[0], high * 256 + numbers[-1]
    return low, high


def nid(number: int) -> str:
    return f"{IPv4Address(number)}@tcp"


@dataclass
class Map:
    values: dict[str, str] = field(default_factory=lambda: {**FLAGS, **OTHERS, "rbac": ROLES})
    ranges: list[Range] = field(default_factory=list)
    banned: list[Range] = field(default_factory=list)
    ids: dict[tuple[str, int], int] = field(default_factory=dict)
    offset: tuple[int, int] | None = None
    #: path → (alternate, read only)
    filesets: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    sepol: str = ""
    caps: tuple[str, str] | None = None
    parent: str = ""
    clients: list[str] = field(default_factory=list)


class Failed(Exception):
    def __init__(self, rc: int, text: str) -> None:
        super().__init__(text)
        self.rc = rc


@dataclass
class NodemapModel:
    maps: dict[str, Map] = field(default_factory=lambda: {"default": Map()})
    active: bool = False
    mgs: bool = True
    here: bool = True
    #: Commands that changed something, in order; and what there was before each.
    done: list[str] = field(default_factory=list)
    history: list[NodemapModel] = field(default_factory=list)
    processes: int = 0
    #: How many changing commands each process ran that ran any.
    batches: list[int] = field(default_factory=list)
    fail_at: int = -1

    def snapshot(self) -> NodemapModel:
        return NodemapModel(copy.deepcopy(self.maps), self.active, self.mgs, self.here)

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        assert argv[0] == "lctl"
        self.processes += 1
        lines = [list(argv[1:])] if len(argv) > 1 else [line.split() for line in (stdin or "").splitlines()]
        out, err, rc, go_on, before = "", "", 0, False, len(self.done)
        for words in lines:
            assert len(argv) > 1 or (all(words) and len(words) < 512)
            if words == ["ignore_errors"]:
                go_on = True
                continue
            try:
                out += self.command(words)
            except Failed as failure:
                err += f"{failure}\n"
                rc = failure.rc
                if not go_on:
                    break
        if len(self.done) > before:
            self.batches.append(len(self.done) - before)
        return Result(rc, out, err)

    def command(self, words: list[str]) -> str:
        name, given = words[0], words[1:]
        if name == "help":
            return self.help(given[0])
        if name == "get_param":
            return self.get(given)
        assert hasattr(self, name), f"lctl would print its usage and go on: {words}"
        if len(self.done) == self.fail_at:
            raise Failed(
                28,
                f"error: invalid ioctl: 000ce042 errno: 28: No space left on device\n{name}: No space left on device",
            )
        before = self.snapshot()
        getattr(self, name)(_options(given))
        self.done.append(" ".join(words))
        self.history.append(before)
        return ""

    def help(self, name: str) -> str:
        texts = {
            "nodemap_modify": USAGE + " ".join([*FLAGS, *OTHERS, "rbac"]) + "\n",
            "nodemap_add_offset": "usage: nodemap_add_offset --name NODEMAP_NAME --offset OFFSET --limit LIMIT\n",
            "nodemap_add": "usage: nodemap_add [-d|--dynamic] [-p|--parent PARENT_NAME] --name NODEMAP_NAME\n",
        }
        return texts[name]

    # Commands

    def _map(self, given: dict[str, str], verb: str, rc: int = 1) -> Map:
        if given["name"] not in self.maps:
            raise Failed(
                rc,
                f"error: invalid ioctl: 000ce042 errno: 2: No such file or directory\n{verb}: No such file or directory",
            )
        return self.maps[given["name"]]

    def nodemap_activate(self, given: dict[str, str]) -> None:
        self.active = {"1": True, "0": False}[given[""]]

    def nodemap_add(self, given: dict[str, str]) -> None:
        name = given.get("name") or given[""]
        if name in self.maps:
            raise Failed(1, f"error: nodemap '{name}' already exists\nnodemap_add: Invalid argument")
        parent = given.get("parent", "")
        assert bool(parent) == ("dynamic" in given)
        # inherited, but for who is in it and what is banned (nodemap_create)
        self.maps[name] = copy.deepcopy(self._map({"name": parent}, "nodemap_add")) if parent else Map()
        self.maps[name].parent, self.maps[name].ranges, self.maps[name].banned = parent, [], []
        self.maps[name].clients = []

    def nodemap_del(self, given: dict[str, str]) -> None:
        if given[""] not in self.maps:
            raise Failed(1, f"error: nodemap '{given['']}' does not exist\nnodemap_del: Invalid argument")
        assert given[""] != "default"
        del self.maps[given[""]]

    def nodemap_add_range(self, given: dict[str, str]) -> None:
        low, high = bounds(given["range"])
        own = self._map(given, "nodemap_add_range")
        others = [one for name, one in self.maps.items() if name != own.parent]
        if any(low <= last and first <= high for one in others for first, last in one.ranges):
            raise Failed(1, "error: invalid ioctl: 000ce042 errno: 17: File exists\nnodemap_add_range: File exists")
        own.ranges.append((low, high))

    def nodemap_del_range(self, given: dict[str, str]) -> None:
        found = self._map(given, "nodemap_del_range")
        if bounds(given["range"]) not in found.ranges:
            raise Failed(
                1, "error: invalid ioctl: 000ce043 errno: 22: Invalid argument\nnodemap_del_range: Invalid argument"
            )
        low, high = bounds(given["range"])
        # as nodemap_del_range of Lustre 2.17 does
        found.banned = [span for span in found.banned if not (low <= span[0] and span[1] <= high)]
        assert not any(low <= last and first <= high for first, last in found.banned), "what becomes of the ban?"
        found.ranges.remove((low, high))

    def nodemap_banlist_add(self, given: dict[str, str]) -> None:
        found, (low, high) = self._map(given, "nodemap_banlist_add"), bounds(given["range"])
        inside = {number for first, last in found.ranges for number in range(max(low, first), min(high, last) + 1)}
        if len(inside) != high - low + 1 or any(low <= last and first <= high for first, last in found.banned):
            raise Failed(
                1, "error: invalid ioctl: 000ce068 errno: 22: Invalid argument\nnodemap_banlist_add: Invalid argument"
            )
        found.banned.append((low, high))

    def nodemap_banlist_del(self, given: dict[str, str]) -> None:
        self._map(given, "nodemap_banlist_del").banned.remove(bounds(given["range"]))

    def nodemap_modify(self, given: dict[str, str]) -> None:
        found, key, value = self._map(given, "nodemap_modify", 2), given["property"], given["value"]
        assert key in {**FLAGS, **OTHERS, "rbac": ""}, key
        if key in FLAGS and value not in ("0", "1"):
            raise Failed(
                22, f"error: nodemap_modify: cannot modify nodemap '{given['name']}' to param '{key}': value '{value}'"
            )
        found.values[key] = ROLES if (key, value) == ("rbac", "all") else value

    def nodemap_add_idmap(self, given: dict[str, str]) -> None:
        found = self._map(given, "nodemap_add_idmap")
        span, _colon, fs = given["idmap"].partition(":")
        first, _dash, last = span.partition("-")
        for step in range(int(last or first) - int(first) + 1):
            key, number = (given["idtype"], int(first) + step), int(fs) + step
            if found.ids.get(key) == number:
                raise Failed(1, "error: invalid ioctl: 000ce044 errno: 17: File exists\nnodemap_add_idmap: File exists")
            assert key not in found.ids, "would replace an entry without a word"
            found.ids[key] = number

    def nodemap_del_idmap(self, given: dict[str, str]) -> None:
        found = self._map(given, "nodemap_del_idmap")
        client, _colon, fs = given["idmap"].partition(":")
        if found.ids.get((given["idtype"], int(client))) != int(fs):
            raise Failed(
                1, "error: invalid ioctl: 000ce045 errno: 22: Invalid argument\nnodemap_del_idmap: Invalid argument"
            )
        del found.ids[given["idtype"], int(client)]

    def nodemap_add_offset(self, given: dict[str, str]) -> None:
        start, limit = int(given["offset"]), int(given["limit"])
        others = [one.offset for one in self.maps.values() if one.offset]
        if any(start < first + count and first < start + limit for first, count in others):
            raise Failed(34, "nodemap_add_offset: cannot set offset: Numerical result out of range")
        self._map(given, "nodemap_add_offset").offset = (start, limit)

    def nodemap_del_offset(self, given: dict[str, str]) -> None:
        assert self._map(given, "nodemap_del_offset").offset
        self.maps[given["name"]].offset = None

    def nodemap_fileset_add(self, given: dict[str, str]) -> None:
        found = self._map(given, "nodemap_fileset_add").filesets
        alternate = "alt" in given
        assert alternate or not any(not kind for kind, _ro in found.values()), "a second primary"
        assert given["fileset"] not in found
        found[given["fileset"]] = (alternate, "ro" in given)

    def nodemap_fileset_del(self, given: dict[str, str]) -> None:
        del self._map(given, "nodemap_fileset_del").filesets[given["fileset"]]

    def nodemap_fileset_modify(self, given: dict[str, str]) -> None:
        found, path = self._map(given, "nodemap_fileset_modify").filesets, given["fileset"]
        alternate, read_only = found.pop(path)
        assert given.get("rename") not in found
        found[given.get("rename", path)] = (alternate, "ro" in given or (read_only and "rw" not in given))

    def nodemap_set_sepol(self, given: dict[str, str]) -> None:
        self._map(given, "nodemap_set_sepol").sepol = given["sepol"]

    def nodemap_set_cap(self, given: dict[str, str]) -> None:
        kind = given["type"]
        self._map(given, "nodemap_set_cap").caps = None if kind == "off" else (kind, given["caps"])

    # What is shown

    def get(self, names: list[str]) -> str:
        assert "nodemap.*.*" in names
        values = {"version": "2.17.0", **({"mgs.MGS.filesystems": "\nfs1"} if self.mgs else {})}
        if self.here:
            values["nodemap.active"] = str(int(self.active))
            values.update(self.shown())
        return "".join(f"{name}={value}\n" for name, value in values.items())

    def shown(self) -> Iterator[tuple[str, str]]:
        for name, one in sorted(self.maps.items()):
            keys: dict[str, Any] = {READ.get(key, key): value for key, value in one.values.items()}
            keys["exports"] = _list(f"nid: {client}, uuid: x, dev: fs1-MDT0000" for client in one.clients)
            rows = [
                f"{'alternate:  ' if alternate else 'primary:    '} {path}{', mode: ro' if read_only else ''}"
                for path, (alternate, read_only) in sorted(one.filesets.items(), key=lambda item: item[1][0])
            ]
            keys["fileset"] = _list(rows) if rows else "\n[\n]"
            keys["banlist"] = _list(_span(place, one) for place, one in enumerate(one.banned))
            keys["enable_cap_mask"] = "\ntype: {}\ncaps: {}".format(*one.caps) if one.caps else "off"
            if name == "default":
                del keys["rbac"]
            else:
                ids = sorted(one.ids.items(), key=lambda item: ("uid gid projid".index(item[0][0]), item[0][1]))
                keys["idmap"] = _list(f"idtype: {kind}, client_id: {client}, fs_id: {fs}" for (kind, client), fs in ids)
                keys["ranges"] = _list(_span(place, span) for place, span in enumerate(one.ranges))
                start, limit = one.offset or (0, 0)
                pairs = [
                    f" {word}_{kind}: {value}"
                    for kind in ("uid", "gid", "projid")
                    for word, value in (("start", start), ("limit", limit))
                ]
                keys["offset"] = "\n{\n" + ",\n".join(pairs) + "\n}"
                keys["parent"], keys["sepol"] = one.parent, one.sepol
            yield from ((f"nodemap.{name}.{key}", value) for key, value in sorted(keys.items()))


def _span(place: int, span: Range) -> str:
    return f"id: {place}, start_nid: {nid(span[0])}, end_nid: {nid(span[1])}"


def _list(rows: Any) -> str:
    rows = list(rows)
    return "\n[\n" + ",\n".join(f" {{ {row} }}" for row in rows) + "\n]" if rows else "[]"


def _options(words: list[str]) -> dict[str, str]:
    """``--name a --alt --ro --fileset /x``, and a plain word under the empty name."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            found[""] = word
        elif word in ("--alt", "--ro", "--rw", "--dynamic"):
            found[word[2:]] = "1"
        else:
            found[word[2:]] = rest.pop(0)
    return found
