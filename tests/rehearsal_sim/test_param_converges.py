"""The collection's param resource and the simulated lctl together: plan, apply, read back, few processes."""

from __future__ import annotations

import io

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError
from ansible_collections.lustre.core.plugins.module_utils._inspect_site import site
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from rehearsal.lustre_sim.node import FakeClock, Node, Subsystem
from rehearsal.lustre_sim.tools import lctl
from tests.rehearsal_sim import test_params_replay as replay


class Mgs(replay.Mgs):
    def params(self):
        return {"mgs.MGS.filesystems": lambda: "lustre"}


class Obd(replay.Obd):
    def devices(self):
        return [{**device, "index": place, "uuid": f"{device['name']}_UUID", "refs": 5}
                for place, device in enumerate(super().devices())]

    def ops(self):
        return {"devices": self.devices}


class Tools:
    """A runner whose lctl is the simulated one; counts processes."""

    def __init__(self, kernel):
        self.kernel, self.count = kernel, 0

    def __call__(self, argv, stdin=None, timeout=120.0):
        self.count += 1
        out, err = io.StringIO(), io.StringIO()
        return Result(lctl.main(list(argv[1:]), io.StringIO(stdin or ""), out, err, self.kernel), out.getvalue(), err.getvalue())


@pytest.fixture
def tools(tmp_path):
    parts = {"obd": Obd, "mgs": Mgs, "mounts": replay.Mounts, "lnet": replay.Lnet, "targets": Subsystem}
    folders = [str(tmp_path / name) for name in ("node", "run", "site")]
    node = Node("one", *folders, clock=FakeClock(), subsystems=parts)
    node.load()
    return Tools(node)


def brought(tools, params, purge=(), check_mode=False):
    tools.count = 0
    clock = tools.kernel.clock
    return converge(ParamResource.from_options(params, purge), tools, check_mode, sleep=clock.sleep, clock=clock.time)


WANTED = [
    {"name": "osc.lustre-*.max_rpcs_in_flight", "value": 16},
    {"name": "jobid_var", "value": "nodelocal"},
    {"name": "llite.lustre-*.max_read_ahead_mb", "value": "128M"},
    {"name": "at_max", "value": 500, "scope": "local"},
    {"name": "debug", "value": "+ha +rpctrace", "scope": "local"},
]


def test_converges_and_stays(tools):
    planned = brought(tools, WANTED, check_mode=True)
    assert tools.count == 1
    done = brought(tools, WANTED)
    assert done.plan == planned.plan, "check mode and the real run disagree"
    assert len(done.plan.steps) == 8
    assert tools.count == 5, "two reads, one batch set, one batch stored, one value with a blank"
    again = brought(tools, WANTED)
    assert not again.changed
    assert tools.count == 1


def test_a_live_value_that_drifted_is_set_and_not_stored_again(tools):
    brought(tools, WANTED)
    tools(("lctl", "set_param", "jobid_var=disable"))
    outcome = brought(tools, WANTED)
    assert [(step.action, step.object) for step in outcome.plan.steps] == [("set", "jobid_var")]


def test_what_the_kernel_refuses_is_not_stored(tools):
    with pytest.raises(ToolError, match=r"Could not set osc\.lustre-\*\.max_rpcs_in_flight.*Nothing of it was stored"):
        brought(tools, [{"name": "osc.lustre-*.max_rpcs_in_flight", "value": 99999}])
    assert site(tools)["params"] == []


def test_a_mistyped_name_is_not_stored(tools):
    with pytest.raises(BadValue, match=r"Near it: osc\.lustre-\*\.max_rpcs_in_flight"):
        brought(tools, [{"name": "osc.lustre-*.max_rpc_in_flight", "value": 9}])
    assert site(tools)["params"] == []


def test_absent_and_purge(tools):
    brought(tools, WANTED)
    taken = [{"name": "jobid_var", "state": "absent"}]
    outcome = brought(tools, taken, purge=["osc.lustre-"])
    assert {step.object for step in outcome.plan.steps} == {"jobid_var", "osc.lustre-*.max_rpcs_in_flight"}
    assert [param["name"] for param in site(tools)["params"]] == ["llite.lustre-*.max_read_ahead_mb"]
    assert not brought(tools, taken, purge=["osc.lustre-"]).changed
