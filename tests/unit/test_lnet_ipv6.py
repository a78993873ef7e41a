"""NIDs with IPv6 addresses: added by name, at boot, too; refused early where they cannot be."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, NeedsRelease, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._resources import lnet_files, lnet_ipv6, lnet_system
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import LnetWant
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.lnet_model import LnetModel

LINKS = {
    "eth0": ["10.77.0.11", "fd00:77::11", "fe80::1"],
    "eth1": ["fd00:78::11", "fe80::2"],
    "eth2": ["10.79.0.11"],
}
SIX = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "nids": ["fd00:77:0:0::11@tcp0"]}
ADD = "lnetctl net add --nid fd00:77::11@tcp"


def made(want: dict[str, Any], **model: Any) -> tuple[LnetModel, LnetResource]:
    node = LnetModel(links=LINKS, up=True, **model)
    return node, LnetResource.from_options(want, reader=node.reader())


def commands(resource: LnetResource, node: LnetModel) -> list[str]:
    return [shlex.join(step.argv) for step in resource.plan(resource.have(node)).steps if step.argv[:1] == ("lnetctl",)]


def test_an_ipv6_nid_is_added_by_its_name_and_stays() -> None:
    node, resource = made(SIX)
    assert commands(resource, node) == [ADD]
    after = converge(resource, node, write=node.write).after
    assert after["nids"] == ["fd00:77::11@tcp"]
    calls = len(node.calls)
    assert not converge(resource, node, write=node.write).changed
    # A converged node is not asked for its options.
    assert lnet_ipv6.HELP not in node.calls[calls:]


def test_tunables_go_with_it() -> None:
    network = {
        "net": "tcp",
        "interfaces": ["eth0"],
        "tunables": {"credits": 512},
        "lnd_tunables": {"conns_per_peer": 2},
    }
    node, resource = made({**SIX, "networks": [network]})
    assert commands(resource, node) == [f"{ADD} --credits 512 --conns-per-peer 2"]


def test_interfaces_of_both_kinds_in_one_network() -> None:
    want = {
        "networks": [{"net": "tcp", "interfaces": ["eth2", "eth1"]}, {"net": "tcp1", "interfaces": ["eth0"]}],
        "nids": ["10.79.0.11@tcp", "fd00:78::11@tcp", "10.77.0.11@tcp1"],
    }
    node, resource = made(want)
    assert commands(resource, node) == [
        "lnetctl net add --net tcp --if eth2",
        "lnetctl net add --nid fd00:78::11@tcp",
        "lnetctl net add --net tcp1 --if eth0",
    ]
    assert converge(resource, node, write=node.write).changed
    assert not converge(resource, node, write=node.write).changed


@pytest.mark.parametrize(
    ("want", "said"),
    [
        ({**SIX, "nids": ["10.77.0.11@tcp", "fd00:77::11@tcp"]}, "an interface has one NID in one network"),
        ({"networks": [{"net": "tcp", "interfaces": ["eth1"]}]}, "eth1 has only IPv6 addresses"),
        ({**SIX, "nids": ["fd00:99::1@tcp"]}, "the address fd00:99::1 is not on eth0"),
        ({**SIX, "nids": ["fe80::1@tcp"]}, "the address fe80::1 is not on eth0"),
    ],
)
def test_what_is_unclear_is_refused_before_anything_is_done(want: dict[str, Any], said: str) -> None:
    node, resource = made(want)
    with pytest.raises(Refused, match=said):
        converge(resource, node, write=node.write)
    assert not node.nis and not node.files


def test_a_release_without_the_option_is_named_before_anything_is_done() -> None:
    node, resource = made(SIX)
    node.help = ""
    with pytest.raises(NeedsRelease, match=r"`lnetctl net add --nid`.*2\.16"):
        converge(resource, node, check_mode=True)
    assert not node.nis and not node.files


def test_a_help_that_is_none_is_an_error() -> None:
    with pytest.raises(ToolError, match="which options `lnetctl net add` has"):
        lnet_ipv6.require_option(lambda argv, stdin=None, timeout=30.0: Result(255, "", "lnetctl: not today\n"))


def by_nid() -> tuple[LnetWant, dict[tuple[str, str], str]]:
    want = LnetWant.from_options(SIX)
    return want, lnet_ipv6.by_nid(want, {"eth0": lnet_system.Link("eth0", True, tuple(LINKS["eth0"]))})


def test_the_boot_adds_it_by_name_and_waits_for_that_very_address() -> None:
    want, named = by_nid()
    script = lnet_files.start_script(want, named)
    assert "wait_for eth0 to fd00:77::11 -tentative" in script
    assert "add net add --nid fd00:77::11@tcp" in script
    assert "lnetctl import" not in script


def test_the_file_names_it_and_is_the_same_in_another_spelling() -> None:
    want, named = by_nid()
    text = lnet_files.lnet_conf(want, named)
    assert "- nid: fd00:77::11@tcp\n" in text
    assert lnet_files.same_meaning(text, text.replace("fd00:77::11@tcp", "fd00:77:0::0:11@tcp0"))
    assert not lnet_files.same_meaning(text, text.replace("fd00:77::11", "fd00:77::12"))
    assert "nid" not in lnet_files.lnet_conf(want)


def test_a_policy_cannot_name_an_ipv6_address() -> None:
    with pytest.raises(BadValue, match=r"udsp\[0\]\.src: fd00:77::11@tcp has an IPv6 address"):
        LnetWant.from_options({**SIX, "udsp": [{"src": "fd00:77::11@tcp", "priority": 0}]})


def test_a_route_and_a_peer_may() -> None:
    want = {
        **SIX,
        "routes": [{"net": "tcp7", "gateway": "fd00:77::99@tcp"}],
        "peers": [{"primary": "fd00:77::77@tcp", "nids": ["fd00:77::78@tcp"]}],
    }
    node, resource = made(want)
    assert converge(resource, node, write=node.write).changed
    assert not converge(resource, node, write=node.write).changed


def test_a_peer_that_this_lustre_makes_multi_rail_against_the_wish_is_told_and_left() -> None:
    """2.17.0 ignores --non_mr: the peer is entered, the difference shown, and no run after it changes anything."""
    want = {
        "networks": [{"net": "tcp", "interfaces": ["eth2"]}],
        "peers": [{"primary": "10.79.0.77@tcp", "multi_rail": False}],
    }
    node, resource = made(want)
    converge(resource, node, write=node.write)
    again = converge(resource, node, write=node.write)
    assert not again.changed
    drift = [entry for entry in again.plan.drift if entry.object == "peer 10.79.0.77@tcp"]
    assert [(entry.found, entry.wanted) for entry in drift] == [("multi-rail: True", "multi-rail: False")]
    assert "2.17 ignores --non_mr" in drift[0].remedy and "discovery: false" in drift[0].remedy
