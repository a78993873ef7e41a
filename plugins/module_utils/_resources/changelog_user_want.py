# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changelog users as a user writes them, checked before anything is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import changelog
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known

_KNOWN = ("mdt", "name", "mask", "state", "discard_unread", "required")
_MDT = re.compile(r"[A-Za-z0-9_-]{1,8}-MDT[0-9a-f]{4}\Z")
_WORDS = {"DEFAULT": changelog.DEFAULT, "ALL": changelog.TYPES}


@dataclass(frozen=True)
class UserWant:
    """A wanted user: ``mask`` in Lustre's order, ``required`` when its MDT must run on this node."""

    mdt: str
    name: str
    mask: tuple[str, ...] = changelog.DEFAULT
    present: bool = True
    discard_unread: bool = False
    required: bool = True

    @property
    def object(self) -> str:
        return f"{self.name} on {self.mdt}"


def wants_from_options(options: Sequence[Mapping[str, Any]], path: str = "users") -> list[UserWant]:
    """The wanted users; BadValue names the entry that cannot be used."""
    wants: list[UserWant] = []
    for number, entry in enumerate(options):
        want = _want(entry, f"{path}[{number}]")
        for place, other in enumerate(wants):
            if (other.mdt, other.name) == (want.mdt, want.name):
                raise BadValue(
                    f"{path}[{number}]", f"{want.object} is that of {path}[{place}], too", "Keep one of them."
                )
        wants.append(want)
    return wants


def _want(options: Mapping[str, Any], path: str) -> UserWant:
    require_known(options, _KNOWN, path)
    mdt, name = str(options.get("mdt") or ""), str(options.get("name") or "")
    if not _MDT.match(mdt):
        raise BadValue(f"{path}.mdt", f"{mdt!r} is no MDT", "Write it as Lustre does, like fs1-MDT0000.")
    if not changelog.NAME.match(name):
        raise BadValue(
            f"{path}.name",
            f"{name!r} cannot be the name of a changelog user",
            "It begins with a letter and has at most 15 letters, digits, - and _; Lustre cuts longer ones off silently.",
        )
    state = options.get("state") or "present"
    if state not in ("present", "absent"):
        raise BadValue(f"{path}.state", f"{state!r} is no state of a changelog user", "Write present or absent.")
    return UserWant(
        mdt,
        name,
        checked_mask(options.get("mask"), f"{path}.mask"),
        state == "present",
        boolean(options, "discard_unread", path),
        boolean(options, "required", path, True),
    )


def checked_mask(given: Any, path: str) -> tuple[str, ...]:
    """Types of records, DEFAULT and ALL, in any case, as the types in Lustre's order; nothing given is DEFAULT."""
    words = ["DEFAULT"] if given is None else [given] if isinstance(given, str) else list(given)
    chosen: set[str] = set()
    for number, word in enumerate(words):
        name = str(word).upper()
        if name not in _WORDS and name not in changelog.TYPES:
            known = ", ".join((*_WORDS, *changelog.TYPES))
            raise BadValue(f"{path}[{number}]", f"{word!r} is no type of changelog record", f"Known are: {known}.")
        chosen.update(_WORDS.get(name, (name,)))
    if not chosen - {changelog.ALWAYS}:
        raise BadValue(path, "it names nothing that is to be recorded", "Name types of records, or leave it out.")
    return tuple(name for name in changelog.TYPES if name in chosen)


def same_mask(found: Sequence[str], wanted: Sequence[str]) -> bool:
    return {*found, changelog.ALWAYS} == {*wanted, changelog.ALWAYS}


def shown_mask(mask: Sequence[str]) -> str:
    """A mask as people write it."""
    names = [name for name in mask if name != changelog.ALWAYS]
    if not mask:
        return "that of the MDT"
    if set(changelog.DEFAULT) <= {*names, changelog.ALWAYS}:
        rest = [name for name in names if name not in changelog.DEFAULT]
        return "ALL" if len(names) + 1 == len(changelog.TYPES) else ",".join(["DEFAULT", *rest])
    return ",".join(names)
