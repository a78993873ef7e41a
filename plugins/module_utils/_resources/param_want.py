# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One wanted tunable, checked before anything is asked or changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils import _units
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._param_names import (
    glob,
    is_pattern,
    kind_of,
    names_mount_instance,
    nearest,
    normal,
)

SCOPES = ("local", "persistent", "mount")
TEXT = _units.Kind()
STATES = ("present", "absent")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@*?\[\]!-]*\Z")
_FSNAME = re.compile(r"[A-Za-z0-9_-]{1,8}\Z")
#: Names that ``set_param -P`` takes and that then do nothing, or not what was meant (observed, and mgs_llog.c).
_NEVER_STORED = (
    (
        re.compile(r".*\bsrpc\.flavor\b.*"),
        "security flavors stored this way do not reach the nodes reliably",
        "Flavors are stored on the MGS by `lctl conf_param FSNAME.srpc.flavor.NET=FLAVOR`.",
    ),
    (
        re.compile(r"llite\..*\.(?:root_squash|nosquash_nids)"),
        "the MGS refuses it for clients",
        "Store it for the metadata servers: mdt.FSNAME-*.root_squash and mdt.FSNAME-*.nosquash_nids.",
    ),
    (
        re.compile(r"(?:.*\.)?failover\.(?:mode|node)"),
        "fail-over nodes belong to a target, not to the parameters of the MGS",
        "Give them as service nodes of the target.",
    ),
    (
        re.compile(r"(?:.*\.)?(?:mgsnode|network)"),
        "the MGS ignores it without a word",
        "Give it as an option of the target.",
    ),
)


@dataclass(frozen=True)
class ParamWant:
    """``name`` with dots; ``value`` as it is written (empty for ``absent``); ``path`` says where the user wrote it."""

    name: str
    scope: str = "persistent"
    state: str = "present"
    value: str = ""
    kind: _units.Kind = TEXT
    allow_unknown: bool = False
    fsname: str = ""
    path: str = "params"

    @property
    def file(self) -> str:
        """The file that a client's mount reads (scope ``mount``; Lustre 2.17)."""
        return f"/etc/lustre/mount.{self.fsname or 'client'}.params"

    @property
    def setting(self) -> str:
        return f"{self.name}={self.value}"

    def covers(self, instance: str) -> bool:
        """Does this want speak of that very tunable?"""
        return bool(glob(self.name).match(instance)) if is_pattern(self.name) else self.name == instance

    def is_met_by(self, found: str, instance: str = "") -> bool:
        """Is the found text what ``value`` reads back as?"""
        return _units.same(self.kind, self.value, found, instance or self.name)


def want_from_options(options: Mapping[str, Any], path: str) -> ParamWant:
    """A want from one item of ``params``; BadValue says which part of it is unusable and why."""
    name = normal(str(options.get("name") or ""))
    scope, state = str(options.get("scope") or "persistent"), str(options.get("state") or "present")
    fsname = str(options.get("fsname") or "")
    _check_words(name, scope, state, fsname, path)
    kind = kind_of(name)
    if scope != "local":
        _check_stored_name(name, scope, fsname, path)
    _check_kind(name, kind, path)
    value = ""
    if state == "present":
        value = _value(options.get("value"), kind, name, scope, path)
    elif scope == "local":
        raise BadValue(
            f"{path}.state",
            f"{name}: a live value cannot be deleted, only set to another one",
            "Leave the entry out, or give the value it shall have.",
        )
    return ParamWant(name, scope, state, value, kind, bool(options.get("allow_unknown")), fsname, path)


def wants_from_options(params: Sequence[Mapping[str, Any]], path: str = "params") -> list[ParamWant]:
    """All wants of a list; the same name twice in the same place is an error that names both."""
    wants: list[ParamWant] = []
    first: dict[tuple[str, str, str], ParamWant] = {}
    for index, options in enumerate(params):
        want = want_from_options(options, f"{path}[{index}]")
        key = (want.scope, want.file if want.scope == "mount" else "", want.name)
        if key in first:
            raise BadValue(
                want.path,
                f"{want.name} (scope {want.scope}) was already given as {first[key].path}",
                "Keep one of the two.",
            )
        first[key] = want
        wants.append(want)
    return wants


def checked_prefixes(prefixes: Sequence[str], path: str = "purge_params") -> list[str]:
    """Prefixes whose undeclared stored parameters are deleted; an empty one would mean every file system of the MGS."""
    for index, prefix in enumerate(prefixes):
        if not normal(str(prefix)).strip("*. "):
            raise BadValue(
                f"{path}[{index}]",
                f"{prefix!r} would delete every stored parameter of every file system of this MGS",
                "Give a prefix that names what it is about, such as osc.fs1-.",
            )
    return [normal(str(prefix)) for prefix in prefixes]


def _check_words(name: str, scope: str, state: str, fsname: str, path: str) -> None:
    if not _NAME.match(name):
        raise BadValue(
            f"{path}.name",
            f"{name!r} is not the name of a Lustre parameter",
            "Write it as `lctl get_param` prints it, such as osc.fs1-*.max_dirty_mb.",
        )
    if scope not in SCOPES:
        raise BadValue(f"{path}.scope", f"{scope!r} is no scope", f"Use one of {', '.join(SCOPES)}.")
    if state not in STATES:
        raise BadValue(f"{path}.state", f"{state!r} is no state", f"Use one of {', '.join(STATES)}.")
    if fsname and not _FSNAME.match(fsname):
        raise BadValue(
            f"{path}.fsname", f"{fsname!r} is not a file system name", "It has 1 to 8 letters, digits, - or _."
        )


def _check_stored_name(name: str, scope: str, fsname: str, path: str) -> None:
    if names_mount_instance(name):
        raise BadValue(
            f"{path}.name",
            f"{name} holds the number of one mount, which is another one after the next mount",
            "Write * in its place, such as osc.fs1-*.max_dirty_mb.",
        )
    if scope == "persistent":
        for pattern, problem, remedy in _NEVER_STORED:
            if pattern.fullmatch(name):
                raise BadValue(f"{path}.name", f"{name} cannot be stored with set_param -P: {problem}", remedy)
    elif fsname and fsname not in name:
        raise BadValue(
            f"{path}.name",
            f"{name} is to be set when {fsname} is mounted, but would be set for every file system",
            f"Name the file system in it ({_with_fsname(name, fsname)}), or leave out fsname.",
        )


def _with_fsname(name: str, fsname: str) -> str:
    return name.replace("*", f"{fsname}-*", 1) if "*" in name else f"such as osc.{fsname}-*.max_dirty_mb"


def _check_kind(name: str, kind: _units.Kind, path: str) -> None:
    if kind.name == "readonly":
        raise BadValue(f"{path}.name", f"{name} can only be read", f"{_hint(name)}Read it with lustre.core.node_info.")
    if kind.name == "command":
        raise BadValue(
            f"{path}.name",
            f"{name} takes commands, not a value that could be kept and compared",
            f"{_hint(name)}Run the command where it belongs, in a play of its own.",
        )


def _hint(name: str) -> str:
    near = nearest(name, count=1)
    return f"Did you mean {near[0]}? " if near and near[0] != name else ""


def _value(given: object, kind: _units.Kind, name: str, scope: str, path: str) -> str:
    if given is None:
        raise BadValue(f"{path}.value", f"{name} has no value", "Give one, or say state: absent.")
    text = _units.text_of(given)
    problem = _units.problem(kind, text, name)
    if problem:
        raise BadValue(
            f"{path}.value", f"{text!r} cannot be the value of {name}: {problem}", "Give a value that Lustre takes."
        )
    if not text and scope != "local":
        raise BadValue(
            f"{path}.value", f"{name} cannot be stored with an empty value", "Give a value, or say state: absent."
        )
    if "#" in text and scope == "mount":
        raise BadValue(
            f"{path}.value",
            f"{text!r}: everything after # is a comment in the file that the mount reads",
            "Give a value without #.",
        )
    return _units.written(kind, text)
