# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changelog users of the MDTs that run here: registered, shown, deregistered, kept on the device. No records are made.

As in mdd_device.c of 2.17.0: a number is used up before name and mask are looked at; a name is cut to 15 letters, but
compared whole before; a mask of plain words is absolute and always holds MARK; without a mask the default one counts
only while the MDT's own mask is the smallest, and only a user with a name shows it.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .. import disk
from ..node import Node, Operation, Param, Subsystem
from ..sim_error import SimError
from .targets import Target

TYPES = (
    "MARK CREAT MKDIR HLINK SLINK MKNOD UNLNK RMDIR RENME RNMTO OPEN CLOSE LYOUT TRUNC SATTR XATTR HSM MTIME CTIME ATIME "
    "MIGRT FLRW RESYNC GXATR NOPEN"
).split()
_LEAST, _ALL = {"MARK"}, set(TYPES)
_DEFAULT = _ALL - {"ATIME", "OPEN", "GXATR", "NOPEN"}
_NAME_SIZE = 16
#: Recorded on an MDT that has or had users, and on one that never had any.
_SIZES = (16768, 0)
_FIXED = {
    "changelog_gc": "1",
    "changelog_max_idle_time": "2592000",
    "changelog_max_idle_indexes": "2097446912",
    "changelog_min_gc_interval": "3600",
    "changelog_min_free_cat_entries": "2",
    "changelog_deniednext": "60",
}


class Changelog(Subsystem):
    name = "changelog"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._kept: dict[str, tuple[Target, dict[str, Any]]] = {}  # by device, of targets that run

    def ops(self) -> Mapping[str, Operation]:
        return {"register": self.register, "deregister": self.deregister}

    def unload(self) -> None:
        self._kept.clear()

    def register(self, device: str, name: str | None = None, mask: str | None = None) -> int:
        """The number of the new user; EINVAL, ENAMETOOLONG, EEXIST as the real one."""
        target = self._mdt(device)
        with self.node.lock:
            state = self._state(target)
            state["last"] += 1
            number = state["last"]
            chosen: set[str] = set()
            if mask is not None:
                chosen = str2mask(mask, _DEFAULT)
            elif name and state["mask"] == _LEAST:
                chosen = _DEFAULT
            if name:
                _check_name(name, [user["name"] for user in state["users"]])
            state["users"].append(
                {
                    "id": number,
                    "name": (name or "")[: _NAME_SIZE - 1],
                    "time": self.node.clock.time(),
                    "mask": [word for word in TYPES if word in chosen],
                }
            )
            self._save(target, state)
        return int(number)

    def deregister(self, device: str, number: int = 0, name: str | None = None) -> int:
        """The number of the user that is gone; ENOENT when there is none."""
        target = self._mdt(device)
        with self.node.lock:
            state = self._state(target)
            gone = [user for user in state["users"] if (user["name"] == name if name else user["id"] == number)]
            if not gone:
                raise SimError(errno.ENOENT, name or str(number))
            state["users"] = [user for user in state["users"] if user is not gone[0]]
            self._save(target, state)
        return int(gone[0]["id"])

    def params(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for target in self._mdts():
            prefix = f"mdd.{target.name}"
            found |= {f"{prefix}.{key}": value for key, value in _FIXED.items()}
            found[f"{prefix}.changelog_users"] = self._of(target, _shown_users)
            found[f"{prefix}.changelog_current_mask"] = self._of(target, _current_mask)
            found[f"{prefix}.changelog_size"] = self._of(target, lambda state: str(_SIZES[not state["last"]]))
            found[f"{prefix}.changelog_mask"] = Param(
                self._of(target, lambda state: _words(state["mask"])),
                partial(self._set_mask, target),
            )
        return found

    # -- kept ----------------------------------------------------------------------------------------------------

    def _mdts(self) -> list[Target]:
        return [t for t in list(self.node.targets.running.values()) if t.data.flags & disk.MDT and not t.nosvc]

    def _mdt(self, device: str) -> Target:
        target = self.node.targets.by_name(device)
        if target is None or not target.data.flags & disk.MDT:
            raise SimError(errno.ENOTTY, device)
        found: Target = target
        return found

    def _of(self, target: Target, show: Callable[[dict[str, Any]], str]) -> Callable[[], str]:
        """What one MDT shows, told its time and state only when somebody asks."""

        def shown() -> str:
            with self.node.lock:
                return show({**self._state(target), "now": self.node.clock.time()})

        return shown

    def _state(self, target: Target) -> dict[str, Any]:
        """Users from the device, once for each mount; ``mask`` and the last number are the kernel's memory."""
        known = self._kept.get(target.device)
        if known is None or known[0] is not target:
            raw = disk.read_file(target.device, disk.CHANGELOG_USERS)
            users = json.loads(raw) if raw else []
            last = max((user["id"] for user in users), default=0)
            known = self._kept[target.device] = target, {"users": users, "last": last, "mask": set(_LEAST)}
        return known[1]

    @staticmethod
    def _save(target: Target, state: Mapping[str, Any]) -> None:
        disk.write_file(target.device, disk.CHANGELOG_USERS, json.dumps(state["users"]).encode())

    def _set_mask(self, target: Target, value: str) -> None:
        with self.node.lock:
            state = self._state(target)
            base = _DEFAULT if state["mask"] == _LEAST and value.strip()[:1] in ("+", "-") else state["mask"]
            state["mask"] = str2mask(value, base)


def _shown_users(state: dict[str, Any]) -> str:
    lines = ["current_index: 0", f"{'ID':<24} {'index':>10} (idle) mask"]
    for user in state["users"]:
        label = f"cl{user['id']}" + (f"-{user['name']}" if user["name"] else "")
        mask = " mask=" + ",".join(user["mask"]) if user["mask"] else ""
        lines.append(f"{label:<24} {0:>10} ({int(state['now'] - user['time'])}){mask}")
    return "\n".join(lines)


def _words(mask: set[str]) -> str:
    return "".join(f"{word} " for word in TYPES if word in mask)


def _current_mask(state: dict[str, Any]) -> str:
    """Of all users together; one without a mask of its own counts for the MDT's, or the default where that is the smallest."""
    of_mdt = _DEFAULT if state["mask"] == _LEAST else state["mask"]
    return _words(set().union(state["mask"], *(user["mask"] or of_mdt for user in state["users"])))


def _check_name(name: str, known: list[str]) -> None:
    if not (name[0].isascii() and name[0].isalpha()) or re.fullmatch(r"[A-Za-z0-9_-]+", name) is None:
        raise SimError(errno.EINVAL, name)
    if len(name) > _NAME_SIZE:
        raise SimError(errno.ENAMETOOLONG, name)
    if name in known:
        raise SimError(errno.EEXIST, name)


def str2mask(text: str, base: set[str]) -> set[str]:
    """A mask in words: the first of them with ``+`` or ``-`` changes ``base``, without it replaces all but MARK."""
    chosen, started = set(base), False
    for sign, word in re.findall(r"([+-]?)\s*([^\s,+-]+)", text):
        if not sign and not started:
            chosen = set(_LEAST)
        started = True
        named = {"ALL": _ALL, "DEFAULT": _DEFAULT}.get(word.upper(), {word.upper()})
        if not named <= _ALL:
            raise SimError(errno.EINVAL, text)
        chosen = (chosen - named) | _LEAST if sign == "-" else chosen | named
    if re.search(r"[+-]\s*\Z", text):
        raise SimError(errno.EINVAL, text)
    return chosen
