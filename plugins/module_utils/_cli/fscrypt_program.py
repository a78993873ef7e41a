# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program fscrypt: what it is asked, what it answers, and what it says when it does not want to.

Recorded with 0.3.5 and 0.3.3 (tests/contract/transcripts/fscrypt_program). It makes the key of a directory by itself and
keeps it, wrapped by a protector's secret, in ``MOUNT/.fscrypt``. Lustre is among its file systems since 0.3.4. Its texts
are wrapped at 80 columns, so they are compared with their white space made one blank.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

PROGRAM = "fscrypt"
CONFIG = "/etc/fscrypt.conf"
#: Since which release it takes a Lustre mount (its NEWS: "Added Lustre to the list of allowed filesystems").
SINCE = "0.3.4"
#: Kinds of protectors that this collection makes, by the program's words in a table.
KINDS: Mapping[str, str] = {"raw key protector": "raw_key", "custom protector": "custom_passphrase"}
RAW_KEY_SIZE = 32
#: A passphrase is hashed for a second or more, and a Lustre mount may be slow.
TIMEOUT = 120.0
#: It measures how fast the node hashes: a second if nothing else runs, 41 s were seen on a busy node.
SETUP_TIMEOUT = 600.0
#: Questions are asked with a configuration of their own, so that they need none on the node and change nothing.
_QUESTION = ("env", "FSCRYPT_CONF=/dev/stdin", PROGRAM)
_OPTIONS = {"padding": "32", "contents": "AES_256_XTS", "filenames": "AES_256_CTS", "policy_version": "2"}
_ASKING = json.dumps({"source": "raw_key", "options": _OPTIONS})
_NO_SUCH_PROGRAM = 127

#: Text as Go's %q quotes it.
_QUOTED = r'"(?:[^"\\\n]|\\(?:[abfnrtv\\"]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00[01][0-9a-f]{5}))*"'
_HEAD = re.compile(
    rf"\S+ filesystem (?P<mount>{_QUOTED}) has (?P<protectors>\d+) protectors? and (?P<policies>\d+) polic(?:y|ies)\."
)
_WRITERS = re.compile(r"(?:All users|Only (?P<user>.+)) can create fscrypt metadata on this filesystem\.")
_DESCRIPTION = re.compile(rf"(?P<kind>raw key protector|custom protector) (?P<name>{_QUOTED})")
_UNKNOWN_TYPE = re.compile(r"This kernel doesn't support encryption on \S+ filesystems")
#: What it says when it has taken the type of the file system. That the kernel encrypts nothing there is found elsewhere.
_GOES_ON = ("because it is non-empty", "is not setup for use with fscrypt", "encryption not enabled on filesystem")
_LOGIN = "login protector for "
_LINKED = re.compile(r"No|Yes \(.*\)")
_UNLOCKED = re.compile(r"Yes|No|Unknown|Partially \(.*\)")
_PROTECTOR = re.compile(r"[0-9a-f]{16}")
_POLICY = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")


@dataclass(frozen=True)
class Protector:
    """``kind``: raw_key, custom_passphrase, login."""

    kind: str
    name: str


@dataclass(frozen=True)
class Status:
    """What the program knows of a file system: protectors by descriptor, and by policy those that open it.

    ``broken``: what it says of metadata that it cannot read. ``owner``: who may make metadata, "" for everybody.
    """

    protectors: Mapping[str, Protector] = field(default_factory=dict)
    policies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    owner: str = "root"

    def named(self, name: str) -> tuple[str, Protector] | None:
        """The protector of this name; the program keeps names of its two own kinds apart from one another."""
        found = [(at, one) for at, one in self.protectors.items() if one.name == name and one.kind != "login"]
        return found[0] if found else None


@dataclass(frozen=True)
class Config:
    """What of the node's configuration decides how a new directory is encrypted, in the words of the module."""

    version: str = "2"
    contents: str = "AES-256-XTS"
    filenames: str = "AES-256-CTS"


# Words


def setup_host() -> tuple[str, ...]:
    return (PROGRAM, "setup", "--quiet")


def setup(mount: str) -> tuple[str, ...]:
    return (PROGRAM, "setup", "--quiet", mount)


def encrypt(path: str, protector: Sequence[str], key_file: str = "") -> tuple[str, ...]:
    """``protector``: as ``new`` or ``existing`` give it. The directory stays locked: nothing is written before a backup."""
    key = (f"--key={key_file}",) if key_file else ()
    return (PROGRAM, "encrypt", "--quiet", "--skip-unlock", *protector, *key, path)


def new(kind: str, name: str) -> tuple[str, ...]:
    return (f"--source={kind}", f"--name={name}")


def existing(mount: str, descriptor: str) -> tuple[str, ...]:
    return (f"--protector={mount}:{descriptor}",)


def unlock(path: str, mount: str, descriptor: str = "", key_file: str = "") -> tuple[str, ...]:
    chosen = (f"--unlock-with={mount}:{descriptor}",) if descriptor else ()
    key = (f"--key={key_file}",) if key_file else ()
    return (PROGRAM, "unlock", "--quiet", *chosen, *key, path)


# Questions


def status(run: Runner, mount: str) -> Status | None:
    """What is on a file system; None where the program finds it not set up, or knows no such file systems."""
    words = (*_QUESTION, "status", mount)
    rc, out, err = _asked(run, words)
    if rc == 0:
        return parse_status(out, mount)
    if "is not setup for use with fscrypt" in _one_line(err):
        return None
    raise failed(f"see what fscrypt knows of {mount}", words, rc, out, err)


def accepts(run: Runner, mount: str) -> bool:
    """Does this release take the type of a file system that is not set up?

    Asked to encrypt the top of the mount with a key from where no file can be, it says that the top is not empty, or that the
    file system is not set up; before either of them, that it knows no such type. It never gets to do anything.
    """
    words = (*_QUESTION, "encrypt", "--quiet", "--source=raw_key", "--name=none", "--key=/dev/null/none", mount)
    rc, out, err = _asked(run, words)
    said = _one_line(err)
    if rc != 0 and _UNKNOWN_TYPE.search(said):
        return False
    if rc != 0 and any(text in said for text in _GOES_ON):
        return True
    if rc == 0:
        raise UnknownOutput(PROGRAM, f"whether it takes {mount}", out + err)
    raise failed(f"see whether fscrypt takes {mount}", words, rc, out, err)


def release(run: Runner) -> str:
    """``0.3.3``; "of unknown release" where it does not say."""
    _rc, out, _err = run((PROGRAM, "--version"), None, TIMEOUT)
    found = re.fullmatch(r"fscrypt version v?(\d[\w.+~-]*)\s*", out)
    return found[1] if found else "of unknown release"


def _asked(run: Runner, words: Sequence[str]) -> tuple[int, str, str]:
    rc, out, err = run(words, _ASKING, TIMEOUT)
    if rc == _NO_SUCH_PROGRAM:
        raise ToolMissing(PROGRAM, PROGRAM)
    return rc, out, err


# Parsers


def parse_status(text: str, mount: str) -> Status:
    """``fscrypt status MOUNT``; UnknownOutput for a line that is none of the known ones, or a number that does not fit."""
    lines = text.split("\n")
    head = _HEAD.fullmatch(lines[0])
    if head is None or _unquoted(head["mount"]) != mount:
        raise UnknownOutput(PROGRAM, f"what is on {mount}", text)
    writers = _WRITERS.fullmatch(lines[1]) if len(lines) > 1 else None
    rest = [line for line in lines[2 if writers else 1 :] if line.strip()]
    count = int(head["protectors"])
    try:
        first, second = rest[: count + 1 if count else 0], rest[count + 1 if count else 0 :]
        rows = _table(first, ("PROTECTOR", "LINKED", "DESCRIPTION"), count)
        others = _table(second, ("POLICY", "UNLOCKED", "PROTECTORS"), int(head["policies"]))
        broken: list[str] = []
        protectors = dict(row for row in (_protector(cells, broken) for cells in rows) if row)
        policies = dict(row for row in (_policy(cells, broken) for cells in others) if row)
    except ValueError:
        raise UnknownOutput(PROGRAM, f"what is on {mount}", text) from None
    owner = "root" if writers is None else writers["user"] or ""
    return Status(protectors, policies, tuple(broken), owner)


def _table(lines: Sequence[str], names: Sequence[str], rows: int) -> list[list[str]]:
    """The cells of a table whose columns stand below their names; ValueError when it is no such table."""
    if len(lines) != (rows + 1 if rows else 0):
        raise ValueError("rows")
    if not rows:
        return []
    if lines[0].split() != list(names):
        raise ValueError("names")
    starts = [lines[0].index(name) for name in names]
    ends = [*starts[1:], None]
    return [[line[start:end].strip() for start, end in zip(starts, ends)] for line in lines[1:]]


def _protector(cells: Sequence[str], broken: list[str]) -> tuple[str, Protector] | None:
    descriptor, linked, description = cells
    if not linked and description.startswith("[") and description.endswith("]"):
        broken.append(description[1:-1])
        return None
    if not _PROTECTOR.fullmatch(descriptor) or not _LINKED.fullmatch(linked):
        raise ValueError("protector")
    if description.startswith(_LOGIN):
        return descriptor, Protector("login", description[len(_LOGIN) :])
    found = _DESCRIPTION.fullmatch(description)
    if found is None:
        raise ValueError("description")
    return descriptor, Protector(KINDS[found["kind"]], _unquoted(found["name"]))


def _policy(cells: Sequence[str], broken: list[str]) -> tuple[str, tuple[str, ...]] | None:
    descriptor, unlocked, protectors = cells
    if not unlocked and protectors.startswith("[") and protectors.endswith("]"):
        broken.append(protectors[1:-1])
        return None
    names = tuple(protectors.split(", "))
    if not _POLICY.fullmatch(descriptor) or not _UNLOCKED.fullmatch(unlocked):
        raise ValueError("policy")
    if not all(_PROTECTOR.fullmatch(name) for name in names):
        raise ValueError("protectors")
    return descriptor, names


def _unquoted(text: str) -> str:
    """What Go's %q has quoted: all of its escapes are Python's, too. ValueError where Python knows no such letter."""
    try:
        return str(ast.literal_eval(text))
    except SyntaxError as error:
        raise ValueError("quotes") from error


def parse_config(text: str) -> Config:
    """The node's configuration; ValueError says what is wrong with it."""
    try:
        options = json.loads(text)["options"]
        found = {name: str(options[name]) for name in ("policy_version", "contents", "filenames", "padding")}
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ValueError("it is not the JSON that fscrypt setup writes") from None
    if found["padding"] != "32":
        raise ValueError(f"padding {found['padding']} is not that of directories of this collection, which is 32")
    return Config(found["policy_version"], found["contents"].replace("_", "-"), found["filenames"].replace("_", "-"))


def with_version_2(known: str) -> str:
    """A configuration that ``parse_config`` took, with policies of version 2, the only ones that Lustre takes."""
    config = json.loads(known)
    config["options"]["policy_version"] = "2"
    return json.dumps(config, indent="\t") + "\n"


# Errors


_CAUSES: tuple[tuple[str, str], ...] = (
    (
        "incorrect key provided",
        "What was given is not the secret of this protector: find the one that belongs to it. The directory is as before.",
    ),
    ("is already setup for use", "Another node was faster: run again."),
    ("is already encrypted", "Another node was faster: run again."),
    ("there is already a protector named", "Another node was faster: run again."),
    ("is not supported for fscrypt setup", f"Lustre needs fscrypt {SINCE} or newer; or leave out protector."),
    (
        "This kernel doesn't support encryption on",
        f"Lustre needs fscrypt {SINCE} or newer, and a client that was built with encryption.",
    ),
    (
        "does not contain the policy metadata",
        "Run again: where this node has a backup of it, it is put back.",
    ),
    ("could not load any protectors", "Run again: where this node has a backup of them, they are put back."),
    ("permission denied", "If root is squashed for this client, do it on one where it is not."),
)


def failed(wanted: str, words: Sequence[str], rc: int, out: str, err: str) -> ToolError:
    said = _one_line(err)
    remedy = next((remedy for text, remedy in _CAUSES if text in said), "")
    return ToolError(wanted, words, rc, _one_line(out), said, remedy=remedy)


def _one_line(text: str) -> str:
    return " ".join(text.split())
