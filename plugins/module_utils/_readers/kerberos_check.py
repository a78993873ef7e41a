# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Will Kerberos work on this node?  Names, clock, encryption types, keys: asked before anybody depends on it.

Each of these makes Lustre fail in its own way, none with a message that names it: a name that differs makes a mount retry
for ever, a clock that is wrong is taken over silently or turns a node away, a key that the KDC does not have any more is
"Password incorrect".  Nothing is changed; tickets are got into a private folder that is gone afterwards.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    ccache_file,
    keytab_file,
    krb5,
    krb5_conf,
    lctl,
    names,
    text_files,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import ENCTYPES, Entry, FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: What MIT's library lets pass is 300 s (clockskew); who is at half of that will be there soon.
MAX_SKEW = 150
#: Types that Lustre's kernel code knows: those with SHA-2 came with 2.17.
SHA1, SHA2 = frozenset({17, 18}), frozenset({19, 20})
_SINCE_SHA2 = (2, 17)
REMEDIES = {
    "no keytab": "Bring the node its keys (lustre.core.keytab).",
    "no entry": "Bring the node this key (lustre.core.keytab).",
    "wrong key": "The KDC has another key for it, most often a newer version: export it and merge it with lustre.core.keytab.",
    "unknown principal": "Make it on the KDC (lustre.core.kdc_principal), or correct its name.",
    "expired": "On the KDC: kadmin.local modprinc -expire never, or with a later date, and this name.",
    "key expired": "Give it a new key (lustre.core.rotate_keytabs), or on the KDC: kadmin.local modprinc -pwexpire never, and this name.",
    "no KDC": "Check that the KDC runs and that this node reaches its port 88, by UDP and TCP.",
    "clock": "Set the clocks of this node and the KDC by a time service (chrony).",
    "encryption": "Give the KDC, the keytab and permitted_enctypes of krb5.conf a type in common.",
}


def _head(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(4096)


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    keytab: Callable[[str], FileState] = keytab_file.read_state
    settings: Callable[[], Mapping[str, str]] = krb5_conf.libdefaults
    text: Callable[[str], str] = text_files.text_or_empty
    now: Callable[[], float] = time.time
    head: Callable[[str], bytes] = _head
    folder: str = "/run"


@dataclass
class Checker:
    """One node; ``checks`` grows with each question, in the shape that ``lustre.core.verify`` returns, too."""

    run: Runner
    options: Mapping[str, Any]
    local: Local = field(default_factory=Local)
    checks: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    offset: float | None = None

    def check(self) -> dict[str, Any]:
        """BadValue for an unusable option; every problem is found, not only the first."""
        addresses = [_address(entry, f"names[{n}]") for n, entry in enumerate(self.options.get("names") or ())]
        wanted = [
            krb5.check_principal(name, f"principals[{n}]")
            for n, name in enumerate(self.options.get("principals") or ())
        ]
        services = [
            krb5.check_principal(name, f"services[{n}]") for n, name in enumerate(self.options.get("services") or ())
        ]
        found = names.names_of(self.run, list(dict.fromkeys(address for address, _fqdn in addresses)))
        for address, fqdn in addresses:
            self._name(address, fqdn, found.get(address, ""))
        self._controller()
        entries = self._keytab(wanted)
        if self.options.get("tickets") and wanted:
            self._tickets(wanted, services, entries)
        return {
            "healthy": not self.problems,
            "problems": self.problems,
            "checks": self.checks,
            "entries": [entry.public() for entry in entries],
            "kdc_offset": self.offset,
        }

    def _told(self, name: str, thing: str, wanted: str, found: str, problem: str = "") -> None:
        self.checks.append({"name": name, "object": thing, "ok": not problem, "wanted": wanted, "found": found})
        if problem:
            self.problems.append(problem)

    # ---- names ---------------------------------------------------------------------------

    def _name(self, address: str, fqdn: str, found: str) -> None:
        problem = ""
        if found != fqdn:
            where = f" ({names.origin(address, found, self.local.text)})" if found else ""
            problem = (
                f"On this node {address} is {found or 'without a name'}{where}, and its principals are of {fqdn}: Lustre compares both, "
                f"and the other end would try for ever. Make {fqdn} the first name of {address}, in {names.HOSTS} of all nodes or in the DNS, "
                "or make principals of the name that there is."
            )
        self._told("name", address, fqdn, found, problem)

    # ---- clocks --------------------------------------------------------------------------

    def _controller(self) -> None:
        given = self.options.get("controller_time")
        if given is None:
            return
        difference = self.local.now() - float(given)
        self._skew("clock of the controller", difference, "the controller")

    def _skew(self, name: str, difference: float, other: str) -> None:
        most = self.options.get("max_skew") or MAX_SKEW
        problem = ""
        if abs(difference) > most:
            way = "ahead of" if difference > 0 else "behind"
            problem = (
                f"The clock of this node is {abs(difference):.0f} s {way} that of {other}, and {most} s are allowed: tickets are refused, "
                "or their library takes over the other clock without a word. Set both by a time service (chrony)."
            )
        self._told(name, "clock", f"at most {most} s", f"{difference:.0f} s", problem)

    # ---- keys ----------------------------------------------------------------------------

    def _keytab(self, wanted: list[str]) -> list[Entry]:
        path = self.options.get("keytab") or "/etc/krb5.keytab"
        state = self.local.keytab(path)
        entries = keytab_file.parse_keytab(state.data, path) if state.data else []
        if state.kind == "file" and (state.mode & 0o077 or state.uid != 0):
            problem = f"{path} has mode {state.mode:04o} and owner {state.uid}, so others can read its keys. lustre.core.keytab makes it root's alone."
            self._told("mode", path, "0600 of root", f"{state.mode:04o}", problem)
        lustre = self._lustre_enctypes()
        node = frozenset(krb5_conf.permitted(dict(self.local.settings()))) if wanted else frozenset()
        for name in wanted:
            ours = [entry for entry in entries if krb5.same_principal(entry.principal, name)]
            found = ", ".join(sorted({f"version {entry.kvno}" for entry in ours})) or "no key"
            held = ", ".join(sorted({entry.principal for entry in entries})) or "none"
            problem = "" if ours else f"{path} has no key of {name}; there are keys of {held}. {REMEDIES['no entry']}"
            self._told("key", name, "a key", found, problem)
            if ours:
                self._enctypes(name, frozenset(entry.enctype for entry in ours), node, lustre)
        return entries

    def _lustre_enctypes(self) -> frozenset[int]:
        """By the release, since no tool can be asked for it; all where Lustre is not installed yet."""
        try:
            release = lctl.version(self.run)
        except ToolMissing:
            return SHA1 | SHA2
        match = re.match(r"(\d+)\.(\d+)", release)
        known = match is not None and (int(match[1]), int(match[2])) < _SINCE_SHA2
        return SHA1 if known else SHA1 | SHA2

    def _enctypes(self, name: str, keys: frozenset[int], node: frozenset[int], lustre: frozenset[int]) -> None:
        common = keys & node & lustre
        problem = ""
        if not common:
            problem = (
                f"No encryption type of {name} can be used: its keys are of {_names(keys)}, krb5.conf of this node (with its crypto policy) "
                f"permits {_names(node)}, this Lustre knows {_names(lustre)}. Make keys of a type that all have."
            )
        self._told("enctypes", name, "one in common", _names(common) or "none", problem)

    # ---- the KDC -------------------------------------------------------------------------

    def _tickets(self, wanted: list[str], services: list[str], entries: list[Entry]) -> None:
        path = self.options.get("keytab") or "/etc/krb5.keytab"
        with tempfile.TemporaryDirectory(prefix=".lustre-tickets-", dir=self.local.folder) as private:
            cache = os.path.join(private, "cc")
            worked = [name for name in wanted if self._ticket(path, name, cache)]
            if not worked:
                return
            head = ccache_file.parse_cache(self.local.head(cache), cache)
            if head.offset is not None:
                # What has to be added to this clock: the other sign than "ahead of".
                self.offset = head.offset
                self._skew("clock of the KDC", -head.offset, "the KDC")
            mine = [name for name in worked if name in self._full(entries)]
            versions, failures = krb5.kvno(self.run, [*mine, *services], cache) if mine or services else ({}, {})
        for name in mine:
            self._version(name, versions, failures, entries)
        for name in services:
            problem = ""
            if name in failures or not any(krb5.same_principal(full, name) for full in versions):
                why = failures.get(name, "there is no answer")
                problem = f"The KDC gives no ticket for {name}: {why}. Make it on the KDC (lustre.core.kdc_principal), or correct its name."
            self._told("service ticket", name, "a ticket", failures.get(name, "a ticket"), problem)

    def _full(self, entries: list[Entry]) -> set[str]:
        return {entry.principal for entry in entries}

    def _ticket(self, path: str, name: str, cache: str) -> bool:
        answer = krb5.kinit(self.run, path, name, cache)
        problem = ""
        if answer.problem:
            problem = f"{path} gives no ticket for {name} ({answer.said}). {REMEDIES[answer.problem]}"
        self._told("ticket", name, "a ticket", answer.said or "a ticket", problem)
        return not answer.problem

    def _version(
        self, name: str, versions: Mapping[str, int], failures: Mapping[str, str], entries: list[Entry]
    ) -> None:
        """The KDC encrypts for the newest version; a server that lacks it turns everybody away."""
        version = versions.get(name)
        held = sorted({entry.kvno for entry in entries if entry.principal == name})
        if version is None:
            # A principal that may get no tickets for itself (as a client's may be set up) tells nothing of its version.
            self._told("version", name, "the KDC's", failures.get(name, "not told"))
            return
        problem = ""
        if version not in held:
            told = ", ".join(map(str, held))
            problem = f"The KDC makes tickets for version {version} of {name}, and the keytab has {told}. {REMEDIES['wrong key']}"
        self._told("version", name, str(version), ", ".join(map(str, held)), problem)


def _names(kinds: frozenset[int]) -> str:
    return ", ".join(ENCTYPES.get(kind, f"enctype {kind}") for kind in sorted(kinds, reverse=True)) or "none"


def _address(entry: Mapping[str, Any], path: str) -> tuple[str, str]:
    """An address (or a NID, whose network is left out) and the name that it is to have."""
    address = str(entry.get("address") or "").partition("@")[0]
    fqdn = str(entry.get("fqdn") or "")
    if not re.fullmatch(r"[0-9a-fA-F:.]+", address):
        raise BadValue(f"{path}.address", f"{address!r} is no IP address", "Give one, or the NID.")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", fqdn):
        raise BadValue(
            f"{path}.fqdn", f"{fqdn!r} is no host name in lower case", "Kerberos knows the difference between A and a."
        )
    return address, fqdn
