"""The composite: parts in order, one plan, and what was done when one fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from ansible_collections.lustre.core.plugins.module_utils import _node
from ansible_collections.lustre.core.plugins.module_utils._cli import systemctl
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, ToolError, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._node import (
    NodeFailed,
    Part,
    converge_node,
    parts_of,
    programs_coming,
)
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource
from ansible_collections.lustre.core.plugins.module_utils._resources.service import ServiceResource
from tests.unit.mount_support import MountedNode

MGS = [["10.77.0.11@tcp"], ["10.77.0.12@tcp"]]


def target(kind, index=None, **more):
    label = "MGS" if kind == "mgt" else f"fs1-{kind.upper()}{index:04x}"
    want = {"label": label, "kind": kind, "fsname": None if kind == "mgt" else "fs1", "index": index}
    return {**want, "device": f"/dev/disk/by-id/{label}", "mgs_nids": [] if kind == "mgt" else MGS, **more}


def target_mount(kind, index=None, **more):
    described = target(kind, index)
    keys = ("label", "fsname", "device", "mgs_nids")
    return {
        "kind": "target",
        "path": f"/lustre/{described['label'].lower()}",
        **{key: described[key] for key in keys},
        **more,
    }


CLIENT = {"kind": "client", "path": "/mnt/fs1", "fsname": "fs1", "mgs_nids": MGS}
EVERYTHING = {
    "lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "nids": ["10.77.0.11@tcp"]},
    "services": [{"name": "lnet.service"}],
    "targets": [target("ost", 1), target("mdt", 1), target("mdt", 0), target("mgt")],
    "mounts": [CLIENT, target_mount("ost", 1), target_mount("mdt", 1), target_mount("mdt", 0), target_mount("mgt")],
    "params": [
        {"name": "osc.fs1-*.max_dirty_mb", "value": "64", "scope": "local"},
        {"name": "llite.fs1-*.max_cached_mb", "value": "64", "scope": "mount", "fsname": "fs1"},
    ],
}


def names(parts):
    return [(part.phase, part.resource.kind) for part in parts]


def test_the_parts_of_a_node_in_order():
    assert names(parts_of(EVERYTHING)) == [
        ("lnet", "lnet"),
        ("services", "service"),
        ("params_mount", "param"),
        *[(phase, kind) for phase in ("mgt", "mdt0", "mdt", "ost") for kind in ("target", "mount")],
        ("client", "mount"),
        ("params", "param"),
    ]


def test_only_the_phases_asked_for_and_nothing_empty():
    assert names(parts_of({**EVERYTHING, "phases": ["ost", "lnet"]})) == [
        ("lnet", "lnet"),
        ("ost", "target"),
        ("ost", "mount"),
    ]
    assert names(parts_of({"mounts": [CLIENT], "services": None})) == [("client", "mount")]
    assert names(parts_of({})) == []


def test_each_mount_and_target_is_in_its_phase_alone():
    parts = parts_of(EVERYTHING)
    found = {part.phase: [want.name for want in part.resource.wants] for part in parts if part.resource.kind == "mount"}
    assert found == {
        "mgt": ["MGS"],
        "mdt0": ["fs1-MDT0000"],
        "mdt": ["fs1-MDT0001"],
        "ost": ["fs1-OST0001"],
        "client": ["fs1"],
    }
    client = next(part.resource for part in parts if part.phase == "client")
    assert len(client.also) == 4, "the order at boot is made from all mounts of the node"


def test_what_is_to_go_comes_before_everything_else():
    going = [{**mount, "state": "absent", "unmount": True} for mount in EVERYTHING["mounts"]]
    parts = parts_of({**EVERYTHING, "mounts": going})
    assert names(parts)[0] == ("client", "mount") and len(parts[0].resource.wants) == 5
    assert [kind for _phase, kind in names(parts)].count("mount") == 1


def test_all_unusable_values_are_named_at_once():
    bad = {
        **EVERYTHING,
        "mounts": [{**CLIENT, "path": "x"}],
        "services": [{"name": "a b"}],
        "targets": [target("ost", 1, device="/dev/sdb")],
    }
    with pytest.raises(LustreError) as error:
        parts_of(bad)
    text = str(error.value)
    assert (
        all(words in text for words in ("mounts[0].path", "services[0].name", "targets[0].device"))
        and text.count("\n") == 2
    )
    with pytest.raises(BadValue, match=r"mounts\[0\]\.path"):
        parts_of({"mounts": [{**CLIENT, "path": "x"}]})
    with pytest.raises(BadValue, match=r"phases\[0\]"):
        parts_of({"phases": ["osts"]})


def test_pools_come_before_the_targets_on_them():
    assert names(parts_of({**EVERYTHING, "zpools": [{"name": "tank"}], "phases": ["ost", "zpools"]})) == [
        ("zpools", "zpool"),
        ("ost", "target"),
        ("ost", "mount"),
    ]
    with pytest.raises(BadValue, match=r"zpools\[0\]\.name"):
        parts_of({"zpools": [{"name": "mirror"}]})


def test_the_value_of_the_filter_is_taken_whole():
    want = {
        **EVERYTHING,
        "roles": ["mgs"],
        "filesystems": ["fs1"],
        "expected": {},
        "backends": [],
        "zpools": [{"name": "tank"}],
    }
    options = _node.options_of({"want": want, "phases": ["mgt"]})
    parts = parts_of(options)
    assert names(parts) == [("mgt", "target"), ("mgt", "mount")]
    assert parts[0].tentative.coming_pools == {"tank"} and not parts[0].resource.coming_pools
    with pytest.raises(BadValue, match=r"want\.target: there is no such part"):
        _node.options_of({"want": {"target": []}})
    assert _node.options_of({"want": None, "mounts": [CLIENT]})["mounts"] == [CLIENT]


@dataclass
class Thing:
    """A resource with one file-like value and no needs of its own."""

    kind: str
    done: bool = False
    fails: LustreError | None = None
    blind: LustreError | None = None
    risk: str = ""
    settle: float = 0.0
    log: list = field(default_factory=list)

    def have(self, run):
        if self.blind is not None:
            raise self.blind
        return self.done

    def plan(self, have):
        steps = [
            Step(self.kind, verb, "it", "it is not done", (self.kind, verb), destructive=verb == self.risk)
            for verb in ("make", "start")
        ]
        return Plan() if have else Plan(tuple(steps))

    def public(self, have):
        return {f"{self.kind}s": [{"done": have}]}

    def check_step(self, step, run):
        self.log.append(step.action)
        if self.fails is not None and step.action == "start":
            raise self.fails
        if step.action == "start":
            self.done = True

    def tool_error(self, step, rc, out, err):
        return ToolError(step.action, step.argv, rc, out, err)


def both(kind):
    return [((kind, "make"), ""), ((kind, "start"), "")]


def test_one_after_the_other_with_results_and_one_plan(fake):
    parts = [
        Part("mgt", Thing("target", risk="make")),
        Part("mgt", Thing("mount")),
        Part("ost", Thing("target", done=True)),
    ]
    run = fake(both("target") + both("mount"))
    values = node_values(converge_node(parts, run), run.count, show_diff=True)
    assert values["changed"] is True and values["processes"] == 4
    assert [(one["phase"], one["kind"], one["changed"]) for one in values["results"]] == [
        ("mgt", "target", True), ("mgt", "mount", True), ("ost", "target", False)
    ]  # fmt: skip
    assert [step["command"] for step in values["plan"]] == ["target make", "target start", "mount make", "mount start"]
    assert values["summary"] == {"steps": 4, "disruptive": 0, "destructive": 1, "unplanned": 0}
    assert values["state"] == {"targets": [{"done": True}, {"done": True}], "mounts": [{"done": True}]}
    assert values["diff"]["before"] == "targets:\n- done: false\n- done: true\nmounts:\n- done: false\n"
    assert values["diff"]["after"] == "targets:\n- done: true\n- done: true\nmounts:\n- done: true\n"


def test_nothing_to_do(fake):
    values = node_values(converge_node([Part("ost", Thing("mount", done=True))], fake([])), 0, show_diff=False)
    assert values["changed"] is False and values["plan"] == [] and "diff" not in values


def test_check_mode_plans_all_parts_and_runs_nothing(fake):
    parts = [
        Part("mgt", Thing("target")),
        Part("mgt", Thing("mount"), Thing("mount", done=True)),
        Part("params", Thing("param")),
    ]
    values = node_values(converge_node(parts, fake([]), check_mode=True), 0, show_diff=True)
    assert [step["command"] for step in values["plan"]] == ["target make", "target start", "param make", "param start"]
    assert values["diff"]["after"].endswith(
        "planned:\n- make it (it is not done)\n- start it (it is not done)\n- make it (it is not done)\n- start it (it is not done)\n"
    )


def test_check_mode_says_what_it_cannot_see_yet(fake):
    lctl_fails = ToolError("read parameters", ("lctl",), 2)
    parts = [
        Part("lnet", Thing("lnet", blind=ToolMissing("lnetctl"))),
        Part("params", Thing("param", blind=lctl_fails)),
    ]
    values = node_values(converge_node(parts, fake([]), check_mode=True), 0, show_diff=True)
    assert values["changed"] is True and values["summary"]["unplanned"] == 2
    assert values["results"][0]["unplanned"] == (
        "What is to be done here can be seen only when the steps before it are done, since lnetctl is not installed yet."
    )
    assert "What is to be done here can be seen only when" in values["diff"]["after"]
    with pytest.raises(NodeFailed, match="read parameters"):
        converge_node([parts[1]], fake([]), check_mode=True)
    with pytest.raises(NodeFailed, match="lnetctl was not found"):
        converge_node(parts, fake([]))


def test_a_plan_that_cannot_look_at_devices_yet_names_those_that_it_may_format(fake):
    thing = Thing("target", blind=ToolMissing("tunefs.lustre"))
    thing.wants = [
        SimpleNamespace(object="fs1-OST0000 on /dev/disk/by-id/a", format=True),
        SimpleNamespace(object="fs1-OST0001 on /dev/disk/by-id/b", format=False),
    ]
    (result,) = converge_node([Part("ost", thing)], fake([]), check_mode=True)
    assert result.unplanned.endswith(
        "since tunefs.lustre is not installed yet. It may format fs1-OST0000 on /dev/disk/by-id/a: "
        "the description consents, and only what is proven blank is formatted."
    )


LACKING = {
    "todo": ["missing"],
    "plan": [Step("package", "install", "lustre", "it is not installed", disruptive=True).public()],
}


def test_missing_packages_are_part_of_the_plan(fake):
    results = converge_node([Part("ost", Thing("mount", done=True))], fake([]), check_mode=True)
    values = node_values(results, 0, True, LACKING)
    assert values["changed"] is True and [step["object"] for step in values["plan"]] == ["lustre"]
    assert values["summary"] == {"steps": 1, "disruptive": 1, "destructive": 0, "unplanned": 0}
    assert values["diff"]["after"].endswith("planned:\n- install lustre (it is not installed)\n")
    assert node_values(results, 0, False, {"todo": [], "plan": []})["changed"] is False
    assert node_values(results, 0, False, {"todo": ["modules"], "plan": []})["changed"] is True, "no step mends it"


def test_before_its_packages_are_there_a_tool_that_fails_is_no_error_of_a_look(fake):
    part = Part("params", Thing("param", blind=ToolError("read parameters", ("lctl",), 2)))
    (result,) = converge_node([part], fake([]), check_mode=True, coming=programs_coming(LACKING))
    assert result.unplanned
    for settled in ({}, {"todo": []}, {"todo": ["held", "repository"]}):
        with pytest.raises(NodeFailed):
            converge_node([part], fake([]), check_mode=True, coming=programs_coming(settled))
    with pytest.raises(NodeFailed):
        converge_node([part], fake([]), coming=True)


def test_the_first_failure_ends_it_and_tells_what_was_done(fake):
    silent = LustreError("The MGS does not answer.")
    parts = [Part("mgt", Thing("target")), Part("mgt", Thing("mount", fails=silent)), Part("ost", Thing("target"))]
    with pytest.raises(NodeFailed) as failed:
        converge_node(parts, fake([*both("target"), (("mount", "make"), "")]))
    assert str(failed.value) == "[mgt] The MGS does not answer."
    facts = failed.value.facts()
    assert facts["failed_at"] == {"phase": "mgt", "kind": "mount", "action": "start", "object": "it"}
    assert [(one["kind"], one["changed"]) for one in facts["results"]] == [("target", True)] and facts[
        "changed"
    ] is True
    assert parts[2].resource.log == []


def test_a_failure_before_any_step_has_changed_nothing(fake):
    with pytest.raises(NodeFailed) as failed:
        converge_node([Part("lnet", Thing("lnet", blind=LustreError("no")))], fake([]))
    assert failed.value.facts()["changed"] is False and failed.value.facts()["failed_at"] == {
        "phase": "lnet",
        "kind": "lnet",
    }
    tool = ToolError("make it", ("x",), 3, "", "broken")
    with pytest.raises(NodeFailed) as failed:
        converge_node([Part("lnet", Thing("lnet", blind=tool))], fake([]))
    assert failed.value.facts()["rc"] == 3


def test_defects_are_not_dressed_up(fake):
    with pytest.raises(ZeroDivisionError):
        converge_node([Part("lnet", Thing("lnet", blind=ZeroDivisionError()))], fake([]))


def test_a_converged_client_costs_one_process(fake):
    line = "10.77.0.11@tcp:10.77.0.12@tcp:/fs1 /mnt/fs1 lustre _netdev,nofail,x-systemd.requires=lnet.service,retry=12,x-systemd.mount-timeout=1800 0 0"
    node = MountedNode(["10.77.0.11@tcp:10.77.0.12@tcp:/fs1 /mnt/fs1 lustre rw,flock 0 0"], [line])
    active = "Id=lnet.service\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\n"
    parts = [
        Part("services", ServiceResource.from_options([{"name": "lnet.service"}])),
        Part("client", MountResource.from_options([CLIENT], local=node.local())),
    ]
    run = fake([(systemctl.show_argv(["lnet.service"]), active)])
    values = node_values(converge_node(parts, run), run.count, show_diff=False)
    assert values["changed"] is False and values["processes"] == 1
    assert values["state"]["mounts"][0]["state"] == "mounted" and values["state"]["services"][0]["started"] is True
