# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mkfs.lustre, tunefs.lustre and mount.lustre share beside options: how they end, read NIDs and show a target's data."""

from __future__ import annotations

import os
import re
import socket
from typing import TextIO

from .. import disk
from ..disk import MountData

NET = re.compile(r"(tcp|o2ib|gni|kfi|elan|lo)(\d*)\Z")


class Exit(Exception):
    """The tool ends: what goes to stderr and the exit code; ``announce`` adds the usual last line."""

    def __init__(self, rc: int, text: str = "", announce: bool = True) -> None:
        super().__init__(rc, text)
        self.rc, self.text, self.announce = rc, text, announce

    def tell(self, program: str, err: TextIO) -> int:
        err.write(self.text)
        if self.announce and self.rc:
            err.write(f"{program}: exiting with {self.rc} ({os.strerror(self.rc)})\n")
        return self.rc


def fatal(program: str, text: str) -> str:
    return f"\n{program} FATAL: {text}\n"


def nids(program: str, text: str) -> str:
    """Host names become addresses now, for ever; separators stay. Raises Exit as the real tool ends."""
    parts = re.split(r"([,: ])", text)
    return "".join(part if part in (",", ":", " ") else nid(program, part) for part in parts).replace(" ", ",")


def nid(program: str, text: str) -> str:
    host, _, net = text.partition("@")
    net = net or "tcp"
    found = NET.match(net)
    address = _address(host) if found else None
    if address is None or found is None:
        raise Exit(
            1, f"{program}: Unsupported NID '{text}': rc = Unknown error -22.\n{program}: Can't parse NID '{text}'\n"
        )
    if address.startswith("127."):
        raise Exit(
            1,
            f"{program}: The NID '{text}' resolves to the loopback address '{address}@{net}'.  "
            "Lustre requires a non-loopback address.\n",
        )
    number = found.group(2).lstrip("0")
    return f"{address}@{found.group(1)}{number}"


def _address(host: str) -> str | None:
    try:
        socket.inet_aton(host)
    except OSError:
        pass
    else:
        return host if host.count(".") == 3 else None
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError):
        return None


def print_data(title: str, data: MountData, out: TextIO, separator: str | None = None) -> None:
    words = "".join(word + " " for flag, word in disk.FLAG_WORDS if data.flags & flag)
    unassigned = data.stand_alone_mgs or data.flags & disk.NEEDS_INDEX
    lines = [
        "",
        f"   {title}:",
        f"Target:     {data.name(separator)}",
        f"Index:      {'unassigned' if unassigned else data.index}",
        f"Lustre FS:  {data.fsname}",
        f"Mount type: {data.mount_type}",
        f"Flags:      {data.flags:#x}",
        f"              ({words})",
        f"Persistent mount opts: {data.mount_opts}",
        "Parameters:" + "".join(" " + text for text in data.params),
    ]
    if data.comment:
        lines.append(f"Comment: {data.comment}")
    if data.mount_type != "zfs":
        lines.append("")
    out.write("\n".join(lines) + "\n")
