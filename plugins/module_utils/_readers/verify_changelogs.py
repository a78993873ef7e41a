# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Are the described changelog users there, and do they read?

An audit that has silently ended is worse than none. Lustre ends one by itself: it drops a user that has unread records
and has not cleared any for ``changelog_max_idle_time`` (30 days by default; mdd_trans.c), with no word but in the kernel log.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import changelog
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import (
    UserWant,
    same_mask,
    shown_mask,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_GC, _IDLE = "changelog_gc", "changelog_max_idle_time"
_DAY = 86400


class Found(NamedTuple):
    """One answer; ``problem`` is empty where all is well."""

    object: str
    wanted: str
    found: str
    problem: str = ""


def look(run: Runner, wants: Sequence[UserWant]) -> Iterator[Found]:
    """One answer for each wanted user of an MDT that runs here, out of one lctl process."""
    present = [want for want in wants if want.present]
    mdts = list(dict.fromkeys(want.mdt for want in present))
    names = [f"mdd.{mdt}.{key}" for mdt in mdts for key in ("changelog_users", _GC, _IDLE)]
    values = changelog.read(run, names)
    for want in present:
        text = values.get(changelog.users_param(want.mdt))
        if text is not None:
            kept = values.get(f"mdd.{want.mdt}.{_GC}", "") == "1"
            most = values.get(f"mdd.{want.mdt}.{_IDLE}", "")
            yield _one(want, changelog.parse_users(text), kept, int(most) if most.isdigit() else 0)


def _one(want: UserWant, found: changelog.Changelog, collects: bool, most: int) -> Found:
    user, wanted = found.named(want.name), shown_mask(want.mask)
    if user is None:
        return Found(
            want.object,
            wanted,
            "not registered",
            f"The changelog user {want.object} is not registered, so nothing is recorded for it. The site playbook registers it. If it was "
            "there before, Lustre may have dropped it because it did not read (`dmesg | grep 'force deregister'`).",
        )
    shown, unread, days = f"{user.label}, {shown_mask(user.mask)}", found.unread(user), user.idle / _DAY
    if not same_mask(user.mask, want.mask):
        problem = (
            f"For the changelog user {want.object} ({user.label}) {shown_mask(user.mask)} is recorded, not {wanted}. "
            "The plan says what a new registration costs."
        )
        return Found(want.object, wanted, shown, problem)
    if unread and most and user.idle > most / 2:
        then = (
            f"After {most / _DAY:.0f} days Lustre drops it, with all it has not read"
            if collects
            else f"They stay on the MDT (changelog_gc is off on {want.mdt}) until it is full"
        )
        problem = (
            f"The changelog user {want.object} ({user.label}) has {unread} unread records and has cleared none for {days:.0f} days. "
            f"{then}: start its reader."
        )
        return Found(want.object, wanted, f"{shown}, {unread} unread, idle for {days:.0f} days", problem)
    return Found(want.object, wanted, shown)
