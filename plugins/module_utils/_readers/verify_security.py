# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the security that the description asks for really in force on one node?

A rule on the MGS says what is wanted, an import what is used, a context that both ends agreed.  All three are asked, on
clients and on servers, since a rule may never match (Lustre 2.17.0, rules of single networks), a daemon may have gone on
without Kerberos, and a client that came before the rule may still be connected without it.  Nothing is changed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import exports, lctl, lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting, waiting_of
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._readers import ticketless
from ansible_collections.lustre.core.plugins.module_utils._readers.security_info import (
    SecurityInspector,
    on_network,
    sentence,
)
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor_want import rules_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_GATHER = ("imports", "contexts", "server_contexts")
#: Kinds of devices that are connected to, as server contexts name them.
_SERVERS = ("mdt", "obdfilter", "mgs")


@dataclass
class SecurityVerifier:
    """Asks one node.

    ``rules`` are those of the file systems that the node has a part in.  ``controller_time``: seconds since 1970 as the
    controller has them, to compare clocks (None: not compared); ``max_skew`` and ``timeout`` in seconds, ``days``: contexts
    that end sooner are told, 0 for none.
    """

    run: Runner
    rules: Sequence[srpc.Rule]
    controller_time: float | None = None
    max_skew: float = 150.0
    days: float = 0.0
    timeout: float = 120.0
    now: Callable[[], float] = time.time
    inspector: Callable[..., SecurityInspector] = SecurityInspector
    waiting: Callable[[], list[Waiting]] = waiting_of
    checks: list[Check] = field(default_factory=list, init=False)
    problems: list[str] = field(default_factory=list, init=False)
    ends: list[dict[str, Any]] = field(default_factory=list, init=False)
    remarks: list[str] = field(default_factory=list, init=False)

    @classmethod
    def from_options(cls, run: Runner, rules: Sequence[Mapping[str, Any]], **more: Any) -> SecurityVerifier:
        return cls(run, rules_from_options(rules, "rules"), **more)

    def verify(self) -> dict[str, Any]:
        """All checks, and the problems among them as sentences."""
        self._clock()
        if self.rules:
            found = self.inspector(self.run, _GATHER, self.rules, self.timeout).inspect()
            self.problems += found["problems"]
            for check in (*self._flavors(found), *self._contexts(found), *self._ending(found)):
                self.checks.append(check)
            self.remarks += ticketless.remarks(found["imports"], found["contexts"], self.waiting)
            try:
                self.checks += self._anonymous(found["server_contexts"], found["release"])
            except LustreError as error:
                self.problems.append(str(error))
        self.problems += [check.problem for check in self.checks if check.problem]
        return {
            "checks": [check.public() for check in self.checks],
            "problems": list(dict.fromkeys(self.problems)),
            "healthy": not self.problems,
            "ends": self.ends,
            "remarks": self.remarks,
        }

    def _clock(self) -> None:
        if self.controller_time is None:
            return
        skew = self.now() - self.controller_time
        told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the controller"
        problem = (
            f"Its clock is {told}; Kerberos allows 300 s, and this check {self.max_skew:g} s. Start a time service such as chrony."
            if abs(skew) > self.max_skew
            else ""
        )
        self.checks.append(Check("clock", "clock", f"within {self.max_skew:g} s", told, problem))

    def _flavors(self, found: Mapping[str, Any]) -> Iterator[Check]:
        """Every connection that a rule speaks of uses the flavor of that rule."""
        for entry in found["imports"]:
            if entry["in_force"] is None:
                continue
            # a context that is missing is told by a check of its own
            shown = entry["in_force"] or entry["context"] is False
            problem = "" if shown else sentence(entry, found["waited"]) + " " + _remedy(entry)
            yield Check("flavor", entry["name"], entry["wanted"], entry["flavor"], problem)

    def _contexts(self, found: Mapping[str, Any]) -> Iterator[Check]:
        """A flavor that needs keys has a context of root that both ends agreed on."""
        for entry in found["imports"]:
            if entry["context"] is None or entry["in_force"] is None:
                continue
            problem = (
                ""
                if entry["context"]
                else f"{entry['name']} says {entry['flavor']}, and root has no valid security context on it: nothing was agreed with "
                f"{entry['nid']}. See the log of lgss_keyring on this node and of lsvcgssd on that one."
            )
            yield Check("context", entry["name"], "a valid context", "one" if entry["context"] else "none", problem)

    def _ending(self, found: Mapping[str, Any]) -> Iterator[Check]:
        """How long root's contexts last; they are made anew by themselves for as long as the keys are good."""
        for context in found["contexts"]:
            if context["uid"] != 0 or not context["valid"]:
                continue
            self.ends.append(
                {
                    "kind": "context",
                    "object": context["name"],
                    "ends": context["expires"],
                    "days_left": context["days"],
                    "days_old": None,
                }
            )
            if self.days <= 0:
                continue
            left = f"{context['days']:g} days"
            problem = "" if context["days"] >= self.days else f"The context of {context['name']} ends in {left}."
            yield Check("expiry", context["name"], f"at least {self.days:g} days", left, problem)

    def _anonymous(self, contexts: Sequence[Mapping[str, Any]], release: str) -> Iterator[Check]:
        """Seen from the server: nobody is connected who did not say who it is, where the rules ask for it.

        That is all that can be looked at without harm: the flavor of a connection is shown at the other end only, and
        Lustre's tools make no connection that does not follow the rules, so that a server could be seen to refuse it.
        """
        known = _known(contexts)
        for export in self._exports():
            wanted = None if export.nid.endswith("@lo") else self._of(export, release)
            if wanted is None:
                continue
            mechanisms = known.get(export.device, {}).get(export.nid, set())
            found, problem = "known", ""
            if srpc.mechanism(wanted) not in mechanisms:
                found = f"known by {', '.join(sorted(mechanisms))}" if mechanisms else "anonymous"
                problem = _stranger(export, wanted, mechanisms)
            yield Check("anonymous", f"{export.nid} at {export.device}", wanted, found, problem)

    def _exports(self) -> list[exports.Export]:
        result = lctl.run_batch(self.run, lctl.chunked(("get_param",), exports.PARAMETERS))
        return exports.of_node(lctl_params.parse(result.out, result.err, exports.PARAMETERS).values)

    def _of(self, export: exports.Export, release: str) -> str | None:
        """The flavor that who is connected must use; None where none that needs keys is asked for."""
        match = srpc.TARGET.match(export.device)
        direction, targets = "", {srpc.MGS}
        if export.device != exports.MGS:
            if match is None or not match["kind"] or not export.source:
                return None
            direction, targets = f"{export.source}2{match['kind'].lower()}", {export.device, match["fsname"]}
        fitting = [
            rule
            for rule in self.rules
            if rule.target in targets
            and on_network(rule, export.nid.rpartition("@")[2], release)
            and rule.direction in ("", direction)
        ]
        flavor = max(fitting, key=lambda rule: rule.specific).flavor if fitting else ""
        return flavor if srpc.mechanism(flavor) else None


def _known(contexts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, set[str]]]:
    """By target and NID, the mechanisms (``krb5``, ``sk``) of the valid contexts."""
    found: dict[str, dict[str, set[str]]] = {}
    for context in contexts:
        kind, _dot, device = context["name"].partition(".")
        if kind in _SERVERS and context["valid"]:
            mechanism = srpc.mechanism(context["mechanism"]) or context["mechanism"]
            found.setdefault(device, {}).setdefault(context["peer"], set()).add(mechanism)
    return found


def _stranger(export: exports.Export, wanted: str, mechanisms: set[str]) -> str:
    who = export.nid if export.owner == "a client" else f"{export.owner} of {export.nid}"
    has = (
        f"with a context of {', '.join(sorted(mechanisms))} only" if mechanisms else "without a valid security context"
    )
    evict = (
        ", and evict it if it does not switch" if export.owner == "a client" and export.device != exports.MGS else ""
    )
    return (
        f"{who} is connected to {export.device} {has}, where {wanted} is wanted. It came before the rule, or a rule lets it: see "
        f"lustre.core.security_info there{evict}."
    )


def _remedy(entry: Mapping[str, Any]) -> str:
    """What to look at first."""
    if not srpc.mechanism(entry["wanted"]):
        return "Was the playbook lustre.core.secure run since the description changed?"
    return (
        "Was the playbook lustre.core.secure run since the description changed? If so, see the log of lgss_keyring on this node and of "
        f"lsvcgssd on {entry['nid'] or 'the server'}."
    )
