# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What LNet stands on: the node's interfaces, its Lustre mounts, and the files that configure LNet."""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass, field
from typing import Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

MOUNT_TABLE = "/proc/self/mounts"
LNET_CONF = "/etc/lnet.conf"
MODPROBE_CONF = "/etc/modprobe.d/lustre.conf"
START_SCRIPT = "/usr/local/sbin/lustre-lnet-start"
DROP_IN = "/etc/systemd/system/lnet.service.d/50-lustre-core.conf"
MODPROBE_FOLDERS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
IP_SHOW = ("ip", "-j", "address", "show")
UNIT_SHOW = ("systemctl", "show", "--property=NeedDaemonReload,LoadState", "lnet.service")


def read_file(path: str) -> str | None:
    """The text of a file; None when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def list_modprobe_files() -> list[str]:
    """All files that modprobe reads, a path that a link makes twice only once."""
    found: dict[str, str] = {}
    for folder in MODPROBE_FOLDERS:
        for path in sorted(glob.glob(os.path.join(folder, "*.conf"))):
            found.setdefault(os.path.realpath(path), path)
    return sorted(found.values())


@dataclass(frozen=True)
class Reader:
    """How files are read; tests put their own functions here."""

    read: Callable[[str], str | None] = read_file
    modprobe_files: Callable[[], list[str]] = list_modprobe_files


@dataclass(frozen=True)
class Link:
    """A network interface of Linux with its addresses, in the order of the kernel."""

    name: str
    up: bool
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class LustreMount:
    """A line of the mount table; ``target`` is True for a server's MGT, MDT or OST."""

    source: str
    path: str
    target: bool


@dataclass(frozen=True)
class System:
    """Everything that ``plan`` needs beside LNet's own state."""

    links: Mapping[str, Link] = field(default_factory=dict)
    mounts: tuple[LustreMount, ...] = ()
    files: Mapping[str, str | None] = field(default_factory=dict)
    modprobe: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    reload_needed: bool = False


def read_links(run: Runner) -> dict[str, Link]:
    """Interfaces and addresses by one ``ip`` process."""
    try:
        result = run(IP_SHOW, None, 30.0)
    except ToolMissing:
        raise ToolMissing("ip", "iproute2 (Debian, Ubuntu, SLES) or iproute (EL)") from None
    if result.rc != 0:
        raise ToolError("read the network interfaces", IP_SHOW, result.rc, result.out, result.err)
    try:
        found = [
            Link(
                name=str(item["ifname"]),
                up="UP" in item.get("flags", ()),
                addresses=tuple(str(address["local"]) for address in item.get("addr_info", ()) if "local" in address),
            )
            for item in json.loads(result.out)
            if item
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UnknownOutput("ip", "the network interfaces", result.out) from None
    return {link.name: link for link in found}


def lustre_mounts(table: str) -> tuple[LustreMount, ...]:
    """The Lustre lines of a mount table; a ``fuse.`` before a type is the kernel's way to name a subtype."""
    found = []
    for line in table.splitlines():
        words = line.split(" ")
        kind = words[2] if len(words) > 3 else ""
        kind = kind[5:] if kind.startswith("fuse.") else kind
        if kind not in ("lustre", "lustre_tgt"):
            continue
        source, path = _plain(words[0]), _plain(words[1])
        found.append(LustreMount(source, path, target=":/" not in source))
    return tuple(found)


def _plain(word: str) -> str:
    """The mount table writes space, tab, newline and backslash as octal."""
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, sign)
    return word


def reload_needed(run: Runner) -> bool:
    """Whether systemd has not read the unit's files as they are now; False where there is no systemd."""
    try:
        result = run(UNIT_SHOW, None, 30.0)
    except ToolMissing:
        return False
    if result.rc != 0:
        # Not booted with systemd (an image being built): nobody there to reload.
        return False
    words = result.out.split()
    # Of a masked unit systemd says so for ever; that it is masked is for the services to tell.
    return "NeedDaemonReload=yes" in words and "LoadState=masked" not in words
