# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories as two clients see them, one with the keys and one without, over a lock and a boot."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "client2", "server1"]
VAULT = "/mnt/mol/vault"
UNIT = "lustre-unlock@mnt-mol-vault.service"
MARKER = "a marker that nobody without the key may read"
PROGRAM = "/usr/local/libexec/lustre/fscrypt_ioctl.py"
KEYS = "/etc/lustre/keys"
#: Tests are in the order of the file: each finds what the one before it left.
testinfra_hosts = ["ansible://lustre_all"]


@pytest.fixture(scope="module")
def holder() -> Host:
    """The client that has the keys."""
    return AnsibleRunner().get_host("client1")


@pytest.fixture(scope="module")
def other() -> Host:
    """The client that has no key."""
    return AnsibleRunner().get_host("client2")


def status(host: Host, path: str = VAULT) -> dict[str, object]:
    return dict(json.loads(host.check_output(f"python3 {PROGRAM} status {path}")))


def refused(host: Host, command: str) -> None:
    done = host.run(command)
    assert done.rc != 0 and "Required key not available" in done.stderr, (command, done.stdout, done.stderr)


def test_all_hosts_are_looked_at() -> None:
    """A scenario that sees no host would verify nothing."""
    assert sorted(AnsibleRunner().get_hosts("lustre_all")) == HOSTS


def test_records_are_where_the_keys_are(host: Host) -> None:
    """On every host: nothing of keys where none belong."""
    has_keys = host.backend.host == "client1"
    assert host.file("/etc/lustre/keys").exists == host.file("/etc/lustre/encryption").exists == has_keys


def test_the_directory_is_encrypted_and_unlocked(holder: Host) -> None:
    seen = status(holder)
    assert str(seen["policy"]).startswith("02010403") and seen["key"] == 2
    assert holder.file(VAULT).mode == 0o750
    assert holder.service(UNIT).is_enabled and holder.service(UNIT).is_running
    other_unit = holder.service("lustre-unlock@mnt-mol-archive.service")
    assert status(holder, "/mnt/mol/archive")["policy"] != seen["policy"] and not other_unit.is_enabled
    holder.check_output(f"sh -c 'echo {MARKER} > {VAULT}/secret-name'")
    assert holder.check_output(f"cat {VAULT}/secret-name") == MARKER


def test_keys_and_records_are_roots_alone(holder: Host) -> None:
    name = str(status(holder)["policy"])[-32:]
    record = json.loads(holder.file(f"/etc/lustre/encryption/{name}.json").content_string)
    assert record["directories"]["mol:/vault"]["key_file"] == f"{KEYS}/vault"
    for path in (f"{KEYS}/vault", f"{KEYS}/archive", f"/etc/lustre/encryption/{name}.json"):
        file = holder.file(path)
        assert (file.mode, file.user) == (0o600, "root")
    key = holder.file(f"{KEYS}/vault").content_string.strip()
    journal = holder.run("journalctl --no-pager").stdout
    assert "lustre.core.encryption_policy" in journal and key not in journal, "the key is in the journal"


def test_a_client_without_the_key_gets_nothing(holder: Host, other: Host) -> None:
    names = other.check_output(f"ls {VAULT}").split()
    assert len(names) == 1 and names != ["secret-name"]
    refused(other, f"cat {VAULT}/{names[0]}")
    refused(other, f"touch {VAULT}/new")
    refused(other, f"mkdir {VAULT}/new")
    assert MARKER not in other.run(f"strings {VAULT}/{names[0]}").stdout
    assert holder.check_output(f"cat {VAULT}/secret-name") == MARKER


def test_nothing_in_clear_where_the_servers_keep_it(holder: Host) -> None:
    """The site's folder stands for the servers' disks."""
    found = holder.check_output("find / -xdev -path '*/fs/mol' -type d -not -path '/proc/*' -print -quit || true")
    folder = found or holder.check_output(
        "sh -c 'ls -d /run/lustre-sim*/site/fs/mol /var/lib/lustre-sim*/site/fs/mol 2>/dev/null | head -1'"
    )
    assert folder, "the site's folder was not found"
    assert holder.run(f"grep -rqF '{MARKER}' {folder}").rc == 1
    assert "secret-name" not in holder.check_output(f"ls -R {folder}")
    holder.check_output(f"sh -c 'echo {MARKER} > /mnt/mol/plain'")
    assert holder.run(f"grep -rqF '{MARKER}' {folder}").rc == 0, "the look would not find what lies there in clear"
    holder.check_output("rm /mnt/mol/plain")


def verified(*words: str) -> dict[str, int]:
    """How many checks verify made of each host; all must be well."""
    done = subprocess.run(
        ["ansible-playbook", "lustre.core.verify", *words],
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and "Verdict: HEALTHY" in done.stdout, done.stdout + done.stderr
    assert "Not proven" not in done.stdout, done.stdout
    return {host: int(count) for host, count in re.findall(r"^ *(\w+) +(\d+) +ok\W*$", done.stdout, re.M)}


def test_verify_reads_the_bytes_on_the_device(holder: Host) -> None:
    """Of two directories: written and both files removed on the client that has the keys, looked at on the server; nothing is left."""
    plain = verified()
    assert sorted(plain) == HOSTS
    looked = verified("-e", "lustre_verify_ciphertext=true")
    more = {host: looked[host] - plain[host] for host in HOSTS}
    assert more == {"client1": 6, "client2": 0, "server1": 2}
    assert holder.check_output("find /mnt/mol -name '.lustre-verify-*'") == ""


def test_locked_and_unlocked_by_the_unit(holder: Host) -> None:
    holder.check_output(f"systemctl stop {UNIT}")
    assert status(holder)["key"] == 1
    (name,) = holder.check_output(f"ls {VAULT}").split()
    refused(holder, f"cat {VAULT}/{name}")
    refused(holder, f"touch {VAULT}/new")
    holder.check_output(f"systemctl start {UNIT}")
    assert holder.check_output(f"cat {VAULT}/secret-name") == MARKER


def test_a_lock_names_open_files(holder: Host) -> None:
    holder.check_output(f"sh -c 'sleep 60 < {VAULT}/secret-name > /dev/null 2>&1 & echo $! > /run/sleeper'")
    done = holder.run(f"python3 {PROGRAM} lock {VAULT}")
    assert done.rc == 1 and "secret-name" in done.stderr and "sleep)" in done.stderr
    holder.check_output("sh -c 'kill $(cat /run/sleeper)'")
    holder.check_output(f"systemctl restart {UNIT}")
    assert status(holder)["key"] == 2


def test_a_boot_unlocks_again(holder: Host) -> None:
    booted = "systemctl show --property=UserspaceTimestamp"
    before = holder.check_output(booted)
    holder.run("systemd-run --on-active=1 systemctl reboot")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(2)
        with contextlib.suppress(RuntimeError):  # ssh while the host is away
            now = holder.run(booted).stdout.strip()
            if now != before and holder.run(f"systemctl is-active {UNIT}").stdout.strip() == "active":
                break
    assert holder.check_output(f"cat {VAULT}/secret-name") == MARKER
    assert status(holder, "/mnt/mol/archive")["key"] == 1, "the directory that no unit unlocks is locked after a boot"
