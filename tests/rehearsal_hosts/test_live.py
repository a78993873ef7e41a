# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real hosts on this machine: up, used, rebooted, cut off, down without a trace, whoever is killed meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rehearsal.hosts import layout as layout_module

ROOT = Path(__file__).resolve().parents[2]
DISK = "/dev/disk/by-id/scsi-shared"

pytestmark = pytest.mark.live


class Rehearsal:
    """The command line, as a user has it, for one site."""

    def __init__(self, name: str, spec: Path) -> None:
        self.layout, self.spec = layout_module.Layout(name), spec

    def argv(self, command: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "rehearsal.hosts", command, "--site", self.layout.site, *words]

    def run(self, command: str, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            self.argv(command, *words), cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def up(self, *words: str) -> str:
        return self.run("up", "--spec", str(self.spec), *words)

    @contextmanager
    def begun_up(self, until: str) -> Iterator[subprocess.Popen[str]]:
        """``up`` in a session of its own as under a terminal, as far as the line that holds the words ``until``."""
        argv = self.argv("up", "--spec", str(self.spec))
        with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
            assert process.stderr is not None
            assert any(until in line for line in process.stderr), f"up ended before it said {until!r}"
            yield process

    def ssh(self, host: str, command: str) -> str:
        argv = ["ssh", "-F", str(self.layout.ssh_config), "-o", "BatchMode=yes", host, command]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{host}: {command}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def status(self) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(self.run("status", "--json"))[0]
        return entry

    def keeper(self) -> int:
        return int(json.loads(self.layout.keeper_file.read_text())["pid"])

    def traces(self) -> list[str]:
        """What is left on the machine, found by other means than ``leftovers``."""
        top = str(self.layout.top)
        found = [name for name in os.listdir("/sys/class/net") if name == self.layout.uplink]
        found += [str(p) for p in Path("/sys/block").glob("loop*/loop/backing_file") if p.read_text().startswith(top)]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                mounts = Path(f"/proc/{pid}/mounts").read_text()
            except OSError:
                continue
            if f"upperdir={top}/" in mounts or (f"--directory={top}" in " ".join(words)):
                found.append(f"process {pid}: {' '.join(words)}")
        return found + ([top] if os.path.exists(top) else [])


@pytest.fixture
def make(two_hosts: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., Rehearsal]]:
    """Makes rehearsals with names of this test run's own and takes them down whatever happens."""
    made: list[Rehearsal] = []

    def one(purpose: str, **changes: Any) -> Rehearsal:
        spec = tmp_path / f"{purpose}.json"
        spec.write_text(json.dumps({**two_hosts, **changes}))
        made.append(Rehearsal(f"test-{purpose}-{os.getpid()}"[:24], spec))
        return made[-1]

    yield one
    for rehearsal in made:
        rehearsal.run("down")
        assert rehearsal.traces() == []
        assert rehearsal.run("leftovers").startswith("Nothing of a rehearsal is left")


def _until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def test_two_hosts_from_up_to_down(make: Callable[..., Rehearsal], tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "Packages").write_text("a repository\n")
    site = make("life", packages=str(packages))
    assert "2 hosts answer SSH" in site.up("--with-process", str(os.getpid()))
    assert [host["state"] for host in site.status()["hosts"].values()] == ["on", "on"]
    _identities(site)
    _disks_and_files(site)
    _networks(site)
    _reboot(site)
    _power(site)
    listed = site.run("leftovers", code=1)
    for kind in ("keeper process", "cgroup", "loop device", "interface", "state directory"):
        assert kind in listed
    assert "already up" in site.run("up", "--spec", str(site.spec), code=1)
    namespaces = {os.stat(f"/proc/{site.keeper()}/fd/{fd}").st_ino for fd in _namespace_fds(site.keeper())}
    assert len(namespaces) >= 2, "the bridges' and that of a2"
    site.run("down")
    site.run("down")  # nothing to do is fine
    assert not namespaces & {_inode(f"/proc/{pid}/ns/net") for pid in os.listdir("/proc") if pid.isdigit()}


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1


def _namespace_fds(pid: int) -> list[str]:
    own = os.readlink("/proc/self/ns/net")
    links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    return [fd for fd, target in links.items() if target.startswith("net:") and target != own]


def _identities(site: Rehearsal) -> None:
    question = (
        "hostname; cat /etc/machine-id; hostid; cat /etc/ssh/ssh_host_ed25519_key.pub; systemctl is-system-running"
    )
    first, second = (site.ssh(host, question).split("\n") for host in ("a1", "a2"))
    assert (first[0], second[0]) == ("a1", "a2")
    assert first[4] == second[4] == "running"
    assert all(first[n] != second[n] for n in (1, 2, 3))
    assert re.fullmatch(r"[0-9a-f]{32}", first[1])
    assert site.run("exec", "a2", "hostname").strip() == "a2"


def _disks_and_files(site: Rehearsal) -> None:
    site.ssh("a1", f"mkfs.ext4 -q -L shared {DISK} && mkdir -p /mnt/x && mount {DISK} /mnt/x && umount /mnt/x")
    site.ssh("a1", "echo from-a1 > /var/lib/lustre-sim/site/letter")
    assert 'LABEL="shared"' in site.ssh("a2", f"blkid --probe {DISK}"), "both hosts are cabled to the same disk"
    assert "ext4" in site.ssh("a2", f"wipefs {DISK}")
    node = site.ssh("a2", f"readlink -f {DISK}")
    # FSTYPE would come from udev, which containers do not have
    assert site.ssh("a2", f"lsblk --noheadings --nodeps --bytes --output SIZE {node}") == str(64 * 2**20)
    assert site.ssh("a2", "blockdev --getsize64 /dev/mapper/local") == str(32 * 2**20)
    assert site.ssh("a1", "ls /dev/loop* | wc -l") == "1", "a host sees its own disks only"
    assert site.ssh("a2", "cat /var/lib/lustre-sim/site/letter /srv/lustre-packages/Packages").split("\n") == [
        "from-a1",
        "a repository",
    ]


def _networks(site: Rehearsal) -> None:
    site.ssh("a1", "ping -c1 -W2 10.77.0.12 && ping -c1 -W2 a2")
    assert site.ssh("a1", "ping -c1 -W1 10.77.1.12 >/dev/null 2>&1 || echo none") == "none", "no way between networks"
    assert site.ssh("a1", "ip route show default | wc -l") == "0"
    site.ssh("a2", "nft add table inet t && nft list ruleset | grep -q 'table inet t'")


def _reboot(site: Rehearsal) -> None:
    before = site.ssh("a2", "cat /proc/sys/kernel/random/boot_id; cat /sys/class/net/eth0/address")
    site.ssh("a2", "touch /root/kept /run/lost")
    site.run("reboot", "a2")
    after = site.ssh("a2", "cat /proc/sys/kernel/random/boot_id; cat /sys/class/net/eth0/address")
    assert before.split("\n")[0] != after.split("\n")[0]
    assert before.split("\n")[1] == after.split("\n")[1]
    assert site.ssh("a2", "ls /root/kept; ls /run/lost 2>/dev/null | wc -l; nft list ruleset | wc -l").split() == [
        "/root/kept",
        "0",
        "0",
    ]
    assert 'LABEL="shared"' in site.ssh("a2", f"blkid --probe {DISK}")
    assert {name: host["boots"] for name, host in site.status()["hosts"].items()} == {"a1": 1, "a2": 2}


def _power(site: Rehearsal) -> None:
    site.ssh("a1", f"mkdir /mnt/boot && echo '{DISK} /mnt/boot ext4 _netdev,nofail 0 0' >> /etc/fstab && sync")
    unit = "sys-subsystem-net-devices-eth0.device"
    assert site.ssh("a1", f"systemctl is-active {unit}") == "active", "units can be ordered after an interface"
    site.run("kill", "a1")
    assert site.status()["hosts"]["a1"]["state"] == "off"
    assert "boot 1" in site.run("logs", "a1"), "logs can be read after a power cut"
    site.run("start", "a1")
    assert site.ssh("a1", "cat /var/lib/lustre-sim/site/letter") == "from-a1"
    assert "/mnt/boot" in site.ssh("a1", "findmnt --noheadings /mnt/boot"), "fstab is obeyed at boot, devices included"
    site.run("poweroff", "a1")
    time.sleep(1)
    assert site.status()["hosts"]["a1"]["state"] == "off", "what was shut down stays down"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_cleans_up(make: Callable[..., Rehearsal], number: int) -> None:
    site = make("stopped")
    with site.begun_up("hosts started") as process:
        process.send_signal(number)
        assert process.wait(60) == 130
    assert site.traces() == []
    assert site.run("leftovers").startswith("Nothing")


def test_down_clears_what_a_killed_up_left(make: Callable[..., Rehearsal]) -> None:
    site = make("killed")
    with site.begun_up("planned") as process:
        process.kill()
    site.run("down")
    assert site.traces() == []


def test_a_killed_keeper_takes_its_hosts_along_and_gc_does_the_rest(make: Callable[..., Rehearsal]) -> None:
    site = make("keeper")
    site.up()
    os.kill(site.keeper(), signal.SIGKILL)
    _until(
        lambda: all(word not in site.run("leftovers", code=1) for word in ("process", "loop", "interface")), "hosts end"
    )
    assert "not running" in site.run("reboot", "a1", code=1)
    removed = subprocess.run(
        [sys.executable, "-m", "rehearsal.hosts", "gc", "--prefix", site.layout.site],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"removed site {site.layout.site}" in removed.stdout
    assert site.traces() == []


def test_a_site_goes_with_the_process_it_belongs_to(make: Callable[..., Rehearsal]) -> None:
    site = make("owned")
    owner = subprocess.Popen(["sleep", "600"])
    site.up("--with-process", str(owner.pid))
    owner.kill()
    owner.wait()
    _until(lambda: not site.traces(), "the site goes")
    assert site.run("leftovers").startswith("Nothing")
