"""The firewall as a part of a node: its place, its options, its state."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._node import converge_node, options_of, parts_of
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state

LNET = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "nids": ["10.77.0.11@tcp"]}
NONE = [(["firewall-cmd", "--state"], ToolMissing("firewall-cmd")), (["ufw", "status"], ToolMissing("ufw"))]
NFT = ["nft", "-j", "list", "ruleset"]
BLOCKED = (
    '{"nftables": [{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", '
    '"hook": "input", "policy": "drop"}}]}'
)


def test_it_comes_before_lnet_and_only_when_described():
    want = {"lnet": LNET, "services": [{"name": "lnet.service"}], "firewall": {"port": 988}}
    assert [part.phase for part in parts_of(want)] == ["firewall", "lnet", "services"]
    assert [part.phase for part in parts_of({**want, "phases": ["services", "lnet"]})] == ["lnet", "services"]
    assert [part.phase for part in parts_of({"lnet": LNET})] == ["lnet"]
    assert options_of({"want": want, "phases": None})["firewall"] == {"port": 988}


def test_no_firewall_costs_no_process_and_changes_nothing(fake):
    run = fake([*NONE, (NFT, ToolMissing("nft"))])
    values = node_values(converge_node(parts_of({"firewall": {"port": 988}}), run), run.count, show_diff=False)
    assert values["changed"] is False
    assert values["state"] == {
        "firewall": {"firewall": "none", "port": 988, "open_now": True, "open_after_reboot": True}
    }


def test_check_mode_plans_the_opening(fake):
    run = fake([*NONE, (NFT, BLOCKED)])
    values = node_values(converge_node(parts_of({"firewall": {"port": 6988}}), run, check_mode=True), run.count, True)
    assert values["plan"][0]["command"] == "nft insert rule inet filter input tcp dport 6988 accept"
    assert values["changed"] is True


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"ports": 988}, "firewall.ports"),
        ({"port": "ssh"}, "firewall.port"),
        ({"port": 99999}, "firewall.port"),
        (988, "firewall"),
    ],
)
def test_unusable_options_are_named(options, path):
    with pytest.raises(BadValue) as error:
        parts_of({"firewall": options})
    assert error.value.path == path


def test_a_port_as_text_and_a_zone_are_taken():
    made = FirewallResource.from_mapping({"port": "6988", "zone": "storage"}, "firewall")
    assert (made.port, made.zone) == (6988, "storage")


@pytest.mark.parametrize(("options", "port"), [({}, 988), ({"lnet": {"accept_port": 6988}}, 6988)])
def test_the_description_names_the_port(options, port):
    hostvars = {"client1": {"ansible_host": "10.77.0.41", "lustre_nids": ["10.77.0.41@tcp"]}}
    lnet = {"networks": [{"net": "tcp", "hosts": ["client1"], "interfaces": ["eth0"]}], "module_options": options}
    assert node_state([], "client1", hostvars, {"all": ["client1"]}, lnet)["firewall"] == {"port": port}
