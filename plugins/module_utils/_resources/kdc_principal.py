# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Principals in the database of an MIT KDC, and their keys.

One process reads all, one makes all, one more gives new keys to those whose keys are too old.  kadmin says nothing of use
by its exit code, so what was wanted is read back.  A new key stands beside the older ones (``-keepold``): who has the older
one exports the new one and goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import krb5
from ansible_collections.lustre.core.plugins.module_utils._cli.krb5 import Kadmin, Principal
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "kdc_principal"
#: What Lustre 2.17 has in common with current MIT releases, and what 2.15 and 2.16 have.
ENCTYPES = ("aes256-cts-hmac-sha384-192", "aes256-cts-hmac-sha1-96")
TIMEOUT = 600.0
_KNOWN = (
    "principals", "realm", "enctypes", "state", "consent", "rotate_older_than", "purge_old", "admin", "admin_keytab", "server"
)  # fmt: skip


@dataclass(frozen=True)
class PrincipalsWant:
    """``rotate_older_than``: seconds; a principal whose keys are older gets new ones. None: keys stay as they are."""

    names: tuple[str, ...]
    kadmin: Kadmin
    enctypes: tuple[str, ...] = ENCTYPES
    present: bool = True
    consent: tuple[str, ...] = ()
    rotate_older_than: int | None = None
    purge_old: bool = False
    export: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], export: Sequence[str] = ()) -> PrincipalsWant:
        require_known(options, _KNOWN, "options")
        realm = krb5.check_realm(options.get("realm"), "realm")
        names = krb5.names_of_realm(options.get("principals") or (), realm, "principals")
        consent = krb5.names_of_realm(options.get("consent") or (), realm, "consent")
        kinds = tuple(
            krb5.check_enctype(kind, f"enctypes[{n}]") for n, kind in enumerate(options.get("enctypes") or ENCTYPES)
        )
        state = options.get("state") or "present"
        if state not in ("present", "absent"):
            raise BadValue("state", f"{state!r} is neither present nor absent", "Write one of them.")
        older = options.get("rotate_older_than")
        if older is not None and (not isinstance(older, int) or older < 0):
            raise BadValue("rotate_older_than", f"{older!r} is no number of seconds", "Write one such as 86400.")
        if state == "absent" and older is not None:
            raise BadValue("rotate_older_than", "principals that are to go get no new keys", "Leave it out.")
        purge = boolean(options, "purge_old", "")
        if purge and older is not None:
            problem = "new keys are of use only once they are at their hosts, and until then those need the older ones"
            raise BadValue(
                "purge_old", problem, "Rotate first, bring the new keys to the hosts, and purge in a later call."
            )
        keys = krb5.names_of_realm(export, realm, "export")
        strange = [name for name in keys if name not in names or state == "absent"]
        if strange:
            raise BadValue(
                "export", f"{strange[0]} is not one of the principals that are to be there", "Name it there."
            )
        return cls(
            names, krb5.kadmin_from_options(options, realm), kinds, state == "present", consent, older, purge, keys
        )


Have = Mapping[str, Principal]


class PrincipalsResource:
    """See the Resource protocol."""

    kind = KIND
    settle = 0.0

    def __init__(self, want: PrincipalsWant, now: Callable[[], float] = time.time) -> None:
        self.want = want
        # One moment for the whole call: a key that it makes is never old, however long the call takes.
        self.began = int(now())
        self._had: dict[str, int] = {}
        self._rotated: frozenset[str] = frozenset()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], export: Sequence[str] = ()) -> PrincipalsResource:
        return cls(PrincipalsWant.from_options(options, export))

    def have(self, run: Runner) -> Have:
        found = self.want.kadmin.principals(run, self.want.names) if self.want.names else {}
        for name, principal in found.items():
            self._had.setdefault(name, principal.kvno)
        return found

    def plan(self, have: Have) -> Plan:
        if not self.want.present:
            return self._remove([name for name in self.want.names if name in have])
        missing = [name for name in self.want.names if name not in have]
        salted = ",".join(f"{kind}:normal" for kind in self.want.enctypes)
        steps = []
        requests: list[tuple[str, ...]]
        if missing:
            requests = [("addprinc", "-randkey", "-e", salted, name) for name in missing]
            steps.append(self._step("create", missing, "not in the database", requests))
        old = [name for name in self.want.names if name in have and self._is_old(have[name])]
        if old:
            requests = [("cpw", "-randkey", "-keepold", "-e", salted, name) for name in old]
            reason = f"the keys are older than {self.want.rotate_older_than} s; older keys stay beside the new ones"
            # Whoever gets a ticket from now on needs the new key at the other end.
            steps.append(self._step("rotate", old, reason, requests, disruptive=True))
        past = [name for name in self.want.names if name in have and name not in old and len(_versions(have[name])) > 1]
        if past and self.want.purge_old:
            requests = [("purgekeys", "-keepkvno", str(have[name].kvno), name) for name in past]
            steps.append(self._step("purge", past, "older versions of the keys are to go", requests))
        drift = [self._weak(have[name]) for name in self.want.names if name in have and name not in old]
        return Plan(tuple(steps), tuple(found for found in drift if found is not None))

    def _is_old(self, principal: Principal) -> bool:
        """Not one that this run gave a new key to: the clock of a KDC elsewhere may be behind."""
        older = self.want.rotate_older_than
        new = principal.name in self._rotated and principal.kvno > self._had[principal.name]
        return older is not None and not new and principal.changed < self.began - older

    def _weak(self, principal: Principal) -> Drift | None:
        """Keys of other types are told, never replaced on their own: that would turn away whoever has the present ones."""
        found = principal.enctypes(principal.kvno)
        if set(found) == set(self.want.enctypes):
            return None
        remedy = "Rotate its keys (rotate_older_than, or the playbook rotate_keytabs) and bring them to its host."
        return Drift(
            KIND, principal.name, "keys of " + ", ".join(found), "keys of " + ", ".join(self.want.enctypes), remedy
        )

    def _remove(self, there: Sequence[str]) -> Plan:
        refused = [name for name in there if name not in self.want.consent]
        if refused:
            raise Refused(
                f"remove {', '.join(refused)} from the Kerberos database",
                "the host that has its key can then prove its name no longer, and the key cannot be had back",
                "Name each in `consent`.",
            )
        if not there:
            return Plan()
        requests = [("delprinc", "-force", name) for name in there]
        return Plan(
            (self._step("remove", there, "is not wanted any more", requests, destructive=True, disruptive=True),)
        )

    def _step(
        self, action: str, names: Sequence[str], reason: str, requests: Sequence[Sequence[str]],
        disruptive: bool = False, destructive: bool = False,
    ) -> Step:  # fmt: skip
        return Step(
            KIND,
            action,
            ", ".join(names),
            reason,
            self.want.kadmin.argv,
            krb5.stdin_of(requests),
            disruptive=disruptive,
            destructive=destructive,
            timeout=TIMEOUT,
        )

    def public(self, have: Have) -> Mapping[str, Any]:
        return {
            "realm": self.want.kadmin.realm,
            "principals": [
                {
                    "name": one.name,
                    "kvno": one.kvno,
                    "kvnos": _versions(one),
                    "enctypes": list(one.enctypes(one.kvno)),
                    "changed": one.changed,
                    "max_life": one.max_life,
                }
                for one in have.values()
            ],
        }

    def check_step(self, step: Step, run: Runner) -> None:
        """kadmin itself refuses to make a principal that was made meanwhile."""
        if step.action == "rotate":
            self._rotated = frozenset(step.object.split(", "))

    def failed(self, step: Step, rc: int, out: str, err: str) -> bool:
        """kadmin's exit code is 0 whatever it refused."""
        return rc != 0 or bool(krb5.complaints(err))

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = (
            f"What {self.want.kadmin.admin or 'root of the KDC'} may do stands in kadm5.acl of the KDC."
            if rc == 0
            else ""
        )
        return ToolError(f"{step.action} {step.object}", step.argv, rc, "", krb5.complaints(err), remedy=remedy)


def _versions(principal: Principal) -> list[int]:
    return sorted({version for version, _kind in principal.keys})
