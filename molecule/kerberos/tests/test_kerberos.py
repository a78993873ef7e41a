# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file system by krb5i with a real KDC, looked at without Ansible's help: contexts, keys, and who is refused."""

from __future__ import annotations

import re
import time

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "server1", "server2"]
PRINCIPALS = {
    "server1": {"lustre_mgs", "lustre_mds", "host"},
    "server2": {"lustre_oss", "host"},
    "client1": {"lustre_root"},
}
ARGUMENTS = {"server1": "-k -g -m -v", "server2": "-k -o -v"}
#: Connections over the network, by the host that makes them. Connections to the MGS have a rule of their own, which is not set here.
IMPORTS = {"client1": ["mdc", "osc"], "server1": ["osp"]}
#: By target: where it is, and who connects to it from elsewhere.
CONTEXTS = {
    "mdt.mol-MDT0000": ("server1", {"10.77.0.41@tcp"}),
    "obdfilter.mol-OST0000": ("server2", {"10.77.0.11@tcp", "10.77.0.41@tcp"}),
}

testinfra_hosts = ["ansible://lustre_all"]


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


def of(host: str) -> Host:
    return AnsibleRunner().get_host(host)


def shown(host: Host, kind: str, what: str) -> dict[str, str]:
    """By connection of a kind, what ``lctl`` shows of its security."""
    text = host.check_output(f"lctl get_param '{kind}.*.{what}'")
    parts = re.split(rf"^(\S+)\.{what}=", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


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


@pytest.mark.parametrize("name", IMPORTS)
def test_every_connection_is_by_krb5i_and_has_a_valid_context(name: str) -> None:
    """A flavor alone says what is wanted, a context that both ends agreed."""
    for kind in IMPORTS[name]:
        flavors = shown(of(name), kind, "srpc_info")
        assert flavors and all(re.search(r"^rpc flavor:\s+krb5i$", text, re.M) for text in flavors.values()), flavors
        contexts = shown(of(name), kind, "srpc_contexts")
        assert contexts.keys() == flavors.keys()
        assert all("uptodate" in text and "krb5 (aes256" in text for text in contexts.values()), contexts


@pytest.mark.parametrize("target", CONTEXTS)
def test_servers_know_by_a_valid_context_who_is_connected(target: str) -> None:
    name, peers = CONTEXTS[target]
    text = of(name).check_output(f"lctl get_param -n {target}.gss.srpc_serverctx")
    valid = [line for line in re.split(r"(?m)^- ", text) if "uptodate" in line]
    assert peers <= {nid for line in valid for nid in re.findall(r"peer_nid: ([^,]+),", line)}, text


@pytest.mark.parametrize("server", ARGUMENTS)
def test_the_client_said_who_it_is(server: str) -> None:
    said = of(server).check_output("journalctl -q --no-pager -t lsvcgssd")
    assert "authenticated lustre_root/client1.lab.example@LAB.EXAMPLE" in said


def test_the_client_uses_the_file_system() -> None:
    assert of("client1").check_output("echo kept > /mnt/mol/file && cat /mnt/mol/file && rm /mnt/mol/file") == "kept"


def test_a_client_without_a_key_is_refused_in_seconds() -> None:
    """Root's ticket goes, too: an old one hides that the key is away."""
    client = of("client1")
    client.check_output("umount /mnt/mol && mv /etc/krb5.keytab /etc/krb5.keytab.away && rm -f /tmp/krb5cc_0")
    try:
        begun = time.monotonic()
        # by hand: fstab asks for retries, which take a minute
        mounted = client.run("timeout 60 mount -t lustre 10.77.0.11@tcp:/mol /mnt/mol")
        assert mounted.rc == 126 and "Required key not available" in mounted.stderr, (mounted.rc, mounted.stderr)
        assert time.monotonic() - begun < 30
        assert not client.mount_point("/mnt/mol").exists
    finally:
        client.check_output("mv /etc/krb5.keytab.away /etc/krb5.keytab && mount /mnt/mol")
    assert client.check_output("echo kept > /mnt/mol/file && cat /mnt/mol/file && rm /mnt/mol/file") == "kept"
