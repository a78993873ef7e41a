# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changelog users of an MDT: ``lctl changelog_register``, ``changelog_deregister`` and ``mdd.MDT.changelog_users``.

What decides the shape of everything here (observed on Lustre 2.17.0, names and masks read in its source, mdd_device.c):

* A user is known by its number and, since 2.15, by a name; only a name can be asked for twice (the second time is
  refused with EEXIST). Without a name each registration makes one user more.
* A name begins with a letter and has letters, digits, ``-`` and ``_``. Of one with 16 characters the last is cut
  off silently, so that it is not found again; more are refused: 15 is the limit.
* A mask of plain words is absolute, and MARK is always part of it. It is fixed when the user is registered.
* Registration without a mask takes the default mask only where the MDT's own ``changelog_mask`` is the smallest one:
  so the mask is always given.
* A failed registration uses up a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner
from ansible_collections.lustre.core.plugins.module_utils._units import (
    CHANGELOG_ALWAYS,
    CHANGELOG_DEFAULT,
    CHANGELOG_TYPES,
)

TYPES = tuple(CHANGELOG_TYPES)
#: What Lustre takes for DEFAULT: everything but what each reader of a file causes.
DEFAULT = tuple(CHANGELOG_DEFAULT)
#: Part of every mask, whether it was asked for or not.
ALWAYS = CHANGELOG_ALWAYS
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}\Z")
_INDEX = re.compile(r"current_index: (\d+)\Z")
_HEADING = "ID index (idle) mask"
_USER = re.compile(
    r"(?P<id>cl\d+)(?:-(?P<name>\S+))? +(?P<index>\d+) \((?P<idle>\d+)\) *(?:mask=(?P<mask>[A-Z0-9_,]+))?\Z"
)


@dataclass(frozen=True)
class User:
    """One registered user: up to which record it has read, seconds since it last said so, and what is recorded for it.

    ``name`` is empty where it was registered without one, ``mask`` where it was registered without a mask of its own.
    """

    id: str
    name: str
    index: int
    idle: int
    mask: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """As lctl prints it: ``cl2-scout``."""
        return f"{self.id}-{self.name}" if self.name else self.id


@dataclass(frozen=True)
class Changelog:
    """What one MDT says: the number of its newest record, and its users."""

    index: int
    users: tuple[User, ...] = ()

    def unread(self, user: User) -> int:
        """Records up to the newest that this user has not cleared."""
        return max(0, self.index - user.index)

    def named(self, name: str) -> User | None:
        return next((user for user in self.users if user.name == name), None)


def parse_users(text: str) -> Changelog:
    """The parameter ``mdd.MDT.changelog_users``; UnknownOutput for anything else."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    head = _INDEX.match(lines[0]) if lines else None
    if head is None or len(lines) < 2 or " ".join(lines[1].split()) != _HEADING:
        raise UnknownOutput("lctl get_param", "the changelog users of an MDT", text or "nothing at all")
    users = []
    for line in lines[2:]:
        match = _USER.match(line)
        if match is None:
            raise UnknownOutput("lctl get_param", "the changelog users of an MDT", line)
        mask = tuple((match["mask"] or "").split(",")) if match["mask"] else ()
        users.append(User(match["id"], match["name"] or "", int(match["index"]), int(match["idle"]), mask))
    return Changelog(int(head[1]), tuple(users))


def read(run: Runner, names: Sequence[str]) -> Mapping[str, str]:
    """These parameters of MDTs in one lctl process (none for none); one that is not on this node is left out, silence is an error."""
    if not names:
        return {}
    result = lctl.run_batch(run, lctl.chunked(("get_param",), names))
    answer = lctl_params.parse(result.out, result.err, names)
    if answer.unreadable:
        told = "; ".join(f"{name}: {why}" for name, why in answer.unreadable.items())
        raise UnknownOutput("lctl get_param", "the changelog users of its MDTs", told)
    if set(answer.values) | set(answer.missing) != set(names):
        raise ToolError("read the changelog users of its MDTs", ("lctl",), result.rc, result.out, result.err)
    return answer.values


def register_words(mdt: str, name: str, mask: tuple[str, ...]) -> tuple[str, ...]:
    return ("lctl", "--device", mdt, "changelog_register", "-u", name, "-m", ",".join(mask))


def deregister_words(mdt: str, name: str) -> tuple[str, ...]:
    return ("lctl", "--device", mdt, "changelog_deregister", "-u", name)


def users_param(mdt: str) -> str:
    return f"mdd.{mdt}.changelog_users"
