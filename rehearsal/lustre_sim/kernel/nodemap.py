# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodemaps: kept by the MGS, handed to every node with a target, asked by clients at their mount and while they work.

The MGS's own node has a change at once. Another server takes the whole set over when the last change is
``nodemap_delay`` seconds old. Errors are those that were recorded or seen (2.17.0); else EACCES.
"""

from __future__ import annotations

import contextlib
import copy
import errno
from collections.abc import Mapping
from typing import Any

from ..node import Node, Operation, Param, Subsystem
from ..sim_error import SimError
from . import nodemap_show, root_squash
from .nodemap_ranges import holds, meets, nid_number, range_of
from .nodemap_show import FLAGS, ID_TYPES, NUMBERS, PRIVILEGES, ROLES

_NAME_LENGTH = 16
_SAVE_EVERY = 0.5


def new_map(number: int, parent: str = "") -> dict[str, Any]:
    return {
        **dict.fromkeys(FLAGS, False),
        **dict.fromkeys(NUMBERS, 65534),
        "audit_mode": True,
        "id": number,
        "map_mode": list(ID_TYPES),
        "rbac": list(ROLES),
        "child_raise_privileges": [],
        "ranges": [],
        "banlist": [],
        "idmap": {kind: {} for kind in ID_TYPES},
        "offset": None,
        "filesets": [],
        "sepol": "",
        "caps": None,
        "parent": parent,
    }


def new_state() -> dict[str, Any]:
    return {"active": False, "changed": 0.0, "version": 0, "ids": 0, "spans": 0, "maps": {"default": new_map(0)}}


class Nodemap(Subsystem):
    name = "nodemap"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._taken: dict[str, Any] = new_state()  # what this server has got from its MGS
        self._clients: dict[tuple[str, str, str], float] = {}  # (NID, uuid, target) → seen last
        self._dynamic: dict[str, dict[str, Any]] = {}  # of this server alone
        self._saved = 0.0
        self._saved_version = 0

    def ops(self) -> Mapping[str, Operation]:
        return {"do": self.do, "test_nid": self.test_nid, "test_id": self.test_id}

    def services(self) -> Mapping[str, Operation]:
        return {"news": self._serve_news, "admit": self.admit, "identity": self.identity}

    def unload(self) -> None:
        self._taken = new_state()
        self._clients.clear()
        self._dynamic.clear()

    # -- the state ---------------------------------------------------------------------------------------------

    @property
    def _on_mgs(self) -> bool:
        return bool(self.node.mgs.running)

    @property
    def state(self) -> dict[str, Any]:
        if self._on_mgs:
            kept: dict[str, Any] = self.node.mgs.state.setdefault("nodemaps", new_state())
            return kept
        return self._taken

    @property
    def maps(self) -> dict[str, dict[str, Any]]:
        return {**self.state["maps"], **self._dynamic}

    def _here(self) -> bool:
        return self._on_mgs or bool(self.node.targets.running)

    def params(self) -> Mapping[str, Any]:
        if not self._here():
            return {}
        found: dict[str, Any] = {"nodemap.active": str(int(self.state["active"]))}
        for name, one in self.maps.items():
            shown = nodemap_show.params(name, one, self._exports)
            found.update({f"nodemap.{name}.{key}": _settled(value) for key, value in shown.items()})
        return found

    def _exports(self, name: str) -> list[str]:
        now = self.node.clock.time()
        recent = [key for key, seen in self._clients.items() if now - seen < 60.0]
        return [
            f"nid: {nid}, uuid: {uuid}, dev: {target}" for nid, uuid, target in recent if self._name_of(nid) == name
        ]

    def tick(self) -> None:
        if self._on_mgs:
            self.flush()
            return
        if not self.node.targets.running:
            return
        for nids, _fsnames in self.node.mounts.management():
            with contextlib.suppress(SimError):
                self._take(self.node.rpc_any(nids, {"service": "nodemap.news"}, 1.5))
                return

    def _take(self, news: dict[str, Any]) -> None:
        delay = float(self.node.settings["nodemap_delay"])
        if self.node.clock.time() - news["changed"] >= delay:
            with self.node.lock:
                self._taken = news

    def _serve_news(self, from_nid: str) -> dict[str, Any]:
        if not self._on_mgs:
            raise SimError(errno.EHOSTUNREACH, "no MGS")
        with self.node.lock:
            return copy.deepcopy(self.state)

    # -- changes -----------------------------------------------------------------------------------------------

    def do(self, verb: str, **given: Any) -> None:
        """One command of lctl on the MGS (dynamic nodemaps: on any server)."""
        with self.node.lock:
            local = given.get("name") in self._dynamic or given.get("dynamic")
            if not self._here() or (not self._on_mgs and not local):
                raise SimError(errno.ENODEV, "no MGS")
            getattr(self, f"_do_{verb}")(**given)
            if not local:
                self.state["changed"] = self.node.clock.time()
                self.state["version"] += 1
        if not local and self.node.clock.time() - self._saved >= _SAVE_EVERY:
            self._save()

    def flush(self) -> None:
        """Write what is not on the device yet: thousands of commands in a row must not write it thousands of times."""
        if self.unsaved:
            self._save()

    @property
    def unsaved(self) -> bool:
        version = self.node.mgs.state.get("nodemaps", {}).get("version", 0)
        return self._on_mgs and version not in (0, self._saved_version)

    def _save(self) -> None:
        self._saved, self._saved_version = self.node.clock.time(), self.state["version"]
        self.node.mgs.save()

    def _map(self, name: str, missing: int = errno.ENOENT) -> dict[str, Any]:
        if name not in self.maps:
            raise SimError(missing, name)
        return self.maps[name]

    def _do_activate(self, value: str) -> None:
        if value not in ("0", "1"):
            raise SimError(errno.EINVAL, value)
        self.state["active"] = value == "1"

    def _do_add(self, name: str, parent: str = "", dynamic: bool = False) -> None:
        if len(name) > _NAME_LENGTH:
            raise SimError(errno.ENAMETOOLONG, name)
        if not name.replace("_", "").isalnum():
            raise SimError(errno.EINVAL, name)
        if name in self.maps:
            raise SimError(errno.EEXIST, name)
        if dynamic:
            self._dynamic[name] = {
                **copy.deepcopy(self._map(parent)),
                "id": 1000 + len(self._dynamic),
                "ranges": [],
                "banlist": [],
                "parent": parent,
            }
            return
        self.state["ids"] += 1
        self.state["maps"][name] = new_map(self.state["ids"])

    def _do_del(self, name: str) -> None:
        self._map(name)
        if name == "default":
            raise SimError(errno.EINVAL, name)
        if self._dynamic.pop(name, None) is None:
            del self.state["maps"][name]

    def _do_add_range(self, name: str, text: str) -> None:
        one = self._map(name)
        net, low, high = range_of(text)
        self.state["spans"] += 1
        others = [span for other in self.maps.values() for span in other["ranges"]]
        if one["parent"]:  # within its parent
            others = one["ranges"]
        if name == "default":
            raise SimError(errno.EINVAL, name)
        if any(meets(span[1:], net, low, high) for span in others):
            raise SimError(errno.EEXIST, text)
        one["ranges"].insert(0, [self.state["spans"], net, low, high])

    def _do_del_range(self, name: str, text: str) -> None:
        one, wanted = self._map(name), list(range_of(text))
        kept = [span for span in one["ranges"] if span[1:] != wanted]
        if len(kept) == len(one["ranges"]):
            raise SimError(errno.EINVAL, text)
        one["ranges"] = kept
        # what is banned within a range goes with it
        net, low, high = wanted
        one["banlist"] = [
            span for span in one["banlist"] if not (span[1] == net and low <= span[2] and span[3] <= high)
        ]

    def _do_banlist_add(self, name: str, text: str) -> None:
        one = self._map(name)
        net, low, high = range_of(text)
        inside = any(span[1] == net and span[2] <= low and high <= span[3] for span in one["ranges"])
        if not inside or any(meets(span[1:], net, low, high) for span in one["banlist"]):
            raise SimError(errno.EINVAL, text)
        self.state["spans"] += 1
        one["banlist"].insert(0, [self.state["spans"], net, low, high])

    def _do_banlist_del(self, name: str, text: str) -> None:
        one, wanted = self._map(name), list(range_of(text))
        kept = [span for span in one["banlist"] if span[1:] != wanted]
        if len(kept) == len(one["banlist"]):
            raise SimError(errno.EINVAL, text)
        one["banlist"] = kept

    def _do_modify(self, name: str, key: str, value: str) -> None:
        one = self._map(name)
        if key in FLAGS:
            if value not in ("0", "1"):
                raise SimError(errno.EINVAL, value)
            one[key] = value == "1"
        elif key in NUMBERS:
            if not value.isdigit() or int(value) == 0:
                raise SimError(errno.EINVAL, value)
            one[key] = int(value)
        else:
            one[key] = _words(key, value)

    def _do_add_idmap(self, name: str, kind: str, text: str) -> None:
        ids = self._map(name)["idmap"][kind]
        pairs = _pairs(text)
        for client, fs in pairs:
            if ids.get(str(client)) == fs:
                raise SimError(errno.EEXIST, text)
        for client, fs in pairs:
            for other in [key for key, value in ids.items() if value == fs]:
                del ids[other]
            ids[str(client)] = fs

    def _do_del_idmap(self, name: str, kind: str, text: str) -> None:
        ids = self._map(name)["idmap"][kind]
        for client, fs in _pairs(text):
            if ids.get(str(client)) != fs:
                raise SimError(errno.EINVAL, text)
            del ids[str(client)]

    def _do_add_offset(self, name: str, offset: int, limit: int) -> None:
        one = self._map(name)
        taken = [other["offset"] for other in self.maps.values() if other["offset"]]
        if any(offset < start + count and start < offset + limit for start, count in taken):
            raise SimError(errno.ERANGE, str(offset))
        one["offset"] = [offset, limit]

    def _do_del_offset(self, name: str) -> None:
        one = self._map(name)
        if not one["offset"]:
            raise SimError(errno.ENOENT, name)
        one["offset"] = None

    def _do_fileset_add(self, name: str, path: str, alternate: bool, read_only: bool) -> None:
        one = self._map(name)
        if not path.startswith("/"):
            raise SimError(errno.EINVAL, path)
        if not any(other["path"] == path for other in one["filesets"]):  # again: done nothing, said nothing
            if not alternate and any(not other["alternate"] for other in one["filesets"]):
                raise SimError(errno.EEXIST, path)
            one["filesets"].append({"path": path, "alternate": alternate, "ro": read_only})

    def _do_fileset_del(self, name: str, path: str, everything: bool = False) -> None:
        one = self._map(name)
        kept = [] if everything else [other for other in one["filesets"] if other["path"] != path]
        if len(kept) == len(one["filesets"]) and not everything:
            raise SimError(errno.ENOENT, path)
        one["filesets"] = kept

    def _do_fileset_modify(self, name: str, path: str, changes: dict[str, Any]) -> None:
        found = [one for one in self._map(name)["filesets"] if one["path"] == path]
        if not found:
            raise SimError(errno.ENOENT, path)
        found[0].update(changes)

    def _do_set_fileset(self, name: str, path: str) -> None:
        """The old command: an empty path or ``clear`` takes it away."""
        one = self._map(name)
        one["filesets"] = [] if path in ("", "clear") else [{"path": path, "alternate": False, "ro": False}]

    def _do_set_sepol(self, name: str, policy: str) -> None:
        if policy and len(policy.split(":")) != 4:
            raise SimError(errno.EINVAL, policy)
        self._map(name)["sepol"] = policy

    def _do_set_cap(self, name: str, kind: str, caps: str) -> None:
        names = [word for word in caps.split(",") if word]
        if any(word == "cap_nosuch" or not word.startswith("cap_") for word in names):
            raise SimError(errno.EINVAL, caps)
        one = self._map(name)
        if kind == "off" and one["caps"] is None:
            raise SimError(errno.ENOENT, "there are none (recorded)")
        one["caps"] = None if kind == "off" else [kind, ",".join(names)]

    # -- questions ---------------------------------------------------------------------------------------------

    def _name_of(self, nid: str) -> str:
        net, number = nid_number(nid)
        found = [name for name, one in self.maps.items() if holds(one["ranges"], net, number)]
        return sorted(found, key=lambda name: not self.maps[name]["parent"])[0] if found else "default"

    def test_nid(self, nid: str) -> str:
        return self._name_of(nid)

    def test_id(self, nid: str, kind: str, number: int) -> int:
        if kind not in ID_TYPES:
            raise SimError(errno.EINVAL, kind)
        return to_fs(self.maps[self._name_of(nid)], kind, number)

    def identity(self, from_nid: str, uuid: str = "", target: str = "") -> dict[str, Any] | None:
        """As whom this client works; None: as it says, for nodemaps are not active or it is trusted and may be root."""
        self._clients[from_nid, uuid, target] = self.node.clock.time()
        with self.node.lock:
            mapped = self._mapped(from_nid)
            squashed = root_squash.squashed(self.node, from_nid, target)
        return mapped if squashed is None else {**(mapped or root_squash.AS_IT_SAYS), "root_squash": squashed}

    def _mapped(self, from_nid: str) -> dict[str, Any] | None:
        if not self.state["active"]:
            return None
        one = self.maps[self._name_of(from_nid)]
        if one["admin"] and one["trusted"]:
            return None
        keys = ("admin", "trusted", "deny_unknown", "map_mode", "idmap", "offset", *NUMBERS)
        return copy.deepcopy({key: one[key] for key in keys})

    def admit(
        self, from_nid: str, fsname: str, subdir: str, options: list[str], uuid: str = "", target: str = ""
    ) -> dict[str, Any]:
        """A client mounts: which directory it gets and whether only for reading; EPERM when it may not."""
        with self.node.lock:
            if not self.state["active"]:
                return {"root": subdir, "ro": False, "identity": self.identity(from_nid, uuid, target)}
            one = self.maps[self._name_of(from_nid)]
            net, number = nid_number(from_nid)
            if one["deny_mount"] or holds(one["banlist"], net, number):
                raise SimError(errno.EPERM, f"{from_nid} is not let in")
            root, ro = _root(one["filesets"], subdir)
            answer = {
                "root": root,
                "ro": ro or one["readonly_mount"],
                "forbid_encryption": one["forbid_encryption"],
            }
        return {**answer, "identity": self.identity(from_nid, uuid, target)}


def _settled(value: Any) -> Any:
    """Shown, and not to be set through its file (recorded for a nodemap of the MGS)."""

    def put(text: str) -> None:
        raise SimError(errno.EINVAL, text)

    return Param(value if callable(value) else lambda: value, put)


def _root(filesets: list[dict[str, Any]], subdir: str) -> tuple[str, bool]:
    """What is asked for counts when it lies within a file set, else it is taken below the primary one."""
    if not filesets:
        return subdir, False
    if ".." in subdir.split("/"):
        raise SimError(errno.ENOENT, f"{subdir} leads out of it")
    for one in filesets:
        if subdir == one["path"] or subdir.startswith(one["path"] + "/"):
            return subdir, one["ro"]
    primary = next((one for one in filesets if not one["alternate"]), None)
    if primary is None:
        raise SimError(errno.EACCES, "no primary file set")
    return primary["path"] + subdir, primary["ro"]


def to_fs(one: Mapping[str, Any], kind: str, number: int) -> int:
    """The id in the file system of a client's id."""
    if kind not in one["map_mode"] or (number == 0 and one["admin"] and kind != "projid"):
        return number
    if one["trusted"] and number:  # trust does not reach to root
        return number
    start, limit = one["offset"] or (0, 0)
    if str(number) in one["idmap"][kind]:
        return int(one["idmap"][kind][str(number)]) + start
    if limit:
        return number + start if number < limit else int(one[f"squash_{kind}"]) + start
    return int(one[f"squash_{kind}"])


def to_client(one: Mapping[str, Any], kind: str, number: int) -> int:
    """The id that a client sees of one in the file system."""
    if one["trusted"] or kind not in one["map_mode"]:
        return number
    start, limit = one["offset"] or (0, 0)
    for client, fs in one["idmap"][kind].items():
        if int(fs) + start == number:
            return int(client)
    if number == 0 and one["admin"]:
        return 0
    if limit and start <= number < start + limit:
        return number - start
    return int(one[f"squash_{kind}"])


def _words(key: str, value: str) -> list[str]:
    known = {"map_mode": ID_TYPES, "rbac": ROLES, "child_raise_privileges": (*PRIVILEGES, *ROLES)}[key]
    if value == "all":
        return list(known)
    if value == "both" and key == "map_mode":
        return ["uid", "gid"]
    words = [] if value == "none" and key != "map_mode" else value.split(",")
    if not set(words) <= set(known):
        raise SimError(errno.EINVAL, value)
    return [word for word in known if word in words]


def _pairs(text: str) -> list[tuple[int, int]]:
    client, colon, fs = text.partition(":")
    first, _dash, last = client.partition("-")
    start = fs.partition("-")[0]
    if not colon or not (first.isdigit() and start.isdigit()) or (last and not last.isdigit()):
        raise SimError(errno.EINVAL, text)
    return [(int(first) + step, int(start) + step) for step in range(int(last or first) - int(first) + 1)]
