# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs of MIT Kerberos: kinit and kvno on a node, kadmin and kadmin.local on (or for) a KDC.

What decides the shape of everything here (observed on 1.20.1):

* kadmin reads requests from standard input, many in one process, and ends with exit code 0 whatever failed: answers are
  on standard output, complaints on standard error, neither with the request it belongs to.  So nothing is believed
  that was not read back with ``getprinc -terse``.
* kadmin echoes each request behind its prompt, folded at 80 columns when libedit is in it.
* An unknown encryption type in a list is left out without a word.
* ``ktadd -norandkey`` over the network needs the privilege ``e``, which ``*`` in kadm5.acl does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import ENCTYPES
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: No blanks and no quotes: a name is a word of a request.
_NAME = re.compile(r"(?!-)[A-Za-z0-9._$+-]+(?:/[A-Za-z0-9._$+-]+)*(?:@(?P<realm>[A-Za-z0-9._-]+))?\Z")
_REALM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_NUMBERS = {name: number for number, name in ENCTYPES.items()}
CLIENT_PACKAGE = "krb5-user (Debian, Ubuntu), krb5-workstation (EL) or krb5-client (SLES)"
ADMIN_PACKAGE = "krb5-admin-server (Debian, Ubuntu), krb5-server (EL and SLES)"


def check_principal(value: object, path: str) -> str:
    """A principal with or without its realm; BadValue for one that could be read as something else."""
    name = str(value or "")
    if not _NAME.match(name):
        raise BadValue(
            path, f"{name!r} is not a principal", "Write one such as lustre_mds/mds1.example.com@EXAMPLE.COM."
        )
    return name


def check_realm(value: object, path: str) -> str:
    name = str(value or "")
    if not _REALM.match(name):
        raise BadValue(path, f"{name!r} is not the name of a realm", "Write one such as EXAMPLE.COM.")
    return name


def check_enctype(value: object, path: str) -> str:
    """A type that kadmin knows; it leaves out others silently."""
    if value not in _NUMBERS:
        known = ", ".join(sorted(name for number, name in ENCTYPES.items() if number > 16))
        raise BadValue(path, f"{value!r} is not an encryption type known here", f"Known are: {known}.")
    return str(value)


def same_principal(full: str, wanted: str) -> bool:
    """Whether ``wanted``, with or without a realm, names the principal ``full``."""
    return full == wanted if "@" in wanted else full.rpartition("@")[0] == wanted


# ---- on a node -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What kinit said: ``problem`` is empty when there is a ticket, else one of the words of ``_PROBLEMS``, or ``other``."""

    problem: str = ""
    said: str = ""


#: What kinit's texts mean. "Password incorrect" of a keytab is a key that the KDC does not have (any more).
_PROBLEMS = (
    (re.compile(r"Keytab contains no suitable keys for "), "no entry"),
    (re.compile(r"Key table file '.*' not found"), "no keytab"),
    (re.compile(r"(?:Password incorrect|Preauthentication failed|Decrypt integrity check failed) while "), "wrong key"),
    (re.compile(r"Client '.*' not found in Kerberos database"), "unknown principal"),
    (re.compile(r"Client's entry in database has expired while "), "expired"),
    (re.compile(r"Password has expired while "), "key expired"),
    (re.compile(r"Cannot (?:contact any KDC|find KDC) for realm "), "no KDC"),
    (re.compile(r"Clock skew too great"), "clock"),
    (re.compile(r"KDC has no support for encryption type|Bad encryption type|no permitted"), "encryption"),
)


def kinit(run: Runner, keytab: str, principal: str, cache: str, timeout: float = 30.0) -> Answer:
    """Get a ticket with a key of the keytab into ``cache``; raises UnknownOutput for an unknown complaint."""
    argv = ("kinit", "-c", f"FILE:{cache}", "-k", "-t", f"FILE:{keytab}", principal)
    try:
        rc, out, err = run(argv, None, timeout)
    except ToolMissing:
        raise ToolMissing("kinit", CLIENT_PACKAGE) from None
    return parse_kinit(rc, err or out)


def parse_kinit(rc: int, text: str) -> Answer:
    if rc == 0:
        return Answer()
    for pattern, problem in _PROBLEMS:
        if pattern.search(text):
            return Answer(problem, text.strip())
    raise UnknownOutput("kinit", "a ticket", text)


_KVNO = re.compile(r"(?P<name>\S+): kvno = (?P<kvno>\d{1,10})\Z")
_KVNO_ERROR = re.compile(r"kvno: (?P<why>.*) while getting credentials for (?P<name>\S+)\Z")


def kvno(
    run: Runner, services: Sequence[str], cache: str, timeout: float = 60.0
) -> tuple[dict[str, int], dict[str, str]]:
    """The version of the key with which the KDC encrypts a ticket for each service, and why there is none for others."""
    argv = ("kvno", "-c", f"FILE:{cache}", *services)
    rc, out, err = run(argv, None, timeout)
    versions, failures = parse_kvno(out), parse_kvno_errors(err)
    if rc != 0 and not failures:
        raise ToolError("get tickets for " + ", ".join(services), argv, rc, out, err)
    return versions, failures


def parse_kvno(text: str) -> dict[str, int]:
    found = {}
    for line in filter(None, text.splitlines()):
        match = _KVNO.match(line)
        if match is None:
            raise UnknownOutput("kvno", "the versions of keys", line)
        found[match["name"]] = int(match["kvno"])
    return found


def parse_kvno_errors(text: str) -> dict[str, str]:
    found = {}
    for line in filter(None, text.splitlines()):
        match = _KVNO_ERROR.match(line)
        if match is None:
            raise UnknownOutput("kvno", "tickets", line)
        found[match["name"]] = match["why"]
    return found


# ---- on (or for) a KDC -----------------------------------------------------------------------


@dataclass(frozen=True)
class Principal:
    """A principal of the database; ``keys`` are its (version, encryption type), newest first as the KDC has them.

    ``expires``, ``key_expires``: seconds since 1970, 0 for never.  With the first over, the KDC gives no ticket to it or for
    it; with the second (kadmin calls it the password's), none to it.
    """

    name: str
    changed: int
    max_life: int
    kvno: int
    keys: tuple[tuple[int, int], ...] = ()
    expires: int = 0
    key_expires: int = 0

    def enctypes(self, version: int) -> tuple[str, ...]:
        return tuple(ENCTYPES.get(kind, f"enctype {kind}") for found, kind in self.keys if found == version)


@dataclass(frozen=True)
class Kadmin:
    """How the database is reached: on the KDC itself, or from elsewhere with the keytab of an administrator."""

    realm: str
    admin: str = ""
    keytab: str = ""
    server: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        if not self.admin:
            return ("kadmin.local", "-r", self.realm)
        where = ("-s", self.server) if self.server else ()
        return ("kadmin", "-r", self.realm, *where, "-p", self.admin, "-k", "-t", self.keytab)

    def run(self, run: Runner, requests: Iterable[Sequence[str]], timeout: float = 120.0) -> tuple[str, str]:
        """All requests in one process: what it answered, and its complaints (the known harmless ones left out)."""
        text = stdin_of(requests)
        try:
            rc, out, err = run(self.argv, text, timeout)
        except ToolMissing:
            package = CLIENT_PACKAGE if self.admin else ADMIN_PACKAGE
            raise ToolMissing(self.argv[0], package) from None
        if rc != 0:
            raise ToolError("reach the Kerberos database", self.argv, rc, "", err, remedy=self._remedy())
        return out, complaints(err)

    def _remedy(self) -> str:
        if not self.admin:
            return f"Is this host the KDC of the realm {self.realm}, and does its database exist?"
        return f"Does the admin server of {self.realm} run, and does {self.keytab} hold the key of {self.admin}?"

    def principals(self, run: Runner, names: Sequence[str]) -> dict[str, Principal]:
        """Those of ``names`` (with realm) that exist."""
        out, err = self.run(run, [("getprinc", "-terse", name) for name in names])
        parse_missing(err)
        return parse_terse(out)


def names_of_realm(given: Any, realm: str, path: str) -> tuple[str, ...]:
    """Principals of one realm, with it, each once; BadValue for any other."""
    found: list[str] = []
    for number, name in enumerate(given):
        checked = check_principal(name, f"{path}[{number}]")
        checked += "" if "@" in checked else f"@{realm}"
        if not checked.endswith(f"@{realm}"):
            raise BadValue(f"{path}[{number}]", f"{checked} is not of the realm {realm}", "Name one realm per call.")
        found += [] if checked in found else [checked]
    return tuple(found)


def kadmin_from_options(options: Mapping[str, Any], realm: str) -> Kadmin:
    """Of the options ``admin``, ``admin_keytab`` and ``server``; BadValue where they do not fit together."""
    admin, keytab, server = (str(options.get(key) or "") for key in ("admin", "admin_keytab", "server"))
    if bool(admin) != bool(keytab):
        raise BadValue(
            "admin", "an administrator and the keytab of it belong together", "Give both admin and admin_keytab."
        )
    if server and not admin:
        raise BadValue(
            "server", "kadmin.local knows no server", "Give admin and admin_keytab as well, or leave it out."
        )
    if admin:
        check_principal(admin, "admin")
    for name, value in (("admin_keytab", keytab), ("server", server)):
        if any(sign.isspace() for sign in value) or value.startswith("-"):
            raise BadValue(name, f"{value!r} cannot be used", "Give a plain path or host name.")
    return Kadmin(realm, admin, keytab, server)


def stdin_of(requests: Iterable[Sequence[str]]) -> str:
    """One request a line; ValueError for a word that kadmin would split."""
    lines = []
    for request in requests:
        for word in request:
            if not re.fullmatch(r"[^\s\"'\\]+", word):
                raise ValueError(f"kadmin cannot read {word!r} as one word")
        lines.append(" ".join(request))
    return "".join(f"{line}\n" for line in lines)


_HARMLESS = re.compile(r"(?:WARNING: n|N)o policy specified for \S+; defaulting to no policy\Z")


def complaints(err: str) -> str:
    """What is left of standard error without the known harmless lines."""
    return "".join(line + "\n" for line in err.splitlines() if line.strip() and not _HARMLESS.match(line))


_MISSING = re.compile(r"get_principal: Principal does not exist while retrieving \"\S+\"\.\Z")
#: A kadmin without line editing does not echo, so an answer stands right behind its prompt.
_TERSE = re.compile(r'(?:kadmin(?:\.local)?: {1,2}){0,9}"(?P<name>[^"\t]+)"\t(?P<rest>[^\n]*)\Z')


def parse_missing(text: str) -> None:
    """Complaints of getprinc: a principal that is not there is an answer, everything else is an error."""
    for line in filter(None, text.splitlines()):
        if not _MISSING.match(line):
            raise ToolError("read principals of the Kerberos database", ("getprinc", "-terse"), 0, "", line)


def parse_terse(text: str) -> dict[str, Principal]:
    """The lines of ``getprinc -terse``; prompts with the echo of a request, folded or not, are none."""
    found = {}
    for line in text.split("\n"):
        match = _TERSE.match(line)
        if match is not None:
            one = _principal(match["name"], match["rest"].split("\t"), line)
            found[one.name] = one
    return found


def _principal(name: str, rest: Sequence[str], line: str) -> Principal:
    """Expiry, last change of the key, expiry of the key, life, who changed it, when, attributes, version, ..., keys by four."""
    try:
        count = int(rest[14])
        numbers = [int(word) for word in rest[15 : 15 + 4 * count]]
        if count < 0 or len(numbers) != 4 * count or len(rest) < 15 + 4 * count:
            raise ValueError
        keys = tuple((numbers[4 * n + 1], numbers[4 * n + 2]) for n in range(count))
        changed, expires, key_expires = (_moment(rest[at]) for at in (1, 0, 2))
        return Principal(name, changed, int(rest[3]), int(rest[7]), keys, expires, key_expires)
    except (ValueError, IndexError):
        raise UnknownOutput("kadmin", "a principal", line) from None


def _moment(text: str) -> int:
    """What is later than January 2038 is printed as a negative number of 32 bits (recorded: kadmin-expiry)."""
    return int(text) % (1 << 32)
