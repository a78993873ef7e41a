# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that is killed converges afterwards, and formats nothing twice."""

from __future__ import annotations

from .rehearsed import SMALL, Background, Case, Rehearsed, cases, each, until

HOSTS = ["client1", "mds1", "oss1"]
#: device → its server
DEVICES = {"scsi-mgt": "mds1", "scsi-mdt0": "mds1", "scsi-ost0": "oss1", "scsi-ost1": "oss1"}
HALF = "without Lustre's own data, as a mkfs.lustre leaves it that was killed half-way"
WIPE = "If that was a format of this description, have it wiped (the playbook wipe, with a consent that names the device) and run again"
#: What goes on in a host when Ansible's end of the connection is gone ([x]: so that the search does not find itself).
REMOTE = "^/usr/bin/python3$|[m]kfs[.]lustre|[m]ount -t lustre"


def identity(site: Rehearsed, device: str) -> str:
    """The UUID of a target's ext4, which each format makes anew; empty while it is no whole target."""
    path = f"/dev/disk/by-id/{device}"
    whole = f"debugfs -c -R 'stat CONFIGS/mountdata' {path} 2>/dev/null | grep -q Inode"
    return site.sh(DEVICES[device], f"{whole} && blkid -p -s UUID -o value {path}", code=None)


def formatted(site: Rehearsed) -> dict[str, str]:
    found = {device: identity(site, device) for device in DEVICES}
    return {device: uuid for device, uuid in found.items() if uuid}


def quiet(site: Rehearsed) -> str:
    """The hosts on which something of a killed run still goes on."""
    return " ".join(host for host in HOSTS if site.sh(host, f"pgrep -f '{REMOTE}'", code=None))


def wait_for_moment(site: Rehearsed, run: Background, case: Case) -> None:
    """Until the task has begun, and the process is there; an error when the run ends before."""

    def not_yet() -> str:
        assert run.process.poll() is None, f"the run ended before the moment came: {run.output.read_text()[-2000:]}"
        begun = any(
            e["event"] == "begin" and e["task"] == case["task"] and case.get("host", e["host"]) == e["host"]
            for e in run.events()
        )
        return "" if begun else case["task"]

    until(not_yet, 200, pause=0.05)
    if "running" in case:
        pattern = f"[{case['running'][0]}]{case['running'][1:]}"
        site.sh(case["host"], f"timeout 60 sh -c \"until pgrep -f '{pattern}'; do sleep 0.02; done\"")


@each(cases("killed", 3))
def test_a_killed_run_converges_afterwards(case: Case) -> None:
    with Rehearsed("kill", SMALL) as site:
        run = site.begin("site")
        try:
            wait_for_moment(site, run, case)
        finally:
            run.kill()
        until(lambda: quiet(site), 120)
        before = formatted(site)
        assert sorted(before) == case["formatted"]
        after = site.converge()
        assert sorted(after.sums) == HOSTS
        now = formatted(site)
        assert sorted(now) == sorted(DEVICES)
        assert {device: now[device] for device in before} == before, "a target was formatted twice"
        again = site.converge()
        assert again.changed == dict.fromkeys(HOSTS, 0), again.told()


def test_a_format_killed_half_way_is_refused_until_it_is_wiped() -> None:
    path = "/dev/disk/by-id/scsi-ost0"
    with Rehearsed("half", SMALL) as site:
        with site.fault("kill-half:mkfs.lustre", "oss1", hits=1):
            killed = site.playbook("site")
        assert list(killed.failures) == ["oss1"], killed.told()
        before = formatted(site)
        assert sorted(before) == ["scsi-mdt0", "scsi-mgt"]
        device = site.sh("oss1", f"sha256sum {path}")
        refused = site.playbook("site")
        assert list(refused.failures) == ["oss1"], refused.told()
        message = " ".join(refused.failures["oss1"].split())
        assert HALF in message and WIPE in message, message
        assert site.sh("oss1", f"sha256sum {path}") == device
        zero = f"dd if=/dev/zero of={path} bs=1M count=1 conv=notrunc,fsync status=none"
        site.sh("oss1", f"{zero} && {zero} seek=$(( $(blockdev --getsize64 {path}) / 1048576 - 1 ))")
        site.converge()
        now = formatted(site)
        assert sorted(now) == sorted(DEVICES)
        assert {device: now[device] for device in before} == before
