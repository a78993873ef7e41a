# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real KDC says of principals that they end: verify tells it with days left, and learns it where it cannot ask the database."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

REALM = "LAB.EXAMPLE"
OSS, ROOT = f"lustre_oss/server2.lab.example@{REALM}", f"lustre_root/client1.lab.example@{REALM}"

testinfra_hosts = ["ansible://server1"]


@pytest.fixture
def kdc() -> Iterator[Host]:
    host = AnsibleRunner().get_host("server1")
    host.check_output(f"kadmin.local -r {REALM} -q 'modprinc -expire yesterday {OSS}'")
    host.check_output(f"kadmin.local -r {REALM} -q 'modprinc -pwexpire \"3 days\" {ROOT}'")
    yield host
    host.check_output(f"kadmin.local -r {REALM} -q 'modprinc -expire never {OSS}'")
    host.check_output(f"kadmin.local -r {REALM} -q 'modprinc -pwexpire never {ROOT}'")


def test_what_ends_is_told_with_days_left_and_the_command_that_mends_it(kdc: Host) -> None:
    done = subprocess.run(
        ["ansible-playbook", "lustre.core.verify"],
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = done.stdout
    assert done.returncode == 2 and "Verdict: NOT HEALTHY, 3 problems" in told, told + done.stderr
    assert f"server1: The principal {OSS} expired" in told
    mend = f'kadmin.local -r {REALM} -q "modprinc -expire never {OSS}"'
    assert mend in told.replace("\\", "")
    assert re.search(rf"server1: The key of the principal {ROOT} .* expires in [23]\.\d days", told)
    # the host itself, which cannot ask the database
    assert f"server2: /etc/krb5.keytab gives no ticket for {OSS} (kinit: Client's entry in database has expired" in told
    rows = dict(re.findall(r"^ *(principal|key of a principal|keytab|ticket|context) +\d+ +(\S+)", told, re.M))
    assert set(rows) == {"principal", "key of a principal", "keytab", "ticket", "context"}, told
    assert float(rows["principal"]) <= -0.9 and 2.0 < float(rows["key of a principal"]) <= 3.0
    # what is said is what mends it
    kdc.check_output(mend)
    assert "Expiration date: [never]" in kdc.check_output(f"kadmin.local -r {REALM} -q 'getprinc {OSS}'")
