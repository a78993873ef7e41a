# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Targets in LUKS containers: made, opened on all their servers, there again after a boot; another container is left alone.

Headers and keys are real (cryptsetup of Debian), what is open is a stand-in: see rehearsal/DIFFERENCES.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from .rehearsed import HERE, Rehearsed, until

SEALED = HERE / "inventories" / "luks"
OST, MDT = "/dev/disk/by-id/scsi-ost0", "/dev/disk/by-id/scsi-mdt0"
KEY, COPY, NAME = "/etc/lustre/keys/luks/ost0", "/etc/lustre/luks/sealed-OST0000.header", "sealed-OST0000"
BOUND = 200.0


@pytest.fixture(scope="module")
def site() -> Iterator[Rehearsed]:
    with Rehearsed("luks", SEALED) as made:
        yield made


def mounted(site: Rehearsed, host: str) -> dict[str, str]:
    """Mount points with their devices: what the kernel shows of a link is what it leads to."""
    lines = site.sh(host, "awk '$3 ~ /lustre/ {print $2, $1}' /proc/self/mounts").splitlines()
    return dict(line.split() for line in lines)


def real(site: Rehearsed, host: str, *paths: str) -> list[str]:
    return site.sh(host, f"readlink -e {' '.join(paths)}").splitlines()


def header(site: Rehearsed, name: str) -> str:
    """What is in front of the data, which changes as long as the target serves."""
    for host in site.hosts:
        site.sh(host, "sync; for disk in /dev/loop*; do [ ! -b $disk ] || blockdev --flushbufs $disk; done", code=None)
    with (site.layout.top / "devices" / f"{name}.img").open("rb") as stream:
        return hashlib.sha256(stream.read(16 << 20)).hexdigest()


def test_a_plan_tells_containers_and_that_formats_may_follow(site: Rehearsed) -> None:
    plan = site.playbook("plan")
    assert plan.code == 0 and not plan.failures, plan.told()
    # nothing can be seen of LUKS before cryptsetup is there
    assert "cryptsetup" in plan.text, plan.told()
    assert site.sh("oss1", f"blkid -p {OST}", code=None) == ""


def test_a_site_is_made_in_containers_and_again_nothing_is_changed(site: Rehearsed) -> None:
    site.converge()
    assert list(mounted(site, "oss1").values()) == real(site, "oss1", f"/dev/mapper/{NAME}")
    assert mounted(site, "oss2") == {}
    mdt = "/dev/mapper/lustre-sealed-mdt0"
    assert mounted(site, "mds1")["/lustre/sealed/mdt0000"] == real(site, "mds1", mdt)[0] != real(site, "mds1", MDT)[0]
    for host in ("oss1", "oss2"):
        assert f"LABEL={NAME}" in site.sh(host, f"blkid -p -o export {OST}")
        assert (
            site.sh(host, f"stat -c '%a %U' {KEY} {COPY} /etc/lustre/luks").split()
            == "600 root 400 root 700 root".split()
        )
        assert site.sh(host, "grep -v '^#' /etc/crypttab") == f"{NAME} {OST} {KEY} luks,nofail"
        assert "is active" in site.sh(host, f"cryptsetup status {NAME}")
        assert f"Label:         \t{NAME}" in site.sh(host, f"cryptsetup luksDump {COPY}")
    assert site.sh("oss1", f"sha256sum <{COPY}") == site.sh("oss2", f"sha256sum <{COPY}")
    again = site.converge()
    assert again.changed == dict.fromkeys(site.hosts, 0), again.told()
    plan = site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    assert plan.code == 0 and [plan.steps(host) for host in site.hosts] == [[]] * 3, plan.told()


def test_a_boot_opens_containers_before_it_mounts_what_is_in_them(site: Rehearsed) -> None:
    before = {host: set(mounted(site, host)) for host in site.hosts}
    assert [len(before[host]) for host in ("mds1", "oss1", "oss2")] == [2, 1, 0]
    site.rehearse("reboot", *site.hosts)
    until(lambda: "" if {host: set(mounted(site, host)) for host in site.hosts} == before else "a mount", BOUND)
    assert "is active" in site.sh("oss2", f"cryptsetup status {NAME}")
    plan = site.playbook("plan", "-e", "lustre_plan_fail_on_drift=true")
    assert plan.code == 0 and [plan.steps(host) for host in site.hosts] == [[]] * 3, plan.told()


@pytest.mark.long
def test_drift_is_repaired_and_what_is_foreign_kept(site: Rehearsed) -> None:
    foreign = "swap /dev/loop99 /dev/urandom swap,noauto"
    site.sh("oss2", f"cryptsetup close {NAME}; rm {COPY} {KEY}; echo '{foreign}' >/etc/crypttab")
    site.converge()
    assert site.sh("oss2", "cat /etc/crypttab").splitlines() == [foreign, f"{NAME} {OST} {KEY} luks,nofail"]
    assert "is active" in site.sh("oss2", f"cryptsetup status {NAME}")
    assert site.sh("oss1", f"sha256sum <{KEY}; sha256sum <{COPY}") == site.sh(
        "oss2", f"sha256sum <{KEY}; sha256sum <{COPY}"
    )


@pytest.mark.parametrize(
    ("spoil", "mend", "words"),
    [
        (
            f"cryptsetup config --label sealed-OST0001 --subsystem lustre {OST}",
            f"cryptsetup config --label {NAME} --subsystem lustre {OST}",
            "another container: a LUKS2 container labelled 'sealed-OST0001'",
        ),
        (
            f"cryptsetup close {NAME}; head -c 64 /dev/urandom >/root/other; mv {KEY} /root/key; install -m 600 /root/other {KEY}",
            f"mv /root/key {KEY}",
            "holds another key than the one that was given",
        ),
    ],
    ids=["another-label", "another-key"],
)
def test_another_container_and_another_key_are_refused_and_left_alone(
    site: Rehearsed, spoil: str, mend: str, words: str
) -> None:
    site.sh("oss2", spoil)
    before, kept = header(site, "scsi-ost0"), site.sh("oss2", f"sha256sum <{KEY}")
    try:
        run = site.playbook("site", "--limit", "oss2")
        assert run.code != 0 and words in " ".join(run.text.split()), run.told()
        assert header(site, "scsi-ost0") == before and site.sh("oss2", f"sha256sum <{KEY}") == kept
    finally:
        site.sh("oss2", mend)
    site.converge("--limit", "oss2")
    assert "is active" in site.sh("oss2", f"cryptsetup status {NAME}")


@pytest.mark.long
def test_what_is_on_a_device_is_never_formatted_over(site: Rehearsed) -> None:
    """A container that is lost is not made anew over what is left of it."""
    copy = "/etc/lustre/luks/sealed-MDT0000.header"
    site.sh("mds1", "umount /lustre/sealed/mdt0000 && cryptsetup close lustre-sealed-mdt0")
    site.sh("mds1", f"dd if=/dev/zero of={MDT} bs=4096 count=1 conv=notrunc,fsync status=none")
    before = header(site, "scsi-mdt0")
    run = site.playbook("site", "--limit", "mds1")
    assert run.code != 0 and "`cryptsetup luksHeaderRestore` puts the copy back" in " ".join(run.text.split()), (
        run.told()
    )
    assert header(site, "scsi-mdt0") == before
    # Without that copy, what is left of it on the device is what speaks against a format.
    site.sh("mds1", f"mv {copy} /root/copy")
    run = site.playbook("site", "--limit", "mds1")
    assert run.code != 0 and "is not proven blank" in " ".join(run.text.split()), run.told()
    assert header(site, "scsi-mdt0") == before
    site.sh("mds1", f"mv /root/copy {copy}")
    site.sh("mds1", f"cryptsetup luksHeaderRestore --batch-mode --header-backup-file {copy} {MDT}")
    site.converge("--limit", "mds1")
    assert set(mounted(site, "mds1")) == {"/lustre/mgs", "/lustre/sealed/mdt0000"}
    assert site.converge().changed == dict.fromkeys(site.hosts, 0)
