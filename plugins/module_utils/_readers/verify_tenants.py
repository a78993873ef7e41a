# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does a tenant's host really get no directory but its own?  Tried out: it mounts what it should not get.

A nodemap that is described, and even one that is in force on the MGS, keeps nobody apart on a server that has not heard
of it.  So the whole file system and directories of other tenants are asked for, read-only, at a folder of our own.  A
mount that is let in must show what the tenant has anyway: the same inode as its own directory (Lustre makes inode
numbers of FIDs), or as one within it.  Every mount made here is taken down again.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mgs_probe, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._resources.mount_want import MountWant, wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: How a server says no: not to this client, or not below its directory. Anything else proves nothing, and neither does the exit code
#: alone: mount(8) has codes of its own, 1 for words that it does not know and 2 for a system that is out of something.
REFUSALS = {
    errno.EACCES: "Permission denied",
    errno.EPERM: "Operation not permitted",
    errno.ENOENT: "No such file or directory",
}
_BOUND = 30.0


def scratch() -> str:
    """A new folder to mount at, which nobody else can enter."""
    return tempfile.mkdtemp(prefix="lustre-verify-", dir="/run")


@dataclass
class TenantVerifier:
    """Asks one host.  ``apart``: by mount point of a tenant, the directories of others; of each at most ``limit`` are tried."""

    run: Runner
    wants: Sequence[MountWant]
    apart: Mapping[str, Sequence[str]]
    limit: int = 16
    timeout: float = 60.0
    read: Callable[[str], str] = text_or_empty
    folder: Callable[[], str] = scratch
    remove: Callable[[str], None] = os.rmdir
    left_off: int = field(default=0, init=False)

    @classmethod
    def from_options(cls, run: Runner, want: Mapping[str, Any], limit: int, timeout: float) -> TenantVerifier:
        wants = wants_from_options(want.get("mounts") or (), "want.mounts")
        apart = want.get("apart") or {}
        unknown = sorted(set(apart) - {one.path for one in wants if one.tenant})
        if unknown:
            raise BadValue(f"want.apart.{unknown[0]}", "no tenant has its mount there", "Name mount points of tenants.")
        return cls(run, [one for one in wants if one.path in apart], apart, limit, timeout)

    def verify(self) -> dict[str, Any]:
        """All checks, and the problems among them as sentences."""
        found: list[Check] = []
        for want in self.wants:
            try:
                found += self._tenant(want)
            except LustreError as error:
                found.append(Check("apart", want.object, "nothing but its own", "not tried", f"{want.object}: {error}"))
        return {
            "checks": [check.public() for check in found],
            "problems": [check.problem for check in found if check.problem],
            "healthy": all(check.ok for check in found),
            "left_off": self.left_off,
        }

    def _tenant(self, want: MountWant) -> Iterator[Check]:
        own = self._inode(want.path)
        if not self._mounted(want.path):
            problem = f"{want.object} is not mounted, so that nothing can be compared with it. The playbook lustre.core.tenants mounts it."
            yield Check("apart", want.object, "nothing but its own", "not mounted", problem)
            return
        mgs_probe.prove(self.run, want.mgs_nids, f"try what {want.tenant} can mount")
        others = self.apart[want.path]
        self.left_off += len(others[self.limit :])
        for subdir in ("", *others[: self.limit]):
            yield self._attempt(want, subdir, own)

    def _attempt(self, want: MountWant, subdir: str, own: str) -> Check:
        source = mounts.client_text(want.mgs_nids, want.fsname, subdir)
        # Without what only systemd reads, and tried once.
        options = [option for option in want.options if option != "rw" and not option.startswith(("x-", "retry="))]
        folder, left = self.folder(), ""
        argv = mounts.mount_argv(source, folder, [*options, "ro"])
        try:
            rc, _out, err = self.run(argv, None, self.timeout)
            found, problem = self._judged(want, subdir, own, folder, rc, err)
        except LustreError as error:
            found, problem = "no answer", f"It was not found out whether {want.tenant} can mount {source}: {error}"
        finally:
            left = self._taken_down(folder)
        return Check(
            "apart", f"{want.fsname}{subdir or '/'}", "nothing but its own", found, f"{problem} {left}".strip()
        )

    def _judged(self, want: MountWant, subdir: str, own: str, folder: str, rc: int, err: str) -> tuple[str, str]:
        """What was found, and what is wrong with it."""
        asked = f"{want.fsname}{subdir or '/'}"
        if rc in REFUSALS and re.search(rf"^mount\.lustre: .* failed: {REFUSALS[rc]}\s*$", err, re.M):
            return "refused", ""
        if rc:
            said = " ".join(err.split()) or os.strerror(rc)
            return (
                "no answer",
                f"It was not found out whether {want.tenant} can mount {asked}: {said} (exit code {rc}).",
            )
        seen = self._inode(folder)
        if seen == own:
            return "its own directory", ""
        if subdir and seen == self._inode(want.path + subdir, missing=True):
            return "a directory of its own", ""
        return "let in", (
            f"{want.tenant} mounts {asked} on this host, and sees what is not its own. Check with `lctl nodemap_test_nid` on the MDS in which "
            "nodemap this host is, and that nodemaps are active; the playbook lustre.core.tenants sets both."
        )

    def _inode(self, path: str, missing: bool = False) -> str:
        """By a process of its own: a file system whose servers are away holds whoever touches it."""
        argv = ("stat", "-c", "%i", "--", path)
        rc, out, err = self.run(argv, None, _BOUND)
        if rc and missing:
            return ""
        if rc or not out.strip().isdigit():
            raise ToolError(f"look at {path}", argv, rc, out, err)
        return out.strip()

    def _mounted(self, path: str) -> bool:
        table = mounts.parse_mounts(self.read(mounts.TABLE))
        return any(entry.path == path and entry.lustre for entry in table)

    def _taken_down(self, folder: str) -> str:
        """Empty, or what is left of an attempt."""
        try:
            if self._mounted(folder):
                argv = mounts.umount_argv(folder)
                rc, out, err = self.run(argv, None, self.timeout)
                if rc or self._mounted(folder):
                    raise ToolError(f"unmount {folder}", argv, rc, out, err)
            self.remove(folder)
        except (LustreError, OSError) as error:
            return f"What was mounted to try it may be left at {folder}: unmount it by hand. {error}"
        return ""
