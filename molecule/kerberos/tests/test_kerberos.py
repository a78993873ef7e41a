# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file system by krb5i with a real KDC, looked at without Ansible's help: contexts, keys, and who is refused."""

from __future__ import annotations

import time

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "client2", "server1", "server2"]
PRINCIPALS = {
    "server1": {"lustre_mgs", "lustre_mds", "host"},
    "server2": {"lustre_oss", "host"},
    "client1": {"lustre_root"},
    "client2": {"lustre_root"},
}
ARGUMENTS = {"server1": "-k -g -m -v", "server2": "-k -o -v"}

testinfra_hosts = ["ansible://lustre_all"]


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


def of(host: str) -> Host:
    return AnsibleRunner().get_host(host)


def flavors(client: Host) -> dict[str, str]:
    """Flavor in force by import, without the MGC, which has a rule of its own."""
    shown = client.check_output("lctl get_param 'mdc.*.srpc_info' 'osc.*.srpc_info'")
    found, device = {}, ""
    for line in shown.splitlines():
        if line.endswith(".srpc_info="):
            device = line.removesuffix(".srpc_info=")
        elif line.startswith("rpc flavor:"):
            found[device] = line.split()[-1]
    return found


def contexts(client: Host) -> dict[str, str]:
    """By import, the lines of its contexts. A flavor alone says what is wanted, a context that it was negotiated."""
    shown = client.check_output("lctl get_param 'mdc.*.srpc_contexts' 'osc.*.srpc_contexts'")
    found, device = dict[str, str](), ""
    for line in shown.splitlines():
        name, mark, rest = line.partition(".srpc_contexts=")
        device = name if mark else device
        found[device] = found.get(device, "") + (rest if mark else line)
    return found


def test_all_hosts_are_looked_at() -> None:
    """A scenario that sees no host would verify nothing."""
    assert sorted(AnsibleRunner().get_hosts("lustre_all")) == HOSTS


def test_the_keytab_is_root_s_alone_and_has_the_keys(host: Host, name: str) -> None:
    keytab = host.file("/etc/krb5.keytab")
    assert (keytab.user, keytab.group, keytab.mode) == ("root", "root", 0o600)
    listed = host.check_output("klist -k /etc/krb5.keytab").splitlines()[3:]
    found = {line.split()[1] for line in listed}
    assert found == {f"{kind}/{name}.lab.example@LAB.EXAMPLE" for kind in PRINCIPALS[name]}


@pytest.mark.parametrize("server", ARGUMENTS)
def test_the_daemon_runs_by_its_unit_with_its_arguments_and_kerberos_is_on(server: str) -> None:
    host = of(server)
    assert host.service("lsvcgss.service").is_enabled
    (line,) = [text for text in host.check_output("pgrep -a lsvcgssd").splitlines() if "lsvcgssd" in text]
    assert line.endswith(f"lsvcgssd {ARGUMENTS[server]}")
    assert f'LSVCGSSDARGS="{ARGUMENTS[server]}"' in host.file("/etc/sysconfig/lsvcgss").content_string
    assert "Ready to serve Lustre" in host.check_output("journalctl -q --no-pager -t lsvcgssd")


def test_the_replica_gives_tickets_when_the_primary_is_down() -> None:
    primary, client = of("server1"), of("client1")
    # else what was made since the last time reaches the replica within five minutes
    primary.check_output("systemctl start lustre-kprop.service")
    primary.check_output("systemctl stop krb5-kdc")
    try:
        client.check_output(
            "kinit -c FILE:/run/test-cc -k -t /etc/krb5.keytab lustre_root/client1.lab.example && rm /run/test-cc"
        )
    finally:
        primary.check_output("systemctl start krb5-kdc")


@pytest.mark.parametrize("client", ["client1", "client2"])
def test_every_import_switches_to_krb5i(client: str) -> None:
    """Imports switch one by one, so all of them are asked."""
    host, found = of(client), {}
    for _ in range(60):
        found = flavors(host)
        if set(found.values()) == {"krb5i"}:
            break
        time.sleep(1)
    assert len(found) == 2 and set(found.values()) == {"krb5i"}, found
    told = contexts(host)
    assert len(told) == 2 and all("uptodate" in text and "krb5 (aes256" in text for text in told.values()), told
    for server in ARGUMENTS:
        said = of(server).check_output("journalctl -q --no-pager -t lsvcgssd")
        assert f"authenticated lustre_root/{client}.lab.example@LAB.EXAMPLE" in said
    assert (
        host.check_output(f"echo kept > /mnt/mol/{client} && cat /mnt/mol/{client} && rm /mnt/mol/{client}") == "kept"
    )


def test_a_client_without_a_key_is_refused_in_seconds() -> None:
    """And an old ticket cache must not hide that."""
    host = of("client2")
    host.check_output("umount /mnt/mol && mv /etc/krb5.keytab /etc/krb5.keytab.away && rm -f /tmp/krb5cc_0")
    try:
        mounted = host.run("timeout 60 mount /mnt/mol")
        assert mounted.rc == 126, mounted.stderr
    finally:
        host.check_output("mv /etc/krb5.keytab.away /etc/krb5.keytab && mount /mnt/mol")
    assert host.mount_point("/mnt/mol").exists
