# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who takes part in what after a look: nobody too few, and nobody at all on a site that is as described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.lustre.core.plugins.module_utils._node import PHASES
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_want import OPTIONS
from ansible_collections.lustre.core.plugins.plugin_utils._package_sets import packages_asked
from ansible_collections.lustre.core.plugins.plugin_utils._plan_report import ELSEWHERE
from ansible_collections.lustre.core.plugins.plugin_utils._todo import (
    NOBODY,
    PLAYS,
    look_phases,
    site_hosts,
    site_todo,
)

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {
    "lustre_all": ["mds1", "oss1", "client1", "client2"],
    "lustre_mgs": ["mds1"],
    "lustre_mds": ["mds1"],
    "lustre_oss": ["oss1"],
    "lustre_client": ["client1", "client2"],
}
#: All phases but that of tenants, which another playbook brings about.
OWN = set(PHASES) - {"client_tenant", "encryption_tenant"}
BASE = ("firewall", "lnet", "services")
HAS = {
    "mds1": (*BASE, "mgt", "mgt", "mdt0", "mdt0", "params"),
    "oss1": (*BASE, "ost", "ost"),
    "client1": (*BASE, "client", "params"),
    "client2": (*BASE, "client"),
}


def look(host, *changed, packages=(), basics=None, **more):
    results = [{"phase": phase, "changed": phase in changed, "plan": []} for phase in HAS[host]]
    found = {"todo": list(packages), "basics": {"todo": [], "repair": [], **(basics or {})}}
    return {
        "changed": bool(changed or packages),
        "results": results,
        "plan": [],
        "drift": [],
        "packages": found,
        **more,
    }


def looks(**given):
    return {host: look(host) for host in HAS} | given


def taking(found):
    return {play: hosts for play, hosts in site_todo(found, GROUPS)["hosts"].items() if hosts != NOBODY}


def test_a_site_as_described_has_nobody_in_any_play_and_says_so_in_one_line():
    told = site_todo(looks(), GROUPS)
    assert set(told["hosts"]) == {*PLAYS, "ground", "devices", "lacking", "lustre_kdc"}
    assert all(hosts == NOBODY for hosts in told["hosts"].values())
    assert told["text"] == "Nothing to do: 4 hosts as described."


def test_nobody_is_never_an_empty_list_which_ansible_would_take_for_everybody():
    assert NOBODY == ["all:!all"] and all(site_todo({}, {})["hosts"].values())


def test_drift_that_stays_is_told_though_there_is_nothing_to_do():
    drift = {"kind": "target", "object": "fs1-OST0000: index", "found": "a", "wanted": "b", "remedy": "teardown"}
    text = site_todo(looks(oss1=look("oss1", drift=[drift])), GROUPS)["text"]
    assert "fs1-OST0000: index" in text and "teardown" in text


def test_who_has_something_to_do_also_takes_part_in_all_that_comes_after_it_and_concerns_it():
    assert taking(looks(client2=look("client2", "lnet"))) == {
        "lustre_lnet": ["client2"],
        "lustre_client": ["client2"],
        "ground": ["client2"],
    }
    assert taking(looks(client1=look("client1", "client"))) == {
        "lustre_client": ["client1"],
        "lustre_params": ["client1"],
    }


@pytest.mark.parametrize(
    ("kerberos", "kdcs"),
    [
        ({"realm": "LAB.EXAMPLE", "kdcs": ["mds1", "oss1"]}, ["mds1", "oss1"]),
        ({"realm": "LAB.EXAMPLE", "kdcs": "mds1", "source": None}, ["mds1"]),
        ({"realm": "LAB.EXAMPLE", "kdcs": ["mds1"], "source": "kadmin"}, NOBODY),
        ({}, NOBODY),
        (None, NOBODY),
    ],
)
def test_our_own_kdcs_take_part_when_a_host_lacks_keys(monkeypatch, kerberos, kdcs):
    monkeypatch.setitem(HAS, "client2", (*BASE, "credentials", "gss", "client"))
    lacking = looks(client2=look("client2", "credentials"))
    told = site_todo(lacking, GROUPS, kerberos=kerberos)["hosts"]
    assert told["lustre_security"] == ["client2"] and told["lustre_kdc"] == kdcs
    assert told["lustre_client"] == ["client2"] and told["ground"] == NOBODY
    assert site_todo(lacking, GROUPS, check_mode=True, kerberos=kerberos)["hosts"]["lustre_kdc"] == NOBODY
    assert site_todo(looks(), GROUPS, kerberos=kerberos)["hosts"]["lustre_kdc"] == NOBODY


def test_a_client_with_encrypted_directories_takes_part_when_something_of_them_or_before_them_is_to_be_done(
    monkeypatch,
):
    monkeypatch.setitem(HAS, "client2", (*BASE, "client", "encryption", "encryption"))
    assert taking(looks()) == {}
    assert taking(looks(client2=look("client2", "encryption"))) == {"lustre_encryption": ["client2"]}
    both = looks(client1=look("client1", "client"), client2=look("client2", "client"))
    assert taking(both)["lustre_encryption"] == ["client2"], "client1 has no such directory"
    assert look_phases(["lustre_encryption"]) == ["encryption"]


def test_a_host_without_its_packages_takes_part_in_everything():
    assert taking(looks(client1=look("client1", packages=["missing"]))) == {
        "lustre_packages": ["client1"],
        "lustre_lnet": ["client1"],
        "lustre_client": ["client1"],
        "lustre_params": ["client1"],
        "ground": ["client1"],
        "lacking": ["client1"],
    }


def test_basics_count_only_where_the_site_lets_them_be_repaired():
    assert taking(looks(client2=look("client2", basics={"todo": ["time"]}))) == {}
    assert "client2" in taking(looks(client2=look("client2", basics={"todo": ["time"], "repair": ["time"]})))["ground"]


@pytest.mark.parametrize(
    ("host", "phase"), [("mds1", "mgt"), ("mds1", "mdt0"), ("oss1", "ost"), ("mds1", "params"), ("client1", "params")]
)
def test_parameters_are_set_again_everywhere_when_what_they_depend_on_changes_elsewhere(host, phase):
    assert taking(looks(**{host: look(host, phase)}))["lustre_params"] == ["mds1", "client1"]


def test_a_change_of_one_client_is_no_concern_of_others():
    assert taking(looks(client2=look("client2", "client"))) == {"lustre_client": ["client2"]}


def test_servers_that_change_look_at_their_devices_again_before_any_is_written():
    assert taking(looks(oss1=look("oss1", "lnet")))["devices"] == ["oss1"]
    assert taking(looks(oss1=look("oss1", packages=["missing"]), mds1=look("mds1", "mgt")))["devices"] == [
        "mds1",
        "oss1",
    ]
    assert "devices" not in taking(looks(client1=look("client1", "lnet")))


def test_servers_with_zfs_always_take_part_in_its_play():
    assert taking(looks(oss1=look("oss1", basics={"hostid": {"hostid": "1"}}))) == {"lustre_storage": ["oss1"]}


@pytest.mark.parametrize("answer", [None, {"failed": True, "msg": "no"}, {"unreachable": True, "msg": "down"}])
def test_a_host_without_answer_takes_part_in_nothing(answer):
    assert taking(looks(client1=answer)) == {}


def test_what_cannot_be_seen_yet_counts_as_something_to_do():
    part = {"phase": "ost", "changed": True, "plan": [], "unplanned": "tunefs.lustre is not installed yet."}
    found = taking(looks(oss1={**look("oss1"), "results": [part]}))
    assert found["lustre_oss"] == ["oss1"]


def test_in_check_mode_nobody_changes_anything_and_the_whole_plan_is_told():
    step = {"kind": "mount", "action": "mount", "object": "fs1 on /mnt/fs1", "reason": "it is not mounted"}
    found = looks(client1=look("client1", "client", plan=[step]), client2=look("client2", packages=["missing"]))
    told = site_todo(found, GROUPS, check_mode=True)
    assert {play for play, hosts in told["hosts"].items() if hosts != NOBODY} == {"lacking"}, (
        "refusals are told all the same"
    )
    assert "it is not mounted" in told["text"]


def test_a_run_says_what_is_done_where():
    text = site_todo(looks(client2=look("client2", "client")), GROUPS)["text"]
    assert text.splitlines()[1:] == ["ROLE           HOSTS", "lustre_client  client2"]


@pytest.mark.parametrize(
    ("more", "told"),
    [({"tenants": [{"name": "bio"}]}, True), ({"nodemaps": {}}, True), ({"tenants": []}, False), ({}, False)],
)
def test_where_there_are_nodemaps_the_playbook_for_them_is_named(more, told):
    text = site_todo(looks(), GROUPS, filesystems=[{"name": "fs1", **more}])["text"]
    assert text.splitlines() == ["Nothing to do: 4 hosts as described.", *([ELSEWHERE] if told else [])]


def test_tags_choose_what_is_looked_at():
    assert set(look_phases(["all"])) == {"packages", *OWN}
    assert set(look_phases(["all"], [], firewall=False)) == {"packages", *OWN} - {"firewall"}
    assert look_phases(["lustre_client"]) == ["params_mount", "client", "directories", "client_subdir"]
    assert look_phases(["lustre_oss", "lustre_lnet"]) == [*BASE, "ost"]
    assert set(look_phases(["all"], ["lustre_packages", "mine"])) == OWN
    assert look_phases(["lustre_mgs"], ["lustre_mgs"]) == []
    assert set(look_phases(["storage-of-mine"])) == {"packages", *OWN}, "the user's own tags say nothing about phases"


def test_whether_there_is_a_site_and_the_firewall_is_looked_after_is_read_as_ansible_reads_it():
    assert set(look_phases(["all"], [], "false")) == {"packages", *OWN} - {"firewall"}
    assert set(look_phases(["all"], [], "yes", packages=False)) == OWN
    assert (site_hosts({"all": [], "lustre_all": []}), site_hosts({"all": []})) == ("lustre_all", "localhost")


def test_every_phase_of_a_node_but_that_of_tenants_belongs_to_exactly_one_play():
    assert sorted(phase for phases in PLAYS.values() for phase in phases) == sorted(["packages", *OWN])


def test_the_look_asks_all_that_the_role_asks_about_packages():
    role = ROOT / "roles" / "lustre_packages"
    asked = yaml.safe_load((role / "vars" / "main" / "select.yml").read_text())["__lustre_packages_asked"]
    named = set(re.findall(r"(\w+)=", asked))
    assert named >= {"version", "repositories", "directory"}
    made = packages_asked({}, "client", version="", repositories=[], directory="")
    [task] = yaml.safe_load((role / "tasks" / "inspect.yml").read_text())
    assert set(made) == set(task["lustre.core.packages_info"]) == set(OPTIONS) - {"candidates", "repository_file"}
    for name, value in task["lustre.core.packages_info"].items():
        assert value == f"{{{{ __lustre_packages_asked.{name} }}}}"


def test_a_play_of_site_yml_takes_exactly_the_hosts_that_the_look_chose():
    plays = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    named = [play["hosts"].split("__lustre_todo.hosts.")[1].split()[0] for play in plays[1:]]
    assert sorted(named) == sorted({*site_todo({}, {})["hosts"]} - {"lustre_packages", "lustre_lnet"})
