# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys rotate while the file system is used: who has an older ticket goes on, until older keys are dropped; the site stays healthy.

The tests build on each other and run in their order, after those of ``test_kerberos.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "server1", "server2"]
#: Root's tickets on the client, and a copy of before the rotation.
CACHE, OLD = "/tmp/krb5cc_0", "/tmp/krb5cc_0_old"

testinfra_hosts = ["ansible://client1"]


def of(host: str) -> Host:
    return AnsibleRunner().get_host(host)


def playbook(name: str, **variables: object) -> tuple[dict[str, int], str]:
    """How many tasks changed something, by host, and what was said. It must come to a good end on every host."""
    words = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    argv = ["ansible-playbook", f"lustre.core.{name}", *words]
    folder = os.environ["MOLECULE_PROJECT_DIRECTORY"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0", done.stdout, re.M)
    return {host: int(count) for host, count in recap if host != "localhost"}, done.stdout


def versions(host: str) -> dict[str, set[int]]:
    """By principal of Lustre, the versions of its keys in the keytab; what KDCs call each other by does not rotate."""
    lines = of(host).check_output("klist -k /etc/krb5.keytab").splitlines()[3:]
    found: dict[str, set[int]] = {}
    for number, principal in (line.split() for line in lines):
        if principal.startswith("lustre_"):
            found.setdefault(principal, set()).add(int(number))
    return found


def mounted_anew(client: Host) -> tuple[int, str]:
    client.check_output("umount /mnt/mol")
    done = client.run("timeout 20 mount /mnt/mol")
    return done.rc, done.stderr


@pytest.fixture(scope="module")
def client() -> Host:
    return of("client1")


@pytest.fixture(scope="module", autouse=True)
def old_ticket(client: Host) -> Iterator[None]:
    client.check_output(f"test -s {CACHE} && cp -p {CACHE} {OLD}")
    yield
    client.check_output(f"rm {OLD}")


def test_new_keys_stand_beside_the_old_ones(client: Host) -> None:
    before = {host: versions(host) for host in HOSTS}
    assert all(found and all(len(kinds) == 1 for kinds in found.values()) for found in before.values()), before
    # somebody who uses the file system all the while
    client.check_output(
        "systemd-run -q --unit=lustre-test-user sh -c 'while date +%s > /mnt/mol/used && cat /mnt/mol/used; do :; done'"
    )
    changed, _ = playbook("rotate_keytabs", lustre_rotate_older_than=0)
    assert client.service("lustre-test-user").is_running, "somebody was cut off"
    client.check_output("systemctl stop lustre-test-user && rm /mnt/mol/used")
    assert changed == dict.fromkeys(HOSTS, 2), "new keys of each host on the KDC, and in its keytab"
    for host in HOSTS:
        wanted = {principal: kinds | {max(kinds) + 1} for principal, kinds in before[host].items()}
        assert versions(host) == wanted


def test_who_has_an_older_ticket_is_not_turned_away(client: Host) -> None:
    client.check_output(f"cp -p {OLD} {CACHE}")
    assert mounted_anew(client) == (0, "")
    client.check_output(f"cmp {OLD} {CACHE}")


def test_the_same_day_nothing_changes_and_no_young_key_is_dropped() -> None:
    before = {host: versions(host) for host in HOSTS}
    changed, _ = playbook("rotate_keytabs", lustre_rotate_drop="true")
    assert changed == dict.fromkeys(HOSTS, 0)
    assert {host: versions(host) for host in HOSTS} == before


def test_old_keys_are_dropped_once_they_may(client: Host) -> None:
    before = {host: versions(host) for host in HOSTS}
    changed, _ = playbook("rotate_keytabs", lustre_rotate_drop="true", lustre_rotate_old_keys_age=0)
    # of all principals on the KDC, too, which counts for the first host
    assert changed == {host: 2 if host == min(HOSTS) else 1 for host in HOSTS}
    for host in HOSTS:
        assert versions(host) == {principal: {max(kinds)} for principal, kinds in before[host].items()}
    client.check_output(f"rm -f {CACHE}")
    assert mounted_anew(client) == (0, ""), "with the new keys alone"


def test_they_do_not_come_back() -> None:
    """A rotation exports what the KDC has."""
    before = {host: versions(host) for host in HOSTS}
    changed, _ = playbook("rotate_keytabs")
    assert changed == dict.fromkeys(HOSTS, 0)
    assert {host: versions(host) for host in HOSTS} == before


def test_the_site_is_healthy(client: Host) -> None:
    changed, told = playbook("verify")
    assert changed == dict.fromkeys(HOSTS, 0)
    assert "Verdict: HEALTHY" in told, told
