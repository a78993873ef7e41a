# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared keys on four hosts, and what they protect, looked at without Ansible's help."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = ["client1", "client2", "server1", "server2"]
KEYS = "/etc/lustre/keys"

testinfra_hosts = ["ansible://lustre_all"]


def at(name: str) -> Host:
    return AnsibleRunner().get_host(name)


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


def test_all_hosts_are_looked_at() -> None:
    """A scenario that sees no host would verify nothing."""
    assert sorted(AnsibleRunner().get_hosts("lustre_all")) == HOSTS


def test_keys_are_roots_alone(host: Host, name: str) -> None:
    side = "client" if name.startswith("client") else "server"
    listed = host.check_output(f"find {KEYS} -mindepth 1 -printf '%P %m %u\\n'").splitlines()
    assert listed == [f"mol.{side}.default.key 600 root"]
    assert host.check_output(f"stat -c '%a %U' {KEYS}") == "700 root"


def test_all_hold_the_same_key_and_clients_a_prime() -> None:
    secrets = {}
    for name in HOSTS:
        shown = at(name).run(f"lgss_sk -r {KEYS}/*.key")
        assert shown.rc == 0
        dump = re.findall(r"^\s*[0-9a-f]{4}: (.{39})", shown.stderr, re.M)
        secrets[name] = tuple(dump[:2])
        assert ("Prime (p):" in shown.stdout) is True, name
    assert len(set(secrets.values())) == 1 and all(secrets.values())


def test_keys_are_loaded(host: Host, name: str) -> None:
    shown = host.check_output("keyctl show @u")
    assert "user: lustre:mol" in shown
    assert ("user: lustre:mol:default" in shown) is name.startswith("server")


def test_the_mgs_keeps_the_described_rule_and_no_other() -> None:
    live = at("server1").check_output("lctl get_param -n mgs.MGS.live.mol")
    assert re.findall(r"^mol\S*srpc\S*$", live, re.M) == ["mol.srpc.flavor.default=skpi"]


def test_every_connection_over_the_network_is_protected(host: Host, name: str) -> None:
    kinds = ["mdc", "osc"] if name.startswith("client") else ["osp"] if name == "server1" else []
    for kind in kinds:
        flavors = re.findall(r"rpc flavor:\s+(\S+)", host.check_output(f"lctl get_param -n '{kind}.*.srpc_info'"))
        assert flavors and set(flavors) == {"skpi"}, (name, kind, flavors)


def test_servers_see_both_clients() -> None:
    contexts = at("server1").check_output("lctl get_param -n 'mdt.*.gss.srpc_serverctx'")
    assert {"10.77.0.41@tcp", "10.77.0.42@tcp"} <= set(re.findall(r"peer_nid: (\S+),", contexts))


def test_the_clients_use_the_file_system() -> None:
    at("client1").check_output("echo kept > /mnt/mol/file")
    assert at("client2").check_output("cat /mnt/mol/file && rm /mnt/mol/file") == "kept"


def test_a_client_without_key_is_refused() -> None:
    client = at("client2")
    client.check_output("keyctl purge user lustre:mol && mkdir -p /mnt/other && umount /mnt/mol")
    try:
        tried = client.run("timeout 60 mount -t lustre 10.77.0.11@tcp:/mol /mnt/other")
        assert tried.rc == 126 and "Required key not available" in tried.stderr
    finally:
        client.check_output(f"lgss_sk -l {KEYS}/mol.client.default.key && mount /mnt/mol && rmdir /mnt/other")
