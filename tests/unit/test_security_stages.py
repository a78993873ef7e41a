"""Who makes which key, and the stages of a roll-out: every connection is as described at the end, and never less than before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor import FlavorResource
from ansible_collections.lustre.core.plugins.plugin_utils import _security
from tests.unit.hypotheses import examples
from tests.unit.models.srpc_model import CONNECTIONS, SrpcModel


def rule(target: str, flavor: str, direction: str = "", network: str = "default") -> dict[str, str]:
    return {"target": target, "flavor": flavor, "direction": direction, "network": network}


def names(stages: list[dict[str, Any]]) -> list[str]:
    return [stage["name"] for stage in stages]


def test_one_flavor_for_all_comes_in_stages() -> None:
    stages = _security.secure_stages({"rules": [rule("fs1", "skpi")]}, [])
    assert names(stages) == ["servers among themselves", "clients", "as described"]
    assert [entry["direction"] for entry in stages[0]["rules"]] == ["mdt2mdt", "mdt2ost"]
    assert [entry["direction"] for entry in stages[1]["rules"]] == ["cli2mdt", "cli2ost"]
    assert stages[1]["back"] == [
        "lctl conf_param -d fs1.srpc.flavor.default.cli2mdt",
        "lctl conf_param -d fs1.srpc.flavor.default.cli2ost",
    ]
    assert stages[2]["purge"] == [
        f"fs1.srpc.flavor.default.{way}" for way in ("mdt2mdt", "mdt2ost", "cli2mdt", "cli2ost")
    ]


def test_what_is_as_described_has_no_stages() -> None:
    assert _security.secure_stages({"rules": [rule("fs1", "skpi")]}, [rule("fs1", "skpi")]) == []
    assert _security.secure_stages({}, [rule("fs1", "skpi")]) == []


def test_a_run_that_was_ended_goes_on() -> None:
    helpers = [rule("fs1", "skpi", "mdt2mdt"), rule("fs1", "skpi", "mdt2ost")]
    stages = _security.secure_stages({"rules": [rule("fs1", "skpi")]}, helpers)
    assert names(stages) == ["clients", "as described"] and len(stages[1]["purge"]) == 4
    stages = _security.secure_stages({"rules": [rule("fs1", "skpi")]}, [*helpers, rule("fs1", "skpi")])
    assert names(stages) == ["as described"]
    assert stages[0]["purge"] == ["fs1.srpc.flavor.default.mdt2mdt", "fs1.srpc.flavor.default.mdt2ost"]


def test_described_directions_stay() -> None:
    wanted = [rule("fs1", "skpi", "cli2mdt"), rule("fs1", "ski", "mdt2ost")]
    stages = _security.secure_stages({"rules": wanted}, [])
    assert names(stages) == ["servers among themselves", "clients"]


def test_less_protection_needs_no_stages() -> None:
    stages = _security.secure_stages({"rules": [rule("fs1", "null")]}, [rule("fs1", "skpi")])
    assert names(stages) == ["as described"]
    assert stages[0]["back"] == ["lctl conf_param fs1.srpc.flavor.default=skpi"]
    stages = _security.secure_stages({"purge": ["fs1", "_mgs"]}, [rule("fs1", "skpi"), rule("_mgs", "skpi")])
    assert [(stage["name"], stage["purge"]) for stage in stages] == [
        ("as described", ["fs1"]),
        ("connections to the MGS", ["_mgs"]),
    ]


def test_a_stronger_rule_that_nobody_describes_is_not_rolled_over() -> None:
    had = [rule("fs1", "krb5p", "cli2ost")]
    with pytest.raises(
        BadValue, match=r"cli2ost=krb5p, which is not described, .*flavors: \{cli2ost: krb5p\}\), or say purge_flavors"
    ):
        _security.secure_stages({"rules": [rule("fs1", "krb5a")]}, had)
    # to go, or to be as strong at least
    assert (
        names(_security.secure_stages({"rules": [rule("fs1", "krb5a")], "purge": ["fs1"]}, had))[-1] == "as described"
    )
    assert names(_security.secure_stages({"rules": [rule("fs1", "krb5p")]}, [rule("fs1", "krb5a", "cli2ost")]))
    assert names(_security.secure_stages({"rules": [rule("fs1", "krb5a"), *had]}, had))


def test_the_mgs_comes_last() -> None:
    stages = _security.secure_stages({"rules": [rule("_mgs", "skpi"), rule("fs1", "skpi")]}, [])
    assert names(stages)[-1] == "connections to the MGS"
    assert [stage["mgs"] for stage in stages] == [False, False, False, True]


wanted_rules = st.lists(
    st.builds(
        rule,
        st.sampled_from(["fs1", "fs1", "fs2", "_mgs", "fs1-MDT0000"]),
        st.sampled_from(["null", "ski", "skpi", "krb5p"]),
        st.sampled_from(["", "", "cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost"]),
    ).map(lambda entry: {**entry, "direction": ""} if entry["target"] == "_mgs" else entry),
    max_size=6,
    unique_by=lambda entry: (entry["target"], entry["direction"]),
)


@examples(150)
@given(had=wanted_rules, wanted=wanted_rules, purge=st.sets(st.sampled_from(["fs1", "fs2", "_mgs"])).map(sorted))
def test_stages_lead_to_the_description(
    had: list[dict[str, str]], wanted: list[dict[str, str]], purge: list[str]
) -> None:
    def name(entry: dict[str, str]) -> str:
        return f"{entry['target']}.srpc.flavor.default" + (f".{entry['direction']}" if entry["direction"] else "")

    described = {"rules": wanted, "purge": purge}
    before = {name(entry): entry["flavor"] for entry in had}
    direct, model = SrpcModel(dict(before)), SrpcModel(dict(before))
    converge(FlavorResource.from_options(wanted, purge), direct, sleep=lambda _seconds: None)
    try:
        stages = _security.secure_stages(described, had)
    except BadValue as error:
        undescribed = [one for one in had if name(one) not in {name(other) for other in wanted}]
        assert any(f"{name(one)}={one['flavor']}," in str(error) and one["target"] not in purge for one in undescribed)
        event("a stronger rule that nobody describes")
        return
    event(f"{len(stages)} stages")
    for stage in stages:
        made = FlavorResource.from_options(stage["rules"], stage["purge"])
        assert converge(made, model, sleep=lambda _seconds: None).changed, f"{stage['name']} changes nothing"
        for entry in stage["wait"]:
            fits = [
                c
                for c in CONNECTIONS
                if entry["target"] == "fs2" and c[0].startswith("fs2") and c[2] == entry["direction"]
            ]
            assert all(model.chosen(connection) == entry["flavor"] for connection in fits)
    # What the stages add goes again: the MGS ends with the rules of one step, but for described-looking ones of others.
    assert model.in_force() == direct.in_force() or set(before) - {name(entry) for entry in wanted}
    for entry in wanted:
        assert model.rules[name(entry)] == entry["flavor"]
    left = {key for key in model.rules if key not in before and key not in {name(entry) for entry in wanted}}
    assert not left, "a rule of the stages stays"


KEYS = [
    {"path": "/k/fs1.server.default.key", "types": ["server", "client"], "fsname": "fs1", "nodemap": "default"},
    {"path": "/k/fs1.server.bio.key", "types": ["server"], "fsname": "fs1", "nodemap": "bio"},
]


def test_contents_go_to_the_keys_they_are_for() -> None:
    sources = [{"identity": _security.identity(key), "key": key, "host": "mds1"} for key in KEYS]
    contents = _security.ssk_read(sources, [{"content": "QQ=="}, {"skipped": True}])
    assert contents == {"fs1 default": "QQ=="}
    client = {"path": "/k/fs1.client.default.key", "types": ["client"], "fsname": "fs1"}
    assert _security.ssk_contents([client], contents) == [{**client, "state": "loaded", "content": "QQ=="}]
    assert _security.ssk_contents([client], contents, only=["fs2"]) == []
    with pytest.raises(BadValue, match="no server has made the key of fs1 bio"):
        _security.ssk_contents(KEYS, contents)
    assert [entry.get("content") for entry in _security.ssk_contents(KEYS, contents, strict=False)] == ["QQ==", None]


def test_keys_of_an_mgs_are_told_by_its_nids() -> None:
    one = {"mgs_nids": ["10.0.0.2@tcp", "10.0.0.1@tcp"], "nodemap": "default"}
    assert _security.identity(one) == _security.identity({"mgs_nids": ["10.0.0.1@tcp", "10.0.0.2@tcp"]})
    assert _security.staged_path("/k/a.key") == "/k/.lustre-next/a.key"


def _told(*exists: bool) -> dict[str, Any]:
    return {"state": {"files": [{"exists": one} for one in exists]}}


def _sources() -> list[dict[str, Any]]:
    """Two keys, both made by mds1; oss1 and oss2 hold them, too."""
    others = [[{"host": host, "key": {**key, "types": ["server"]}} for host in ("oss1", "oss2")] for key in KEYS]
    return [
        {"identity": _security.identity(key), "key": key, "host": "mds1", "others": other}
        for key, other in zip(KEYS, others)
    ]


def test_a_key_that_its_maker_has_is_asked_of_nobody() -> None:
    assert _security.ssk_asks(_sources(), [_told(True), _told(True)]) == []
    assert _security.ssk_settled(_sources(), []) == _sources()


def test_a_key_is_made_only_where_no_server_has_it() -> None:
    """A server that was installed anew has lost it; with a new one it would serve nobody."""
    asks = _security.ssk_asks(_sources(), [_told(False), _told(False)])
    assert [(ask["host"], [key["path"] for key in ask["ssk_keys"]]) for ask in asks] == [
        (host, [key["path"] for key in KEYS]) for host in ("oss1", "oss2")
    ]
    asked = [{"item": asks[0], **_told(False, False)}, {"item": asks[1], **_told(False, True)}]
    first, second = _security.ssk_settled(_sources(), asked)
    assert first == _sources()[0], "nobody has it, so it is made where it always is"
    assert (second["host"], second["key"]) == ("oss2", {**KEYS[1], "types": ["server"]})


def test_no_key_is_made_where_somebody_did_not_tell() -> None:
    for silent in ({"failed": True, "msg": "no answer"}, {"state": {"files": []}}, {"state": None}):
        with pytest.raises(BadValue, match="did not tell whether it has them"):
            _security.ssk_asks(_sources(), [_told(True), silent])
        asks = _security.ssk_asks(_sources(), [_told(False), _told(True)])
        with pytest.raises(BadValue, match="did not tell whether it has them"):
            _security.ssk_settled(_sources(), [{"item": asks[0], **silent}])


def test_the_servers_of_a_key_are_those_of_the_description() -> None:
    fs = {
        "name": "fs1",
        "mgs": {"servers": ["mds1"], "device": "/dev/disk/by-id/mgt"},
        "mdts": [{"index": 0, "servers": ["mds1"], "device": "/dev/disk/by-id/mdt"}],
        "osts": [{"index": "0-1", "servers": ["oss1", "oss2"], "device": "/dev/disk/by-id/ost{index}"}],
        "clients": [{"hosts": "client1", "path": "/mnt/fs1"}],
        "ssk": {},
        "flavors": "skpi",
    }
    hosts = {
        name: {"lustre_nids": [f"10.0.0.{n}@tcp"]} for n, name in enumerate(("mds1", "oss1", "oss2", "client1"), 1)
    }
    lnet = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]}
    (source,) = _security.ssk_sources([fs], ["mds1", "oss1", "oss2", "client1"], hosts, lnet)
    assert (source["host"], [other["host"] for other in source["others"]]) == ("mds1", ["oss1", "oss2"])
    assert {other["key"]["path"] for other in source["others"]} == {source["key"]["path"]}
