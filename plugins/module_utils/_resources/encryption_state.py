# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of encrypted directories on this node, and why the kernel may encrypt nothing there."""

from __future__ import annotations

import grp
import pwd
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt import KeyFile, Look
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import EncryptionWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_FLAG = "client_encryption"
_IMPORTS = "mdc.*.import"
_FLAGS = re.compile(r"^\s*connect_flags: *\[(?P<flags>[^\]]*)\]", re.M)
_DEVICE = re.compile(r"mdc\.(?P<fsname>.+)-MDT[0-9a-f]{4}-mdc-(?P<instance>[0-9a-f]+)\.import\Z")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    table: Callable[[], str] = lambda: _read(mounts.TABLE)
    record: Callable[[str], str] = text_or_empty
    uid: Callable[[str], int] = lambda name: pwd.getpwnam(name).pw_uid
    gid: Callable[[str], int] = lambda name: grp.getgrnam(name).gr_gid


@dataclass(frozen=True)
class Have:
    """``granted``: by file system, whether some mount of it here has encryption granted by all its MDTs; only asked where needed."""

    look: Look
    table: tuple[mounts.MountEntry, ...]
    records: Mapping[str, str] = field(default_factory=dict)
    granted: Mapping[str, bool] = field(default_factory=dict)

    def entry(self, path: str) -> mounts.MountEntry | None:
        return mounts.deepest(self.table, path)


def identifier(want: EncryptionWant, look: Look) -> str:
    """The key that a directory is to have, as far as it is known: described, in its key file, in its policy."""
    if want.identifier:
        return want.identifier
    place = look.key_files.get(want.key_file, KeyFile(False))
    seen = look.directories[want.path]
    return place.identifier or (seen.policy.identifier if seen.policy is not None else "")


NOT_GRANTED = (
    "the MDTs do not grant encryption to this client (no client_encryption among the connect_flags of its imports)",
    "The servers need Lustre 2.14 or newer, and this client's nodemap must not have forbid_encryption; mount it anew after a change.",
)


def why_refused(answer: str, entry: mounts.MountEntry | None, given: Mapping[str, bool]) -> tuple[str, str]:
    """What was found and what to do, where the kernel encrypts nothing on a mount."""
    fsname = entry.client.fsname if entry is not None and entry.client is not None else ""
    if answer == "ENOTTY":
        return (
            "the client of this node was built without encryption",
            "Install a build with it (--enable-crypto, or LUSTRE_DKMS_ENABLE_CRYPTO=y for DKMS).",
        )
    if answer != "EOPNOTSUPP":
        return f"the kernel cannot read its encryption policy ({answer})", "See the node's kernel log (dmesg)."
    if entry is not None and "noencrypt" in entry.options:
        return "it is mounted with noencrypt", "Mount it without that option."
    if not given.get(fsname, False):
        return NOT_GRANTED
    return "encryption is off on this mount", "Was it mounted with noencrypt? Mount it without that option."


def granted(run: Runner) -> dict[str, bool]:
    """By file system: does one of its mounts here have encryption granted by all MDTs it is connected to?"""
    rc, out, err = run(("lctl", "get_param", _IMPORTS), None, 30.0)
    answer = lctl_params.parse(out, err, [_IMPORTS])
    if rc != 0 and not answer.values and not answer.missing:
        raise ToolError("see whether the servers grant encryption", ("lctl", "get_param", _IMPORTS), rc, out, err)
    instances: dict[tuple[str, str], bool] = {}
    for name, text in answer.values.items():
        device, flags = _DEVICE.match(name), _FLAGS.search(text)
        if device is None:
            continue
        words = flags["flags"].replace(",", " ").split() if flags is not None else []
        key = (device["fsname"], device["instance"])
        instances[key] = instances.get(key, True) and _FLAG in words
    found: dict[str, bool] = {}
    for (fsname, _instance), given in instances.items():
        found[fsname] = found.get(fsname, False) or given
    return found


def public(want: EncryptionWant, have: Have) -> dict[str, Any]:
    seen, entry = have.look.directories[want.path], have.entry(want.path)
    policy = seen.policy
    shown: dict[str, Any] = {
        "path": want.path,
        "fsname": entry.client.fsname if entry is not None and entry.client is not None else None,
        "unit": unit_of(want.path),
        "exists": seen.exists,
        "encrypted": policy is not None,
        "identifier": policy.identifier if policy is not None else None,
        "key": seen.key if policy is not None else None,
        "unlocked": policy is not None and seen.key == "present",
    }
    if policy is not None:
        shown.update(contents=policy.contents, filenames=policy.filenames)
    if seen.exists:
        shown.update(mode=f"{stat.S_IMODE(seen.mode):04o}", owner=seen.uid, group=seen.gid)
    if want.key_file:
        place = have.look.key_files[want.key_file]
        shown["key_file"] = {"path": want.key_file, "exists": place.exists, "identifier": place.identifier or None}
    return shown


def unit_of(path: str) -> str:
    """The unit that unlocks a directory at boot, and locks it when it is stopped."""
    return f"lustre-unlock@{escaped(path)}.service"


def escaped(path: str) -> str:
    """A path as the instance of a systemd unit (systemd.unit(5))."""
    text = path.strip("/")
    plain = "".join(
        "-"
        if letter == "/"
        else letter
        if re.match(r"[A-Za-z0-9:_.]", letter)
        else "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
        for letter in text
    )
    return "\\x2e" + plain[1:] if plain.startswith(".") else plain
