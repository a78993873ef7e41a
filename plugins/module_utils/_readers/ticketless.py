# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users who work on a mount with a Kerberos flavor and have no ticket, and what their processes do there.

Observed on Lustre 2.17.0: the first calls of such a user fail with EPERM, then one waits in the kernel until a signal ends it;
``srpc_contexts`` keeps a context of that user whose mechanism is ``N/A``.  A ticket that comes later is good for new
processes alone: who waits goes on waiting, and its mount is busy without anybody seen to hold it.
"""

from __future__ import annotations

import pwd
from typing import Any, Callable, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting

_SHOWN = 10


def name_of(uid: int) -> str:
    """``alice (uid 2001)``; the number alone where nobody has it."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def by_ticket(imports: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The connections on which each user needs a ticket: those to MDTs with a flavor of Kerberos (OSTs see root alone)."""
    return frozenset(one["name"] for one in imports if one["type"] == "mdc" and one["flavor"].startswith("krb5"))


def remarks(
    imports: Sequence[Mapping[str, Any]],
    contexts: Iterable[Mapping[str, Any]],
    waiting: Callable[[], Iterable[Waiting]],
    name: Callable[[int], str] = name_of,
) -> list[str]:
    """One sentence or more about each such user, in the order of their numbers; /proc is read only where users need tickets."""
    asked = by_ticket(imports)
    if not asked:
        return []
    known: dict[int, list[bool]] = {}
    for context in contexts:
        if context["name"] in asked and context["uid"] != 0:
            known.setdefault(context["uid"], []).append(context["valid"])
    stuck: dict[int, list[Waiting]] = {}
    for process in waiting():
        stuck.setdefault(process.uid, []).append(process)
    lacking = {uid for uid, valid in known.items() if not any(valid)}
    # Who has a ticket and waits may wait for a server; a context that never came up tells that it is not that.
    late = {uid for uid, valid in known.items() if any(valid) and not all(valid) and uid in stuck}
    return [_remark(name(uid), uid in late, stuck.get(uid, [])) for uid in sorted(lacking | late)]


def _remark(who: str, late: bool, stuck: Sequence[Waiting]) -> str:
    if late:
        told = f"{who} got a Kerberos ticket after some of its processes had asked without one, and it is of no use to them."
    else:
        told = (
            f"{who} uses a file system with a Kerberos flavor here and has no ticket: what it asks for is refused, and then not answered "
            "at all. Get a ticket as that user (kinit; for services and cron jobs a keytab and k5start), or keep it off the mount."
        )
    if not stuck:
        return told
    shown = ", ".join(f"{one.pid} ({one.command})" for one in stuck[:_SHOWN])
    more = f" and {len(stuck) - _SHOWN} more" if len(stuck) > _SHOWN else ""
    one = len(stuck) == 1
    oldest = max(process.seconds for process in stuck)
    return (
        f"{told} {len(stuck)} process{' waits' if one else 'es wait'} inside the kernel, the oldest begun {oldest:.0f} s ago: {shown}{more}. "
        f"{'It ends' if one else 'They end'} neither by {'itself' if one else 'themselves'} nor by a ticket, and "
        f"{'keeps' if one else 'keep'} the mount busy: kill {' '.join(str(process.pid) for process in stuck)}."
    )
