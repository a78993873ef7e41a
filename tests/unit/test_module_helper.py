"""The edge between modules and resources: what ends a module, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils import _lock
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError, ToolTimeout
from ansible_collections.lustre.core.plugins.module_utils._module import run_resource, text_of
from ansible_collections.lustre.core.plugins.module_utils._node import NodeFailed, Part, converge_node
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step


class Ended(Exception):
    """What AnsibleModule does by sys.exit."""

    def __init__(self, failed, values):
        super().__init__(failed)
        self.failed, self.values = failed, values


@dataclass
class FakeModule:
    params: dict
    check_mode: bool = False
    _diff: bool = False
    _name: str = "lustre.core.lamp"
    logged: list = field(default_factory=list)

    def log(self, msg):
        self.logged.append(msg)

    def exit_json(self, **values):
        raise Ended(False, values)

    def fail_json(self, msg, **values):
        raise Ended(True, {"msg": msg, **values})

    def warn(self, warning):
        raise AssertionError(f"no warning was expected: {warning}")


class Lamp:
    """A resource with one switch."""

    kind, settle = "lamp", 0.0

    def __init__(self, params):
        if params["lit"] not in (True, False):
            raise BadValue("lit", "it is neither on nor off", "Say true or false.")
        self.want = params["lit"]

    def have(self, run):
        return run(["lamp", "show"]).out.strip() == "on"

    def plan(self, have):
        drift = (Drift("lamp", "shade", "red", "blue", "Paint it."),)
        if have == self.want:
            return Plan(drift=drift)
        return Plan((Step("lamp", "switch", "lamp", "it is off", ("lamp", "on"), disruptive=True),), drift)

    def public(self, have):
        return {"lit": have}

    def check_step(self, step, run):
        """Nothing to check."""

    def tool_error(self, step, rc, out, err):
        return ToolError("switch the lamp", step.argv, rc, out, err)


def ended(module, run, build=Lamp, **more):
    with pytest.raises(Ended) as end:
        run_resource(module, build, run, **more)
    return end.value


def test_real_run_returns_plan_drift_state_and_diff(fake):
    run = fake([(("lamp", "show"), "off"), (("lamp", "on"), ""), (("lamp", "show"), "on")])
    end = ended(FakeModule({"lit": True}, _diff=True), run)
    assert not end.failed
    assert end.values["changed"] is True
    assert end.values["plan"] == [
        {
            "kind": "lamp",
            "action": "switch",
            "object": "lamp",
            "reason": "it is off",
            "disruptive": True,
            "destructive": False,
            "command": "lamp on",
            "seconds": 0.0,
        }
    ]
    assert end.values["drift"][0]["wanted"] == "blue"
    assert end.values["state"] == {"lit": True}
    assert end.values["diff"] == {"before": "lit: false\n", "after": "lit: true\n"}


def test_check_mode_plans_the_same_steps_and_runs_none(fake):
    end = ended(FakeModule({"lit": True}, check_mode=True, _diff=True), fake([(("lamp", "show"), "off")]))
    assert end.values["changed"] is True and end.values["plan"][0]["command"] == "lamp on"
    assert end.values["diff"]["after"] == "lit: false\nplanned:\n- disruptive switch lamp (it is off)\n"


def test_nothing_to_do_has_no_diff_unless_asked(fake):
    end = ended(FakeModule({"lit": True}), fake([(("lamp", "show"), "on")]))
    assert end.values["changed"] is False and end.values["plan"] == [] and "diff" not in end.values


def test_typed_errors_end_the_module_with_their_facts(fake):
    bad = ended(FakeModule({"lit": "red"}), fake([]))
    assert bad.failed and bad.values["msg"] == "lit: it is neither on nor off. Say true or false."
    failed = ended(FakeModule({"lit": True}), fake([(("lamp", "show"), "off"), (("lamp", "on"), (3, "", "burnt"))]))
    assert failed.values["rc"] == 3 and failed.values["cmd"] == ["lamp", "on"] and "burnt" in failed.values["msg"]


def test_a_failure_tells_what_had_been_done(fake):
    calls = [(("lamp", "show"), "off"), (("lamp", "on"), ""), (("lamp", "show"), "off")]
    end = ended(FakeModule({"lit": True}), fake(calls))
    assert end.failed and end.values["changed"] is True and end.values["done"] == ["switch lamp"]
    assert end.values["msg"].endswith("run again. This run had done before: switch lamp.")
    refused = ended(FakeModule({"lit": True}), fake([(("lamp", "show"), "off"), (("lamp", "on"), (3, "", "burnt"))]))
    assert refused.failed and "changed" not in refused.values and "done" not in refused.values


def test_refused_is_a_failure_and_changes_nothing(fake):
    def build(params):
        raise Refused("switch the lamp", "somebody sleeps", "Wait.")

    assert ended(FakeModule({}), fake([]), build).failed


def test_defects_keep_their_traceback(fake):
    def build(params):
        raise KeyError("lit")

    with pytest.raises(KeyError):
        run_resource(FakeModule({}), build, fake([]))


def test_extra_return_values_are_added(fake):
    end = ended(
        FakeModule({"lit": False}), fake([(("lamp", "show"), "off")]), extra=lambda outcome: {"kind": outcome.kind}
    )
    assert end.values["kind"] == "lamp"


def test_what_fails_after_the_steps_tells_them_as_done(fake):
    """Keys of a KDC that were made anew, and could not be exported: whoever reads that must know that they are new."""

    def fails(outcome):
        raise ToolError("export the keys", ("kadmin",), 1, "", "no")

    calls = [(("lamp", "show"), "off"), (("lamp", "on"), ""), (("lamp", "show"), "on")]
    told = ended(FakeModule({"lit": True}), fake(calls), extra=fails)
    assert (
        told.failed
        and told.values["changed"]
        and told.values["done"]
        and "This run had done before" in told.values["msg"]
    )


_PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcde:- 1", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_PLAIN_DATA)
def test_text_reads_as_the_yaml_it_looks_like(value):
    assert yaml.safe_load(text_of(value)) == value


def test_a_step_without_an_answer_tells_what_may_be_left(fake):
    silent = ToolTimeout("run lamp", ["lamp", "on"], 60.0, True, left=["lamp (process 4711)"])
    end = ended(FakeModule({"lit": True}), fake([(("lamp", "show"), "off"), (("lamp", "on"), silent)]))
    assert end.failed and end.values["processes_left"] == ["lamp (process 4711)"]
    assert end.values["msg"] == (
        "Could not switch lamp: `lamp on` gave no answer within 60 s and cannot be killed (it waits inside the kernel); "
        "still on this node: lamp (process 4711). "
        "What it did to lamp may be incomplete: the next run reads that first and says what it finds."
    )


def test_only_a_run_that_changes_something_takes_the_node_and_logs(fake, lock_folder):
    lock = _lock.take("lustre.core.node", wait=0)
    look = FakeModule({"lit": True}, check_mode=True)
    warned = []
    look.warn = warned.append
    end = ended(look, fake([(("lamp", "show"), "off")]))
    assert "The module lustre.core.node (process" in end.values["busy"] and len(warned) == 1 and look.logged == []
    lock.release()
    module = FakeModule({"lit": True})
    ended(module, fake([(("lamp", "show"), "off"), (("lamp", "on"), ""), (("lamp", "show"), "on")]))
    assert module.logged == ["switch lamp: began", "switch lamp: done in 0 s"]
    _lock.take("lustre.core.node", wait=0).release()


def test_a_node_that_is_held_is_not_even_looked_at(fake, monkeypatch):
    real = _lock.take
    lock = real("lustre.core.node", wait=0)
    monkeypatch.setattr(_lock, "take", lambda name: real(name, wait=0))
    end = ended(FakeModule({"lit": True}), fake([]))
    lock.release()
    assert end.failed and end.values["held_by"]["module"] == "lustre.core.node" and "changed" not in end.values


def test_a_failed_node_tells_every_step_that_was_carried_out(fake):
    class Pair(Lamp):
        def plan(self, have):
            left, right = (Step("lamp", "switch", side, "", ("lamp", side)) for side in ("left", "right"))
            return Plan((left, right))

    on = [(("lamp", "show"), "off"), (("lamp", "on"), ""), (("lamp", "show"), "on")]
    broken = [(("lamp", "show"), "off"), (("lamp", "left"), ""), (("lamp", "right"), (1, "", "burnt"))]
    with pytest.raises(NodeFailed) as caught:
        converge_node([Part("mgt", Lamp({"lit": True})), Part("ost", Pair({"lit": True}))], fake(on + broken))
    facts = caught.value.facts()
    assert facts["done"] == ["switch lamp", "switch left"] and facts["changed"] is True
    assert facts["results"][0]["plan"][0]["seconds"] == 0.0
