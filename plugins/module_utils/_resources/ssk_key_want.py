# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key files as a user wants them, checked before anything is read."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lgss_sk
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid
from ansible_collections.lustre.core.plugins.module_utils._options import require_distinct, require_known

STATES = ("present", "loaded", "unloaded", "staged", "absent")
#: Where a key waits until it takes the place of the one in use: a mount with skpath= reads files, not folders.
NEXT = ".lustre-next"
#: Where a key is made before it is moved; whatever is left there is of a run that was ended.
SCRATCH = ".lustre-new"
_KNOWN = (
    "path state types fsname mgs_nids nodemap crypt hmac key_bits prime_bits lifetime content".split()
)  # fmt: skip
#: A file of lgss_sk has 2407 bytes on Lustre 2.17; anything of another size range is no key.
_CONTENT = range(64, 65537)
_NAMES = {"fsname": re.compile(r"[A-Za-z0-9_-]{1,8}\Z"), "nodemap": re.compile(r"[A-Za-z0-9_]{1,16}\Z")}
_NUMBERS = {"key_bits": range(128, 4097), "prime_bits": range(1024, 8193), "lifetime": range(60, 2**31)}


@dataclass(frozen=True)
class KeyWant:
    """One key file.  What is None is not compared, and has Lustre's default when a key is made."""

    path: str
    state: str = "present"
    types: tuple[str, ...] = ()
    fsname: str | None = None
    mgs_nids: tuple[str, ...] | None = None
    nodemap: str | None = None
    crypt: str | None = None
    hmac: str | None = None
    key_bits: int | None = None
    prime_bits: int | None = None
    lifetime: int | None = None
    content: bytes | None = field(default=None, repr=False)
    where: str = "keys[0]"

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path)

    @property
    def scratch(self) -> str:
        return posixpath.join(self.folder, SCRATCH)

    @property
    def new(self) -> str:
        """Where the key is made."""
        return posixpath.join(self.scratch, posixpath.basename(self.path))

    @property
    def staged(self) -> str:
        return posixpath.join(self.folder, NEXT, posixpath.basename(self.path))

    @property
    def makes(self) -> bool:
        """Is a key file wanted to be there?"""
        return self.state in ("present", "loaded", "staged")

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: str) -> KeyWant:
        require_known(options, _KNOWN, where)
        path = str(options.get("path") or "")
        if not re.match(r"/[^\x00-\x1f\x7f ,]+\Z", path) or posixpath.normpath(path) != path or path.count("/") < 2:
            raise BadValue(
                f"{where}.path",
                f"{path!r} is not a plain absolute path of a file in a folder",
                "Write one such as /etc/lustre/keys/fs1.server.key.",
            )
        state = str(options.get("state") or "present")
        if state not in STATES:
            raise BadValue(f"{where}.state", f"{state!r} is no state", f"Write one of {', '.join(STATES)}.")
        want = cls(
            path,
            state,
            _types(options.get("types"), f"{where}.types"),
            _name(options, "fsname", where),
            _nids(options.get("mgs_nids"), f"{where}.mgs_nids"),
            _name(options, "nodemap", where),
            _choice(options, "crypt", lgss_sk.CRYPT, where),
            _choice(options, "hmac", lgss_sk.HMAC, where),
            _number(options, "key_bits", where),
            _number(options, "prime_bits", where),
            _number(options, "lifetime", where),
            _content(options.get("content"), f"{where}.content"),
            where,
        )
        want._check_whole()
        return want

    def _check_whole(self) -> None:
        if self.makes and not self.types:
            raise BadValue(f"{self.where}.types", "is missing", f"Name one or more of {', '.join(lgss_sk.TYPES)}.")
        if self.makes and self.content is None and not self.fsname and not self.mgs_nids:
            raise BadValue(
                f"{self.where}.fsname",
                "a key is made for a file system or for an MGS, and neither is named",
                "Give fsname, or mgs_nids for connections to the MGS alone.",
            )
        if "mgs" in self.types and self.mgs_nids == ():
            raise BadValue(f"{self.where}.mgs_nids", "a key of type mgs needs the NIDs of the MGS", "List them.")
        if not self.makes and self.content is not None:
            raise BadValue(f"{self.where}.content", f"is of no use with state {self.state}", "Leave it out.")

    def differences(self, found: lgss_sk.KeyFile) -> list[str]:
        """What was asked for and is otherwise in a key file, its type not counted, in words."""
        told = []
        for name in ("fsname", "nodemap", "crypt", "hmac", "key_bits", "lifetime"):
            wanted, is_now = getattr(self, name), getattr(found, name)
            if wanted is not None and wanted != is_now:
                told.append(f"{name} is {is_now or 'empty'}, wanted {wanted}")
        if self.mgs_nids is not None and set(self.mgs_nids) != set(found.mgs_nids):
            told.append(f"mgs_nids is {', '.join(found.mgs_nids) or 'empty'}, wanted {', '.join(self.mgs_nids)}")
        return told

    def wrong_type(self, found: lgss_sk.KeyFile) -> list[str]:
        """The same about what kind of node may use the file."""
        told = []
        if found.types != frozenset(self.types):
            told.append(f"its type is {','.join(sorted(found.types))}, wanted {','.join(sorted(self.types))}")
        if "client" in self.types:
            if not found.prime:
                told.append("it has no prime, which a client needs")
            elif self.prime_bits is not None and found.prime_bits != self.prime_bits:
                told.append(f"its prime has {found.prime_bits} bits, wanted {self.prime_bits}")
        return told


def wants_from_options(keys: Sequence[Mapping[str, Any]], path: str = "keys") -> list[KeyWant]:
    wants = [KeyWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(keys)]
    require_distinct(wants, ("path",), path, "Describe each key file once.")
    return wants


def _types(value: Any, path: str) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else list(value or ())
    for name in found:
        if name not in lgss_sk.TYPES:
            raise BadValue(path, f"{name!r} is no type of a key", f"Write one or more of {', '.join(lgss_sk.TYPES)}.")
    return tuple(name for name in lgss_sk.TYPES if name in found)


def _nids(value: Any, path: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        return tuple(normal_nid(nid) for nid in value)
    except ValueError as error:
        raise BadValue(path, str(error), "Correct it.") from None


def _name(options: Mapping[str, Any], name: str, where: str) -> str | None:
    value = options.get(name)
    if value is None or value == "":
        return None
    if not _NAMES[name].match(str(value)):
        raise BadValue(f"{where}.{name}", f"{value!r} cannot be a name there", "Use letters, digits and underscores.")
    return str(value)


def _choice(options: Mapping[str, Any], name: str, known: Mapping[str, str], where: str) -> str | None:
    value = options.get(name)
    if value is None:
        return None
    if value not in known and value not in known.values():
        raise BadValue(f"{where}.{name}", f"{value!r} is not known", f"Write one of {', '.join(known)}.")
    return known.get(str(value), str(value))


def _number(options: Mapping[str, Any], name: str, where: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    allowed = _NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise BadValue(
            f"{where}.{name}", f"{value!r} cannot be used", f"Give a number from {allowed[0]} to {allowed[-1]}."
        )
    if name == "key_bits" and value % 8:
        raise BadValue(f"{where}.{name}", f"{value} is no multiple of 8", "Give 256.")
    return value


def _content(value: Any, path: str) -> bytes | None:
    """The bytes of a key file.  No message ever shows any of it."""
    if value is None:
        return None
    try:
        data = base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(path, "is not base64", "Give the whole file in base64, as ansible.builtin.slurp does.") from None
    if len(data) not in _CONTENT:
        raise BadValue(path, f"has {len(data)} bytes, which no key file has", "Give the whole file in base64.")
    return data
