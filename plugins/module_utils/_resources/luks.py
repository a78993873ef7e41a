# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LUKS containers below new targets: made on proven blank devices, opened, opened again at boot.

Whoever loses the key or the header has lost the data, and what a format writes over is lost, too.  So: a device is formatted
with consent and the proof of ``blank.py``, made when planning and again right before; the key must be in a file that outlasts
a boot, and is read back right before; a container is known by its label, that of its target, and any other one is refused.

The zeros of a blank device read as noise through a new container, which the guard of a target's format rightly takes for
data.  So both ends of a new one are filled with zeros, and that must never happen to one that was ever used: it is marked
``lustre-new`` (the subsystem in its header) until then, and ``lustre`` from then on; only after that the header is copied,
so that no copy ever says ``lustre-new``, and a run that was killed in between goes on where it stood.
(community.crypto has luks_device. It formats whatever is no container, with no proof that the device is blank.)
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import cryptsetup, crypttab
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import SPAN, Files, LocalFiles
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import blank, luks_guard, luks_state, unread
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_guard import KIND, NEW, READY
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_state import Found, Have, Local
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import LuksWant, wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import reached
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

ZERO_END, ZERO_START, BACK_UP = "zero the end of", "zero the start of", "back up the header of"


class LuksResource:
    """See the Resource protocol.  ``coming``: a look, which counts on keys that the role has and on the first server's work."""

    kind = KIND
    settle = 0.0

    def __init__(
        self,
        wants: Sequence[LuksWant],
        files: Files | None = None,
        local: Local | None = None,
        coming: bool = False,
    ) -> None:
        self.wants, self.files, self.local = tuple(wants), files or LocalFiles(), local or Local()
        self.coming = coming
        self._by_object = {want.object: want for want in self.wants}
        self._planned: Have | None = None

    @classmethod
    def from_options(
        cls, containers: Sequence[Mapping[str, Any]], path: str = "containers", coming: bool = False
    ) -> LuksResource:
        return cls(wants_from_options(containers, path), coming=coming)

    # What is

    def have(self, run: Runner) -> Have:
        have = self._read(run, self.wants)
        luks_guard.require_apart(self.wants, have)
        self._planned = have
        return have

    def _read(self, run: Runner, wants: Sequence[LuksWant]) -> Have:
        nodes = {want.label: reached(self.files, want.device, want.object) for want in wants}
        headers = {want.label: luks_state.header(self.files, want.device) for want in wants}
        bare = [want for want in wants if headers[want.label] is None]
        evidence = blank.gather([want.device for want in bare if want.format], run, self.files)
        found = {}
        for want in wants:
            node, opened = nodes[want.label], cryptsetup.status(run, want.name)
            copy, unsound = luks_state.copy_of(self.files, self.local, luks_state.backup_path(want))
            lost = want in bare and not want.format and not want.standby
            found[want.label] = Found(
                node,
                luks_state.size_of(self.files, node.number),
                headers[want.label],
                opened,
                opened is not None and luks_state.leads_to(self.files, opened.device, node.number),
                luks_state.holders_of(self.files, node.number),
                self.local.key(want.key_file),
                luks_state.in_filesystem(self.files, want.key_file),
                copy,
                unsound,
                evidence.get(want.device),
                unread.objection_of(unread.trace(run, want.device, self.files)) if lost else None,
            )
        text = self.local.text(crypttab.PATH)
        return Have(
            found,
            text,
            luks_state.leads(self.files, text),
            self.local.exists(luks_state.BACKUPS),
            self.local.systemd,
            self.local.generator,
        )

    # What is to be done

    def plan(self, have: Have) -> Plan:
        plan = plan_each(
            self.wants,
            lambda want: self._prepare(want, have),
            "touch any container of this node",
            "Nothing was changed.",
        )
        there = [want for want in self.wants if not self._awaited(want, have)]
        kept = {step.object for step in plan.steps if step.action == "keep"}
        tries = luks_guard.tries(there, have, kept)
        return _once(plan) + Plan(tuple(tries)) + luks_guard.boot_plan(there, have)

    def _awaited(self, want: LuksWant, have: Have) -> bool:
        """Whether another server has yet to make, or to finish, this container; a look counts on that."""
        head = have.found[want.label].header
        return want.standby and not self.coming and (head is None or head.subsystem == NEW)

    def _prepare(self, want: LuksWant, have: Have) -> Plan:
        """Everything of one container but its line in crypttab."""
        found = have.found[want.label]
        head = found.header
        if head is not None:
            luks_guard.require_own(want, head)
        else:
            luks_guard.require_not_lost(want, found)
        if self._awaited(want, have):
            there = "a container that is not finished" if head is not None else "no container"
            remedy = "Its first server makes it: run the playbook for that one, then for this one."
            return Plan((), (Drift(KIND, want.object, there, "the container that its first server makes", remedy),))
        luks_guard.require_free(want, found)
        makes = head is None and not want.standby
        if makes:
            luks_guard.require_formattable(want, found)
        half = makes or (head is not None and head.subsystem == NEW and not want.standby)
        if half and not want.format:
            raise Refused(
                f"finish the container {want.object}",
                "a run that made it was ended half-way, and there is no consent to go on",
                f"Write `format: true` for exactly this target ({want.label}, {want.device}).",
            )
        opens = found.opened is None
        if opens:
            luks_guard.require_key(want, found, new=makes)
        steps = luks_guard.keep(want, found)
        if makes:
            steps.append(_format(want))
        if opens:
            steps.append(_open(want))
        if half:
            steps += _finish(want, found)
        if makes or (head is not None and not found.backup and not found.unsound):
            steps += _backup(want, have)
        drift = (*luks_guard.key_drift(want, found, opens), *luks_guard.copy_drift(want, found))
        return Plan(tuple(steps), drift)

    def public(self, have: Have) -> Mapping[str, Any]:
        return {"containers": [luks_state.public(want, have.found[want.label]) for want in self.wants]}

    # The last guards

    def check_step(self, step: Step, run: Runner) -> None:
        """Ask again right before each step: the plan may be minutes old, and a format or a zero is not undone."""
        if self._planned is None:
            raise Refused(f"{step.action} {step.object}", "it was never looked at", "Read the state first.")
        if step.action == "keep":
            luks_guard.require_still_missing(step, self.local)
        elif step.action == "boot" and step.write is not None:
            if self.local.text(crypttab.PATH) != self._planned.crypttab:
                raise Refused(
                    f"write {crypttab.PATH}", "somebody else has just changed it", "Run again: it is read first."
                )
        elif step.object in self._by_object:
            self._check(step, self._by_object[step.object], self._planned, run)

    def _check(self, step: Step, want: LuksWant, planned: Have, run: Runner) -> None:
        now, before = self._read(run, [want]).found[want.label], planned.found[want.label]
        if now.node != before.node or now.size != before.size:
            told = f"the path led to {before.node.real} ({before.node.number}) when planned, and to {now.node.real} ({now.node.number}) now"
            raise Refused(
                f"{step.action} {want.object}",
                told,
                "Something renames devices on this node; find out what, then run again.",
            )
        if step.action == "format":
            luks_guard.require_not_lost(want, now)
            luks_guard.require_free(want, now)
            luks_guard.require_formattable(want, now)
            luks_guard.require_same_key(want, now, before)
            return
        head = now.header
        if head is None:
            raise Refused(f"{step.action} {want.object}", "there is no container any more", "Find out who wrote there.")
        luks_guard.require_own(want, head)
        if before.header is not None and before.header.uuid != head.uuid:
            raise Refused(f"{step.action} {want.object}", f"there is {head.text} now", "Find out who wrote there.")
        luks_guard.require_free(want, now)
        if step.action == BACK_UP and head.subsystem == NEW:
            raise Refused(
                f"{step.action} {want.object}", "it is not marked as ready", "Run again: it is finished first."
            )
        if step.action in (ZERO_END, ZERO_START, "mark"):
            if head.subsystem != NEW or not now.same:
                raise Refused(f"{step.action} {want.object}", "it is no new container any more", "Run again.")
            if step.action != "mark":
                size = before.size - cryptsetup.OFFSET
                luks_guard.require_untouched(want, blank.gather([want.mapping], run, self.files)[want.mapping], size)

    def _is_new(self, thing: str) -> bool:
        """Whether nobody can have used the container yet."""
        want = self._by_object[thing]
        head = self._planned.found[want.label].header if self._planned is not None else None
        return head is not None and head.subsystem == NEW

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        wanted = f"{step.action} {step.object}"
        if step.argv[0] == cryptsetup.TOOL:
            error = cryptsetup.error(wanted, step.argv, rc, out, err)
            if step.action == "try" and rc == cryptsetup.NO_KEY:
                return luks_guard.of_try(error)
            return luks_guard.of_new(error) if step.action == "open" and self._is_new(step.object) else error
        return ToolError(wanted, step.argv, rc, out, err)


def _once(plan: Plan) -> Plan:
    """A key file of several containers is written once, the folder of copies made once."""
    seen: dict[tuple[str, str], Step] = {}
    for step in plan.steps:
        seen.setdefault((step.action, step.object), step)
    return Plan(tuple(seen.values()), plan.drift)


def _format(want: LuksWant) -> Step:
    argv = cryptsetup.format_argv(want.device, want.label, NEW, want.key_file)
    reason = f"no container there yet, the device is proven blank, the description consents, and its key is in {want.key_file}"
    return Step(KIND, "format", want.object, reason, argv, destructive=True, timeout=cryptsetup.TIMEOUT)


def _open(want: LuksWant) -> Step:
    argv = cryptsetup.open_argv(want.device, want.name, want.key_file)
    return Step(KIND, "open", want.object, f"{want.mapping} is not there", argv, timeout=cryptsetup.TIMEOUT)


def _finish(want: LuksWant, found: Found) -> list[Step]:
    """Zeros at both ends of what nobody has used yet, and the mark that it may be used from now on."""
    zero = (
        "dd",
        "if=/dev/zero",
        f"of={want.mapping}",
        f"bs={SPAN}",
        "count=1",
        "conv=nocreat,notrunc,fsync",
        "status=none",
    )
    last = (f"seek={found.size - cryptsetup.OFFSET - SPAN}", "oflag=seek_bytes")
    reason = "nobody has used the new container, and blank it is for others only with zeros at both ends"
    mark = cryptsetup.mark_argv(want.device, want.label, READY)
    return [
        Step(KIND, ZERO_END, want.object, reason, (*zero, *last), destructive=True),
        Step(KIND, ZERO_START, want.object, reason, zero, destructive=True),
        Step(KIND, "mark", want.object, "it is ready, and never to be filled with zeros again", mark),
    ]


def _backup(want: LuksWant, have: Have) -> list[Step]:
    path = luks_state.backup_path(want)
    reason = f"who loses the header has lost all data: this copy belongs off the node, too ({path})"
    copy = Step(KIND, BACK_UP, want.object, reason, cryptsetup.backup_argv(want.device, path))
    if have.backups:
        return [copy]
    folder = ("install", "-d", "-m", "0700", "-o", "root", "-g", "root", "--", luks_state.BACKUPS)
    return [Step(KIND, "create", luks_state.BACKUPS, "there is no place for copies of headers", folder), copy]
