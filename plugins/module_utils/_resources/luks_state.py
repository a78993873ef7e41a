# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is there of LUKS containers, their key files and the copies of their headers, as far as it is read without a program."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    crypttab,
    devfiles,
    luks_header,
    systemctl,
    text_files,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.cryptsetup import Mapping as Opened
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files, Node
from ansible_collections.lustre.core.plugins.module_utils._cli.luks_header import Header
from ansible_collections.lustre.core.plugins.module_utils._resources.blank import Evidence
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import MOST, LuksWant, key_problem
from ansible_collections.lustre.core.plugins.module_utils._resources.unread import Objection

#: Where copies of headers are kept; root's alone.
BACKUPS = "/etc/lustre/luks"
_GENERATORS = (
    "/lib/systemd/system-generators/systemd-cryptsetup-generator",
    "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator",
)
_GONE_AT_BOOT = ("tmpfs", "ramfs", "devtmpfs")


class KeyFile(NamedTuple):
    """A key file without its content: the digest of its key, or what is wrong with it."""

    exists: bool
    digest: str = ""
    problem: str = ""


def digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest() if key else ""


def read_key(path: str) -> KeyFile:
    """The file itself, not what a link leads to; what is no key of root's alone has a problem."""
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return KeyFile(False)
    if not stat.S_ISREG(seen.st_mode):
        return KeyFile(True, problem="it is no regular file")
    mode = stat.S_IMODE(seen.st_mode)
    if seen.st_uid or mode & 0o177:
        return KeyFile(True, problem=f"owner {seen.st_uid} and mode {mode:04o}, where it must be root's alone (0600)")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        raw = stream.read(MOST + 1)
    problem = key_problem(raw)
    return KeyFile(True, "" if problem else digest(raw), problem)


@dataclass(frozen=True)
class Local:
    """What is asked of the node beside its devices; tests put their own functions here."""

    key: Callable[[str], KeyFile] = read_key
    exists: Callable[[str], bool] = os.path.lexists
    size: Callable[[str], int] = os.path.getsize
    text: Callable[[str], str] = text_files.text_or_empty

    @property
    def systemd(self) -> bool:
        return self.exists(systemctl.BOOTED)

    @property
    def generator(self) -> bool:
        """Whether systemd opens what crypttab names (Debian 13 and others have that in a package of its own)."""
        return any(self.exists(path) for path in _GENERATORS)


@dataclass(frozen=True)
class Found:
    """One container's device.  ``backup``: UUID in the copy of its header, "" where there is none.

    ``unsound``: why what is in the place of that copy is none; "" for a sound copy, and for nothing at all.
    """

    node: Node
    size: int
    header: Header | None = None
    opened: Opened | None = None
    #: Whether what is open under the name lies on this very device.
    same: bool = False
    #: Who else holds the device while nothing is open under the name.
    holders: tuple[str, ...] = ()
    key: KeyFile = field(default_factory=lambda: KeyFile(False))
    #: Type of the file system that the key file lies (or would lie) in.
    key_in: str = ""
    backup: str = ""
    unsound: str = ""
    evidence: Evidence | None = None
    #: What speaks of a target on the device itself, where no format is consented to.
    unread: Objection | None = None


@dataclass(frozen=True)
class Have:
    """All containers by their label, and crypttab."""

    found: Mapping[str, Found]
    crypttab: str = ""
    #: What the devices of other lines of crypttab lead to.
    leads: Mapping[str, str] = field(default_factory=dict)
    backups: bool = True
    systemd: bool = True
    generator: bool = True


def backup_path(want: LuksWant) -> str:
    return f"{BACKUPS}/{want.label}.header"


def header(files: Files, path: str) -> Header | None:
    """Of a device, or of a copy of its header; None for a file that is not there."""
    try:
        return luks_header.read(lambda length: files.head(path, length))
    except FileNotFoundError:
        return None


def copy_of(files: Files, local: Local, path: str) -> tuple[str, str]:
    """Of the copy of a header: UUID, and why it is none (cut off by a crash, something else); two empty texts for nothing."""
    if not local.exists(path):
        return "", ""
    found = header(files, path)
    if found is None:
        return "", "it does not begin as a header"
    if found.damage:
        return "", found.damage
    size = local.size(path)
    if size < found.whole:
        return "", f"it has {size} bytes of {found.whole}, so that key slots are missing"
    return found.uuid, ""


def in_filesystem(files: Files, path: str) -> str:
    """The type of the file system that a path lies in, whether it exists or not."""
    mounts = devfiles.parse_mountinfo(files.text("/proc/self/mountinfo"))
    above = [mount for mount in mounts if (path + "/").startswith(mount.path.rstrip("/") + "/")]
    # of several at one place, the last one is seen
    return max(reversed(above), key=lambda mount: len(mount.path)).type if above else ""


def passing(kind: str) -> str:
    """Why a file in a file system of that type is no safe place for a key; empty for one that is."""
    if kind in _GONE_AT_BOOT:
        return f"it lies in a {kind}, which a boot empties"
    return "it lies in a Lustre file system" if kind in ("lustre", "lustre_tgt") else ""


def leads(files: Files, text: str) -> dict[str, str]:
    """The device numbers of what crypttab's lines name by path; what does not exist is left out."""
    found = {}
    for line in crypttab.entries(text).values():
        if line.device.startswith("/"):
            try:
                found[line.device] = files.node(line.device).number
            except OSError:
                continue
    return found


def public(want: LuksWant, found: Found) -> dict[str, Any]:
    """One container as modules return it."""
    head = found.header
    return {
        "label": want.label,
        "device": want.device,
        "name": want.name,
        "formatted": head is not None,
        "uuid": head.uuid if head is not None else None,
        "open": found.opened is not None and found.same,
        "key_file": want.key_file,
        "header_backup": backup_path(want) if found.backup and head is not None and found.backup == head.uuid else None,
    }


def size_of(files: Files, number: str) -> int:
    """Bytes of a device, as the kernel says."""
    return int(files.text(f"/sys/dev/block/{number}/size")) * 512


def holders_of(files: Files, number: str) -> tuple[str, ...]:
    try:
        return tuple(files.names(f"/sys/dev/block/{number}/holders"))
    except FileNotFoundError:
        # a partition has none of its own
        return ()


def leads_to(files: Files, path: str, number: str) -> bool:
    try:
        return files.node(path).number == number
    except OSError:
        return False
