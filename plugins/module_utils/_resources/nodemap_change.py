# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of nodemaps: their place in the order, and how many of them share one lctl process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, nodemap_words
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap_words import Words
from ansible_collections.lustre.core.plugins.module_utils._plan import Step

#: Commands of one process: it is bounded in time, and what it did is known when it fails.
COMMANDS_PER_PROCESS = 2000
#: Each command waits for the MGS's index (5 ms on an idle one, observed); a busy MGS takes longer.
SECONDS_PER_COMMAND = 0.25


class Phase(IntEnum):
    """The order that opens nothing in between: what restricts, then who comes in, then what allows, activation last.

    What takes the place of something else neither restricts nor allows (another directory as root): that is done when
    those who leave have left, and before anybody comes in.
    """

    DEACTIVATE = 0
    TIGHTEN = 1
    CREATE = 2
    REMOVE = 3
    LEAVE = 4
    SWAP = 5
    ENTER = 6
    BAN = 7
    TIGHTEN_DEFAULT = 8
    LOOSEN = 9
    LOOSEN_DEFAULT = 10
    ACTIVATE = 11


@dataclass(frozen=True)
class Change:
    """Something to do with one nodemap; ``commands`` are lctl's, in order."""

    phase: Phase
    action: str
    object: str
    reason: str
    commands: tuple[Words, ...]
    disruptive: bool = False


def steps_of(kind: str, changes: Iterable[Change]) -> list[Step]:
    """A step per change; consecutive ones share a process, which stops at its first failure."""
    steps: list[Step] = []
    for group in _groups(list(changes)):
        commands = [words for change in group for words in change.commands]
        argv: Words = ("lctl", *commands[0]) if len(commands) == 1 else ("lctl",)
        stdin = None if len(commands) == 1 else nodemap_words.script(commands)
        timeout = 120.0 + SECONDS_PER_COMMAND * len(commands)
        for place, change in enumerate(group):
            first = place == 0
            steps.append(
                Step(
                    kind,
                    change.action,
                    change.object,
                    change.reason,
                    argv if first else (),
                    stdin if first else None,
                    disruptive=change.disruptive,
                    timeout=timeout if first else 120.0,
                )
            )
    return steps


def _groups(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes that go into one process; one that lctl cannot read from its standard input goes alone."""
    groups: list[list[Change]] = []
    size = 0
    for change in (part for whole in changes for part in _parts(whole)):
        alone = not _fits(change)
        if groups and not alone and size and size + len(change.commands) <= COMMANDS_PER_PROCESS:
            groups[-1].append(change)
            size += len(change.commands)
        else:
            groups.append([change])
            size = 0 if alone else len(change.commands)
    return groups


def _parts(change: Change) -> list[Change]:
    """One command each where one of them needs a process of its own."""
    if _fits(change) or len(change.commands) == 1:
        return [change]
    return [Change(**{**change.__dict__, "commands": (words,)}) for words in change.commands]


def _fits(change: Change) -> bool:
    return all(lctl.fits_batch("".join(words)) and all(words) for words in change.commands)


def listed(texts: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 17 more``."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
