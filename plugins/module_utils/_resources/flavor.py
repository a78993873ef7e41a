# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The security rules that an MGS keeps for its file systems and for itself.

Why it is done like this (observed on Lustre 2.17.0 where nothing else is said):

* A name that the MGS does not know must never reach ``conf_param``: it makes an empty file
  system of it, which only an erasure of its configuration removes; of an unknown target it
  keeps records.
* ``set_param -P`` takes such rules and nothing ever follows from them: only ``conf_param`` is used.
* ``conf_param`` returns at once; connections switch 20 to 45 s later, one by one.  So this
  resource ends with the rules of the MGS; whether they are in force is asked elsewhere.
* Order: rules that speak of less are set before those that speak of more, and after all of
  them rules are removed the other way round.  So every connection changes its flavor at most
  once, from what it had to what it is to have, and is never without protection between two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._engine import Resource
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor_want import (
    checked_purge,
    rules_from_options,
)
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: The list of an MGS follows a conf_param at once; that of the MGS itself by way of its own log.
SETTLE = 30.0
_FILESYSTEMS, _SELF, _LIVE = "mgs.MGS.filesystems", "mgs.MGS.srpc_rules", "mgs.MGS.live."
_ASKED = ("version", _FILESYSTEMS, _SELF, f"{_LIVE}*")


@dataclass(frozen=True)
class Have:
    """``rules`` by name as the MGS keeps them; ``targets`` it knows, by file system (None: it shows none of it yet)."""

    mgs: bool = False
    release: str = ""
    filesystems: tuple[str, ...] = ()
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: Mapping[str, srpc.Rule] = field(default_factory=dict)
    own_rules_shown: bool = False


@dataclass
class FlavorResource(Resource[Have]):
    """The rules of an MGS.

    ``purge``: file systems (with their targets), targets or ``_mgs`` whose undeclared rules are removed, or single rules.
    ``provisional``: the plan is made before the node's MGT is mounted, so that nothing it would know is an error.
    """

    wants: Sequence[srpc.Rule]
    purge: Sequence[str] = ()
    allow_ineffective: bool = False
    provisional: bool = False
    kind: str = field(default="flavor", init=False)
    settle: float = field(default=SETTLE, init=False)

    @classmethod
    def from_options(
        cls,
        rules: Sequence[Mapping[str, Any]],
        purge: Sequence[str] = (),
        allow_ineffective: bool = False,
        provisional: bool = False,
        path: str = "rules",
    ) -> FlavorResource:
        """From the options; BadValue names the entry that is unusable."""
        named = [checked_purge(name, f"purge[{number}]") for number, name in enumerate(purge)]
        return cls(rules_from_options(rules, path), named, allow_ineffective, provisional)

    # What is

    def have(self, run: Runner) -> Have:
        """One lctl process (none when nothing is wanted)."""
        if not self.wants and not self.purge:
            return Have()
        result = lctl.run_batch(run, [("get_param", *_ASKED)])
        answer = lctl_params.parse(result.out, result.err, _ASKED)
        if not (answer.values or answer.missing):
            raise ToolError("read the security rules of this MGS", ("lctl",), result.rc, result.out, result.err)
        if answer.unreadable:
            told = "; ".join(f"{name}: {why}" for name, why in answer.unreadable.items())
            raise UnknownOutput("lctl get_param", "the security rules of this MGS", told)
        served = answer.values.get(_FILESYSTEMS)
        if served is None:
            return Have(release=_release(answer.values))
        targets: dict[str, tuple[str, ...]] = {}
        rules = srpc.parse_self_rules(answer.values.get(_SELF, ""))
        for name, text in answer.values.items():
            if name.startswith(_LIVE):
                targets[name[len(_LIVE) :]] = tuple(srpc.parse_targets(text))
                rules += srpc.parse_rules(text)
        return Have(
            True,
            _release(answer.values),
            tuple(lctl_params.filesystems(served)),
            targets,
            {rule.name: rule for rule in rules},
            _SELF in answer.values or srpc.MGS in targets,
        )

    # What is to be done

    def plan(self, have: Have) -> Plan:
        if not self.wants and not self.purge:
            return Plan()
        if not self.provisional:
            self._check(have)
        self._check_networks(have)
        sets = [rule for rule in self.wants if not _met(rule, have.rules.get(rule.name))]
        declared = {rule.name for rule in self.wants}
        gone = [rule for name, rule in have.rules.items() if name not in declared and self._purged(rule)]
        steps = [self._set(rule, have.rules.get(rule.name)) for rule in sorted(sets, key=_narrow_first)]
        steps += [self._remove(rule) for rule in sorted(gone, key=_narrow_first, reverse=True)]
        return Plan(tuple(steps))

    def _check(self, have: Have) -> None:
        told = ", ".join(rule.name for rule in self.wants[:5]) or ", ".join(self.purge)
        if not have.mgs:
            raise Refused(
                f"set security rules ({told})",
                "this node runs no MGS, and rules are set on the MGS",
                "Run this on the node where the MGT is mounted now.",
            )
        named = [name.partition(".srpc.flavor.")[0] for name in self.purge]
        for target in dict.fromkeys([*(rule.target for rule in self.wants), *named]):
            self._check_target(target, have)

    def _check_target(self, target: str, have: Have) -> None:
        """Known to the MGS, and its rules can be read back."""
        if target == srpc.MGS:
            if not have.own_rules_shown:
                raise Refused(
                    f"set security rules of {srpc.MGS}",
                    f"this Lustre ({have.release or 'of unknown release'}) shows no {_SELF}, so nobody could say what came of it",
                    f"Leave the rules of {srpc.MGS} out.",
                )
            return
        fsname = srpc.Rule(target, "null").fsname
        if fsname not in have.filesystems:
            raise Refused(
                f"set security rules of {target}",
                f"this MGS knows no file system {fsname}, only {', '.join(have.filesystems) or 'none at all'}; Lustre would "
                "make an empty one of that name, which only an erasure of its configuration removes",
                "Correct the name, or start the file system's targets for the first time before its security is set up.",
            )
        if fsname not in have.targets:
            raise Refused(
                f"set security rules of {target}",
                f"the MGS shows no {_LIVE}{fsname}, since no target of {fsname} has connected to it since it was started",
                f"Start the targets of {fsname} first.",
            )
        if target != fsname and target not in have.targets[fsname]:
            raise Refused(
                f"set security rules of {target}",
                f"this MGS knows no such target, only {', '.join(have.targets[fsname]) or 'none at all'}; Lustre would keep "
                "records for a target that does not exist",
                "Correct the name.",
            )

    def _check_networks(self, have: Have) -> None:
        why = ineffective_networks(have.release)
        asked = [rule.name for rule in self.wants if rule.network != srpc.ANY_NETWORK]
        if asked and why and not self.allow_ineffective:
            raise Refused(
                f"set security rules of single networks ({', '.join(asked)})",
                why,
                "Write rules for all networks (network: default), by direction or target where they must differ. To keep such a "
                "rule for a later release all the same, say allow_ineffective: true; it protects nothing until then.",
            )

    def _purged(self, rule: srpc.Rule) -> bool:
        return not {rule.name, rule.target, rule.fsname}.isdisjoint(self.purge)

    def _set(self, rule: srpc.Rule, found: srpc.Rule | None) -> Step:
        told = f"is {found.flavor}" if found else "is not set"
        less = found is not None and srpc.weaker(rule.flavor, found.flavor)
        reason = f"{told}, wanted {rule.flavor}" + (
            ", which protects less" if less else "; peers without credentials for it are cut off"
        )
        return Step(self.kind, "set", rule.name, reason, srpc.set_words(rule), disruptive=True, timeout=60.0)

    def _remove(self, rule: srpc.Rule) -> Step:
        reason = f"is {rule.flavor}, not declared, and named to be purged by itself or with {rule.fsname}"
        return Step(self.kind, "remove", rule.name, reason, srpc.delete_words(rule), disruptive=True, timeout=60.0)

    def check_step(self, step: Step, run: Runner) -> None:
        """The MGS may have gone to another node since the plan was made: then conf_param itself refuses."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = "Rules are set on the node where the MGT is mounted." if "must be run on the MGS" in err else ""
        if "Invalid argument" in err:
            remedy = "Does this release know the flavor? Rules before this one are set, those after it are not."
        return ToolError(f"{step.action} the security rule {step.object}", step.argv, rc, out, err, rc, remedy)

    # What is shown

    def public(self, have: Have) -> Mapping[str, Any]:
        declared = {rule.name for rule in self.wants}
        named = [name.partition(".srpc.flavor.")[0] for name in self.purge]
        concerned = {rule.fsname for rule in self.wants} | {srpc.Rule(name, "null").fsname for name in named}
        return {
            "rules": [_shown(rule) for rule in have.rules.values() if rule.fsname in concerned],
            "undeclared": sorted(
                rule.name for rule in have.rules.values() if rule.fsname in concerned and rule.name not in declared
            ),
            "notes": self.notes(have),
        }

    def notes(self, have: Have) -> list[str]:
        """What is legal and protects less than its author may think."""
        texts = []
        why = ineffective_networks(have.release)
        for rule in self.wants:
            if rule.network != srpc.ANY_NETWORK:
                texts.append(
                    f"{rule.name} protects nothing now: {why}."
                    if why
                    else f"{rule.name} speaks of one network. Look at the flavors in force (lustre.core.security_info): in Lustre 2.17.0 "
                    f"such rules never matched, and {have.release or 'this release'} was not seen."
                )
            if rule.flavor in ("gssnull", "plain"):
                texts.append(f"{rule.name}={rule.flavor} authenticates nobody.")
        return texts


def ineffective_networks(release: str) -> str:
    """Why a rule of one network is of no use on this release; empty when that is not known."""
    if srpc.ignores_networks(release):
        return (
            f"Lustre {release} takes a rule for one network and never matches it with any connection (seen on 2.17.0)"
        )
    return ""


def _release(values: Mapping[str, str]) -> str:
    return values.get("version", "").partition("\n")[0].strip()


def _met(rule: srpc.Rule, found: srpc.Rule | None) -> bool:
    """``plain`` is printed with the hash that Lustre chose for it."""
    if found is None:
        return False
    return found.flavor == rule.flavor or (rule.flavor == "plain" and found.flavor.startswith("plain-"))


def _narrow_first(rule: srpc.Rule) -> tuple[Any, ...]:
    """Order of setting: what speaks of less first; servers among themselves before clients, the MGS last."""
    order = {"mdt2mdt": 0, "mdt2ost": 1, "cli2mdt": 2, "cli2ost": 3}
    target, network, direction = rule.specific
    return rule.target == srpc.MGS, not target, not network, not direction, order.get(rule.direction, 9), rule.name


def _shown(rule: srpc.Rule) -> dict[str, str]:
    return {"target": rule.target, "network": rule.network, "direction": rule.direction, "flavor": rule.flavor}
