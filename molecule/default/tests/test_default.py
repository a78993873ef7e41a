# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the site playbook made of three bare hosts, looked at without Ansible's help."""

from __future__ import annotations

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "server1", "server2"]
NIDS = {"server1": "10.77.0.11@tcp", "server2": "10.77.0.12@tcp", "client1": "10.77.0.41@tcp"}
#: host → (what is mounted, where)
MOUNTS = {
    "server1": [
        ("/dev/disk/by-id/scsi-mgt", "/lustre/mgs"),
        ("/dev/disk/by-id/scsi-mdt0", "/lustre/mol/mdt0000"),
        ("/dev/disk/by-id/scsi-ost0", "/lustre/mol/ost0000"),
    ],
    "server2": [("/dev/disk/by-id/scsi-ost1", "/lustre/mol/ost0001")],
    "client1": [("10.77.0.11@tcp:/mol", "/mnt/mol")],
}
TARGETS = {
    "scsi-mgt": ("server1", "MGS"),
    "scsi-mdt0": ("server1", "mol-MDT0000"),
    "scsi-ost0": ("server1", "mol-OST0000"),
    "scsi-ost1": ("server2", "mol-OST0001"),
}

testinfra_hosts = ["ansible://lustre_all"]


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


@pytest.fixture(scope="module")
def client() -> Host:
    (found,) = AnsibleRunner().get_hosts("lustre_client")
    return AnsibleRunner().get_host(found)


def test_all_hosts_are_looked_at() -> None:
    """A scenario that sees no host would verify nothing."""
    assert sorted(AnsibleRunner().get_hosts("lustre_all")) == HOSTS


def test_packages_of_the_right_kind(host: Host, name: str) -> None:
    kind, other = ("client", "server") if name == "client1" else ("server", "client")
    assert host.package(f"lustre-{kind}-utils").is_installed
    assert not host.package(f"lustre-{other}-utils").is_installed


def test_lnet_runs_and_comes_back(host: Host, name: str) -> None:
    unit = host.service("lnet.service")
    assert unit.is_enabled and unit.is_running
    assert host.check_output("lctl list_nids") == NIDS[name]
    for nid in NIDS.values():
        assert nid in host.check_output(f"lctl ping {nid}")


def test_lnet_is_written_down(host: Host) -> None:
    conf = host.file("/etc/lnet.conf")
    assert conf.is_file and conf.user == "root" and conf.mode == 0o644
    assert "net type: tcp" in conf.content_string and "eth0" in conf.content_string


def test_everything_is_mounted_now_and_at_boot(host: Host, name: str) -> None:
    table = [line.split() for line in host.file("/etc/fstab").content_string.splitlines() if "lustre" in line]
    assert [(words[0], words[1]) for words in table] == MOUNTS[name]
    for (source, path), words in zip(MOUNTS[name], table, strict=True):
        assert words[2] == "lustre"
        assert {"_netdev", "x-systemd.requires=lnet.service"} <= set(words[3].split(","))
        mount = host.mount_point(path)
        live = host.check_output(f"readlink -f {source}") if source.startswith("/dev") else source
        assert mount.exists and mount.device == live


def test_nothing_failed_on_the_way(host: Host) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
    assert host.check_output("lctl get_param -n health_check") == "healthy"


@pytest.mark.parametrize("device", TARGETS)
def test_targets_are_what_they_are_called(device: str) -> None:
    server, label = TARGETS[device]
    host = AnsibleRunner().get_host(server)
    assert host.check_output(f"blkid -p -s LABEL -o value /dev/disk/by-id/{device}") == label
    shown = host.check_output(f"tunefs.lustre --dryrun /dev/disk/by-id/{device}")
    assert f"Target:     {label}" in shown


def test_the_client_uses_the_file_system(client: Host) -> None:
    assert client.check_output("echo kept > /mnt/mol/file && cat /mnt/mol/file && rm /mnt/mol/file") == "kept"
    assert "flock" in client.check_output("findmnt --fstab --noheadings --output OPTIONS /mnt/mol").split(",")
    listed = client.check_output("lfs df /mnt/mol")
    for label in ("mol-MDT0000_UUID", "mol-OST0000_UUID", "mol-OST0001_UUID"):
        assert label in listed
