# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The small site, to be interrupted at any moment: its states to begin with, the ways to die, what must hold after all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable, Iterator

from .recorded import Run
from .rehearsed import Background, Rehearsed, until
from .turnstile import HELD, Turnstile

HOSTS = ["client1", "mds1", "oss1"]
#: device → its server
DEVICES = {"scsi-mgt": "mds1", "scsi-mdt0": "mds1", "scsi-ost0": "oss1", "scsi-ost1": "oss1"}
#: What changes something on a host, and what comes right before: the doors at which a run can be stopped.
PROGRAMS = ("apt-get", "dpkg", "dpkg-query", "dpkg-deb", "modprobe", "systemctl", "nft", "mount", "blkid")
#: The same of Lustre's packages: they get a stand-in when they are there, since what is found counts as installed.
OF_LUSTRE = ("lnetctl", "lctl", "tunefs.lustre", "mkfs.lustre")
KEPT, CONTENT = "/mnt/small/projects/kept", "written before the run was interrupted"
#: What goes on in a host when Ansible's end of the connection is gone ([x]: so that the search does not find itself).
REMOTE = "^/usr/bin/python3$|[m]kfs[.]lustre|[m]ount -t lustre|[d]pkg --"

#: Back to hosts with Lustre's packages and nothing else: what this collection and the simulation wrote goes.
_BLANK = """
rm -rf /run/turnstile /run/lustre-core.lock
awk '$3 ~ /lustre/ {print $2}' /proc/self/mounts | sort -r | xargs -r -n1 umount
systemctl disable -q --now lnet.service
lustre_rmmod
systemctl stop lustre-simd.service
sed -i '/ lustre /d' /etc/fstab
rm -rf /etc/lnet.conf /etc/modprobe.d/lustre.conf /etc/systemd/system/lnet.service.d /usr/local/sbin/lustre-lnet-start
rm -rf /lustre /mnt/small /var/lib/lustre-sim/node/* /run/lustre-sim/*
systemctl daemon-reload
systemctl reset-failed
for disk in /dev/disk/by-id/*; do [ ! -b $disk ] || blkdiscard -f $disk; done
"""
#: A converged site that lost some of it: what a run then does begins with a file system that holds data.
_BROKEN = {
    "client1": "umount /mnt/small; sed -i '/ lustre /d' /etc/fstab; systemctl daemon-reload",
    "oss1": "umount /lustre/small/ost0000 /lustre/small/ost0001; sed -i '/ lustre /d' /etc/fstab; systemctl daemon-reload",
    "mds1": "umount /lustre/small/mdt0000 /lustre/mgs; systemctl disable -q lnet.service; rm /etc/lnet.conf",
}


class Victim:
    """The small site with its doors."""

    def __init__(self, site: Rehearsed) -> None:
        self.site = site
        self.doors = {host: Turnstile(site, host) for host in HOSTS}
        for door in self.doors.values():
            door.install(PROGRAMS)
        self._installed = False
        #: A case that failed leaves hosts that nobody knows; the next one gets new ones.
        self.sound = True

    def has_packages(self) -> None:
        """From now on the programs of Lustre's packages have their doors, too."""
        if not self._installed:
            self._installed = True
            for door in self.doors.values():
                door.install(OF_LUSTRE)

    def begin_with(self, state: str) -> None:
        """``packages``: blank hosts that have Lustre's packages; ``broken``: a file system with data that needs repair."""
        self.sound = False
        if state == "packages":
            self.packages_only()
        elif state == "broken":
            if self.kept() != CONTENT:
                self.converged()
            for host, command in _BROKEN.items():
                self.site.sh(host, command)
        for door in self.doors.values():
            door.forget()

    def packages_only(self) -> None:
        for host in sorted(HOSTS):  # clients come first by their name
            self.site.sh(host, _BLANK, code=None)
        for name in os.listdir(self.site.layout.shared):
            path = self.site.layout.shared / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not self._installed:
            self.site.converge("--tags", "lustre_packages")
        self.has_packages()
        assert self.formatted() == {}

    def converged(self) -> None:
        """A run to the end, and the file that must outlive everything."""
        self.site.converge()
        self.has_packages()
        self.keep()

    # what is there

    def formatted(self) -> dict[str, str]:
        """The UUID of each whole target's ext4, which a format makes anew."""
        found = {device: self._identity(device) for device in DEVICES}
        return {device: uuid for device, uuid in found.items() if uuid}

    def _identity(self, device: str) -> str:
        path = f"/dev/disk/by-id/{device}"
        whole = f"debugfs -c -R 'stat CONFIGS/mountdata' {path} 2>/dev/null | grep -q Inode"
        return self.site.sh(DEVICES[device], f"{whole} && /usr/sbin/blkid -p -s UUID -o value {path}", code=None)

    def formats(self, *hosts: str) -> list[str]:
        """The devices for which mkfs.lustre was started since the case began (a host forgets them with its power)."""
        calls = [call for host in hosts or HOSTS for call in self.doors[host].calls()]
        return sorted(call.rpartition("/")[2] for call in calls if call.startswith("mkfs.lustre"))

    def mounted(self) -> bool:
        return bool(self.site.sh("client1", "grep ' /mnt/small ' /proc/self/mounts", code=None))

    def keep(self) -> None:
        self.site.sh("client1", f"echo '{CONTENT}' >{KEPT} && sync -f {KEPT}")

    def kept(self) -> str:
        return self.site.sh("client1", f"cat {KEPT} 2>/dev/null", code=None) if self.mounted() else ""

    def quiet(self) -> str:
        """The hosts on which something of an interrupted run still goes on."""
        return " ".join(host for host in HOSTS if self.site.sh(host, f"pgrep -f '{REMOTE}'", code=None))

    def settled(self) -> str:
        """What a stored parameter has not reached yet: servers that have just met get it some seconds later."""
        values = self.site.sh("mds1", "lctl get_param -n osc.small-*.max_dirty_mb", code=None).split()
        return "" if values == ["64", "64"] else f"max_dirty_mb is {values}"

    def obey(self, host: str, command: str) -> None:
        """Do what a message says; NAME stands for each package that ``dpkg --audit`` names (which ends with 1 then)."""
        if command == "dpkg --audit":
            return
        names = self.site.sh(
            host, "dpkg --audit | sed -n 's/^ \\([a-z0-9][^ ]*\\) .*/\\1/p' | sort -u", code=None
        ).split()
        if "NAME" not in command:
            self.site.sh(host, command)
        elif names:
            self.site.sh(host, command.replace("NAME", " ".join(names)).replace("apt-get", "apt-get -y"))

    # ways to die

    def die(self, fate: str, host: str, run: Background) -> None:
        """End a run that stands at a door of ``host``; afterwards nothing of it is held any more but by ``kill``."""
        if fate == "ctrl-c":
            os.killpg(run.process.pid, signal.SIGINT)
            code = run.process.wait(60)
            assert code != 0, "an interrupted run must not report success"
        elif fate == "connection":
            self.site.sh(host, "pgrep -f '[s]shd: root@' | xargs -r kill -KILL")
            ended = run.finish(200)
            assert ended.code != 0 and host in ended.failures, ended.told()
        run.kill()
        if fate == "everything":
            # as an out-of-memory killer with bad luck: the module and the program that it waits for
            self.site.sh(
                host, "pgrep -f '^/usr/bin/python3$|^/bin/sh /usr/local/sbin/[a-z]|[d]pkg --' | xargs -r kill -KILL"
            )
        elif fate == "power":
            self.site.rehearse("kill", host)
            self.site.rehearse("start", host)

    @contextlib.contextmanager
    def stopped(self, host: str, pattern: str, side: str, number: int) -> Iterator[Background]:
        """A run of the site that stands at a door; it is let go at the end of the block."""
        door = self.doors[host]
        with door.held(pattern, side, number):
            run = self.site.begin("site")
            try:
                until(lambda: self._at_the_door(host, run), 240, 0.2)
                yield run
            finally:
                run.kill()

    def _at_the_door(self, host: str, run: Background) -> str:
        if self.site.sh(host, f"[ ! -e {HELD} ] || echo held", code=None) == "held":
            return ""
        assert run.process.poll() is None, f"the run ended before the moment came: {run.output.read_text()[-2000:]}"
        return f"nobody at the door of {host}"


def told_once(formats: Iterable[str]) -> list[str]:
    """The devices that were formatted more than once."""
    seen = list(formats)
    return sorted({device for device in seen if seen.count(device) > 1})


def good(run: Run) -> Run:
    assert run.code == 0 and not run.failures and sorted(run.sums) == HOSTS, run.told()
    return run
