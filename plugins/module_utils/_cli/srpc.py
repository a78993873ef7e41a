# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security of RPCs as Lustre shows it: rules on the MGS, the flavor of each connection, security contexts.

Observed on Lustre 2.17.0:

* The rules of a file system stand in ``mgs.MGS.live.FS`` below a heading, those of the MGS
  itself in ``mgs.MGS.srpc_rules``.  Only ``lctl conf_param`` sets rules that have an effect:
  ``set_param -P`` takes them, too, and nothing follows.
* ``conf_param`` refuses unknown flavors, networks and directions (exit code 22), but takes
  targets that do not exist, and makes an empty file system of a name that it does not know.
* ``conf_param -d`` succeeds for a rule that is not there.
* A connection to a target on the same node (``0@lo``) never uses a flavor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

MGS = "_mgs"
ANY_NETWORK = "default"
DIRECTIONS = ("cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost")
#: Flavors in the order of what they protect; the second number tells equal ones.
FLAVORS = {
    "null": 0,
    "gssnull": 0,
    "plain": 1,
    "krb5n": 2,
    "skn": 2,
    "krb5a": 3,
    "ska": 3,
    "krb5i": 4,
    "ski": 4,
    "krb5p": 5,
    "skpi": 5,
}
_HEADING = "Secure RPC Config Rules:"
_FSNAME = r"[A-Za-z0-9_-]{1,8}"
TARGET = re.compile(rf"(?P<fsname>{_FSNAME})(?:-(?P<kind>MDT|OST)(?P<index>[0-9a-fA-F]{{4}}))?\Z")
_RULE = re.compile(
    rf"(?P<target>{MGS}|{_FSNAME}(?:-(?:MDT|OST)[0-9a-f]{{4}})?)\.srpc\.flavor\.(?P<network>[a-z0-9]{{1,16}})"
    r"(?:\.(?P<direction>[a-z]{2,3}2[a-z]{2,3}))?=(?P<flavor>[a-z0-9:_-]{1,40})\Z"
)
_LABEL = re.compile(rf"{_FSNAME}-(?:MDT|OST)[0-9a-f]{{4}}\Z")
_INFO = re.compile(r"^(?P<key>[a-z][a-z ]{0,20})(?::[ \t]*|\t)(?P<value>\S.*)$", re.M)
_CONTEXT = re.compile(r'^- \{ (?P<fields>[^"{}]*"[^"{}]*"[^"{}]*"[^"{}]*") \}$')
_FIELD = re.compile(r'(?P<key>[a-z_]+): (?P<value>\[[^\]]*\]|"[^"]*"|[^,\[\]" ]+)(?:, |\Z)')
_IMPORT = re.compile(
    rf"(?P<type>mdc|osc|osp|lwp)\.(?P<target>(?P<fsname>{_FSNAME})-(?P<kind>MDT|OST)[0-9a-f]{{4}})"
    r"-(?:mdc|osc|osp|lwp)-(?P<owner>(?:MDT|OST)[0-9a-f]{4}|[0-9a-f]{4,16})\Z"
)
_MGC = re.compile(r"mgc\.MGC(?P<nid>\S+@[a-z0-9]+)\Z")


@dataclass(frozen=True)
class Rule:
    """One rule.  ``target``: a file system, one of its targets, or ``_mgs``; ``direction`` empty for all."""

    target: str
    flavor: str
    network: str = ANY_NETWORK
    direction: str = ""

    @property
    def name(self) -> str:
        """The parameter that ``conf_param`` takes: ``fs1.srpc.flavor.default.cli2mdt``."""
        return f"{self.target}.srpc.flavor.{self.network}" + (f".{self.direction}" if self.direction else "")

    @property
    def fsname(self) -> str:
        """The file system that the target belongs to; ``_mgs`` for the MGS."""
        match = TARGET.match(self.target)
        return match["fsname"] if match else self.target

    @property
    def specific(self) -> tuple[bool, bool, bool]:
        """Of two rules that match a connection, the one that is greater here is used."""
        return self.target != self.fsname, self.network != ANY_NETWORK, bool(self.direction)


@dataclass(frozen=True)
class Connection:
    """The name of a connection (import): ``mdc.fs1-MDT0000-mdc-ff3d526c8886a800``.

    ``owner``: whose it is, a target (``MDT0001``) or ``client``.  ``direction`` as rules call it; empty
    for those of which no rule speaks with certainty (``lwp``, and ``mgc``, whose rules are those of ``_mgs``).
    """

    name: str
    type: str
    target: str
    fsname: str
    owner: str
    direction: str


@dataclass(frozen=True)
class Info:
    """What one connection uses (``srpc_info``); flags as printed, without the empty ones."""

    rpc: str
    bulk: str
    flags: tuple[str, ...]
    contexts: int


@dataclass(frozen=True)
class Context:
    """One security context.  ``left`` in seconds; ``valid``: agreed with the peer and not run out.

    ``peer`` is the NID of the other side, known on servers only.
    """

    uid: int
    expires: int
    left: int
    valid: bool
    mechanism: str
    peer: str = ""


def set_words(rule: Rule) -> tuple[str, ...]:
    return ("lctl", "conf_param", f"{rule.name}={rule.flavor}")


def delete_words(rule: Rule) -> tuple[str, ...]:
    return ("lctl", "conf_param", "-d", rule.name)


def parse_rule(line: str) -> Rule:
    """``fs1.srpc.flavor.default.cli2mdt=skpi``, as the MGS prints it."""
    match = _RULE.match(line)
    if match is None:
        raise UnknownOutput("lctl get_param", "the security rules that the MGS keeps", line)
    return Rule(match["target"], match["flavor"], match["network"], match["direction"] or "")


def parse_rules(text: str) -> list[Rule]:
    """The rules in the value of ``mgs.MGS.live.FS``; its heading must be there, even when no rule is."""
    lines = [line.strip() for line in text.splitlines()]
    if _HEADING not in lines:
        raise UnknownOutput("lctl get_param mgs.MGS.live", "the security rules of a file system", text)
    rules = []
    for line in lines[lines.index(_HEADING) + 1 :]:
        if not line:
            break
        rules.append(parse_rule(line))
    return rules


def parse_self_rules(text: str) -> list[Rule]:
    """The rules in the value of ``mgs.MGS.srpc_rules``: one per line, nothing else."""
    return [parse_rule(line.strip()) for line in text.splitlines() if line.strip()]


def parse_targets(text: str) -> list[str]:
    """The targets that the value of ``mgs.MGS.live.FS`` names above its rules."""
    return [line.strip() for line in text.partition(_HEADING)[0].splitlines() if _LABEL.match(line.strip())]


def weaker(flavor: str, than: str) -> bool:
    """Does it protect less?  Flavors with a hash (``plain-hash:crc32``) count as ``plain``."""
    return strength(flavor) < strength(than)


def strength(flavor: str) -> int:
    return FLAVORS.get(flavor, FLAVORS["plain"] if flavor.startswith("plain") else 0)


def ignores_networks(release: str) -> bool:
    """Does this release take rules of single networks and never match them?  So it was on 2.17.0."""
    return re.match(r"2\.17(?:\.|\Z)", release) is not None


def mechanism(flavor: str) -> str:
    """What must be set up for it: ``krb5``, ``sk``, or nothing."""
    return next((kind for kind in ("krb5", "sk") if flavor.startswith(kind)), "")


def connection(name: str) -> Connection | None:
    """From the name of a device (``mdc.fs1-MDT0000-mdc-...``, ``mgc.MGC10.0.0.1@tcp``); None for any other."""
    mgc = _MGC.match(name)
    if mgc:
        return Connection(name, "mgc", "MGS", MGS, "client", "")
    match = _IMPORT.match(name)
    if match is None:
        return None
    to = match["kind"].lower()
    server = match["owner"][:3] in ("MDT", "OST")
    direction = "" if match["type"] == "lwp" else f"{'mdt' if server else 'cli'}2{to}"
    owner = match["owner"] if server else "client"
    # osc.FS-OST0000-osc-MDT0000 is the old name of the osp device, and the same connection
    kind = "osp" if server and match["type"] == "osc" else match["type"]
    return Connection(
        f"{kind}{name[3:]}" if kind != match["type"] else name,
        kind,
        match["target"],
        match["fsname"],
        owner,
        direction,
    )


def parse_info(text: str) -> Info:
    """The value of ``*.*.srpc_info``."""
    found = {match["key"]: match["value"].strip() for match in _INFO.finditer(text)}
    try:
        flags = tuple(flag for flag in found["flags"].split(",") if flag.strip("- "))
        return Info(found["rpc flavor"], found["bulk flavor"], flags, int(found["nctx"]))
    except (KeyError, ValueError):
        raise UnknownOutput("lctl get_param srpc_info", "the security flavor of a connection", text) from None


def parse_contexts(text: str) -> list[Context]:
    """The value of ``*.*.srpc_contexts`` or ``*.*.gss.srpc_serverctx``: a context per line; empty when there are none."""
    return [_context(line.strip()) for line in text.splitlines() if line.strip()]


def _context(line: str) -> Context:
    match = _CONTEXT.match(line)
    fields: Mapping[str, str] = {}
    if match:
        found = list(_FIELD.finditer(match["fields"]))
        whole = "".join(field[0] for field in found) == match["fields"]
        fields = {field["key"]: field["value"].strip('"') for field in found} if whole else {}
    try:
        flags = [flag.strip() for flag in fields["flags"].strip("[]").split(",")]
        left = int(fields["delta"])
        valid = "uptodate" in flags and not {"dead", "error"}.intersection(flags) and left > 0
        return Context(
            int(fields["uid"]), int(fields["expire"]), left, valid, fields["mech"], fields.get("peer_nid", "")
        )
    except (KeyError, ValueError):
        raise UnknownOutput("lctl get_param", "security contexts", line) from None
