# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tunables of one node, and those that the MGS stores for all nodes.

Why it is done like this (all observed on Lustre 2.17.0):

* ``set_param -P`` stores any name and any value, for ever.  So a name must be known, and
  where this node has the tunable the value is set here first: the kernel is the judge.
  What it refuses is never stored.
* An unchanged ``-P`` does not repair a live value that drifted: both are compared.
* ``-P -d`` of a name that is not stored fails: deletion is planned only for what is stored.
* ``set_param -C`` finds names by substring and needs the file system mounted; the file it
  writes is read and written here directly.
* The exit code of several settings is that of one of them: each group is one lctl process
  that goes on after failures, failures are told from its messages and from what it reads
  back at its end, and the state is read again after all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params, llog, mount_params
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._engine import Resource
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, NeedsRelease, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._param_names import is_pattern, matches, nearest, normal
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.param_change import (
    Change,
    delete,
    failed_settings,
    lctl_steps,
    store,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import (
    ParamWant,
    checked_prefixes,
    wants_from_options,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner
from ansible_collections.lustre.core.plugins.module_utils._units import current, size_of

#: Stored parameters reached a node after 7 to 9 s; a busy MGS takes longer.
SETTLE = 30.0
_ON_MGS = "mgs.MGS.filesystems"
_ABSENT = "No such file or directory"


@dataclass(frozen=True)
class Have:
    """What is: ``live`` values of this node, what the MGS here ``stored`` (empty when there is none), the mount files."""

    live: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    mgs: bool = False
    filesystems: tuple[str, ...] = ()
    stored: Mapping[str, llog.Record] = field(default_factory=dict)
    conf: tuple[llog.Record, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    at_mount: bool = True
    release: str = ""


@dataclass
class ParamResource(Resource[Have]):
    """A node's wanted tunables.

    ``provisional``: the plan is made before the node's mounts are up (check mode of a node
    that is not set up yet), so an MGS or an instance that is missing is no error.
    """

    wants: Sequence[ParamWant]
    purge: Sequence[str] = ()
    provisional: bool = False
    read: Callable[[str], str] = text_or_empty
    kind: str = field(default="param", init=False)
    settle: float = field(default=SETTLE, init=False)

    def __post_init__(self) -> None:
        self.settle = SETTLE if self.purge or self._of("persistent") else 5.0

    @classmethod
    def from_options(
        cls,
        params: Sequence[Mapping[str, Any]],
        purge: Sequence[str] = (),
        provisional: bool = False,
        path: str = "params",
    ) -> ParamResource:
        """From the options ``params`` and ``purge_params``; BadValue names the entry that is unusable."""
        return cls(wants_from_options(params, path), checked_prefixes(purge), provisional)

    # What is

    def have(self, run: Runner) -> Have:
        """One lctl process for everything (none when nothing is wanted), and the mount files."""
        files = {want.file: self.read(want.file) for want in self._of("mount")}
        commands = self._reads()
        if not commands:
            return Have(files=files)
        result = lctl.run_batch(run, commands)
        asked = [_ON_MGS, "version", *self._live_names()]
        answer = lctl_params.parse(result.out, result.err, asked)
        if not (answer.values or answer.missing):
            raise ToolError("read parameters of this node", ("lctl",), result.rc, result.out, result.err)
        values = dict(answer.values)
        release, served = values.pop("version", ""), values.pop(_ON_MGS, None)
        why = llog.failures(result.err).get("params", _ABSENT)
        if served is not None and why != _ABSENT:
            raise ToolError(
                "read the parameters stored on this MGS", ("lctl", "llog_print", "params"), result.rc, "", result.err
            )
        records = llog.parse_mixed(result.out)
        return Have(
            values,
            answer.unreadable,
            served is not None,
            tuple(lctl_params.filesystems(served or "")),
            llog.stored_params(records),
            tuple(record for record in records if record.event == "conf_param"),
            files,
            mount_params.is_supported(result.out + result.err),
            release,
        )

    def _reads(self) -> list[tuple[str, ...]]:
        """The commands of one batch; what may print anything comes before the values."""
        commands: list[tuple[str, ...]] = []
        if self._of("mount"):
            commands.append(("help", "set_param"))
        names = self._live_names()
        if self._of("persistent") or self.purge:
            logs = ["params"] + sorted({f"{want.fsname}-client" for want in self._of("persistent") if want.fsname})
            commands += [("device", "MGS"), *(("llog_print", log) for log in logs)]
            names = [_ON_MGS, *names]
        if not commands and not names:
            return []
        return commands + lctl.chunked(("get_param",), ["version", *names])

    def _of(self, scope: str) -> list[ParamWant]:
        return [want for want in self.wants if want.scope == scope]

    def _on_live(self) -> list[ParamWant]:
        """Wants that speak of live values; where two speak of one tunable the later one counts, local ones last."""
        return [want for scope in ("persistent", "local") for want in self._of(scope) if want.state == "present"]

    def _live_names(self) -> list[str]:
        return list(dict.fromkeys(want.name for want in self._on_live()))

    # What is to be done

    def plan(self, have: Have) -> Plan:
        self._check(have)
        sets, drift = self._live_changes(have)
        stores, conf = self._stored_changes(have)
        steps = [*lctl_steps(self.kind, sets), *lctl_steps(self.kind, stores), *self._file_steps(have)]
        return Plan(tuple(steps), (*drift, *conf))

    def _check(self, have: Have) -> None:
        stored = self._of("persistent")
        if (stored or self.purge) and not have.mgs and not self.provisional:
            names = ", ".join(want.name for want in stored[:5]) or ", ".join(self.purge)
            raise Refused(
                f"store persistent parameters ({names})",
                "this node runs no MGS, and set_param -P must be run on the MGS",
                "Run this on the node where the MGT is mounted now, or use scope local or mount here.",
            )
        if self._of("mount") and not have.at_mount:
            raise NeedsRelease("Parameters that are set at mount (scope mount)", "2.17", have.release)
        for want in self.wants:
            self._check_known(want, have)

    def _check_known(self, want: ParamWant, have: Have) -> None:
        if want.state == "absent" or want.allow_unknown or self.provisional or matches(want.name):
            return
        seen = [*have.live, *have.unreadable]
        if any(want.covers(name) for name in seen):
            return
        record = have.stored.get(want.name)
        if want.scope == "persistent" and record is not None and want.is_met_by(record.fields["value"]):
            return
        near = nearest(want.name, tuple(have.live))
        hint = f"Near it: {', '.join(near)}. " if near else ""
        raise BadValue(
            f"{want.path}.name",
            f"no parameter {want.name} is known, neither on this node nor to this collection",
            f"{hint}If it is right, say allow_unknown: true.",
        )

    def _live_changes(self, have: Have) -> tuple[list[Change], list[Drift]]:
        wants = self._on_live()
        owner: dict[str, ParamWant] = {name: want for want in wants for name in have.live if want.covers(name)}
        changes: list[tuple[int, Change]] = []
        drift: list[Drift] = []
        touched: set[str] = set()
        for want in wants:
            mine = [name for name in have.live if owner.get(name) is want]
            wrong = [name for name in mine if not want.is_met_by(have.live[name], name)]
            if wrong or touched.intersection(mine):
                touched.update(name for name in have.live if want.covers(name))
                reason = _found(want, wrong, mine, have) if wrong else "a wider pattern before it is set"
                order = _order(want, [have.live[name] for name in wrong])
                changes.append(
                    (order, Change("set", want.name, f"{reason}, wanted {want.value}", ("set_param", want.setting)))
                )
            elif not mine and want.scope == "local" and not any(want.covers(name) for name in owner):
                drift += self._not_here(want, have, changes)
        changes.sort(key=lambda pair: pair[0])
        return [change for _order_key, change in changes], drift

    def _not_here(self, want: ParamWant, have: Have, changes: list[tuple[int, Change]]) -> list[Drift]:
        """A local want that nothing here matches."""
        if any(want.covers(name) for name in have.unreadable):
            raise BadValue(
                f"{want.path}.name",
                f"{want.name} can be written but not read, so nobody can say whether it is set",
                "Run the command where it belongs, in a play of its own.",
            )
        if self.provisional:
            changes.append(
                (1, Change("set", want.name, f"not there yet, wanted {want.value}", ("set_param", want.setting)))
            )
            return []
        if not is_pattern(want.name):
            raise Refused(
                f"set {want.name} on this node",
                "the node has no such parameter now",
                "Is what it belongs to (a target, a client mount, a module) running here?",
            )
        return [
            Drift(
                self.kind,
                want.name,
                "nothing on this node matches",
                want.value,
                "It is set by a run while a target or client mount is there that it speaks of.",
            )
        ]

    def _stored_changes(self, have: Have) -> tuple[list[Change], list[Drift]]:
        deletes: list[Change] = []
        stores: list[Change] = []
        drift: list[Drift] = []
        latest: list[tuple[ParamWant, float]] = []
        by_name = {normal(literal): (literal, record) for literal, record in have.stored.items()}
        for want in self._of("persistent"):
            literal, record = by_name.get(want.name, ("", None))
            if want.state == "absent":
                if record is not None:
                    deletes.append(delete(literal, record, "declared absent"))
                continue
            drift += self._conf_param(want, have)
            place = float(record.index) if record is not None else float("inf")
            overruled = [other for other, at in latest if at > place and _overlap(other, want)]
            if record is None or not want.is_met_by(record.fields["value"]):
                found = "not stored" if record is None else f"stored as {record.fields['value']}"
                stores.append(store(want, found))
                place = float("inf")
            elif overruled:
                # The log is applied in its order: of two that speak of one tunable the later record wins.
                deletes.append(delete(literal, record, f"{overruled[0].name} comes after it and would win"))
                stores.append(store(want, "to be stored again, after the other one"))
                place = float("inf")
            latest.append((want, place))
        declared = {want.name for want in self._of("persistent")}
        for name, (literal, record) in by_name.items():
            if name not in declared and any(name.startswith(prefix.rstrip("*")) for prefix in self.purge):
                deletes.append(delete(literal, record, "not declared, and its prefix is to be purged"))
        return deletes + stores, drift

    def _conf_param(self, want: ParamWant, have: Have) -> list[Drift]:
        """The same tunable set by the old conf_param is applied at each mount as well."""
        found = []
        for record in have.conf:
            old = record.fields.get("parameter", "")
            section, _dot, tunable = old.partition(".")
            same_tunable = (
                want.name == tunable
                if section == "sys"
                else (want.name.startswith(f"{section}.") and want.name.rpartition(".")[2] == tunable)
            )
            if not same_tunable or want.is_met_by(record.fields.get("value", "")):
                continue
            target = record.fields.get("device", want.fsname).partition("-client")[0].partition("-clilov")[0]
            for suffix in ("-osc", "-mdc"):
                target = target.partition(suffix)[0]
            found.append(
                Drift(
                    self.kind,
                    want.name,
                    f"conf_param {target}.{old}={record.fields.get('value', '')}",
                    want.value,
                    f"Delete the old setting on the MGS: lctl conf_param -d {target}.{old}",
                )
            )
        return found

    # Steps

    def _file_steps(self, have: Have) -> list[Step]:
        steps = []
        for path in dict.fromkeys(want.file for want in self._of("mount")):
            wants = [want for want in self._of("mount") if want.file == path]
            content, changes = mount_params.changed(have.files.get(path, ""), wants)
            write = FileWrite(path, content)
            for place, (want, reason) in enumerate(changes):
                steps.append(
                    Step(
                        self.kind,
                        "delete" if want.state == "absent" else "store",
                        f"{want.name} in {path}",
                        reason,
                        write=write if place == 0 else None,
                    )
                )
        return steps

    def check_step(self, step: Step, run: Runner) -> None:
        """Nothing: the plan was made from a state read just now, and a setting destroys nothing."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        failed = failed_settings(step, out, err)
        wanted = "set " + ", ".join(failed) if failed else f"{step.action} {step.object}"
        remedy = ""
        instances = lctl_params.refused_instances(err)
        if "must be run on the MGS" in err:
            remedy = "Persistent parameters are stored on the node where the MGT is mounted."
        elif step.action == "set":
            remedy = (
                "Nothing of it was stored. "
                if any(w.scope == "persistent" and w.name in failed for w in self.wants)
                else ""
            )
            if any(is_pattern(name) for name in failed) and instances:
                remedy += "Other instances of the pattern may have taken the value: run again with a good one. "
        return ToolError(wanted, step.argv, rc, "", err, code=rc, remedy=remedy.strip())

    # What is shown

    def public(self, have: Have) -> Mapping[str, Any]:
        stored = {normal(name): record.fields["value"] for name, record in have.stored.items()}
        shown = []
        for want in self.wants:
            item: dict[str, Any] = {"name": want.name, "scope": want.scope}
            if want.scope == "mount":
                item.update(file=want.file, stored=mount_params.value_in(have.files.get(want.file, ""), want.name))
            else:
                item["live"] = {name: text for name, text in have.live.items() if want.covers(name)}
            if want.scope == "persistent":
                item["stored"] = stored.get(want.name)
            shown.append(item)
        purged = {n: v for n, v in stored.items() if any(n.startswith(prefix.rstrip("*")) for prefix in self.purge)}
        return {
            "parameters": shown,
            "undeclared": {n: v for n, v in purged.items() if not any(w.name == n for w in self.wants)},
            "notes": self.notes(have),
        }

    def notes(self, have: Have) -> list[str]:
        """What is legal and still rarely meant."""
        texts = []
        for want in self._of("persistent"):
            if want.state == "absent":
                continue
            if (
                "*" in want.name
                and len(have.filesystems) > 1
                and not any(name in want.name for name in have.filesystems)
            ):
                texts.append(
                    f"{want.name} names no file system and this MGS serves {', '.join(have.filesystems)}: it is applied to all "
                    f"of them. Write the name of one, such as {want.name.replace('*', have.filesystems[0] + '-*', 1)}."
                )
            if want.name.endswith(".lru_size"):
                texts.append(
                    f"{want.name} cannot be kept reliably with set_param -P: use scope mount (Lustre 2.17), "
                    "or scope local after each mount."
                )
        return texts


def _overlap(one: ParamWant, other: ParamWant) -> bool:
    """May both speak of one tunable?"""
    return one.covers(other.name) or other.covers(one.name)


def _found(want: ParamWant, wrong: Sequence[str], mine: Sequence[str], have: Have) -> str:
    """``is 32 on 2 of 4 instances``."""
    texts = sorted({" ".join(current(name, have.live[name]).split())[:60] or "empty" for name in wrong})
    is_now = "is " + " or ".join(texts[:3])
    return is_now if len(mine) == 1 and wrong[0] == want.name else f"{is_now} on {len(wrong)} of {len(mine)} instances"


def _order(want: ParamWant, now: Sequence[str]) -> int:
    """``max_mod_rpcs_in_flight`` must stay below ``max_rpcs_in_flight``: raise the latter before the former, lower it after."""
    if not want.name.endswith(".max_rpcs_in_flight"):
        return 1
    wanted, found = size_of(want.value, 1), [size_of(text, 1) for text in now]
    lowered = wanted is not None and any(number is not None and number > wanted for number in found)
    return 2 if lowered else 0
