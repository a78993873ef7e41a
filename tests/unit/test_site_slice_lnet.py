# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The LNet part of a host's slice: its networks, routes over routers, and whom it must reach."""

from __future__ import annotations

from tests.unit.site_support import DEMO_HOSTS, demo, small


def test_an_mgs_outside_is_for_clients_alone() -> None:
    found = small(mgs={"nids": [["10.9.0.1@tcp0", "10.9.1.1@o2ib"], ["10.9.0.2@tcp"]]}, mdts=[], osts=[])
    node = found.node("c1")
    assert node["mounts"][0]["mgs_nids"] == [["10.9.0.1@tcp"], ["10.9.0.2@tcp"]]
    assert node["expected"] == {"reachable": ["10.9.0.1@tcp", "10.9.0.2@tcp"], "unreachable": ["10.9.1.1@o2ib"]}


def test_routes_go_over_the_router_and_a_router_forwards() -> None:
    nodes = {host: demo().node(host)["lnet"] for host in DEMO_HOSTS}
    assert nodes["client2"]["routes"] == [{"net": "tcp", "gateway": "10.77.1.30@tcp1"}]
    assert nodes["oss1"]["routes"] == [{"net": "tcp1", "gateway": "10.77.0.30@tcp"}]
    assert nodes["router1"]["routes"] == []
    assert nodes["router1"]["routing"] == {"enabled": True}
    assert "routing" not in nodes["oss1"]
    assert nodes["router1"]["networks"] == [
        {"net": "tcp", "interfaces": ["eth0"]},
        {"net": "tcp1", "interfaces": ["eth1"]},
    ]


def test_a_way_over_several_routers() -> None:
    lnet = {
        "networks": [
            {"net": "tcp", "hosts": ["s1", "s2"], "interfaces": ["eth0"]},
            {"net": "tcp1", "hosts": ["nobody"], "interfaces": ["eth0"]},
            {"net": "tcp2", "hosts": ["c1"], "interfaces": ["eth0"]},
        ],
        "routers": ["r1", "r2", "r3"],
    }
    routers = {
        "r1": {"nids": ["10.0.0.30@tcp", "10.1.0.30@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
        "r2": {"nids": ["10.0.0.31@tcp", "10.1.0.31@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
        "r3": {"nids": ["10.1.0.40@tcp1", "10.2.0.40@tcp2"], "interfaces": {"tcp1": "a", "tcp2": "b"}},
        "nobody": "10.1.0.99",
    }
    found = small(lnet=lnet, hosts=routers)
    assert found.node("s1")["lnet"]["routes"] == [
        {"net": "tcp1", "gateway": "10.0.0.30@tcp"},
        {"net": "tcp1", "gateway": "10.0.0.31@tcp"},
        {"net": "tcp2", "gateway": "10.0.0.30@tcp", "hop": 2},
        {"net": "tcp2", "gateway": "10.0.0.31@tcp", "hop": 2},
    ]
    assert found.node("r1")["lnet"]["routes"] == [{"net": "tcp2", "gateway": "10.1.0.40@tcp1"}]
    assert [route["net"] for route in found.node("c1")["lnet"]["routes"]] == ["tcp", "tcp1"]


def test_explicit_routes_are_those_of_their_hosts_and_expectations_follow_them() -> None:
    lnet = {
        "networks": [
            {"net": "tcp", "hosts": ["s1", "s2"], "interfaces": ["eth0"]},
            {"net": "tcp1", "hosts": ["c[1-2]"], "interfaces": ["eth0"]},
        ],
        "routers": ["r1"],
        "routes": [{"hosts": ["c1"], "net": "tcp0", "gateway": "10.1.0.30@tcp1", "priority": 1}],
    }
    hosts = {
        "c2": "10.0.0.10",
        "r1": {"nids": ["10.0.0.30@tcp", "10.1.0.30@tcp1"], "interfaces": {"tcp": "a", "tcp1": "b"}},
    }
    found = small(lnet=lnet, hosts=hosts, clients=[{"hosts": "c[1-2]", "path": "/mnt/fs1"}])
    assert found.node("c1")["lnet"]["routes"] == [{"net": "tcp", "gateway": "10.1.0.30@tcp1", "priority": 1}]
    assert found.node("c1")["expected"]["unreachable"] == []
    assert found.node("c2")["lnet"]["routes"] == []
    assert found.node("c2")["expected"] == {
        "reachable": ["10.1.0.30@tcp1"],
        "unreachable": ["10.0.0.1@tcp", "10.0.0.2@tcp", "10.0.0.30@tcp"],
    }


def test_full_expectations_name_every_server() -> None:
    assert "10.77.0.22@tcp" not in demo().node("client1")["expected"]["reachable"]
    assert "10.77.0.22@tcp" in demo().node("client1", full=True)["expected"]["reachable"]


def test_an_own_interface_wins_and_settings_come_along() -> None:
    networks = [
        {
            "net": "tcp",
            "interfaces": "eth0",
            "tunables": {"credits": 512},
            "lnd_tunables": {"conns_per_peer": 4},
            "cpts": [0],
        }
    ]
    lnet = {
        "networks": networks,
        "discovery": False,
        "global": {"retry_count": 3},
        "purge": "routes",
        "udsp": [{"src": "tcp", "priority": 0}, {"src": "tcp", "hosts": "c1"}],
        "module_options": {"lnet": {"accept_port": 988}},
    }
    found = small(lnet=lnet)
    found.hosts["s1"]["lustre_interfaces"] = {"tcp0": ["ib0", "ib1"]}
    node = found.node("s1")["lnet"]
    assert node["networks"] == [
        {
            "net": "tcp",
            "interfaces": ["ib0", "ib1"],
            "tunables": {"credits": 512},
            "lnd_tunables": {"conns_per_peer": "4"},
            "cpts": [0],
        }
    ]
    assert (node["discovery"], node["global"], node["purge"]) == (False, {"retry_count": 3}, ["routes"])
    assert node["udsp"] == [{"src": "tcp", "priority": 0}]
