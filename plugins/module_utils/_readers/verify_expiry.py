# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of the security of a node ends, when, and how old is what has no end.

What ends: principals and their keys in the database of a KDC (two dates that kadmin shows; by default neither is set), and
tickets.  Who cannot ask the database learns of an end by trying only: a ticket is got with each key of the keytab.

What has no end: entries of a keytab and shared keys.  No file tells when a key was made.  A keytab has for each entry the
time when it was written into one, a file of ``lgss_sk`` has no date at all, and its time of change moves when it is copied, or
made a client's key by a mount.  A key is never younger than that, so what is shown is the least age.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import ccache_file, keytab_file, krb5
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import Entry, FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError
from ansible_collections.lustre.core.plugins.module_utils._readers.kerberos_check import REMEDIES
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KEYTAB, CACHE = "/etc/krb5.keytab", "/tmp/krb5cc_0"
DAY = 86400.0
#: Principals do not live on by themselves: who is told two weeks before has time to act.
DAYS = 14.0
_SITE = "Run the playbook lustre.core.site for this node."


def written(path: str) -> float | None:
    """When a file was written, in seconds since 1970; None when it is none."""
    try:
        seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return seen.st_mtime if stat.S_ISREG(seen.st_mode) else None


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    keytab: Callable[[str], FileState] = keytab_file.read_state
    cache: Callable[[str], bytes] = ccache_file.own_cache
    written: Callable[[str], float | None] = written
    now: Callable[[], float] = time.time
    folder: str = "/run"


@dataclass(frozen=True)
class Ends:
    """One line of what is shown: ``ends`` is 0 for what has no end, ``age`` (days) None where nothing tells it."""

    kind: str
    object: str
    ends: float = 0.0
    left: float | None = None
    age: float | None = None

    def public(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "object": self.object,
            "ends": int(self.ends),
            "days_left": None if self.left is None else round(self.left, 1),
            "days_old": None if self.age is None else round(self.age, 1),
        }


@dataclass
class Expiry:
    """Asks one node.

    ``days``: what ends within so many days is a problem, 0 for only what has ended.  ``max_age``: keys at least so many days
    old are one, 0 for none.  ``database``: principals to look up in that of ``kadmin``.
    """

    run: Runner
    principals: Sequence[str] = ()
    shared_keys: Sequence[str] = ()
    database: Sequence[str] = ()
    kadmin: krb5.Kadmin | None = None
    keytab: str = KEYTAB
    cache: str = CACHE
    tickets: bool = True
    days: float = DAYS
    max_age: float = 0.0
    local: Local = field(default_factory=Local)
    checks: list[Check] = field(default_factory=list, init=False)
    ends: list[Ends] = field(default_factory=list, init=False)
    problems: list[str] = field(default_factory=list, init=False)

    @classmethod
    def from_options(cls, run: Runner, options: Mapping[str, Any], **more: Any) -> Expiry:
        """BadValue names the option."""
        names = [
            krb5.check_principal(name, f"principals[{n}]") for n, name in enumerate(options.get("principals") or ())
        ]
        kadmin, database = None, tuple(options.get("database") or ())
        if database:
            realm = krb5.check_realm(options.get("realm"), "realm")
            database = krb5.names_of_realm(database, realm, "database")
            kadmin = krb5.kadmin_from_options(options, realm)
        for name in ("days", "max_age"):
            if (options.get(name) or 0) < 0:
                raise BadValue(name, f"{options[name]:g} is negative", "Give days, 0 for none.")
        for number, path in enumerate(options.get("shared_keys") or ()):
            if not path.startswith("/"):
                problem = f"{path!r} is not an absolute path"
                raise BadValue(
                    f"shared_keys[{number}]", problem, "Give one such as /etc/lustre/keys/fs1.server.default.key."
                )
        given = {
            key: options[key] for key in ("days", "max_age", "tickets", "shared_keys") if options.get(key) is not None
        }
        paths = {
            key: options[name] for key, name in (("keytab", "keytab"), ("cache", "ticket_cache")) if options.get(name)
        }
        return cls(run, names, database=database, kadmin=kadmin, **given, **paths, **more)

    def verify(self) -> dict[str, Any]:
        """All checks; what one of them cannot read is a problem, and does not end the others."""
        if self.principals:
            self._tried(self._of_keytab)
        for path in self.shared_keys:
            self._tried(partial(self._shared, path))
        self._tried(self._of_database)
        self.problems += [check.problem for check in self.checks if check.problem]
        return {
            "checks": [check.public() for check in self.checks],
            "problems": list(dict.fromkeys(self.problems)),
            "healthy": not self.problems,
            "ends": [one.public() for one in self.ends],
            "principals": list(self.principals),
        }

    def _tried(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except (LustreError, OSError) as error:
            self.problems.append(str(error))

    # ---- the keytab, and tickets ---------------------------------------------------------

    def _of_keytab(self) -> None:
        state = self.local.keytab(self.keytab)
        entries = keytab_file.parse_keytab(state.data, self.keytab) if state.data else []
        owner, granting = self._cache()
        usable = []
        for name in self.principals:
            ours = [entry for entry in entries if krb5.same_principal(entry.principal, name)]
            if ours:
                usable.append(name)
                self._entry(name, ours)
            else:
                hidden = owner and krb5.same_principal(owner, name) and granting > self.local.now()
                works = f" What works now lives of a ticket that ends {self._moment(granting)}." if hidden else ""
                problem = f"{self.keytab} has no key of {name}, so that this node can prove its name to nobody.{works} {_SITE}"
                self.checks.append(Check("keytab", name, "a key", "none", problem))
        if granting:
            # it is got anew with the keytab, so its end is nobody's business
            self._told("ticket", owner, granting)
        if self.tickets:
            self._get(usable)

    def _cache(self) -> tuple[str, int]:
        """Whose ticket root has, and when it ends; nothing when there is none."""
        data = self.local.cache(self.cache)
        if not data:
            return "", 0
        try:
            owner, tickets = ccache_file.parse_tickets(data, self.cache)
        except LustreError as error:
            self.problems.append(str(error))
            return "", 0
        return owner, max((ticket.ends for ticket in tickets if ticket.granting), default=0)

    def _entry(self, name: str, ours: Sequence[Entry]) -> None:
        newest = max(entry.kvno for entry in ours)
        since = max(entry.time for entry in ours if entry.kvno == newest)
        found = f"version {newest}"
        remedy = "Give it a new one: the playbook lustre.core.rotate_keytabs."
        self._aged(
            "keytab", name, since or None, found, f"The key of {name}", f"was written into {self.keytab}", remedy
        )

    def _get(self, names: Sequence[str]) -> None:
        """Does the KDC still give a ticket for each key?  Into a private folder in memory."""
        with tempfile.TemporaryDirectory(prefix=".lustre-tickets-", dir=self.local.folder) as private:
            for name in names:
                answer = krb5.kinit(self.run, self.keytab, name, os.path.join(private, "cc"))
                remedy = REMEDIES.get(answer.problem, "")
                problem = (
                    f"{self.keytab} gives no ticket for {name} ({answer.said}). {remedy}" if answer.problem else ""
                )
                self.checks.append(Check("ticket", name, "a ticket", answer.said or "a ticket", problem))
                if answer.problem == "no KDC":
                    break  # the others would wait for it, too

    # ---- shared keys ---------------------------------------------------------------------

    def _shared(self, path: str) -> None:
        since = self.local.written(path)
        if since is None:
            problem = f"The shared key {path} is not there: after a boot this node connects to nobody. {_SITE}"
            self.checks.append(Check("shared key", path, "a key", "none", problem))
            return
        remedy = "Exchange it: the playbook lustre.core.rotate_ssk."
        self._aged("shared key", path, since, "a key", f"The key {path}", "was written", remedy)

    def _aged(self, kind: str, thing: str, since: float | None, found: str, what: str, how: str, remedy: str) -> None:
        age = None if since is None else max(0.0, (self.local.now() - since) / DAY)
        left = self.max_age - age if self.max_age > 0 and age is not None else None
        problem = ""
        if left is not None and left <= 0:
            problem = f"{what} is at least {age:.1f} days old (it {how} {_utc(since or 0)}), and {self.max_age:g} are allowed. {remedy}"
        told = found if age is None else f"{found}, at least {age:.1f} days old"
        self.checks.append(
            Check(kind, thing, f"at most {self.max_age:g} days old" if self.max_age > 0 else "a key", told, problem)
        )
        self.ends.append(Ends(kind, thing, 0.0, left, age))

    # ---- the database of the KDC ---------------------------------------------------------

    def _of_database(self) -> None:
        if self.kadmin is None:
            return
        found = self.kadmin.principals(self.run, self.database)
        for name in self.database:
            one = found.get(name)
            if one is None:
                problem = f"The Kerberos database of {self.kadmin.realm} has no principal {name}. Run the playbook lustre.core.site for its host."
                self.checks.append(Check("principal", name, "there", "not there", problem))
                continue
            mend = f'{" ".join(self.kadmin.argv)} -q "modprinc'
            self._told(
                "principal", name, one.expires, f"The principal {name}",
                "the KDC gives tickets neither to it nor for it, so nothing of it connects anew",
                f'Let it live on: {mend} -expire never {name}"',
            )  # fmt: skip
            self._told(
                "key of a principal", name, one.key_expires, f"The key of the principal {name} (its password, as kadmin calls it)",
                "the KDC gives it no tickets, so it makes no connection anew",
                f'Give it a new one (the playbook lustre.core.rotate_keytabs), or let it live on: {mend} -pwexpire never {name}"',
            )  # fmt: skip

    def _told(self, kind: str, thing: str, ends: int, what: str = "", effect: str = "", remedy: str = "") -> None:
        """``ends`` 0: never.  Without ``what`` an end is no problem."""
        if not ends:
            self.checks.append(Check(kind, thing, "not ended", "never ends"))
            return
        left = (ends - self.local.now()) / DAY
        problem = ""
        if what and left <= 0:
            problem = f"{what} expired {self._moment(ends)}: {effect}. {remedy}"
        elif what and left < self.days:
            problem = f"{what} expires {self._moment(ends)}: then {effect}. {remedy}"
        wanted = f"at least {self.days:g} days" if what and self.days > 0 else "not ended"
        self.checks.append(Check(kind, thing, wanted, self._moment(ends), problem))
        self.ends.append(Ends(kind, thing, float(ends), left))

    def _moment(self, ends: float) -> str:
        """``in 3.2 days (2026-12-04 05:00 UTC)``, ``1.0 days ago (...)``."""
        left = (ends - self.local.now()) / DAY
        return f"{f'in {left:.1f} days' if left > 0 else f'{-left:.1f} days ago'} ({_utc(ends)})"


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))
