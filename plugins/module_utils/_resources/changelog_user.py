# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changelog users of MDTs: who may read what happens to the files, and what is recorded for them.

Why it is done like this:

* From a registration on the MDT keeps every record until all its users have cleared it. So a user is registered once, by
  a name that finds it again, and is never left behind twice.
* Whoever deregisters a user drops what it has not read, which no one brings back: only with consent.
* Lustre cannot change a mask. A user with another mask is shown as a difference; with consent it is deregistered and
  registered anew, one right after the other, and its reader begins again under another number.
* Lustre drops a user itself that does not read for long, or when space runs out (``changelog_gc``): the next run finds
  it missing and registers it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import changelog
from ansible_collections.lustre.core.plugins.module_utils._engine import Resource
from ansible_collections.lustre.core.plugins.module_utils._errors import NotThereYet, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import (
    UserWant,
    same_mask,
    shown_mask,
    wants_from_options,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: lctl's own usage: it knows no such option (before 2.15), and its exit code means nothing else.
_USAGE = "usage: {--device MDTNAME}"


@dataclass
class ChangelogUserResource(Resource[Mapping[str, changelog.Changelog]]):
    """Users of MDTs that run on this node.

    ``coming``: the plan is made before the node's MDTs are mounted (check mode): NotThereYet for one that is missing.
    What is looked at: the changelog of each MDT that runs here, by its name.
    """

    wants: Sequence[UserWant]
    coming: bool = False
    kind: str = field(default="changelog_user", init=False)
    settle: float = field(default=0.0, init=False)

    @classmethod
    def from_options(
        cls, options: Sequence[Mapping[str, Any]], path: str = "users", coming: bool = False
    ) -> ChangelogUserResource:
        return cls(wants_from_options(options, path), coming)

    # What is

    def have(self, run: Runner) -> Mapping[str, changelog.Changelog]:
        """One lctl process for all MDTs (none when nothing is wanted)."""
        names = {changelog.users_param(want.mdt): want.mdt for want in self.wants}
        found = changelog.read(run, list(names))
        return {mdt: changelog.parse_users(found[name]) for name, mdt in names.items() if name in found}

    # What is to be done

    def plan(self, have: Mapping[str, changelog.Changelog]) -> Plan:
        steps: list[Step] = []
        drift: list[Drift] = []
        for want in self.wants:
            found = have.get(want.mdt)
            if found is None:
                self._not_here(want)
                continue
            user = found.named(want.name)
            if not want.present:
                steps += [] if user is None else [self._deregister(want, user, found.unread(user))]
            elif user is None:
                steps.append(_register(want, "is not registered"))
            elif not same_mask(user.mask, want.mask):
                if want.discard_unread:
                    steps.append(_gone(want, user, found.unread(user), _masks(user.mask, want.mask)))
                    steps.append(_register(want, "to be registered anew"))
                else:
                    drift.append(self._other_mask(want, user, found.unread(user)))
        return Plan(tuple(steps), tuple(drift))

    def _not_here(self, want: UserWant) -> None:
        """Users are kept on the MDT: before it is mounted nobody can say what it has."""
        if self.coming and want.required:
            raise NotThereYet(f"The changelog of {want.mdt}", "it is not mounted on this node yet")
        if want.required:
            raise Refused(
                f"{'register' if want.present else 'deregister'} the changelog user {want.object}",
                f"{want.mdt} does not run on this node",
                "Run this where it is mounted now, or start it here first.",
            )

    def _deregister(self, want: UserWant, user: changelog.User, unread: int) -> Step:
        if not want.discard_unread:
            lost = (
                f"has {_records(unread)}, which nobody could read any more"
                if unread
                else "nothing is recorded without it"
            )
            raise Refused(
                f"deregister the changelog user {want.object}",
                f"it is registered as {user.label}, and {lost}",
                f"Let its reader finish, then consent: {_consent(want)}.",
            )
        return _gone(want, user, unread, "declared absent")

    def _other_mask(self, want: UserWant, user: changelog.User, unread: int) -> Drift:
        return Drift(
            self.kind,
            want.object,
            f"registered as {user.label} with the mask {shown_mask(user.mask)}",
            shown_mask(want.mask),
            f"Lustre cannot change a mask. With consent, {_consent(want)}, the user is registered anew, under another number that its "
            f"reader must learn. {'Nothing is lost by that now' if not unread else f'{_records(unread)} would be lost: let its reader finish first'}.",
        )

    # Steps

    def check_step(self, step: Step, run: Runner) -> None:
        """An MDT that has left the node meanwhile takes no registration: lctl finds no device of its name."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        if _USAGE in out + err:
            remedy = "Changelog users have names and masks since Lustre 2.15. Update Lustre on this node."
            return ToolError(f"{step.action} the changelog user {step.object}", step.argv, rc, out, err, None, remedy)
        remedy = ""
        if "No device found" in err:
            remedy = "The MDT is not mounted on this node any more. Run it again where it is."
        elif "User exists" in err:
            remedy = "Somebody registered it in the same moment. Run this again."
        elif "No space left" in err:
            remedy = "Changelogs that nobody reads fill an MDT: look at lctl get_param mdd.*.changelog_users."
        code = None if "No device found" in err else rc
        return ToolError(f"{step.action} the changelog user {step.object}", step.argv, rc, out, err, code, remedy)

    # What is shown

    def public(self, have: Mapping[str, changelog.Changelog]) -> Mapping[str, Any]:
        return {
            "changelogs": [
                {
                    "mdt": mdt,
                    "users": [
                        {
                            "id": user.id,
                            "name": user.name,
                            "mask": list(user.mask),
                            "unread": found.unread(user),
                        }
                        for user in found.users
                    ],
                }
                for mdt, found in have.items()
            ]
        }


def _register(want: UserWant, reason: str) -> Step:
    words = changelog.register_words(want.mdt, want.name, want.mask)
    told = f"{reason}, wanted with {shown_mask(want.mask)}"
    return Step("changelog_user", "register", want.object, told, words, timeout=60.0)


def _gone(want: UserWant, user: changelog.User, unread: int, reason: str) -> Step:
    words = changelog.deregister_words(want.mdt, want.name)
    told = f"{reason}; it is {user.label} and has {_records(unread)}"
    # To drop what nobody has read takes as long as there is much of it.
    return Step("changelog_user", "deregister", want.object, told, words, None, None, True, unread > 0, 600.0)


def _consent(want: UserWant) -> str:
    """In the words of a site, and in those of the module."""
    return f'lustre_consent_changelog_users: ["{want.mdt.rpartition("-")[0]}:{want.name}"] (discard_unread: true of the module)'


def _records(unread: int) -> str:
    return "no unread records" if not unread else "1 unread record" if unread == 1 else f"{unread} unread records"


def _masks(found: Sequence[str], wanted: Sequence[str]) -> str:
    return f"has the mask {shown_mask(found)}, wanted {shown_mask(wanted)}"
