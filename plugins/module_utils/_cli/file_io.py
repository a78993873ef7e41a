# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small test file on a mounted file system: written to the disks, read back from them, removed.

By dd and rm in processes of their own, never by this one: a file system whose servers are
away holds whoever touches it, where no signal reaches.
"""

from __future__ import annotations

import re
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import DEFAULT_TIMEOUT, Result, Runner

#: Every file of ours is called so; nothing else is ever removed.
PREFIX = ".lustre-verify-"
_OURS = re.compile(r"/(?:[^\x00]*/)?\.lustre-verify-[0-9a-f]{16}\Z")
_OWNER = re.compile(r"[0-9]{1,10}:[0-9]{1,10}\n?\Z")
TIMEOUT = 60.0
_BLOCK = "bs=1M"


def require_ours(path: str) -> None:
    """Refused for a path that none of our files has."""
    if not _OURS.match(path):
        what = "it is not the name of a test file"
        raise Refused(f"touch {path}", what, f"Test files are called {PREFIX} and 16 hexadecimal digits.")


def owner_of(run: Runner, folder: str) -> str:
    """``UID:GID`` of a folder as this node sees it; empty for root."""
    argv = ("stat", "-c", "%u:%g", "--", folder)
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0:
        raise ToolError(f"look at {folder}", argv, rc, out, err)
    if not _OWNER.match(out):
        raise UnknownOutput("stat", f"the owner of {folder}", out)
    return "" if out.startswith("0:") else out.strip()


def as_owner(run: Runner, owner: str) -> Runner:
    """Whatever is run, by the owner of a folder and without root's powers: where root of a client is squashed, it has none."""
    if not owner:
        return run
    if not _OWNER.match(owner):
        raise BadValue("owner", f"{owner!r} is no owner", "Write UID:GID, both as numbers.")
    uid, _colon, gid = owner.partition(":")
    prefix = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--")

    def by_owner(argv: Sequence[str], stdin: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Result:
        return run((*prefix, *argv), stdin, timeout)

    return by_owner


def write(run: Runner, path: str, text: str) -> None:
    """Make a new file (never over an existing one) and wait until its content is on the servers' disks."""
    require_ours(path)
    argv = ("dd", f"of={path}", _BLOCK, "iflag=fullblock", "conv=excl,fsync", "status=none")
    rc, out, err = run(argv, text, TIMEOUT)
    if rc != 0:
        raise ToolError(f"write the test file {path}", argv, rc, out, err)


def fill(run: Runner, path: str, text: str) -> None:
    """Write into a file of ours that is there and empty, and wait until it is on the servers' disks."""
    require_ours(path)
    argv = ("dd", f"of={path}", _BLOCK, "iflag=fullblock", "conv=nocreat,notrunc,fsync", "status=none")
    rc, out, err = run(argv, text, TIMEOUT)
    if rc != 0:
        raise ToolError(f"write the test file {path}", argv, rc, out, err)


def read(run: Runner, path: str) -> str:
    """The content as the servers have it: past the page cache, or after it was dropped where that cannot be asked for."""
    require_ours(path)
    argv: tuple[str, ...] = ("dd", f"if={path}", _BLOCK, "iflag=direct", "status=none")
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 and "Invalid argument" in err:
        run(("dd", f"if={path}", "iflag=nocache", "count=0", "status=none"), None, TIMEOUT)
        argv = ("dd", f"if={path}", _BLOCK, "status=none")
        rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0:
        raise ToolError(f"read the test file {path}", argv, rc, out, err)
    return out


def remove(run: Runner, path: str) -> None:
    """Remove a file of ours; one that is not there is no error."""
    require_ours(path)
    argv = ("rm", "-f", "--", path)
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0:
        raise ToolError(f"remove the test file {path}", argv, rc, out, err)
