# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodemaps of a site, on the node where the MGT is mounted (dynamic ones on any server).

Why it is done like this (observed on Lustre 2.17.0):

* The order of the steps opens nothing in between: what restricts comes first, a new nodemap is complete before a NID is
  in it, what allows comes last, the activation after everything.
* One lctl process runs many commands and ends at the first that fails: what comes after it is not done.
* ``nodemap_add_idmap`` replaces without a word, several commands answer 0 for nothing done, a masked range is stored as
  one address: all is read back.
* Activating squashes everybody who is in no other nodemap, the servers included: ``protect`` must be safe first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import nodemap as tool
from ansible_collections.lustre.core.plugins.module_utils._cli import nodemap_data, nodemap_words
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import State
from ansible_collections.lustre.core.plugins.module_utils._engine import Resource
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, NeedsRelease, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import nodemap_after, nodemap_window
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_change import Change, Phase, steps_of
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_plan import Differ, new_nodemap
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import (
    DEFAULT,
    NodemapWant,
    Wanted,
    wanted_from_options,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_SINCE = {
    "gssonly_identification": "2.18",
    "deny_mount": "2.17",
    "child_raise_privileges": "2.17",
    "rbac": "2.16",
    "readonly_mount": "2.16",
    "squash_projid": "2.15",
}
_ACTIVE = "active"


@dataclass
class NodemapResource(Resource[State]):
    """What one call wants of the nodemaps."""

    wanted: Wanted
    kind: str = field(default="nodemap", init=False)
    settle: float = field(default=15.0, init=False)
    run: Runner | None = field(default=None, init=False, repr=False)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "") -> NodemapResource:
        return cls(wanted_from_options(options, path))

    def have(self, run: Runner) -> State:
        self.run = run
        return tool.read(run)

    # What is to be done

    def plan(self, have: State) -> Plan:
        return Plan(tuple(steps_of(self.kind, self.changes(have))))

    def changes(self, have: State) -> list[Change]:
        """All changes in the order in which they are made."""
        if not (self.wanted.maps or self.wanted.purge or self.wanted.active is not None or self.wanted.protect):
            return []
        self._check_place(have)
        self._check_releases(have)
        active = have.active and self.wanted.active is not False
        ends = nodemap_after.at_end(have, self.wanted)
        nodemap_after.check_overlaps(ends, self.wanted)
        nodemap_after.check_bans(ends, self.wanted)
        nodemap_after.check_protected(have, self.wanted, ends, active)
        late = active and self._servers_leave_default(have, ends)
        differs = [self._differ(want, have, active, late) for want in self.wanted.maps if want.present]
        if active:
            self._check_closing(differs, ends)
        gone = self._gone(have)
        self._check_consents(have, gone)
        if active:
            leaving: dict[str, list[Span]] = {differ.want.name: differ.left for differ in differs}
            leaving.update({name: list(have.maps[name].ranges) for name in gone})
            made = {differ.want.name: nodemap_window.with_want(differ.have, differ.want) for differ in differs}
            nodemap_window.check_leaving(have, self.wanted, leaving, ends, made, late)
        changes = [*self._switch(have), *self._removals(have, gone, active)]
        for differ in differs:
            changes += differ.differences()
        return sorted(changes, key=lambda change: (change.phase, self._place(change)))

    def _differ(self, want: NodemapWant, have: State, active: bool, late: bool) -> Differ:
        found = have.maps.get(want.name)
        new = found is None
        if found is None:
            parent = have.maps.get(want.parent) if want.parent else None
            if want.parent and parent is None:
                raise Refused(
                    f"create the nodemap {want.name}",
                    f"its parent {want.parent} is not known on this node",
                    "Create the parent on the MGS first, and wait until it is seen here.",
                )
            found = new_nodemap(want, have.features, parent)
        elif want.dynamic and found.parent != want.parent:
            raise Refused(
                f"change the nodemap {want.name}",
                f"its parent is {found.parent or 'none'}, wanted {want.parent}, and a parent cannot be changed",
                "Remove it first (state: absent), or choose another name.",
            )
        return Differ(want, found, have.features, active, new, late and want.name == DEFAULT)

    def _place(self, change: Change) -> int:
        """Within a phase: servers and administrators come in before others; a parent is made before its child."""
        name = change.object.rpartition(" ")[2]
        if change.phase == Phase.ENTER:
            ranges = next((want.ranges or () for want in self.wanted.maps if want.name == name), ())
            return 0 if any(span.covers(nid) for span in ranges for nid in self.wanted.protect.values()) else 1
        return int(any(want.name == name and want.dynamic for want in self.wanted.maps))

    def _servers_leave_default(self, have: State, ends: Mapping[str, nodemap_after.End]) -> bool:
        now = {name: nodemap_after.as_is(nodemap) for name, nodemap in have.maps.items()}
        return any(
            nodemap_after.owner(now, nid) == DEFAULT
            and nodemap_after.owner(ends, nid) != DEFAULT
            and not now[DEFAULT].lacks(nid)
            for nid in self.wanted.protect.values()
        )

    def _check_closing(self, differs: list[Differ], ends: Mapping[str, nodemap_after.End]) -> None:
        for differ in (differ for differ in differs if differ.must_close and not differ.new):
            inside = [
                text for text, nid in self.wanted.protect.items() if nodemap_after.owner(ends, nid) == differ.want.name
            ]
            if inside:
                raise Refused(
                    f"change the nodemap {differ.want.name}",
                    f"its new bans need a moment in which it denies mounts, and {inside[0]} is in it",
                    "Put servers and administrators into a nodemap without a banlist.",
                )

    def _switch(self, have: State) -> Iterator[Change]:
        want = self.wanted.active
        if want is None or want == have.active:
            return
        reason = (
            "nodemaps are not active: from now on every NID is squashed and mapped as its nodemap says"
            if want
            else "nodemaps are active: from now on every client is trusted and sees everything"
        )
        phase = Phase.ACTIVATE if want else Phase.DEACTIVATE
        action = "activate" if want else "deactivate"
        yield Change(phase, action, "nodemaps", reason, (nodemap_words.activate(want),), True)

    def _gone(self, have: State) -> list[str]:
        """Nodemaps to remove, children before their parents; a dynamic one, made for a while, is nobody's to purge."""
        named = {want.name for want in self.wanted.maps if not want.present}
        kept = {want.name for want in self.wanted.maps if want.present} | {DEFAULT}
        undeclared = [name for name, one in have.maps.items() if name not in kept and not one.parent]
        purged = undeclared if self.wanted.purge else []
        gone = [name for name in have.maps if name in named or name in purged]
        return sorted(gone, key=lambda name: not have.maps[name].parent)

    def _removals(self, have: State, gone: list[str], active: bool) -> Iterator[Change]:
        for name in gone:
            count = len(have.maps[name].clients)
            reason = (
                f"not wanted; its clients fall into the nodemap default ({count} connected to targets of this node)"
            )
            yield Change(Phase.REMOVE, "remove", f"nodemap {name}", reason, (nodemap_words.remove(name),), active)

    # What must hold first

    def _check_place(self, have: State) -> None:
        static = [want.name for want in self.wanted.maps if not want.dynamic]
        needs_mgs = bool(static) or self.wanted.purge or self.wanted.active is not None
        if (needs_mgs and not have.mgs) or not have.here:
            what = ", ".join(static[:5]) or ("dynamic nodemaps" if self.wanted.maps else "all")
            raise Refused(
                f"change nodemaps ({what})",
                "this node runs no MGS" if have.here else "this node runs no MGS, and no target either",
                "Run this on the node where the MGT is mounted now.",
            )

    def _check_consents(self, have: State, gone: list[str]) -> None:
        missing = [name for name in gone if name not in self.wanted.consent]
        if missing:
            raise Refused(
                f"remove nodemaps ({', '.join(missing[:10])})",
                "their clients would fall into the nodemap default, and their id maps are lost",
                f"Name them if that is meant: consent: [{', '.join(missing[:10])}].",
            )
        for name, nodemap in have.maps.items():
            if nodemap.parent in gone and name not in gone:
                raise Refused(
                    f"remove the nodemap {nodemap.parent}",
                    f"{name} is a child of it",
                    f"Remove {name} as well, or first.",
                )
        if have.active and self.wanted.active is False and _ACTIVE not in self.wanted.consent:
            raise Refused(
                "deactivate the nodemaps",
                "every client would be trusted from then on, as root too, and see the whole file system",
                f"Say so if that is meant: consent: [{_ACTIVE}].",
            )

    def _check_releases(self, have: State) -> None:
        features = have.features
        for want in self.wanted.maps:
            told = f"The nodemap {want.name}"
            for key in (*(flag for flag, on in want.flags.items() if on), *want.numbers, *want.sets):
                if key not in features.properties:
                    raise NeedsRelease(f"{told}: the property {key}", _SINCE.get(key, "2.12"), have.release)
            if want.name == DEFAULT and "rbac" in want.sets and "rbac" not in have.maps[DEFAULT].sets:
                raise NeedsRelease("Reading the property rbac of the nodemap default", "2.18", have.release)
            newer = {
                "an offset": want.offset is not None and not features.offset,
                "alternate or read-only file sets": not features.filesets
                and any(one.alternate or one.read_only for one in want.filesets or ()),
                "a list of banned NIDs": want.banlist is not None and not features.banlist,
                "capabilities": want.caps is not None and not features.caps,
                "a parent": want.dynamic and not features.dynamic,
            }
            for what in (what for what, missing in newer.items() if missing):
                raise NeedsRelease(f"{told}: {what}", "2.17", have.release)

    # While it is done

    def check_step(self, step: Step, run: Runner) -> None:
        """Nothing: the plan was made from a state read just now; a step that fails stops all that come after it."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        """The failing command of a batch: the first one that is still to be done according to the state read again."""
        lines = [line for line in (step.stdin or "").splitlines() if line]
        if not lines:
            return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, code=rc if rc > 4 else None)
        done, failed = self._failed(lines, nodemap_words.failed_verb(err))
        remedy = f"It is command {done + 1} of {len(lines)} of one process; those after it were not run. "
        remedy += "Nothing was opened by what was done before it: correct the cause and run again."
        return ToolError(f"run lctl {failed}", ("lctl", *failed.split()), rc, out, err, rc if rc > 4 else None, remedy)

    def _failed(self, lines: list[str], verb: str) -> tuple[int, str]:
        candidates = [(place, line) for place, line in enumerate(lines) if not verb or line.split()[0] == verb]
        candidates = candidates or list(enumerate(lines))
        try:
            have = tool.read(self.run) if self.run else State()
            left = {" ".join(words) for change in self.changes(have) for words in change.commands}
        except LustreError:
            left = set()
        return next(((place, line) for place, line in candidates if line in left), candidates[0])

    # What is shown

    def public(self, have: State) -> Mapping[str, Any]:
        declared = [want.name for want in self.wanted.maps if want.name in have.maps]
        return {
            "active": have.active,
            "nodemaps": {name: nodemap_data.shown(have.maps[name]) for name in declared},
            "others": sorted(name for name in have.maps if name not in declared),
            "digest": nodemap_data.digest(have),
        }
