"""For any node and any wanted state: carrying out the plan leaves nothing to do, and touches nothing undeclared."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from tests.unit.hypotheses import examples
from tests.unit.lnet_model import LnetModel

LINKS = {"lo": ["127.0.0.1"], "eth0": ["10.77.0.11"], "eth1": ["10.77.1.11"], "eth2": ["10.77.2.11"]}
NETS = ["tcp", "tcp1", "tcp2", "o2ib"]
INTERFACES = ["eth0", "eth1", "eth2"]
REMOTE = ["tcp7", "tcp8", "o2ib7"]
SOURCES = ["tcp", "tcp1", "o2ib", "10.77.0.11@tcp", "*@tcp2"]

networks = st.lists(
    st.fixed_dictionaries(
        {
            "net": st.sampled_from(NETS),
            "interfaces": st.lists(st.sampled_from(INTERFACES), min_size=1, max_size=3, unique=True),
        },
        optional={
            "tunables": st.fixed_dictionaries(
                {}, optional={"credits": st.sampled_from([256, 512]), "peer_timeout": st.sampled_from([0, 180])}
            ),
            "lnd_tunables": st.fixed_dictionaries({}, optional={"conns_per_peer": st.integers(1, 3)}),
            "cpts": st.sampled_from([[], [0], [0, 1]]),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda network: network["net"],
)
rules = st.lists(
    st.fixed_dictionaries({"src": st.sampled_from(SOURCES)}, optional={"priority": st.integers(0, 2)}),
    max_size=5,
    unique_by=lambda rule: rule["src"],
)
gateways = st.sampled_from(["10.77.9.1@", "10.77.9.2@"])


@st.composite
def wants(draw: st.DrawFn) -> dict[str, Any]:
    nets = draw(networks)
    names = [network["net"] for network in nets]
    options: dict[str, Any] = {"networks": nets, "udsp": draw(rules)}
    options["nids"] = [f"{LINKS[name][0]}@{network['net']}" for network in nets for name in network["interfaces"]]
    route = st.fixed_dictionaries(
        {"net": st.sampled_from(REMOTE), "gateway": st.builds(str.__add__, gateways, st.sampled_from(names))},
        optional={"hop": st.integers(1, 2), "priority": st.integers(0, 1)},
    )
    options["routes"] = draw(st.lists(route, max_size=3, unique_by=lambda item: (item["net"], item["gateway"])))
    if draw(st.booleans()):
        options["routing"] = draw(
            st.sampled_from([{"enabled": False}, {"enabled": True}, {"enabled": True, "tiny": 1025, "large": 1}])
        )
    options["global"] = draw(
        st.fixed_dictionaries(
            {}, optional={"retry_count": st.integers(0, 3), "transaction_timeout": st.sampled_from([10, 150])}
        )
    )
    options["discovery"] = draw(st.sampled_from([None, True, False]))
    options["peers"] = draw(st.sampled_from([[], [{"primary": "10.1.0.1@tcp", "nids": ["10.1.1.1@tcp1"]}]]))
    options["purge"] = draw(st.lists(st.sampled_from(["networks", "routes", "peers", "udsp"]), unique=True))
    options["remove_networks"] = draw(st.sampled_from([[], NETS]))
    options["module_options"] = draw(st.sampled_from([None, {}, {"lnet": {"accept_port": 988}}]))
    return options


@st.composite
def nodes(draw: st.DrawFn) -> LnetModel:
    model = LnetModel(links=dict(LINKS), loaded=draw(st.booleans()), up=draw(st.booleans()))
    if not model.up:
        return model
    for net in draw(st.lists(st.sampled_from(NETS), unique=True)):
        for interface in draw(st.lists(st.sampled_from(INTERFACES), min_size=1, max_size=2, unique=True)):
            model.add(net, interface, credits=draw(st.sampled_from([256, 512])), conns_per_peer=draw(st.integers(1, 2)))
    local = sorted({ni["net"] for ni in model.nis})
    if local:
        for net in draw(st.lists(st.sampled_from(REMOTE), unique=True)):
            gateway = draw(gateways) + draw(st.sampled_from(local))
            model.routes.append(
                {
                    "net": net,
                    "gateway": gateway,
                    "hop": draw(st.sampled_from([-1, 1])),
                    "priority": draw(st.integers(0, 1)),
                }
            )
    if draw(st.booleans()):
        model._set(["lnetctl", "set", "routing", "1"], {})
    model.settings["retry_count"] = draw(st.integers(0, 20))
    model.udsp = [
        {"src": rule["src"], "dst": None, "rte": None, "priority": rule.get("priority", 0)} for rule in draw(rules)
    ]
    known = {"primary": "10.1.0.1@tcp", "nids": ["10.1.0.1@tcp", "10.1.2.1@tcp2"], "state": 9}
    model.peers = draw(
        st.sampled_from([[], [known], [{"primary": "10.1.0.9@tcp", "nids": ["10.1.0.9@tcp"], "state": 9}]])
    )
    model.peers = [{**peer, "nids": list(peer["nids"])} for peer in model.peers]
    if draw(st.booleans()):
        model.mount("10.77.0.1@tcp:/fs1 /mnt/fs1 lustre rw 0 0")
    return model


@examples(80)
@given(options=wants(), model=nodes())
def test_carrying_out_the_plan_leaves_nothing_to_do(options: dict[str, Any], model: LnetModel) -> None:
    resource = LnetResource.from_options(options, reader=model.reader())
    undeclared = [ni["nid"] for ni in model.nis if ni["net"] not in [network["net"] for network in options["networks"]]]
    sources = [rule["src"] for rule in model.udsp if rule["src"] not in [wanted["src"] for wanted in options["udsp"]]]
    others = [
        route
        for route in model.routes
        if (route["net"], route["gateway"]) not in [(r["net"], r["gateway"]) for r in options["routes"]]
    ]
    try:
        planned = converge(resource, model, check_mode=True)
    except Refused:
        assume(False)
    outcome = converge(resource, model, write=model.write, sleep=lambda _seconds: None)
    assert outcome.plan.steps == planned.plan.steps
    assert not converge(resource, model, write=model.write).changed

    here = {ni["nid"] for ni in model.nis}
    assert here.issuperset(options["nids"])
    if "networks" not in options["purge"]:
        assert here.issuperset(undeclared)
    if "routes" not in options["purge"]:
        nets = {ni["net"] for ni in model.nis}
        assert all(route in model.routes for route in others if route["gateway"].split("@")[1] in nets)
    live = [rule["src"] for rule in model.udsp]
    assert [source for source in live if source in [rule["src"] for rule in options["udsp"]]] == [
        rule["src"] for rule in options["udsp"]
    ]
    assert [source for source in live if source in sources] == ([] if "udsp" in options["purge"] else sources)
