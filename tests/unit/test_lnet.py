"""The lnet resource: what it plans, that carrying it out leaves nothing to do, and at what price."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    NotConverged,
    Refused,
    ToolError,
    ToolMissing,
)
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from ansible_collections.lustre.core.plugins.module_utils._resources import lnet_files, lnet_system
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import load_cases
from tests.unit.lnet_model import LnetModel

PLANS = load_cases("lnet_plan")
BAD_OPTIONS = load_cases("lnet_options")


def setup(node: dict[str, Any], want: dict[str, Any]) -> tuple[LnetModel, LnetResource]:
    """A node as a case describes it, and the resource that looks at it."""
    up = node.get("up", False) or "nets" in node
    model = LnetModel(links=node.get("links"), loaded=node.get("loaded", False), up=up)
    for net, interface, *more in node.get("nets", ()):
        model.add(net, interface, **(more[0] if more else {}))
    model.routes = [dict(zip(("net", "gateway", "hop", "priority"), route)) for route in node.get("routes", ())]
    model.routing, model.pools = node.get("routing", 0), node.get("pools", model.pools)
    model.settings.update(node.get("settings", {}))
    for key in node.get("without_settings", ()):
        del model.settings[key]
    model.peers = [{"primary": nids[0], "nids": list(nids), "state": 9} for nids in node.get("peers", ())]
    model.peers += [{"primary": nids[0], "nids": list(nids), "state": 273} for nids in node.get("discovered", ())]
    model.udsp = [
        {"src": src, "dst": dst, "rte": None, "priority": priority} for src, dst, priority in node.get("udsp", ())
    ]
    model.reload_needed = node.get("reload_needed", False)
    resource = LnetResource.from_options(want, reader=model.reader())
    if node.get("files_of_want"):
        files_of(resource, model)
    model.files.update(node.get("files", {}))
    for path, text in node.get("append", {}).items():
        model.files[path] += text
    for path, text in node.get("ours", {}).items():
        model.files[path] = lnet_files.HEADER + text
    for path in node.get("gone", ()):
        del model.files[path]
    if "mounts" in node:
        model.mount(*node["mounts"])
    return model, resource


def files_of(resource: LnetResource, model: LnetModel) -> None:
    model.files[lnet_system.LNET_CONF] = lnet_files.lnet_conf(resource.want)
    model.files[lnet_system.START_SCRIPT] = lnet_files.start_script(resource.want)
    model.files[lnet_system.DROP_IN] = lnet_files.drop_in(resource.want)
    if resource.want.module_options:
        model.files[lnet_system.MODPROBE_CONF] = lnet_files.modprobe_conf(resource.want.module_options)


def shown(step: Step) -> str:
    return shlex.join(step.argv) if step.argv else step.write.path if step.write else ""


@pytest.mark.parametrize("case", PLANS, ids=[case["name"] for case in PLANS])
def test_plan(case: dict[str, Any]) -> None:
    model, resource = setup(case["node"], case["want"])
    if "refused" in case:
        with pytest.raises(LustreError) as caught:
            resource.plan(resource.have(model))
        for word in case["refused"]:
            assert word in str(caught.value)
        return
    plan = resource.plan(resource.have(model))
    assert [shown(step) for step in plan.steps] == case["steps"]
    assert [drift.object for drift in plan.drift] == case.get("drift", [])
    disruptive = [shown(step) for step in plan.steps if step.disruptive]
    if "disruptive" in case:
        assert disruptive == case["disruptive"]
    assert all(step.timeout >= 300 for step in plan.steps if step.argv[1:3] == ("net", "del"))


@pytest.mark.parametrize("case", [case for case in PLANS if "steps" in case], ids=lambda case: case["name"])
def test_check_mode_is_the_real_run_and_a_second_run_is_empty(case: dict[str, Any]) -> None:
    model, resource = setup(case["node"], case["want"])
    files = dict(model.files)
    planned = converge(resource, model, check_mode=True)
    assert model.files == files and not planned.applied
    real = converge(resource, model, write=model.write, sleep=lambda _seconds: None)
    assert real.plan.steps == planned.plan.steps
    assert real.changed == bool(case["steps"])
    calls = len(model.calls)
    again = converge(resource, model, write=model.write)
    assert not again.changed
    tools = [call[0] for call in model.calls[calls:]]
    assert tools.count("lnetctl") <= 2
    assert len(tools) <= 4


def test_a_converged_client_costs_two_lnetctl_and_a_plain_one_costs_one() -> None:
    for more, processes in (
        ({}, 1),
        ({"routes": [{"net": "tcp1", "gateway": "10.77.0.30@tcp"}]}, 2),
        ({"discovery": True, "routing": {"enabled": False}}, 1),
    ):
        model, resource = setup(
            {"nets": [["tcp", "eth0"]]}, {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], **more}
        )
        converge(resource, model, write=model.write)
        model.calls.clear()
        converge(resource, model, write=model.write)
        assert model.counted() == {"lnetctl": processes, "ip": 1, "systemctl": 1}


@pytest.mark.parametrize("case", BAD_OPTIONS, ids=lambda case: case["path"])
def test_options_that_cannot_be_used(case: dict[str, Any]) -> None:
    with pytest.raises(BadValue) as caught:
        LnetResource.from_options(case["want"])
    assert caught.value.path == case["path"]
    for word in case["words"]:
        assert word in str(caught.value)


def test_a_module_that_passes_all_its_options_as_none_is_the_same() -> None:
    empty = dict.fromkeys(("routing", "discovery", "module_options"))
    network = {"net": "tcp", "interfaces": ["eth0"], "tunables": None, "lnd_tunables": None, "cpts": None}
    left = LnetResource.from_options({**empty, "networks": [network], "routes": [], "global": {}, "purge": []})
    right = LnetResource.from_options({"networks": [{"net": "tcp", "interfaces": ["eth0"]}]})
    assert left.want == right.want


def test_a_failed_step_carries_the_errno_of_the_document_and_a_remedy(transcript) -> None:
    resource = LnetResource.from_options({"networks": [{"net": "tcp", "interfaces": ["eth0"]}]})
    for name, action, errno, words in (
        ("net-add-tcp-again", "add network", 17, "Somebody else added it"),
        ("net-add-badif", "add network", 100, "must be up"),
        ("net-add-o2ib", "add network", 22, "modprobe"),
        ("route-add-unreachable-gw", "add route", 113, "own"),
        ("net-set-cpt", "tune network", 22, "does not know that option"),
        ("set-unknown", "set", None, "does not know that option"),
        ("udsp-add-again", "add policy", 114, "already in progress"),
        ("peer-add-bad", "add peer", 22, "said nothing"),
    ):
        recorded = transcript(f"lnet/{name}")
        error = resource.tool_error(Step("lnet", action, "x", "y", argv=("lnetctl", "x")), *recorded)
        assert isinstance(error, ToolError) and error.errno == errno and words in str(error), name


def test_a_step_that_fails_stops_the_run_with_the_tools_words(fake, transcript) -> None:
    resource = LnetResource.from_options({"global": {"retry_count": 1}})
    run = fake(
        [
            (("lnetctl", "net", "show", "-v"), transcript("lnet/net-show-v1")),
            (("lnetctl", "global", "show"), transcript("lnet/global-show")),
            (("lnetctl", "set", "retry_count", "1"), transcript("lnet/set-unknown")),
        ]
    )
    with pytest.raises(ToolError, match="not a valid command"):
        converge(resource, run)


def test_an_unchecked_set_that_does_nothing_is_found_by_reading_back(fake, transcript) -> None:
    resource = LnetResource.from_options(
        {"global": {"retry_count": 1}}, reader=lnet_system.Reader(read=lambda _path: None)
    )
    shown_twice = [
        (("lnetctl", "net", "show", "-v"), transcript("lnet/net-show-v1")),
        (("lnetctl", "global", "show"), transcript("lnet/global-show")),
    ]
    run = fake([*shown_twice, (("lnetctl", "set", "retry_count", "1"), transcript("lnet/set-retry")), *shown_twice])
    resource.settle = 0
    with pytest.raises(NotConverged, match="retry_count"):
        converge(resource, run)


def test_a_mount_that_appears_after_the_plan_stops_the_removal() -> None:
    want = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "purge": ["networks"]}
    model, resource = setup({"nets": [["tcp", "eth0"], ["tcp9", "eth1"]], "files_of_want": True}, want)
    [step] = resource.plan(resource.have(model)).steps
    resource.check_step(step, model)
    model.mount("10.77.0.1@tcp:/fs1 /mnt/fs1 lustre rw 0 0")
    with pytest.raises(Refused, match="since this run began"):
        resource.check_step(step, model)


def test_tools_that_are_missing_are_named() -> None:
    def run(argv, stdin=None, timeout=0.0):
        raise ToolMissing(argv[0])

    with pytest.raises(ToolMissing, match=r"lnetctl.*client"):
        LnetResource.from_options({"discovery": True}, reader=LnetModel().reader()).have(run)
    with pytest.raises(ToolMissing, match="iproute2"):
        LnetResource.from_options(
            {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]}, reader=LnetModel().reader()
        ).have(run)


def test_without_systemd_there_is_nothing_to_reload() -> None:
    def run(argv, stdin=None, timeout=0.0):
        raise ToolMissing(argv[0])

    assert lnet_system.reload_needed(run) is False
    for load, needed in (("loaded", True), ("masked", False)):
        told = f"LoadState={load}\nNeedDaemonReload=yes\n"
        assert lnet_system.reload_needed(lambda *_args, told=told: Result(0, told, "")) is needed
    assert lnet_system.reload_needed(lambda *_args: Result(1, "", "System has not been booted with systemd")) is False


def test_public_state_has_the_names_of_the_options() -> None:
    want = {
        "networks": [{"net": "tcp", "interfaces": ["eth0"]}],
        "routing": {"enabled": True},
        "discovery": True,
        "udsp": [{"src": "tcp"}],
    }
    model, resource = setup({"nets": [["tcp", "eth0"]], "routing": 1}, want)
    public = resource.public(resource.have(model))
    assert public["nids"] == ["10.77.0.11@tcp"]
    assert public["routing"]["enabled"] is True and public["discovery"] is True and public["udsp"] == []
    assert "routes" not in public and "peers" not in public
