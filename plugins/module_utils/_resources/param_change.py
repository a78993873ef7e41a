# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change of a parameter as an lctl command; several as one process, and which of them failed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params, llog
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import ParamWant


@dataclass(frozen=True)
class Change:
    """One thing to do with one name; ``words`` is the lctl command that does it."""

    action: str
    object: str
    reason: str
    words: tuple[str, ...]


def lctl_steps(kind: str, changes: Sequence[Change]) -> list[Step]:
    """A step per change, in their order; neighbours that lctl can read from its standard input share the first one's process."""
    steps = []
    for fits, group in groupby(changes, lambda change: all(lctl.fits_batch(word) for word in change.words)):
        together = list(group)
        for change in together:
            argv: tuple[str, ...] = ()
            stdin = None
            if not fits or len(together) == 1:
                argv = ("lctl", *change.words)
            elif change is together[0]:
                argv, stdin = ("lctl",), lctl.batch([*(other.words for other in together), *read_back(together)])
            steps.append(Step(kind, change.action, change.object, change.reason, argv, stdin))
    return steps


def failed_settings(step: Step, out: str, err: str) -> list[str]:
    """Names in a step whose setting failed: from set_param's messages, and for stored ones from what the batch read back."""
    failed = [bad.name for bad in lctl_params.not_set(err)]
    lines = [line.split() for line in (step.stdin or "").splitlines()]
    if any(words[:2] == ["llog_print", "params"] for words in lines):
        stored = {name: record.fields["value"] for name, record in llog.stored_params(llog.parse_mixed(out)).items()}
        for words in lines:
            if words[:3] == ["set_param", "-P", "-d"] and words[3] in stored and not _stored_again(words[3], lines):
                failed.append(words[3])
            elif words[:2] == ["set_param", "-P"] and words[2] != "-d":
                name, _equals, value = words[2].partition("=")
                if stored.get(name) != value:
                    failed.append(name)
    return list(dict.fromkeys(failed))


def _stored_again(name: str, lines: Sequence[Sequence[str]]) -> bool:
    return any(words[:2] == ["set_param", "-P"] and words[2].startswith(f"{name}=") for words in lines)


def read_back(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    """What a batch of ``-P`` settings reads at its end: its messages name no parameter."""
    return [("device", "MGS"), ("llog_print", "params")] if any("-P" in change.words for change in changes) else []


def store(want: ParamWant, found: str) -> Change:
    return Change(
        "store",
        want.name,
        f"{found}, wanted {want.value} (reaches the nodes some seconds later)",
        ("set_param", "-P", want.setting),
    )


def delete(literal: str, record: llog.Record, why: str) -> Change:
    return Change(
        "delete",
        literal,
        f"stored as {record.fields['value']}, {why}; live values stay until they are set or mounted anew",
        ("set_param", "-P", "-d", literal),
    )
