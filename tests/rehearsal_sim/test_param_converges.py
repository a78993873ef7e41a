"""The collection's param resource and the simulated lctl together: plan, apply, read back, few processes."""

from __future__ import annotations

import io

import pytest
from lustre_sim.tools import lctl

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.site_info import site
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.contract.host import Door, simulated_host
from tests.contract.test_contract import SESSIONS, flat


class Tools:
    """A runner whose lctl is the simulated one; counts processes."""

    def __init__(self, node):
        self.kernel, self.clock, self.count = Door(node), node.clock, 0

    def __call__(self, argv, stdin=None, timeout=120.0):
        self.count += 1
        out, err = io.StringIO(), io.StringIO()
        return Result(
            lctl.main(list(argv[1:]), io.StringIO(stdin or ""), out, err, self.kernel), out.getvalue(), err.getvalue()
        )


@pytest.fixture
def tools():
    """The recorded file system, up, on one node."""
    session = SESSIONS["params: read"]
    with simulated_host(session["host"]) as host:
        for command in flat(session["setup"]):
            assert host.run(command).rc == 0, command
        yield Tools(host.node)


def brought(tools, params, purge=(), check_mode=False):
    tools.count = 0
    clock = tools.clock
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
