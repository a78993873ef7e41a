# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A keytab: supplied keys are merged into it, what others keep in it stays as it is, byte for byte.

Old versions of a key stay until they are told to go: a server without the version that a ticket was made for lets its
clients retry for ever (Lustre 2.17.0, observed).  The file is root's alone whoever could read it before; it is written
beside the old one, with mode 0600 from its first byte, and only when nobody changed it since it was read.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import ccache_file, keytab_file
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import Entry, FileState
from ansible_collections.lustre.core.plugins.module_utils._cli.krb5 import same_principal
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab_want import KeytabWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "keytab"
MODE = 0o600


@dataclass(frozen=True)
class KeytabHave:
    """The file, its keys, and whose tickets root's cache holds (empty: none)."""

    file: FileState
    entries: tuple[Entry, ...] = ()
    cache_owner: str = ""

    @property
    def private(self) -> bool:
        return self.file.mode == MODE and (self.file.uid, self.file.gid) == (0, 0)


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    read: Callable[[str], FileState] = keytab_file.read_state
    cache_owner: Callable[[str], str] = ccache_file.owner_of
    now: Callable[[], float] = time.time
    labelled: Callable[[], bool] = lambda: os.path.exists("/sys/fs/selinux/enforce")


class KeytabResource:
    """See the Resource protocol."""

    kind = KIND
    settle = 0.0

    def __init__(self, want: KeytabWant, local: Local | None = None) -> None:
        self.want, self.local = want, local or Local()
        self._began = self.local.now()
        self._seen, self._owner, self._wrote = b"", "", False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "") -> KeytabResource:
        return cls(KeytabWant.from_options(options, path))

    def have(self, run: Runner) -> KeytabHave:
        file = self.local.read(self.want.path)
        if file.kind not in ("file", "absent"):
            remedy = "Put a plain file there, or name the file that is meant."
            raise Refused(f"write {self.want.path}", f"it is {file.kind}", remedy)
        entries = keytab_file.parse_keytab(file.data, self.want.path) if file.data else []
        self._seen, self._owner = file.data, self.local.cache_owner(self.want.ticket_cache)
        return KeytabHave(file, tuple(entries), self._owner)

    def plan(self, have: KeytabHave) -> Plan:
        merged, reasons = self._merged(have.entries)
        self._require(merged)
        steps = self._write(have, merged, reasons)
        cache, drift = self._cache(have, merged, bool(reasons))
        return Plan((*steps, *cache), drift)

    def _merged(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
        """What the file shall hold, and why that is not what it holds."""
        wanted = {entry.identity: entry for entry in self.want.supplied}
        self._refuse_conflicts(entries, wanted)
        kept = [wanted[entry.identity] if _differs(entry, wanted) else entry for entry in entries]
        there = {entry.identity for entry in entries}
        new = [entry for entry in self.want.supplied if entry.identity not in there]
        young = self._without_old([*kept, *new], there)
        merged = [entry for entry in young if not _named(entry.principal, self.want.remove)]
        final = {entry.identity for entry in merged}
        reasons = [f"{_told(entry)} has another key" for entry in entries if _differs(entry, wanted)]
        reasons += [f"{_told(entry)} is missing" for entry in new if entry.identity in final]
        reasons += [f"{_told(entry)} is old" for entry in kept if entry not in young]
        reasons += [f"{_told(entry)} is to go" for entry in kept if entry in young and entry.identity not in final]
        return merged, reasons

    def _refuse_conflicts(self, entries: Sequence[Entry], wanted: Mapping[tuple[str, int, int], Entry]) -> None:
        """The same version with another key: one of both is wrong, and only the administrator knows which."""
        for entry in entries:
            if _differs(entry, wanted) and not _named(entry.principal, self.want.replace):
                raise Refused(
                    f"replace a key in {self.want.path}",
                    f"{_told(entry)} is there with another key than the supplied one, as after a KDC was made anew",
                    f"If the supplied one is right, name {entry.principal} in `replace`.",
                )

    def _without_old(self, entries: list[Entry], there: set[tuple[str, int, int]]) -> list[Entry]:
        """Old versions of principals that we look after, once the newest was there for long enough.

        A KDC that was made anew, or put back from a backup, counts from a lower number again: what came later than the highest
        version (it is in the file, or the newest that is supplied) may be the only key that works, and stays.
        """
        if self.want.keep_old:
            return entries
        ours = {entry.principal for entry in self.want.supplied}
        newest: dict[str, Entry] = {}
        for entry in entries:
            if entry.principal in ours or _named(entry.principal, self.want.principals):
                # Of several types of one version the latest: all of them must have been there for that long.
                newest[entry.principal] = max(
                    newest.get(entry.principal, entry), entry, key=lambda one: (one.kvno, one.time)
                )
        given: dict[str, int] = {}
        for entry in self.want.supplied:
            given[entry.principal] = max(given.get(entry.principal, 0), entry.kvno)
        latest = self._began - self.want.old_keys_age

        def stays(entry: Entry) -> bool:
            top = newest.get(entry.principal)
            if top is None or entry.kvno == top.kvno or top.time > latest:
                return True
            return entry.time > top.time and (entry.identity in there or entry.kvno == given.get(entry.principal))

        return [entry for entry in entries if stays(entry)]

    def _require(self, merged: Sequence[Entry]) -> None:
        missing = [
            name for name in self.want.principals if not any(same_principal(entry.principal, name) for entry in merged)
        ]
        if missing:
            held = ", ".join(sorted({entry.principal for entry in merged})) or "no principal"
            raise Refused(
                f"leave {self.want.path} without {', '.join(missing)}",
                f"neither it nor what was supplied has a key of that; there are keys of {held}",
                "Make the principal on the KDC (lustre.core.kdc_principal) and supply its key, or correct the host name in it.",
            )

    def _write(self, have: KeytabHave, merged: list[Entry], reasons: list[str]) -> list[Step]:
        path = self.want.path
        if not reasons and (have.private or have.file.kind == "absent"):
            return []
        data = keytab_file.render(merged) if reasons else have.file.data
        open_to_others = have.file.kind == "file" and not have.private
        if open_to_others:
            reasons = [*reasons, f"mode {have.file.mode:04o} of {have.file.uid}:{have.file.gid} is to be 0600 of 0:0"]
        write = FileWrite(path, data, MODE, exact=True)
        steps = [Step(KIND, "write", path, "; ".join(reasons), write=write)]
        if have.file.kind == "absent" and self.local.labelled():
            argv = ("restorecon", "-F", "--", path)
            steps.append(Step(KIND, "label", path, "SELinux keeps daemons from a file with another label", argv))
        return steps

    def _cache(
        self, have: KeytabHave, merged: Sequence[Entry], changing: bool
    ) -> tuple[tuple[Step, ...], tuple[Drift, ...]]:
        """Root's ticket cache, when its tickets are not what the keytab would give: they hide that until they expire."""
        owner, path = have.cache_owner, self.want.ticket_cache
        supplied = {entry.principal for entry in self.want.supplied}
        ours = owner in supplied or owner.startswith("lustre_") or _named(owner, self.want.principals)
        hides = changing or not any(entry.principal == owner for entry in merged)
        if not owner or not ours or not (hides or self._wrote):
            return (), ()
        reason = f"it holds tickets of {owner} from before, which hide what the keytab would give until they expire"
        if self.want.remove_ticket_cache and hides:
            return (Step(KIND, "remove", path, reason, write=FileWrite(path, None)),), ()
        if self.want.remove_ticket_cache:
            # It was removed when the keytab was written; this one was made since.
            return (), ()
        remedy = f"Say `remove_ticket_cache: true`, or remove {path} to see whether the keytab alone works."
        return (), (Drift(KIND, path, f"tickets of {owner}", "tickets that the keytab gave", remedy),)

    def public(self, have: KeytabHave) -> Mapping[str, Any]:
        return {
            "path": self.want.path,
            "exists": have.file.kind == "file",
            "mode": f"{have.file.mode:04o}" if have.file.kind == "file" else "",
            "entries": [entry.public() for entry in have.entries],
        }

    def check_step(self, step: Step, run: Runner) -> None:
        """A key that somebody else put in meanwhile is not to be lost; a cache is removed only while it is that one."""
        if step.action == "write":
            if self.local.read(self.want.path).data != self._seen:
                found = "somebody else changed it since it was read"
                raise Refused(f"write {self.want.path}", found, "Nothing was written. Run again.")
            self._wrote = True
        if step.action == "remove" and self.local.cache_owner(step.object) != self._owner:
            found = "it is another one than a moment ago"
            raise Refused(f"remove {step.object}", found, "It was left there. Run again.")

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err)


def _differs(entry: Entry, wanted: Mapping[tuple[str, int, int], Entry]) -> bool:
    other = wanted.get(entry.identity)
    return other is not None and other.key_hash != entry.key_hash


def _named(principal: str, names: Sequence[str]) -> bool:
    return any(same_principal(principal, name) for name in names)


def _told(entry: Entry) -> str:
    return f"{entry.principal} (version {entry.kvno}, {entry.enctype_name})"
