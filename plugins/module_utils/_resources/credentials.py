# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node has the keys that its description asks for: Kerberos' in its keytab, shared ones in their files.

It brings none.  A key is made at one place for all hosts (a KDC, one server), so that a node by itself could only make a
wrong one.  A look counts what is missing as to be done; a real run that comes here before the keys is refused, before it
mounts anything that would wait for them for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import keytab_file, krb5, krb5_conf, text_files
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "credentials"
KEYTAB = "/etc/krb5.keytab"
_ROLE = {"keytab": "lustre_kerberos", "realm": "lustre_kerberos", "key": "lustre_ssk"}


@dataclass(frozen=True)
class Lack:
    """One thing that is not as it must be; ``what`` is keytab, realm or key."""

    what: str
    object: str
    reason: str


@dataclass(frozen=True)
class Have:
    lacks: tuple[Lack, ...] = ()
    principals: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass
class CredentialsResource:
    """See the Resource protocol.  ``tentative``: what is missing is to be brought by others, and is planned."""

    principals: Sequence[str] = ()
    realm: str = ""
    keys: Sequence[str] = ()
    tentative: bool = False
    look: Callable[[str], FileState] = keytab_file.read_state
    read: Callable[[str], str] = text_files.text_or_empty
    kind: str = field(default=KIND, init=False)
    settle: float = field(default=0.0, init=False)

    @classmethod
    def from_options(
        cls, kerberos: Mapping[str, Any] | None, keys: Sequence[Mapping[str, Any]] | None, tentative: bool = False
    ) -> CredentialsResource:
        """``kerberos`` and ``keys`` are the values ``kerberos`` and ``ssk_keys`` of the filter node_state."""
        given = kerberos or {}
        principals = [
            krb5.check_principal(name, f"kerberos.principals[{number}]")
            for number, name in enumerate(given.get("principals") or ())
        ]
        realm = krb5.check_realm(given["realm"], "kerberos.realm") if given.get("realm") else ""
        paths = []
        for number, key in enumerate(keys or ()):
            path = str(key.get("path") or "")
            if not path.startswith("/"):
                raise BadValue(f"ssk_keys[{number}].path", f"{path!r} is no absolute path", "Say where the key lies.")
            paths.append(path)
        return cls(principals, realm, paths, tentative)

    @property
    def wants(self) -> bool:
        return bool(self.principals or self.realm or self.keys)

    def have(self, run: Runner) -> Have:
        """No program is started: these are files."""
        lacks = [*self._realm(), *self._keytab(), *(lack for path in self.keys for lack in self._key(path))]
        missing = {lack.object for lack in lacks}
        return Have(
            tuple(lacks),
            tuple(name for name in self.principals if name not in missing),
            tuple(path for path in self.keys if path not in missing),
        )

    def _realm(self) -> list[Lack]:
        if not self.realm:
            return []
        found = krb5_conf.libdefaults(self.read).get("default_realm", "")
        if found == self.realm:
            return []
        return [Lack("realm", f"realm {self.realm}", f"default_realm of krb5.conf is {found or 'not set'}")]

    def _keytab(self) -> list[Lack]:
        if not self.principals:
            return []
        file = self.look(KEYTAB)
        entries = keytab_file.parse_keytab(file.data, KEYTAB) if file.kind == "file" and file.data else []
        lacks = [
            Lack("keytab", name, f"{KEYTAB} has no key of it")
            for name in self.principals
            if not any(krb5.same_principal(entry.principal, name) for entry in entries)
        ]
        return lacks + ([Lack("keytab", KEYTAB, _open(file))] if file.kind == "file" and _open(file) else [])

    def _key(self, path: str) -> list[Lack]:
        file = self.look(path)
        if file.kind != "file":
            return [Lack("key", path, "there is no such file" if file.kind == "absent" else f"it is {file.kind}")]
        return [Lack("key", path, _open(file))] if _open(file) else []

    def plan(self, have: Have) -> Plan:
        if have.lacks and not self.tentative:
            told = "; ".join(f"{lack.object}: {lack.reason}" for lack in have.lacks[:5])
            more = f" (and {len(have.lacks) - 5} more)" if len(have.lacks) > 5 else ""
            roles = " and ".join(sorted({_ROLE[lack.what] for lack in have.lacks}))
            raise Refused(
                "go on without the keys that the description asks for",
                f"{told}{more}",
                f"The role {roles} brings them, as the playbook lustre.core.site does before anything is mounted.",
            )
        return Plan(tuple(Step(KIND, "bring", lack.object, lack.reason) for lack in have.lacks))

    def public(self, have: Have) -> Mapping[str, Any]:
        return {"principals": list(have.principals), "keys": list(have.keys)}

    def check_step(self, step: Step, run: Runner) -> None:
        """Nothing is ever applied: without ``tentative`` there are no steps."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err)


def _open(file: FileState) -> str:
    """What is wrong with who may read it, or an empty text."""
    if (file.uid, file.gid) == (0, 0) and not file.mode & 0o177:
        return ""
    return f"owner {file.uid}:{file.gid} and mode {file.mode:04o}, where it must be root's alone (0600)"
