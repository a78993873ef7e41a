# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a slice costs and whom it asks: few hosts, no walk over groups, nothing that others' mistakes can stop."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state
from tests.unit.site_support import BY_ID, DEMO_HOSTS, NoMembers, calls_of, demo, small


@pytest.mark.parametrize("host", ["client1", "client2", "oss1", "mds2", "router1"])
def test_only_these_hosts_are_asked_and_no_group_is_walked(host) -> None:
    found = demo()
    hostvars = found.hostvars()
    node_state(found.filesystems, host, hostvars, NoMembers(found.groups), found.lnet)
    partners = {"oss1": {"oss2"}, "mds2": {"mds1"}}.get(host, set())
    assert hostvars.asked <= {host, "mds1", "mds2", "router1"} | partners


@pytest.mark.parametrize("host", DEMO_HOSTS)
def test_groups_may_be_left_out(host) -> None:
    found = demo()
    hostvars = found.hostvars()
    assert node_state(found.filesystems, host, hostvars, None, found.lnet) == found.node(host)


def test_left_out_groups_are_read_through_the_host_where_members_are_needed() -> None:
    found = demo()
    lnet = {**found.lnet, "routers": ["lustre_router"]}
    hosts = {**found.hosts, "client2": {**found.hosts["client2"], "groups": found.groups, "group_names": []}}
    node = node_state(found.filesystems, "client2", hosts, None, lnet)
    assert node["lnet"]["routes"] == [{"net": "tcp", "gateway": "10.77.1.30@tcp1"}]


def test_the_description_is_not_changed() -> None:
    found = demo()
    before = copy.deepcopy((found.filesystems, found.lnet))
    for host in DEMO_HOSTS:
        found.node(host)["targets"].clear()
    assert (found.filesystems, found.lnet) == before


def test_what_is_missing_for_this_host_is_said() -> None:
    found = small()
    found.hosts["s1"] = {"ansible_host": "s1.example.org"}
    with pytest.raises(SiteError, match=r"the NIDs of s1 are not known"):
        found.node("c1")
    with pytest.raises(SiteError, match=r"lustre_filesystems\[0\].osts\[0\].device"):
        broken = small()
        broken.filesystems[0]["osts"][0]["device"] = 7
        broken.node("s1")


def test_a_broken_part_of_others_does_not_stop_a_host() -> None:
    found = small()
    found.filesystems[0]["osts"][0]["device"] = 7
    assert found.node("c1")["mounts"]


def test_a_large_site_costs_some_calls_for_each_entry_and_none_for_a_client() -> None:
    """500 servers with 4 OSTs each, 20,000 clients in ranges and groups. Time itself is measured by ``make bench``."""
    pairs = [(f"oss{n:03d}", f"oss{n + 1:03d}") for n in range(1, 500, 2)]
    osts = []
    for number, (one, other) in enumerate(pairs):
        first = number * 8
        osts += [
            {"index": f"{first}-{first + 3}", "servers": [one, other], "device": BY_ID + "ost{index}"},
            {"index": f"{first + 4}-{first + 7}", "servers": [other, one], "device": BY_ID + "ost{index}"},
        ]
    found = small(
        hosts={
            "oss[001-500]": "10.2.0.1+",
            "client[00001-20000]": {"ansible_host": "10.8.0.1+", "groups": ["compute"]},
        },
        osts=osts,
        clients=[{"hosts": ["compute"], "path": "/mnt/fs1"}],
    )
    hostvars = found.hostvars()
    node, calls = calls_of(
        lambda: node_state(found.filesystems, "client12345", hostvars, NoMembers(found.groups), found.lnet)
    )
    assert node["mounts"][0]["mgs_nids"] == [["10.0.0.1@tcp"], ["10.0.0.2@tcp"]]
    assert hostvars.asked == {"client12345", "s1", "s2"}
    assert calls < 15_000, calls
