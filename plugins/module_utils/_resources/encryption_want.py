# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted of encrypted directories, checked before anything is looked at."""

from __future__ import annotations

import base64
import contextlib
import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt, fscrypt_ioctl, fscrypt_program
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import require_known

STATES = ("encrypted", "unlocked", "locked")
#: Kinds of protectors of the program fscrypt, which then makes the key of the directory by itself.
PROTECTORS = ("raw_key", "custom_passphrase")
_KNOWN = (
    "path",
    "state",
    "fsname",
    "key",
    "key_file",
    "key_name",
    "identifier",
    "owner",
    "group",
    "mode",
    "contents",
    "filenames",
    "protector",
    "protector_name",
)
_PLAIN = re.compile(r"/[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z")
#: What may be in a passphrase: what a terminal would take for itself may not.
_PASSPHRASE = re.compile(r"[^\x00-\x1f\x7f]{1,512}\Z")
_FSNAME = re.compile(r"[A-Za-z0-9_-]{1,8}\Z")
#: 64 random bytes have about 57 different ones; fewer than this are a placeholder somebody forgot.
_LEAST_DIFFERENT = 16
_MAKE_ONE = "Make one with `openssl rand -base64 64` and keep it in a vault; without it the data is lost."


@dataclass(frozen=True)
class EncryptionWant:
    """One directory; ``key`` (base64 of 64 bytes) is never shown. ``identifier``: of the key, "" when not known here.

    With a ``protector``, ``key`` is its secret: base64 of 32 bytes, or a passphrase; and there is no identifier.
    """

    path: str
    state: str = "encrypted"
    fsname: str = ""
    key: str = field(default="", repr=False)
    key_file: str = ""
    #: Under which somebody else has the key, where ``key`` is not told to this node yet.
    key_name: str = ""
    identifier: str = ""
    #: Whether the description itself says the identifier, as a proof that the key is kept somewhere.
    stated: bool = False
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    contents: str = "AES-256-XTS"
    filenames: str = "AES-256-CTS"
    #: "" for the kernel's calls; else who opens the directory by the program fscrypt.
    protector: str = ""
    #: "" for the directory's path inside of the file system.
    protector_name: str = ""

    def policy(self, identifier: str) -> fscrypt.Policy:
        return fscrypt.Policy(self.contents, self.filenames, identifier)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> EncryptionWant:
        """Check one entry of ``directories``; BadValue names entry and field, and never shows a key."""
        require_known(options, _KNOWN, path)
        where = _plain_path(options.get("path"), f"{path}.path", "Give one such as /mnt/fs1/vault.")
        state = options.get("state") or "encrypted"
        if state not in STATES:
            raise BadValue(f"{path}.state", f"{state!r} is no state", f"Choose one of: {', '.join(STATES)}.")
        key_file = ""
        if options.get("key_file"):
            key_file = _plain_path(options["key_file"], f"{path}.key_file", "Give one such as /etc/lustre/keys/vault.")
            if (key_file + "/").startswith(where + "/"):
                raise BadValue(
                    f"{path}.key_file",
                    f"{key_file} lies in the directory that it opens",
                    "Nobody could read it any more once that is locked: keep it on the node's own disk.",
                )
        protector, protector_name = _protector(options, path, key_file)
        if protector:
            key, found = _secret(options.get("key"), protector, f"{path}.key"), ""
        else:
            key, found = _key(options.get("key"), f"{path}.key")
        stated = str(options.get("identifier") or "").lower()
        if stated and not re.fullmatch(r"[0-9a-f]{32}", stated):
            raise BadValue(
                f"{path}.identifier",
                f"{stated!r} is not an identifier of a key",
                "It has 32 hexadecimal digits, as this module returns them.",
            )
        if stated and found and stated != found:
            raise BadValue(
                f"{path}.key",
                f"it is the key {found}, and {path}.identifier says {stated}",
                "Find the key that belongs to the directory: another one does not open it.",
            )
        fsname = str(options.get("fsname") or "")
        if fsname and not _FSNAME.match(fsname):
            raise BadValue(f"{path}.fsname", f"{fsname!r} is no name of a file system", "It has at most 8 characters.")
        mode = options.get("mode")
        if mode is not None and not (isinstance(mode, str) and re.fullmatch(r"[0-7]{3,4}", mode)):
            raise BadValue(f"{path}.mode", f"{mode!r} is not an octal mode in quotes", 'Write one such as "0750".')
        contents, filenames = _modes(options, path)
        return cls(
            where,
            state,
            fsname,
            key,
            key_file,
            str(options.get("key_name") or ""),
            found or stated,
            bool(stated),
            _text(options.get("owner")),
            _text(options.get("group")),
            int(mode, 8) if mode is not None else None,
            contents,
            filenames,
            protector,
            protector_name,
        )

    @property
    def secret(self) -> bytes:
        """What ``key`` stands for, as the program reads it and as it is in the key file; with a protector only."""
        return base64.b64decode(self.key) if self.protector == "raw_key" else f"{self.key}\n".encode()


def _plain_path(value: Any, path: str, example: str) -> str:
    text = str(value or "")
    if not _PLAIN.match(text) or posixpath.normpath(text) != text:
        raise BadValue(path, f"{text!r} is not a plain absolute path", example)
    return text


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _key(value: Any, path: str) -> tuple[str, str]:
    """``(base64, identifier)`` of a key; two empty strings when there is none."""
    if value is None or value == "":
        return "", ""
    try:
        # what is written down is text: 64 letters are not taken for 64 bytes
        raw = fscrypt_ioctl.key_of(b" " + str(value).encode())
    except fscrypt_ioctl.Unusable as error:
        raise BadValue(path, str(error), _MAKE_ONE) from None
    if len(set(raw)) < _LEAST_DIFFERENT:
        raise BadValue(path, "it is not random: it repeats a few bytes", _MAKE_ONE)
    return base64.b64encode(raw).decode(), fscrypt_ioctl.identifier(raw)


def _protector(options: Mapping[str, Any], path: str, key_file: str) -> tuple[str, str]:
    """Its kind and name; two empty strings where the kernel's calls are used."""
    kind, name = str(options.get("protector") or ""), str(options.get("protector_name") or "")
    if kind and kind not in PROTECTORS:
        raise BadValue(
            f"{path}.protector", f"{kind!r} is no kind of protector", f"Choose one of: {', '.join(PROTECTORS)}."
        )
    if name and not (kind and re.fullmatch(r"[!-~]{1,64}", name)):
        what = f"{name!r} is no name of 1 to 64 letters without blanks" if kind else "there is no protector to be named"
        raise BadValue(f"{path}.protector_name", what, "Leave it out: the directory's path names it.")
    if kind and options.get("identifier"):
        raise BadValue(
            f"{path}.identifier",
            "the program fscrypt makes the key of a directory with a protector by itself",
            "Leave out one of them.",
        )
    if kind == "raw_key" and not key_file:
        raise BadValue(f"{path}.key_file", "a raw key is given to the program as a file", "Say where it is kept.")
    return kind, name


def _secret(value: Any, kind: str, path: str) -> str:
    """The secret of a protector in its text form, "" when there is none; BadValue does not show it."""
    if value is None or value == "":
        return ""
    text = str(value)
    if kind == "custom_passphrase":
        if not _PASSPHRASE.match(text):
            raise BadValue(path, "it is no passphrase of one line without control characters", "Choose another one.")
        return text
    remedy = "Make one with `openssl rand -base64 32` and keep it in a vault; without it the data is lost."
    for read in (bytes.fromhex, _base64):
        with contextlib.suppress(ValueError):
            raw = read("".join(text.split()))
            if len(raw) == fscrypt_program.RAW_KEY_SIZE and len(set(raw)) >= _LEAST_DIFFERENT // 2:
                return base64.b64encode(raw).decode()
    raise BadValue(path, "it is not 32 random bytes in base64 or hexadecimal", remedy)


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def passphrase_of(content: bytes) -> str | None:
    """The passphrase in a key file: its one line; None when that is none."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    text = text[:-1] if text.endswith("\n") else text
    return text if _PASSPHRASE.match(text) else None


def _modes(options: Mapping[str, Any], path: str) -> tuple[str, str]:
    contents = str(options.get("contents") or "AES-256-XTS")
    if contents not in fscrypt.CONTENTS:
        raise BadValue(f"{path}.contents", f"{contents!r} is not known", f"Known are: {', '.join(fscrypt.CONTENTS)}.")
    filenames = str(options.get("filenames") or fscrypt.PAIRS[contents])
    if filenames != fscrypt.PAIRS[contents]:
        raise BadValue(
            f"{path}.filenames",
            f"the kernel does not take {filenames} with {contents}",
            f"Write {fscrypt.PAIRS[contents]}, or leave it out.",
        )
    return contents, filenames


def wants_from_options(directories: Sequence[Mapping[str, Any]], path: str) -> list[EncryptionWant]:
    """All entries; no directory twice, none inside another, and no key file with two keys."""
    wants: list[EncryptionWant] = []
    for number, options in enumerate(directories):
        want = EncryptionWant.from_options(options, f"{path}[{number}]")
        for before, other in enumerate(wants):
            _require_apart(want, other, f"{path}[{number}]", f"{path}[{before}]")
        wants.append(want)
    return wants


def _require_apart(want: EncryptionWant, other: EncryptionWant, here: str, there: str) -> None:
    mine, its = want.path + "/", other.path + "/"
    if mine.startswith(its) or its.startswith(mine):
        raise BadValue(
            f"{here}.path",
            f"{want.path} and {other.path} ({there}) are one directory or lie in one another",
            "All below an encrypted directory is encrypted by its policy: name it once, at the top.",
        )
    same = (want.identifier, want.protector) == (other.identifier, other.protector)
    if want.protector and want.key and other.key and want.key != other.key:
        same = False
    if want.key_file and want.key_file == other.key_file and not same:
        raise BadValue(
            f"{here}.key_file",
            f"{want.key_file} is that of {there}, too, with another key",
            "Give each key a file of its own.",
        )
    for one, another in ((want, other), (other, want)):
        if one.key_file and (one.key_file + "/").startswith(another.path + "/"):
            raise BadValue(
                f"{here}.key_file",
                f"{one.key_file} lies in the encrypted directory {another.path}",
                "Keep key files on the node's own disk.",
            )
