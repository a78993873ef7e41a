# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories of both kinds: by the kernel's calls, and (those with a protector) by the program fscrypt."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import KIND, EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program import ProgramResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_state import Have
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import (
    EncryptionWant,
    wants_from_options,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner


class BothResource:
    """See the Resource protocol; each part plans, guards and explains its own steps."""

    kind = KIND
    settle = 0.0

    def __init__(self, parts: Sequence[EncryptionResource], order: Sequence[str]) -> None:
        self.parts, self._order = tuple(parts), tuple(order)
        self._whose: dict[Step, EncryptionResource] = {}

    def have(self, run: Runner) -> tuple[Have, ...]:
        return tuple(part.have(run) for part in self.parts)

    def plan(self, have: tuple[Have, ...]) -> Plan:
        plan = Plan()
        for part, there in zip(self.parts, have):
            own = part.plan(there)
            self._whose.update(dict.fromkeys(own.steps, part))
            plan += own
        return plan

    def public(self, have: tuple[Have, ...]) -> Mapping[str, Any]:
        shown = [one for part, there in zip(self.parts, have) for one in part.public(there)["directories"]]
        return {"directories": sorted(shown, key=lambda one: self._order.index(one["path"]))}

    def check_step(self, step: Step, run: Runner) -> None:
        self._whose[step].check_step(step, run)

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        return self._whose[step].tool_error(step, rc, out, err)

    def timed_out(self, step: Step) -> str:
        return self._whose[step].timed_out(step)


def from_options(
    directories: Sequence[Mapping[str, Any]], path: str = "directories", provisional: bool = False
) -> EncryptionResource | BothResource:
    """The resource for these directories; BadValue names entry and field."""
    return resource_of(wants_from_options(directories, path), provisional)


def resource_of(wants: Sequence[EncryptionWant], provisional: bool = False) -> EncryptionResource | BothResource:
    """The resource for directories that were checked together."""
    own = [want for want in wants if not want.protector]
    others = [want for want in wants if want.protector]
    if not others:
        return EncryptionResource(own, provisional=provisional)
    program = ProgramResource(others, provisional=provisional)
    if not own:
        return program
    return BothResource([EncryptionResource(own, provisional=provisional), program], [want.path for want in wants])
