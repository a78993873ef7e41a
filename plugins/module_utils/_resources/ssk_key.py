# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files with shared keys, and the keys that root has loaded.

Why it is done like this (observed on Lustre 2.17.0 where nothing else is said):

* A client of 2.17 that mounts with a server's key rewrites the file as a client's.  So files
  are never compared as such, but by their attributes and by whether the key in them is the same.
* A mount with ``skpath=FOLDER`` reads every file of the folder and fails for one that is bad.
  So a key is made in a folder inside, of which only root can see anything, and moved.
* ``lgss_sk`` rewrites a file in place and needs minutes for the prime of a client: it works
  on a copy.
* A key is loaded before its file is moved.  A run that is ended between the two finds the old
  file and does both again; the other way round nobody could tell which key is loaded.
* Of the keyring only descriptions are read.  Nothing here shows a key or what is derived of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import keyring, lgss_sk
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import ssk_key_steps as steps_of
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_local import Local, Seen
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_want import KeyWant, wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Attributes that make a key another one for its peers, beside the secret itself.
_SHARED = ("fsname", "nodemap", "mgs_nids", "crypt", "hmac", "key_bits", "lifetime")


@dataclass(frozen=True)
class Found:
    """What is at one wanted path.  ``key`` None with a file there: it is no key, ``problem`` says why."""

    seen: Seen | None = None
    folder: Seen | None = None
    key: lgss_sk.KeyFile | None = None
    problem: str = ""
    given: lgss_sk.KeyFile | None = None
    staged: lgss_sk.KeyFile | None = None
    staged_seen: Seen | None = None
    left: bool = False


@dataclass(frozen=True)
class Have:
    found: Mapping[str, Found] = field(default_factory=dict)
    loaded: tuple[str, ...] = ()


class SskKeyResource:
    """See the Resource protocol.

    ``consent``: paths of key files that may be removed or unloaded, or replaced by another key.
    ``prime_timeout``: seconds that the prime of a client may take.
    """

    kind = steps_of.KIND
    settle = 0.0

    def __init__(
        self,
        wants: Sequence[KeyWant],
        consent: Sequence[str] = (),
        prime_timeout: float = 3600.0,
        local: Local | None = None,
    ) -> None:
        self.wants, self.consent, self.prime_timeout = tuple(wants), frozenset(consent), prime_timeout
        self.local = local or Local()

    @classmethod
    def from_options(
        cls,
        keys: Sequence[Mapping[str, Any]],
        consent: Sequence[str] = (),
        prime_timeout: float = 3600.0,
        path: str = "keys",
        local: Local | None = None,
    ) -> SskKeyResource:
        return cls(wants_from_options(keys, path), consent, prime_timeout, local)

    # What is

    def have(self, run: Runner) -> Have:
        """One process per key file, one per content that is not that of its file, one for the keyring if it matters."""
        found = {want.path: self._found(want, run) for want in self.wants}
        asks = any(want.state in ("loaded", "unloaded", "absent") for want in self.wants)
        return Have(found, tuple(keyring.loaded(run)) if asks else ())

    def _found(self, want: KeyWant, run: Runner) -> Found:
        seen, folder = self.local.look(want.path), self.local.look(want.folder)
        key, problem = self._key(want.path, seen, run)
        given = None
        if want.content is not None:
            if key is not None and self.local.read(want.path) == want.content:
                given = key
            else:
                with self.local.private(want.content) as path:
                    given = lgss_sk.read(run, path, f"given as {want.where}.content")
        staged_seen = self.local.look(want.staged)
        staged = self._key(want.staged, staged_seen, run)[0]
        left = self.local.look(want.scratch) is not None
        return Found(seen, folder, key, problem, given, staged, staged_seen, left)

    def _key(self, path: str, seen: Seen | None, run: Runner) -> tuple[lgss_sk.KeyFile | None, str]:
        if seen is None or seen.kind != "file":
            return None, ""
        try:
            return lgss_sk.read(run, path), ""
        except ToolError as error:
            return None, " / ".join(line.strip() for line in error.err.splitlines() if line.strip())

    # What is to be done

    def plan(self, have: Have) -> Plan:
        return plan_each(
            self.wants, lambda want: self._plan_one(want, have), "touch any key of this node", "Nothing was changed."
        )

    def _plan_one(self, want: KeyWant, have: Have) -> Plan:
        found = have.found[want.path]
        self._check_place(want, found)
        # A folder that is left over is of no use to anybody, whatever the key is like.
        steps = [steps_of.clear(want)] if found.left else []
        if want.state == "absent":
            steps += self._remove(want, found, have)
        elif want.state == "unloaded":
            steps += self._unload(want, found, have)
        elif want.state == "staged":
            steps += self._stage(want, found)
        else:
            steps += self._keep(want, found, have)
        return Plan(tuple(steps))

    def _check_place(self, want: KeyWant, found: Found) -> None:
        folder = found.folder
        if folder is not None and (folder.kind != "folder" or folder.uid != 0 or folder.mode & 0o022):
            what = "is no folder" if folder.kind != "folder" else f"has owner {folder.uid} and mode {folder.mode:04o}"
            raise Refused(
                f"keep a key at {want.path}",
                f"{want.folder} {what}, so that others could exchange the key",
                "Use a folder that is root's and that nobody else may write.",
            )
        if found.seen is not None and found.seen.kind != "file":
            raise Refused(f"keep a key at {want.path}", "something else than a file is there", "Look at it first.")
        if found.given is not None:
            wrong = want.differences(found.given)
            if wrong:
                raise BadValue(f"{want.where}.content", f"is not the key described: {'; '.join(wrong)}", "Correct one.")

    def _keep(self, want: KeyWant, found: Found, have: Have) -> list[Step]:
        load = want.state == "loaded"
        source = self._source(want, found)
        if source is not None:
            return steps_of.made(want, source, found.folder is None, load, self.prime_timeout)
        if found.seen is None or found.key is None:
            raise BadValue(f"{want.where}.path", "there is no key to keep", "Run again.")
        steps = steps_of.repaired(want.path, found.seen)
        names = keyring.descriptions(want.types, found.key.fsname, found.key.mgs_nids, found.key.nodemap)
        missing = [name for name in names if name not in have.loaded]
        if load and missing:
            steps.append(steps_of.loads(want.path, want.path, f"{', '.join(missing)} not loaded"))
        return steps

    def _source(self, want: KeyWant, found: Found) -> steps_of.Source | None:
        """Where the key comes from that is to be at the path; None when the one that is there is right."""
        if found.seen is None:
            return self._first(want, found)
        if found.key is None:
            elsewhere = "Where another server has the key, move this file away: the playbook lustre.core.site brings it from there. "
            self._consented(want, f"what is there is no key ({found.problem or 'lgss_sk cannot read it'})", elsewhere)
            if found.given is None:
                return steps_of.Source("generate", "what is there is no key", False, True, over=True)
            return self._given(want, found, "what is there is no key", True)
        if found.given is not None and found.given.digest != found.key.digest:
            self._consented(want, "it holds another key than the one given")
            return self._given(want, found, "it holds another key than the one given", True)
        other = _unlike(found.given, found.key) if found.given is not None else want.differences(found.key)
        if found.given is not None and other:
            return self._given(want, found, "; ".join(other), False)
        for name in ("fsname", "key_bits"):
            wanted = getattr(want, name)
            if wanted is not None and wanted != getattr(found.key, name):
                raise Refused(
                    f"keep the key at {want.path}",
                    "; ".join(other),
                    "It is the key of something else. Use another path, or remove it by name (state: absent).",
                )
        kind = want.wrong_type(found.key)
        if not other and not kind:
            return None
        return steps_of.Source(
            "copy", "; ".join([*other, *kind]), bool(kind), False, tuple(_changes(want, found.key)), True
        )

    def _first(self, want: KeyWant, found: Found) -> steps_of.Source:
        """For a path with nothing at it."""
        if found.given is None:
            return steps_of.Source("generate", "there is no key yet", False, False)
        return self._given(want, found, "there is no key yet", False)

    def _given(self, want: KeyWant, found: Found, reason: str, replaces: bool) -> steps_of.Source:
        """The given key, taken from what was prepared beside when that is the same."""
        if found.given is None:
            raise BadValue(f"{want.where}.content", "no key was given", "Give one.")
        staged = found.staged
        same = staged is not None and staged.digest == found.given.digest and not _unlike(found.given, staged)
        if staged is not None and same and not want.wrong_type(staged):
            return steps_of.Source("staged", reason, False, replaces, over=found.seen is not None)
        kind = want.wrong_type(found.given)
        return steps_of.Source("content", reason, bool(kind), replaces, over=found.seen is not None)

    def _consented(self, want: KeyWant, found: str, first: str = "") -> None:
        if want.path not in self.consent:
            raise Refused(
                f"replace the key at {want.path}",
                f"{found}, and the present one would be lost; nodes that have only that one can make no new connections",
                f"{first}If that is meant, say consent: [{want.path}].",
            )

    def _stage(self, want: KeyWant, found: Found) -> list[Step]:
        given = found.given
        if given is None and found.staged is None and found.staged_seen is not None:
            # As a loss of power leaves a file that was just made. One more run would never get past it.
            raise Refused(
                f"stage a key for {want.path}",
                f"what waits at {want.staged} is no key that lgss_sk can read",
                "Nobody uses it from there: remove the file, and run again.",
            )
        if found.staged is not None and found.staged_seen is not None:
            wrong = [*want.differences(found.staged), *want.wrong_type(found.staged)]
            same = given is None or given.digest == found.staged.digest
            if same and not wrong:
                return steps_of.repaired(want.staged, found.staged_seen)
            if same and given is None:
                raise Refused(
                    f"stage a key for {want.path}",
                    f"another one waits at {want.staged}: {'; '.join(wrong)}",
                    "Finish that rotation, or remove the file.",
                )
        in_use = given is not None and found.key is not None and given.digest == found.key.digest
        if found.key is not None and in_use and not want.wrong_type(found.key):
            return []
        if given is None:
            source = steps_of.Source("generate", "a new key is to be ready beside the one in use", False, False)
        else:
            over = found.staged_seen is not None
            source = steps_of.Source("content", "is to be ready", bool(want.wrong_type(given)), False, over=over)
        return steps_of.made(want, source, found.folder is None, False, self.prime_timeout, want.staged)

    def _unload(self, want: KeyWant, found: Found, have: Have) -> list[Step]:
        names = [name for name in _names(want, found) if name in have.loaded]
        if names and want.path not in self.consent:
            raise Refused(
                f"unload the key of {want.path}",
                f"{', '.join(names)} is loaded, and without it this node can make no new connections",
                f"If that is meant, say consent: [{want.path}].",
            )
        return [steps_of.unloads(want.path, name) for name in names]

    def _remove(self, want: KeyWant, found: Found, have: Have) -> list[Step]:
        if found.seen is not None and want.path not in self.consent:
            raise Refused(
                f"remove the key at {want.path}",
                "it may be the only copy, and nodes without it can make no new connections",
                f"If that is meant, say consent: [{want.path}].",
            )
        steps = self._unload(want, found, have)
        return steps + ([steps_of.removes(want.path)] if found.seen is not None else [])

    def check_step(self, step: Step, run: Runner) -> None:
        """A key that has come in the meantime is not overwritten."""
        if step.action == "place" and self.local.look(step.object) is not None:
            raise Refused(f"put a key at {step.object}", "one has appeared there meanwhile", "Run again.")

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        """Nothing that ``lgss_sk`` says goes into a message unread."""
        remedy = "The key in use was not touched. " if step.action in ("generate", "convert", "copy", "stage") else ""
        said = lgss_sk.redacted(err) or lgss_sk.redacted(out)
        return ToolError(f"{step.action} {step.object}", step.argv, rc, "", said, remedy=remedy.strip())

    def timed_out(self, step: Step) -> str:
        if step.action != "convert":
            return ""
        return "The prime of a client takes minutes on a slow node: run again with a longer prime_timeout."

    # What is shown

    def public(self, have: Have) -> Mapping[str, Any]:
        return {
            "files": [_shown(want, have.found[want.path], have) for want in self.wants],
            "notes": self.notes(have),
        }

    def notes(self, have: Have) -> list[str]:
        """What somebody should know although it is repaired."""
        texts = []
        for want in self.wants:
            seen = have.found[want.path].seen
            if seen is not None and seen.kind == "file" and (seen.uid != 0 or seen.mode & 0o077):
                texts.append(
                    f"{want.path} had owner {seen.uid} and mode {seen.mode:04o}: others of this node could read the key. "
                    "Take it for known to them, and rotate it (playbook lustre.core.rotate_ssk)."
                )
        return texts


def _unlike(given: lgss_sk.KeyFile, found: lgss_sk.KeyFile) -> list[str]:
    """In what a file differs from the given one that its peers would notice."""
    return [
        f"{name} is {getattr(found, name)}, given is {getattr(given, name)}"
        for name in _SHARED
        if getattr(found, name) != getattr(given, name)
    ]


def _changes(want: KeyWant, found: lgss_sk.KeyFile) -> list[tuple[str, str]]:
    """Options of lgss_sk for what is to be changed in a copy."""
    letters = {"nodemap": "n", "crypt": "c", "hmac": "i", "lifetime": "e"}
    changes = [
        (letter, str(getattr(want, name)))
        for name, letter in letters.items()
        if getattr(want, name) is not None and getattr(want, name) != getattr(found, name)
    ]
    if want.mgs_nids and set(want.mgs_nids) != set(found.mgs_nids):
        changes.append(("g", ",".join(want.mgs_nids)))
    if "client" in want.types and want.prime_bits is not None and want.prime_bits != found.prime_bits:
        changes.append(("p", str(want.prime_bits)))
    return changes


def _names(want: KeyWant, found: Found) -> list[str]:
    """Descriptions under which a key may be loaded: those of the file, and those of the description."""
    names = keyring.descriptions(want.types, want.fsname or "", want.mgs_nids or (), want.nodemap or "default")
    if found.key is not None:
        types: Sequence[str] = sorted(found.key.types)
        names = keyring.descriptions(types, found.key.fsname, found.key.mgs_nids, found.key.nodemap) + names
    return list(dict.fromkeys(names))


def _shown(want: KeyWant, found: Found, have: Have) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": want.path, "state": want.state, "exists": found.seen is not None}
    if found.seen is not None:
        shown.update(mode=f"{found.seen.mode:04o}", owner=found.seen.uid, staged=found.staged_seen is not None)
    if found.key is not None:
        key = found.key
        shown.update(
            types=sorted(key.types),
            fsname=key.fsname,
            mgs_nids=list(key.mgs_nids),
            nodemap=key.nodemap,
            crypt=key.crypt,
            hmac=key.hmac,
            key_bits=key.key_bits,
            prime_bits=key.prime_bits,
            lifetime=key.lifetime,
            prime=key.prime,
        )
    shown["loaded"] = [name for name in _names(want, found) if name in have.loaded]
    if found.given is not None:
        shown["same_key"] = found.key is not None and found.key.digest == found.given.digest
    return shown
