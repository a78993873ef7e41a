# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A user without a ticket: refused, then not answered; verify and stop tell who waits and what ends it; a ticket is for who asks after it.

The tests build on each other and run in their order, after those of ``test_rotation.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

REALM = "LAB.EXAMPLE"
UNIT = "lustre-test-agent.service"
LOOK = "runuser -u carol -- timeout {} ls /mnt/mol"

testinfra_hosts = ["ansible://client1"]


def of(host: str) -> Host:
    return AnsibleRunner().get_host(host)


def playbook(name: str, *words: str) -> tuple[int, str]:
    argv = ["ansible-playbook", f"lustre.core.{name}", *words]
    folder = os.environ["MOLECULE_PROJECT_DIRECTORY"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def client() -> Host:
    return of("client1")


@pytest.fixture(scope="module", autouse=True)
def carol(client: Host) -> Iterator[None]:
    """A user of the client and of the server with the MDT, and of the realm."""
    hosts = [client, of("server1")]
    for host in hosts:
        host.check_output("useradd -u 2003 carol")
    hosts[1].check_output(f"kadmin.local -r {REALM} -q 'addprinc -pw of-a-test carol'")
    yield
    client.run(f"systemctl stop {UNIT}; rm -f /tmp/krb5cc_2003")
    hosts[1].check_output(f"kadmin.local -r {REALM} -q 'delprinc -force carol'")
    for host in hosts:
        host.check_output("userdel carol")


@pytest.fixture(scope="module")
def agent(client: Host) -> str:
    """A service of the user's that looks at the file system: the number of its process, which waits."""
    client.check_output(f"systemd-run -q --unit={UNIT} --uid=carol ls /mnt/mol")
    return client.check_output(f"systemctl show -P MainPID {UNIT}")


def test_the_first_call_is_refused(client: Host) -> None:
    begun = time.monotonic()
    done = client.run(LOOK.format(20))
    assert done.rc not in (0, 124) and "Operation not permitted" in done.stderr, (done.rc, done.stderr)
    assert time.monotonic() - begun < 20


def test_the_next_one_gets_no_answer_until_it_is_killed(client: Host) -> None:
    assert client.run(LOOK.format(5)).rc == 124
    assert client.check_output("timeout 10 ls -d /mnt/mol") == "/mnt/mol", "root is served"


def test_verify_tells_who_waits_and_what_to_do(client: Host, agent: str) -> None:
    code, told = playbook("verify")
    assert code == 0 and "Verdict: HEALTHY" in told, told
    (remark,) = re.findall(r"^ *client1: (carol .*)$", told, re.M)
    assert remark.startswith("carol (uid 2003) uses a file system with a Kerberos flavor here and has no ticket")
    assert "Get a ticket as that user (kinit; for services and cron jobs a keytab and k5start)" in remark
    assert f"{agent} (/usr/bin/ls /mnt/mol)" in remark and remark.endswith(f"kill {agent}.")


def test_an_unmount_names_what_keeps_it_busy_and_forces_nothing(client: Host, agent: str) -> None:
    code, told = playbook("stop", "-e", '{"lustre_consent_stop": ["mol"]}')
    assert code != 0 and "target is busy" in told, told
    assert f"process {agent} (/usr/bin/ls /mnt/mol) of carol" in told and f"kill {agent}, and run again" in told, told
    assert client.mount_point("/mnt/mol").exists
    assert of("server2").check_output("lctl get_param -n obdfilter.mol-OST0000.num_exports").isdigit(), "servers go on"


def test_a_ticket_helps_who_asks_after_it(client: Host, agent: str) -> None:
    client.check_output("echo of-a-test | runuser -u carol -- kinit carol")
    assert client.run(LOOK.format(20)).rc == 0
    assert client.service(UNIT).is_running, "who waits goes on waiting"
    _code, told = playbook("verify")
    assert "client1: carol (uid 2003) got a Kerberos ticket after" in told and f"kill {agent}." in told, told


def test_what_was_said_ends_it(client: Host, agent: str) -> None:
    client.check_output(f"kill {agent}")
    client.check_output("umount /mnt/mol && mount /mnt/mol")
    code, told = playbook("verify")
    assert code == 0 and "Remarks:" not in told, told
