# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wanted mounts of a node: checked whole before anything is looked at."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.mounts import client_text
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid
from ansible_collections.lustre.core.plugins.module_utils._options import require_distinct, require_known
from ansible_collections.lustre.core.plugins.module_utils._resources import mount_options

Nodes = tuple[tuple[str, ...], ...]

KINDS = ("target", "client")
STATES = ("mounted", "unmounted", "present", "absent")
FSNAME = re.compile(r"[A-Za-z0-9_-]{1,8}\Z")
_LABEL = re.compile(r"(?:MGS|(?P<fsname>[A-Za-z0-9_-]{1,8})-(?P<kind>MDT|OST)(?P<index>[0-9a-f]{4}))\Z")
_KNOWN = (
    "kind", "path", "device", "label", "fsname", "mgs_nids", "subdir", "options", "state", "boot", "automount",
    "remount", "unmount", "timeout", "tenant",
)  # fmt: skip


@dataclass(frozen=True)
class MountWant:
    """One mount as described; NIDs in their normal form, ``subdir`` empty or with a leading slash."""

    kind: str
    path: str
    device: str = ""
    label: str = ""
    fsname: str = ""
    mgs_nids: Nodes = ()
    subdir: str = ""
    options: tuple[str, ...] = ()
    state: str = "mounted"
    boot: bool = True
    automount: bool = False
    remount: bool = False
    unmount: bool = False
    timeout: float = 300.0
    #: The tenant whose directory it is: it waits for that tenant's nodemap.
    tenant: str = ""

    @property
    def object(self) -> str:
        """What an administrator calls it: ``fs1-OST0003 on /lustre/fs1/ost0003``; unique, since paths are."""
        return f"{self.name} on {self.path}"

    @property
    def name(self) -> str:
        return self.label or self.device if self.kind == "target" else f"{self.fsname}{self.subdir}" or "Lustre"

    @property
    def source(self) -> str:
        return self.device if self.kind == "target" else client_text(self.mgs_nids, self.fsname, self.subdir)

    @property
    def mgs_here(self) -> bool:
        """Whether this mount itself brings the MGS: a target that needs no other node's."""
        return self.kind == "target" and not self.mgs_nids

    @property
    def phase(self) -> str:
        """``mgt``, ``mdt0``, ``mdt``, ``ost``, ``client``; ``client_subdir`` for one that needs a directory, ``client_tenant`` a nodemap."""
        if self.kind == "client":
            if self.tenant:
                return "client_tenant"
            return "client_subdir" if self.subdir else "client"
        if self.label == "MGS":
            return "mgt"
        match = _LABEL.match(self.label)
        if match is None or match["kind"] == "OST":
            return "ost"
        return "mdt0" if match["index"] == "0000" else "mdt"

    @property
    def rank(self) -> tuple[int, bool, str]:
        """Mounting goes by this order, unmounting the other way.

        An MDT0000 with the MGS comes before those that ask it; by path, a mount comes before one inside it.
        """
        return PHASES.index(self.phase), not self.mgs_here, self.path

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> MountWant:
        """Check one entry of ``mounts``; BadValue names the entry and field, as in ``mounts[2].path``."""
        require_known(options, _KNOWN, path)
        state = _choice(options.get("state") or "mounted", STATES, f"{path}.state")
        kind = _choice(options.get("kind"), KINDS, f"{path}.kind")
        want = cls(
            kind=kind,
            path=_mount_point(options.get("path"), f"{path}.path"),
            device=str(options.get("device") or ""),
            label=str(options.get("label") or ""),
            fsname=str(options.get("fsname") or ""),
            mgs_nids=_nodes(options.get("mgs_nids"), f"{path}.mgs_nids"),
            subdir=_subdir(options.get("subdir"), f"{path}.subdir"),
            options=mount_options.checked(options.get("options"), kind, f"{path}.options"),
            state=state,
            boot=_boolean(options, "boot", True, path),
            automount=_boolean(options, "automount", False, path),
            remount=_boolean(options, "remount", False, path),
            unmount=_boolean(options, "unmount", False, path),
            timeout=_timeout(options.get("timeout"), f"{path}.timeout"),
            tenant=str(options.get("tenant") or ""),
        )
        # What is to go away is known by its path alone.
        if state != "absent":
            want._check_target(path) if kind == "target" else want._check_client(path)
        return want

    def _check_target(self, path: str) -> None:
        if not self.device or not (
            self.device.startswith("/dev/") or re.match(r"[A-Za-z][\w.:-]*(/[\w.:-]+)+\Z", self.device)
        ):
            raise BadValue(
                f"{path}.device",
                f"{self.device!r} is neither a device path nor a ZFS dataset",
                "Give a stable path such as /dev/disk/by-id/..., or POOL/DATASET.",
            )
        if not _LABEL.match(self.label):
            raise BadValue(
                f"{path}.label",
                f"{self.label!r} is not the name of a target",
                "Say MGS, or FSNAME-MDT0000 and FSNAME-OST0003 with the index in four hexadecimal digits.",
            )
        if self.subdir or self.automount or self.tenant:
            field = "subdir" if self.subdir else "automount" if self.automount else "tenant"
            raise BadValue(f"{path}.{field}", "a target has none", "Only client mounts take it.")

    def _check_client(self, path: str) -> None:
        if not FSNAME.match(self.fsname):
            raise BadValue(
                f"{path}.fsname",
                f"{self.fsname!r} is not the name of a file system",
                "It has 1 to 8 characters of A-Z a-z 0-9 _ and -.",
            )
        if not self.mgs_nids:
            raise BadValue(f"{path}.mgs_nids", "a client must know where the MGS is", "List the NIDs of each MGS node.")
        if self.device or self.label:
            field = "device" if self.device else "label"
            raise BadValue(f"{path}.{field}", "a client mount has none", "Only target mounts take it.")


PHASES = ("mgt", "mdt0", "mdt", "ost", "client", "client_subdir", "client_tenant")


def wants_from_options(mounts: Sequence[Mapping[str, Any]], path: str = "mounts") -> tuple[MountWant, ...]:
    """All entries, each sound by itself, and no two for one path or one device."""
    wants = tuple(MountWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(mounts))
    require_distinct(wants, ("path", "device"), path, "Each mount has its own.")
    return wants


def _choice(value: Any, choices: Sequence[str], path: str) -> str:
    if value not in choices:
        raise BadValue(path, f"{value!r} is not one of {', '.join(choices)}", "Choose one of them.")
    return str(value)


def _boolean(options: Mapping[str, Any], name: str, default: bool, path: str) -> bool:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadValue(f"{path}.{name}", f"{value!r} is neither true nor false", "Say true or false.")
    return value


def _mount_point(value: Any, path: str) -> str:
    text = str(value or "")
    if (
        not text.startswith("/")
        or posixpath.normpath(text) != (text.rstrip("/") or "/")
        or re.search(r"[\x00-\x1f\x7f]", text)
    ):
        raise BadValue(
            path, f"{text!r} is not a plain absolute path", "Give a path such as /mnt/fs1, without . or .. in it."
        )
    text = text.rstrip("/")
    if not text:
        raise BadValue(path, "nothing can be mounted over the root folder", "Give a path such as /mnt/fs1.")
    return text


def _subdir(value: Any, path: str) -> str:
    text = str(value or "").rstrip("/")
    if not text:
        return ""
    text = text if text.startswith("/") else f"/{text}"
    if posixpath.normpath(text) != text or re.search(r"[\x00-\x1f\x7f]", text):
        raise BadValue(
            path,
            f"{value!r} is not a folder of the file system",
            "Give a path such as /projects, without . or .. in it.",
        )
    return text


def _nodes(value: Any, path: str) -> Nodes:
    nodes = []
    for number, node in enumerate(value or ()):
        nids = [node] if isinstance(node, str) else list(node)
        if not nids:
            raise BadValue(f"{path}[{number}]", "this MGS node has no NID", "List the NIDs of one node in each entry.")
        try:
            nodes.append(tuple(normal_nid(nid) for nid in nids))
        except ValueError as error:
            raise BadValue(f"{path}[{number}]", str(error), "Write NIDs as ADDRESS@NETWORK.") from None
    return tuple(nodes)


def _timeout(value: Any, path: str) -> float:
    seconds = 300 if value is None else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 10 <= seconds <= 7200:
        raise BadValue(path, f"{value!r} is not a time in seconds", "Give a number from 10 to 7200.")
    return float(seconds)
