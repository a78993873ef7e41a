# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of an MGS about security flavors, and which of them counts for a connection.

Recorded of 2.17.0: ``conf_param`` checks flavor, network and direction (EINVAL); taking a rule away that is not there is
no error and leaves a record with an empty value; ``mgs.MGS.live.FS`` shows rules of a network before those of all
networks. A rule for one network never matches a connection (a defect of that release), and connections within a node
never use a flavor.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..sim_error import SimError
from . import nids

NULL = "null"
GSS_FLAVORS = ("gssnull", "krb5n", "krb5a", "krb5i", "krb5p", "skn", "ska", "ski", "skpi")
DIRECTIONS = ("cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost")
SELF = "_mgs"
_PLAIN = re.compile(r"plain(-hash:\w+)?\Z")
_IS_TARGET = re.compile(r"-(MDT|OST)[0-9a-f]{4}\Z")
Rule = tuple[str, str, str, str]  # target or file system, network, direction ("" = all), flavor


def mechanism(flavor: str) -> str:
    """``krb5``, ``sk``, ``gssnull``, or "" where no context is needed."""
    if flavor == "gssnull":
        return flavor
    return next((mech for mech in ("krb5", "sk") if flavor.startswith(mech)), "")


def checked(flavor: str) -> str:
    if flavor != NULL and flavor not in GSS_FLAVORS and not _PLAIN.match(flavor):
        raise SimError(errno.EINVAL, f"no flavor {flavor}")
    return flavor


def mgssec(options: Iterable[str]) -> str:
    """The flavor towards the MGS that the options of a mount ask for."""
    return checked(next((word[7:] for word in options if word.startswith("mgssec=")), NULL))


def fs_of(target: str) -> str:
    return target.rsplit("-", 1)[0] if _IS_TARGET.search(target) else target


def canonical(target: str, parameter: str) -> str:
    """The full name of a rule as it is shown; EINVAL for one that the MGS refuses."""
    match = re.fullmatch(r"srpc\.flavor\.([^.]+)(?:\.([^.]+))?", parameter)
    if match is None:
        raise SimError(errno.EINVAL, parameter)
    net = "default" if match[1] == "default" else nids.canonical_net(match[1])
    if net is None or (match[2] and (match[2] not in DIRECTIONS or target == SELF)):
        raise SimError(errno.EINVAL, parameter)
    return f"{target}.srpc.flavor.{net}" + (f".{match[2]}" if match[2] else "")


def split(name: str) -> tuple[str, str, str]:
    """``fs1.srpc.flavor.default.cli2mdt`` → (``fs1``, ``default``, ``cli2mdt``)."""
    target, _, rest = name.partition(".srpc.flavor.")
    net, _, direction = rest.partition(".")
    return target, net, direction


def choose(rules: Iterable[Rule], target: str, direction: str) -> str:
    """The flavor of connections in a direction to a target: its own rule, else one of its file system, else null."""
    found = {(rule[0], rule[2]): rule[3] for rule in rules if rule[1] == "default"}
    for where in (target, fs_of(target)):
        for way in (direction, ""):
            if (where, way) in found:
                return found[where, way]
    return NULL


class Rules:
    """The rules that an MGS keeps, in ``state["srpc"]`` and as records of the log ``FS-sptlrpc``."""

    def __init__(self, mgs: Any) -> None:
        self._mgs = mgs

    @property
    def _table(self) -> dict[str, str]:
        found: dict[str, str] = self._mgs.state.setdefault("srpc", {})
        return found

    def set(self, target: str, parameter: str, value: str) -> None:
        """``conf_param TARGET.srpc.flavor...=VALUE``; an empty value takes the rule away. Called with the node's lock."""
        name, fsname = canonical(target, parameter), fs_of(target)
        if value:
            checked(value)
        short = name.removeprefix(f"{target}.")
        now, log = self._mgs.node.clock.time(), f"{fsname}-sptlrpc"

        def same(record: Mapping[str, Any]) -> bool:
            fields = record["fields"]
            return bool(fields.get("device") == target and fields.get("parameter", "").partition("=")[0] == short)

        self._mgs.logs.replace(log, now, same, ("security", {"device": target, "parameter": f"{short}={value}"}))
        before = self._table.get(name)
        if value:
            self._table[name] = value
        else:
            self._table.pop(name, None)
        if before != (value or None):
            self._mgs.state.setdefault("srpc_changed", {})[fsname] = now

    def forget(self, fsname: str) -> None:
        """The file system's logs are gone, its rules with them."""
        for name in [name for name in self._table if fs_of(split(name)[0]) == fsname]:
            del self._table[name]

    def of(self, fsname: str) -> dict[str, Any]:
        """What a node learns with the configuration: the rules, and when one of them changed last."""
        rules = [[*split(name), flavor] for name, flavor in self._of(fsname)]
        return {"rules": rules, "changed": self._mgs.state.get("srpc_changed", {}).get(fsname, 0.0)}

    def lines(self, fsname: str) -> list[str]:
        return [f"{name}={flavor}" for name, flavor in self._of(fsname)]

    def needed_by_mgs(self) -> str:
        return choose([(*split(name), flavor) for name, flavor in self._of(SELF)], SELF, "")

    def _of(self, fsname: str) -> list[tuple[str, str]]:
        found = [(name, flavor) for name, flavor in self._table.items() if fs_of(split(name)[0]) == fsname]
        return sorted(found, key=lambda rule: _rank(rule[0]))


def _rank(name: str) -> tuple[bool, bool, bool]:
    """Those of the file system before those of a target, special ones before general ones; else as they were made."""
    target, net, direction = split(name)
    return bool(_IS_TARGET.search(target)), net == "default", not direction
