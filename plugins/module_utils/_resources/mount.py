# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mounts of one node: targets and clients, live and in fstab.

A converged run reads /proc/self/mounts and /etc/fstab and starts no process.  Right
before a mount the MGS is asked, right before an unmount /proc is searched for whoever
holds it: what was true when planning may not be true any more.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import fstab, holders, mgs_probe, mounts, systemctl
from ansible_collections.lustre.core.plugins.module_utils._cli.holders import Holder
from ansible_collections.lustre.core.plugins.module_utils._cli.waiting import Waiting, waiting_of
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import mount_plan
from ansible_collections.lustre.core.plugins.module_utils._resources.mount_plan import KIND, MountHave
from ansible_collections.lustre.core.plugins.module_utils._resources.mount_want import MountWant, wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner


def read_text(path: str) -> str | None:
    """The text of a file with its line ends as they are; None when it is not there."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise Refused(
            f"read {path}", f"it is not UTF-8 at byte {error.start}", "Correct the file; nothing was changed."
        ) from None


def read_table(path: str) -> str:
    """The mount table; bytes that are no UTF-8 (a path of somebody's file system) are kept as escapes."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


@dataclass(frozen=True)
class Local:
    """What is read of this node without a process; tests put their own functions here."""

    table: Callable[[], str] = lambda: read_table(mounts.TABLE)
    text: Callable[[str], str | None] = read_text
    realpath: Callable[[str], str] = os.path.realpath
    exists: Callable[[str], bool] = os.path.exists
    isdir: Callable[[str], bool] = os.path.isdir
    holders: Callable[[str], list[Holder]] = holders.holders_of
    waiting: Callable[[], list[Waiting]] = waiting_of
    sleep: Callable[[float], None] = time.sleep


class MountResource:
    """See the Resource protocol.  ``also``: other mounts declared for this node, for the order at boot only."""

    kind = KIND
    settle = 0.0

    def __init__(self, wants: Sequence[MountWant], also: Sequence[MountWant] = (), local: Local | None = None) -> None:
        self.wants, self.also, self.local = tuple(wants), tuple(also), local or Local()
        self._by_object = {want.object: want for want in self.wants}
        #: fstab as this run knows it: as read, then as written.
        self._fstab = ""
        #: The mount that was tried last, until its line is written.
        self._tried: MountWant | None = None

    @classmethod
    def from_options(
        cls, mounts: Sequence[Mapping[str, Any]], path: str = "mounts", local: Local | None = None
    ) -> MountResource:
        return cls(wants_from_options(mounts, path), local=local)

    def only(self, phase: str) -> MountResource:
        """The same node's mounts of one phase: mgt, mdt0, mdt, ost, client, client_subdir or client_tenant."""
        chosen = [want for want in self.wants if want.phase == phase]
        return MountResource(chosen, [want for want in self.wants if want.phase != phase], self.local)

    def have(self, run: Runner) -> MountHave:
        now = self.have_mounts()
        mounted = {entry.path for entry in now.table}
        missing = [want.path for want in self.wants if want.path not in mounted and not self.local.isdir(want.path)]
        self._fstab = self.local.text(fstab.PATH) or ""
        return MountHave(
            table=now.table,
            fstab=self._fstab,
            missing=frozenset(missing),
            real=now.real,
            # A link (to a writable folder of a read-only root) stays a link.
            fstab_path=self.local.realpath(fstab.PATH),
            systemd=self.local.exists(systemctl.BOOTED),
        )

    def plan(self, have: MountHave) -> Plan:
        return mount_plan.plan(have, self.wants, self.also)

    def public(self, have: MountHave) -> Mapping[str, Any]:
        lines = fstab.entries(have.fstab)
        return {"mounts": [_public(have, want, lines) for want in sorted(self.wants, key=lambda want: want.rank)]}

    def check_step(self, step: Step, run: Runner) -> None:
        if step.write is not None:
            self._check_mounted()
            self._check_fstab(step)
        want = self._by_object.get(step.object)
        if want is None:
            return
        doing = f"{step.action} {step.object}"
        if step.action == "unmount":
            self._check_same(want, doing)
            self._check_unused(want, doing)
            if want.state == "mounted" and not want.mgs_here:
                # It is to be mounted again: not without the MGS, while it still works as it is.
                mgs_probe.prove(run, want.mgs_nids, doing, self.local.sleep)
        if step.action == "mount":
            self._tried = want
            self._check_device(want, doing)
            if want.mgs_here:
                mgs_probe.require_lnet(run, doing)
            else:
                mgs_probe.prove(run, want.mgs_nids, doing, self.local.sleep)

    def _check_mounted(self) -> None:
        """A line is written for what is proven to be mounted, not for what an exit code said."""
        want, self._tried = self._tried, None
        if want is None:
            return
        live = self.have_mounts().at(want.path)
        if live is None or not live.lustre:
            raise Refused(
                f"write the line of {want.object} into {fstab.PATH}",
                f"mount said that it worked, but nothing of Lustre is mounted at {want.path}",
                "See dmesg; nothing was written.",
            )

    def _check_fstab(self, step: Step) -> None:
        """A mount may take minutes: what somebody wrote into fstab meanwhile is not to be lost."""
        if (self.local.text(fstab.PATH) or "") != self._fstab:
            raise Refused(
                f"write {fstab.PATH}",
                "somebody else changed it since this run began",
                "Nothing was written to it; what was mounted stays mounted. Run again.",
            )
        if step.write is not None:
            self._fstab = step.write.content if isinstance(step.write.content, str) else ""

    def _check_same(self, want: MountWant, doing: str) -> None:
        """What lies uppermost at the path is still the mount that was to go: umount takes what it finds there."""
        have = self.have_mounts()
        live = have.at(want.path)
        if live is None or not live.lustre or not mount_plan.is_it(have, want, live):
            found = f"{live.source} (type {live.fstype})" if live is not None else "nothing"
            raise Refused(doing, f"{found} is mounted at {want.path} now", "Somebody mounts here, too; run again.")

    def have_mounts(self) -> MountHave:
        """The mount table as it is now, with what its devices lead to."""
        table = mounts.parse_mounts(self.local.table())
        devices = {want.device for want in self.wants if want.device.startswith("/")}
        devices |= {entry.source for entry in table if entry.target and entry.source.startswith("/")}
        return MountHave(table, "", real={device: self.local.realpath(device) for device in sorted(devices)})

    def _check_device(self, want: MountWant, doing: str) -> None:
        if want.device.startswith("/") and not self.local.exists(want.device):
            raise Refused(
                doing,
                f"there is no device {want.device} on this node",
                "Check the cabling, the multipath and the description.",
            )

    def _check_unused(self, want: MountWant, doing: str) -> None:
        held = self._held(want.path)
        if held:
            raise Refused(
                doing,
                f"it is in use: {held}",
                "End that use first; nothing was changed, and nothing is unmounted by force here.",
            )

    def _held(self, path: str) -> str:
        """Who holds a mount, as text; empty when nobody is seen to."""
        below = mount_plan.MountHave(mounts.parse_mounts(self.local.table()), "").below(path)
        found = [f"{inner} is mounted below it" for inner in below]
        found += [holder.text() for holder in self.local.holders(path)]
        more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
        return "; ".join(found[:10]) + more

    def _unseen(self) -> str:
        """What to do about a mount that is busy, and nobody is seen to hold it."""
        waiting = self.local.waiting()
        if not waiting:
            return (
                "No process is seen to hold it: look for an NFS or Samba export of it, a loop device, swap space or a container that uses "
                "it."
            )
        more = f"; and {len(waiting) - 10} more" if len(waiting) > 10 else ""
        told = "; ".join(one.text() for one in waiting[:10]) + more
        numbers = " ".join(str(one.pid) for one in waiting)
        return (
            f"No process has anything of it open, but {'one waits' if len(waiting) == 1 else 'some wait'} inside the kernel for a Lustre "
            f"file system, which keeps it busy: {told}. With a Kerberos flavor a user without a ticket gets such, and no ticket frees them. "
            f"Stop what starts them, kill {numbers}, and run again. By hand, umount -f ends them as well, and loses what others have not "
            "written yet: the last resort, never used here."
        )

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        wanted = f"{step.action} {step.object}"
        if step.action in ("mount", "remount"):
            code, remedy = mounts.mount_cause(rc, err)
            return ToolError(wanted, step.argv, rc, out, err, code=code, remedy=remedy)
        if step.action == "unmount" and ("busy" in err or rc == errno.EBUSY):
            want = self._by_object[step.object]
            held = self._held(want.path)
            remedy = f"It is held by: {held}. End that use first." if held else self._unseen()
            return ToolError(wanted, step.argv, rc, out, err, code=errno.EBUSY, remedy=remedy)
        return ToolError(wanted, step.argv, rc, out, err)

    def timed_out(self, step: Step) -> str:
        """What to do about a step without an answer, for the message of ToolTimeout."""
        if step.action == "mount":
            return (
                "The mount may still be waiting inside the kernel for a server that does not answer, where no signal reaches it; it ends "
                "by itself when the server comes back or the kernel gives up. Do not start it again before `grep lustre /proc/self/mounts` "
                "and `ps -C mount.lustre` show that it is over. Check that the MGS and MDT0000 are mounted, then dmesg on both nodes."
            )
        if step.action == "unmount":
            return "It waits for servers that do not answer, or for a disk: see dmesg. Bring them back; the unmount then ends by itself."
        return ""


def _public(have: MountHave, want: MountWant, lines: Mapping[str, fstab.FstabEntry]) -> dict[str, Any]:
    """One mount as modules return it: the names of the description, with what was found."""
    live, line = have.at(want.path), lines.get(want.path)
    shown: dict[str, Any] = {"kind": want.kind, "path": want.path, "name": want.name}
    if live is not None:
        shown["state"] = "mounted"
    else:
        shown["state"] = "automount" if have.waiting(want.path) else "unmounted"
    shown["source"] = live.source if live is not None else None
    shown["type"] = live.fstype if live is not None else None
    shown["options"] = sorted(live.options) if live is not None else []
    shown["fstab"] = line.line() if line is not None else None
    return shown
