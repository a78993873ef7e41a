# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin, run by the real ansible-inventory of this environment."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._node import options_of, parts_of
from ansible_collections.lustre.core.plugins.plugin_utils._site import rules
from tests.unit.site_support import DEMO, ROOT, SiteFile, ansible, listed

SHIPPED = sorted(path for path in (ROOT / "inventories").iterdir() if (path / "site.lustre.yml").is_file())
STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}


def members(found, group):
    own = found.get(group, {})
    return sorted(
        {*own.get("hosts", []), *(host for child in own.get("children", []) for host in members(found, child))}
    )


def test_groups_of_the_demo() -> None:
    found = listed(DEMO)
    assert {group: members(found, group) for group in found if group.startswith("lustre_")} == {
        "lustre_mgs": ["mds1", "mds2"],
        "lustre_mds": ["mds1", "mds2"],
        "lustre_oss": ["oss1", "oss2"],
        "lustre_router": ["router1"],
        "lustre_client": ["client1", "client2", "client3"],
        "lustre_servers": ["mds1", "mds2", "oss1", "oss2"],
        "lustre_all": ["client1", "client2", "client3", "mds1", "mds2", "oss1", "oss2", "router1"],
        "lustre_fs_fs1": ["client1", "client2", "client3", "mds1", "mds2", "oss1", "oss2"],
        "lustre_fs_fs2": ["client1", "mds1", "mds2", "oss1"],
    }


def test_variables_of_the_demo() -> None:
    hosts = listed(DEMO)["_meta"]["hostvars"]
    assert hosts["mds2"]["ansible_host"] == "10.76.0.12"
    assert hosts["mds2"]["lustre_nids"] == ["10.77.0.12@tcp0"]
    assert hosts["router1"]["lustre_interfaces"] == {"tcp0": ["eth0"], "tcp1": ["eth1"]}
    assert [fs["name"] for fs in hosts["client3"]["lustre_filesystems"]] == ["fs1", "fs2"]
    assert hosts["client3"]["lustre_lnet"]["routers"] == ["router1"]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_every_inventory_we_ship_can_be_read(folder: Path) -> None:
    done = ansible("ansible-inventory", "-i", str(folder), "--graph", **STRICT)
    assert done.returncode == 0, done.stderr
    assert "lustre_client" in done.stdout
    assert "WARNING" not in done.stderr


def test_five_inventories_are_shipped() -> None:
    assert {path.name for path in SHIPPED} >= {"demo", "single_node", "ha_pair", "multi_tenant", "secure"}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_every_inventory_we_ship_passes_the_check_and_gives_each_host_its_part(folder: Path) -> None:
    site = SiteFile(yaml.safe_load((folder / "site.lustre.yml").read_text(encoding="utf-8")))
    groups = {**site.groups, "all": list(site.hosts)}
    found = rules.check(site.filesystems, site.lnet, site.hosts, groups, kerberos=site.kerberos)[1]
    assert [str(problem) for problem in found.problems + found.warnings] == []
    states = {host: site.node(host) for host in site.groups["lustre_all"]}
    assert all(parts_of(options_of({"want": state, "phases": None})) for state in states.values())
    secured = {"multi_tenant": {"nodemaps"}, "secure": {"flavors", "gss", "kerberos", "encryption"}}
    given = {key for state in states.values() for key in state}
    assert given & {"nodemaps", "flavors", "ssk_keys", "gss", "kerberos", "encryption"} == secured.get(
        folder.name, set()
    )


def test_kdcs_know_the_site_and_take_no_part_in_it() -> None:
    found = listed(ROOT / "inventories" / "secure")
    assert members(found, "lustre_kdc") == ["kdc1", "kdc2"]
    assert not {"kdc1", "kdc2"} & set(members(found, "lustre_all"))
    hosts = found["_meta"]["hostvars"]
    assert hosts["kdc2"]["lustre_kerberos"]["realm"] == hosts["node07"]["lustre_kerberos"]["realm"] == "LAB.EXAMPLE"
    assert hosts["kdc1"]["lustre_filesystems"] == hosts["mds1"]["lustre_filesystems"]


def site_file(folder: Path, text: str) -> Path:
    path = folder / "s.lustre.yml"
    path.write_text("plugin: lustre.core.site\n" + text, encoding="utf-8")
    return path


GOOD = """
lnet: {networks: [{net: tcp, interfaces: [eth0]}]}
filesystems:
  - name: fs-1
    mgs: {combined: true}
    mdts: [{index: 0, servers: [s1], device: /dev/disk/by-id/m}]
    osts: [{index: 0, servers: [s1], device: /dev/disk/by-id/o}]
    clients: [{hosts: [near], path: /mnt/fs1}]
"""


def test_hosts_and_groups_of_an_inventory_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.ini").write_text("[near]\nc[1:3]\n[elsewhere]\ns1 ansible_host=10.0.0.1\n", encoding="utf-8")
    found = listed(tmp_path / "a.ini", site_file(tmp_path, GOOD))
    assert members(found, "lustre_client") == ["c1", "c2", "c3"]
    assert members(found, "lustre_mds") == ["s1"]
    assert members(found, "lustre_fs_fs_1") == ["c1", "c2", "c3", "s1"]


def test_own_variables_may_hold_templates(tmp_path: Path) -> None:
    text = (
        "vars: {who: '{{ inventory_hostname }}'}\nhosts:\n  s1: {vars: {rack: '{{ 1 + 1 }}'}}\n  c1: {groups: near}\n"
        + GOOD
    )
    playbook = tmp_path / "p.yml"
    playbook.write_text(
        "- {hosts: s1, gather_facts: false, tasks: [{ansible.builtin.debug: {msg: 'rack {{ rack }} of {{ who }}'}}]}\n",
        encoding="utf-8",
    )
    done = ansible("ansible-playbook", "-i", str(site_file(tmp_path, text)), str(playbook))
    assert "rack 2 of s1" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "hosts: {s1: 10.0.0.1, c1: {groups: near}}\nfilesystem: []\n" + GOOD,
            ["filesystem: is not a key", 'Did you mean "filesystems"?'],
        ),
        ("hosts: {s1: 10.0.0.1}\n" + GOOD, ['clients[0].hosts[0]: "near" is neither a host nor a group']),
        (
            "hosts: {'s[1-3]': '10.0.0.[1-2]', s1: 10.0.0.9, c1: {groups: near, adress: 1}}\n" + GOOD,
            ["stands for 2 addresses, but there are 3 hosts", "s1 is declared twice", "hosts.c1.adress"],
        ),
        ("hosts: {s1: s1.example.org, c1: {groups: near}}\n" + GOOD, ["its ansible_host is no IP address"]),
    ],
)
def test_everything_that_is_wrong_is_said_and_the_run_fails(tmp_path: Path, text: str, says: list[str]) -> None:
    done = ansible("ansible-inventory", "-i", str(site_file(tmp_path, text)), "--list", **STRICT)
    assert done.returncode != 0
    shown = " ".join((done.stderr + done.stdout).split())
    for part in says:
        assert part in shown
    assert "Traceback" not in shown


def test_other_files_are_left_to_other_plugins(tmp_path: Path) -> None:
    other = tmp_path / "hosts.yml"
    other.write_text("all: {hosts: {h1: {}}}\n", encoding="utf-8")
    assert members(listed(other), "all") == ["h1"]


def test_twenty_thousand_clients(tmp_path: Path) -> None:
    text = "hosts:\n  s1: 10.0.0.1\n  c[00001-20000]: {ansible_host: 10.8.0.1+, groups: [near]}\n" + GOOD
    done = ansible("ansible-inventory", "-i", str(site_file(tmp_path, text)), "--host", "c20000", **STRICT)
    assert done.returncode == 0, done.stderr
    assert '"ansible_host": "10.8.78.32"' in done.stdout
