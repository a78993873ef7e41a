# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lctl get_param`` and ``set_param``: reading answers, and telling which of many settings failed.

Observed on Lustre 2.17.0: ``get_param`` prints ``name=value``, or ``name=`` and the value's
lines below it; a name that matches nothing is said on standard error (exit code 2) and the
others are still printed; a file that cannot be read is said on standard error with exit
code 0.  ``set_param`` of several names reports the last one's failure only, and a wildcard
is set where it is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import llog
from ansible_collections.lustre.core.plugins.module_utils._param_names import glob

_HEAD = re.compile(r"(?P<name>[A-Za-z][^\s=]*)=(?P<value>.*)$")
_UNREADABLE = re.compile(r"^error: read_param: '(?P<path>[^']+)': (?P<why>.*)$", re.M)
_MISSING = re.compile(r"^error: get_param: param_path '(?P<path>.+)': (?P<why>.*)$", re.M)
_NOT_SET = re.compile(r"^error: set_param: setting '(?P<path>[^']+)'='(?P<value>.*)': (?P<why>.*)$", re.M)
_NOT_SET_AT = re.compile(r"^error: set_param: (?:setting|opening) '?(?P<path>/[^'=]+)'?(?:=.*)?: (?P<why>[^:]*)$", re.M)
_ROOTS = (
    "/sys/fs/lustre/",
    "/sys/fs/lnet/",
    "/sys/kernel/debug/lustre/",
    "/sys/kernel/debug/lnet/",
    "/proc/fs/lustre/",
    "/proc/sys/lustre/",
    "/proc/sys/lnet/",
)


@dataclass(frozen=True)
class Answer:
    """What one batch of reads gave: values by full name, names that exist but cannot be read, names that match nothing."""

    values: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotSet:
    """A setting that was refused: the name as it was given, the value, and the reason."""

    name: str
    value: str
    why: str


def name_of_path(path: str) -> str:
    """``/sys/fs/lustre/osc/x/active`` → ``osc.x.active``."""
    for root in _ROOTS:
        if path.startswith(root):
            path = path[len(root) :]
            break
    return path.strip("/").replace("/", ".")


def parse(out: str, err: str = "", asked: Sequence[str] | None = None) -> Answer:
    """Values and complaints of ``get_param``.

    With ``asked`` (names and patterns) a line begins a new value only when its name is one
    that was asked for: values of several lines may hold ``=`` themselves.  Records of a
    configuration log in the same output are left out.
    """
    patterns = None if asked is None else [glob(name.replace("/", ".")) for name in asked]
    values: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in out.splitlines():
        if llog.is_record(line):
            continue
        head = _HEAD.match(line)
        if head and (patterns is None or any(pattern.match(head["name"]) for pattern in patterns)):
            current = values[head["name"]] = [head["value"]]
        elif current is not None:
            current.append(line)
    return Answer(
        {name: _joined(lines) for name, lines in values.items()},
        {name_of_path(m["path"]): m["why"] for m in _UNREADABLE.finditer(err)},
        {name_of_path(m["path"]): m["why"] for m in _MISSING.finditer(err)},
    )


def _joined(lines: list[str]) -> str:
    """The first line is what follows the ``=``: empty when the value stands below it."""
    return "\n".join(lines[1:] if not lines[0] and len(lines) > 1 else lines).rstrip()


def not_set(err: str) -> list[NotSet]:
    """Settings that set_param refused, in order."""
    return [NotSet(name_of_path(m["path"]), m["value"], m["why"]) for m in _NOT_SET.finditer(err)]


def refused_instances(err: str) -> dict[str, str]:
    """The single instances of wildcards that refused a value, with the reason."""
    return {name_of_path(m["path"]): m["why"] for m in _NOT_SET_AT.finditer(err)}


def states(values: Mapping[str, str]) -> dict[str, str]:
    """Connection state per device from ``*.*.state``: FULL, IDLE, DISCONN, CONNECTING, REPLAY..., EVICTED, ..."""
    found = {}
    for name, text in values.items():
        match = re.search(r"^\s*current_state: *(\S+)", text, re.M)
        if match and name.endswith(".state"):
            found[name[: -len(".state")]] = match[1]
    return found


def keys(text: str) -> dict[str, str]:
    """``key: value`` lines as a mapping (recovery_status, import); deeper lines keep their own key, the first one wins."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if colon and key and key not in found:
            found[key] = value.strip()
    return found


def recovery(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Recovery per target label from ``mdt.*.recovery_status`` and ``obdfilter.*.recovery_status``."""
    found = {}
    for name, text in values.items():
        parts = name.split(".")
        if len(parts) == 3 and parts[2] == "recovery_status":
            found[parts[1]] = keys(text)
    return found


def filesystems(text: str) -> list[str]:
    """File systems registered at an MGS (``mgs.MGS.filesystems``)."""
    return [line.strip() for line in text.splitlines() if line.strip()]
