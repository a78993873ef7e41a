# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted of LUKS containers below targets, checked before anything is looked at."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_distinct, require_known
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import stable_path

_KNOWN = ("label", "device", "name", "key_file", "key", "key_name", "format", "standby")
#: As device-mapper takes names, without those that systemd or a shell would read otherwise; LUKS2 keeps 47 bytes of a label.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,46}\Z")
#: crypttab(5) separates by blanks, and a comma or colon in a path of a key would mean something there.
_PATH = re.compile(r"/[A-Za-z0-9_./@+=-]+\Z")
#: cryptsetup takes a key of no bytes, too; a raw key has these at least, and no more than libcryptsetup reads.
LEAST, MOST = 32, 8192
_DIFFERENT = 16
_MAKE_ONE = "Make one with `openssl rand -base64 64` and keep it in a vault; without it the data is lost."


@dataclass(frozen=True)
class LuksWant:
    """One container.  ``key``: its content where it was given (never shown); ``standby``: another server makes it."""

    label: str
    device: str
    name: str
    key_file: str
    key: bytes = field(default=b"", repr=False)
    #: Under which somebody else has the key, where ``key`` is not told to this node.
    key_name: str = ""
    format: bool = False
    standby: bool = False

    @property
    def object(self) -> str:
        """``fs1-OST0003 on /dev/disk/by-id/x``."""
        return f"{self.label} on {self.device}"

    @property
    def mapping(self) -> str:
        return f"/dev/mapper/{self.name}"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> LuksWant:
        """Check one entry of ``containers``; BadValue names entry and field, and never shows a key."""
        require_known(options, _KNOWN, path)
        label = str(options.get("label") or "")
        if not LABEL.match(label):
            raise BadValue(f"{path}.label", f"{label!r} is no label", "Give that of the target, such as fs1-OST0003.")
        name = str(options.get("name") or label)
        if not NAME.match(name):
            raise BadValue(f"{path}.name", f"{name!r} is no name below /dev/mapper", "Use letters, digits, _, . and -.")
        device = stable_path(options.get("device"), f"{path}.device")
        if device == f"/dev/mapper/{name}":
            raise BadValue(f"{path}.device", f"{device} is what the container is opened as", "Name the raw device.")
        want = cls(
            label,
            device,
            name,
            key_path(options.get("key_file"), f"{path}.key_file"),
            _key(options.get("key"), f"{path}.key"),
            str(options.get("key_name") or ""),
            boolean(options, "format", path),
            boolean(options, "standby", path),
        )
        if want.format and want.standby:
            raise BadValue(f"{path}.format", "another server makes this container", "Leave out format, or standby.")
        return want


def key_path(value: Any, path: str) -> str:
    """A path of a key file that outlasts a boot by its place; the node itself asks for the file system, too."""
    text = str(value or "")
    if not _PATH.match(text) or posixpath.normpath(text) != text:
        raise BadValue(
            path, f"{text!r} is not a plain absolute path", "Give one such as /etc/lustre/keys/luks/fs1-OST0003."
        )
    if text.startswith(("/run/", "/tmp/", "/dev/", "/proc/", "/sys/", "/var/run/")):
        raise BadValue(path, f"{text} does not outlast a boot", "Keep keys on the node's own disk, as in /etc/lustre.")
    return text


def _key(value: Any, path: str) -> bytes:
    """The bytes of a key that is written in base64."""
    if value is None or value == "":
        return b""
    try:
        raw = base64.b64decode("".join(str(value).split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(path, "it is not base64", _MAKE_ONE) from None
    problem = key_problem(raw)
    if problem:
        raise BadValue(path, problem, _MAKE_ONE)
    return raw


def key_problem(raw: bytes) -> str:
    """Why these bytes are no key; empty for a usable one."""
    if not LEAST <= len(raw) <= MOST:
        return f"it has {len(raw)} bytes, where a key has {LEAST} to {MOST}"
    if len(set(raw)) < _DIFFERENT:
        return "it is not random: it repeats a few bytes"
    return ""


def wants_from_options(containers: Sequence[Mapping[str, Any]], path: str) -> list[LuksWant]:
    """All entries; labels, devices and names are each used once, and a key file has one key."""
    wants = [LuksWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(containers)]
    require_distinct(wants, ("label", "device", "name"), path, "Each container has its own.")
    files: dict[str, int] = {}
    for number, want in enumerate(wants):
        first = files.setdefault(want.key_file, number)
        if (wants[first].key, wants[first].key_name) != (want.key, want.key_name):
            raise BadValue(
                f"{path}[{number}].key_file",
                f"{want.key_file} is that of {path}[{first}], too, with another key",
                "Give each key a file of its own.",
            )
    return wants
