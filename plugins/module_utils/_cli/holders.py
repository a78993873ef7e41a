# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a mount: read from /proc, since neither fuser nor lsof is sure to be installed.

Only links are read and no path on the mount is touched: a hanging mount cannot hang this.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from dataclasses import dataclass

PROC = "/proc"
_MAPPED = re.compile(r"^\S+ \S+ \S+ \S+ \S+ +(/.*)$")


@dataclass(frozen=True)
class Holder:
    """One process and the first path below the mount that it holds."""

    pid: int
    command: str
    user: str
    path: str

    def text(self) -> str:
        return f"process {self.pid} ({self.command}) of {self.user}: {self.path}"


def holders_of(mount: str, proc: str = PROC) -> list[Holder]:
    """The processes with a working directory, root, program, open file or mapping below ``mount``."""
    found = []
    for name in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        path = _held(os.path.join(proc, name), mount)
        if path is not None:
            found.append(
                Holder(int(name), command_of(os.path.join(proc, name)), user_of(os.path.join(proc, name)), path)
            )
    return found


def _below(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")


def _held(folder: str, mount: str) -> str | None:
    links = [os.path.join(folder, name) for name in ("cwd", "root", "exe")]
    # A process may have ended in between, and a kernel thread has nothing open.
    with contextlib.suppress(OSError):
        links += [os.path.join(folder, "fd", name) for name in sorted(os.listdir(os.path.join(folder, "fd")))]
    for link in links:
        try:
            path = os.readlink(link)
        except OSError:
            continue
        if _below(path, mount):
            return path
    return _mapped(folder, mount)


def _mapped(folder: str, mount: str) -> str | None:
    for line in text_of(os.path.join(folder, "maps")).splitlines():
        match = _MAPPED.match(line)
        if match is not None and _below(match[1], mount):
            return match[1]
    return None


def text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def command_of(folder: str) -> str:
    words = text_of(os.path.join(folder, "cmdline")).rstrip("\0").split("\0")
    return " ".join(words)[:80] if words[0] else text_of(os.path.join(folder, "comm")).strip() or "?"


def user_of(folder: str) -> str:
    match = re.search(r"^Uid:\s+(\d+)", text_of(os.path.join(folder, "status")), re.M)
    if match is None:
        return "?"
    try:
        return pwd.getpwuid(int(match[1])).pw_name
    except KeyError:
        return f"uid {match[1]}"
