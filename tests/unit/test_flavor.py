"""The flavor resource: its cases, its single process of reads, and what never reaches conf_param."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import srpc
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    NotConverged,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor import FlavorResource, Have
from tests.unit.fake_runner import load_cases

READ = ("lctl",)
STDIN = "ignore_errors\nget_param version mgs.MGS.filesystems mgs.MGS.srpc_rules mgs.MGS.live.*\n"
FS1 = ("fs1-MDT0000", "fs1-MDT0001", "fs1-OST0000")


@pytest.mark.parametrize("case", load_cases("flavor_bad"), ids=lambda case: f"{case['path']}: {case['says']}")
def test_unusable_entries_are_named(case):
    with pytest.raises(BadValue) as caught:
        FlavorResource.from_options(
            [case["rule"]] if "rule" in case else [], [case["purge"]] if "purge" in case else []
        )
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)


def test_the_same_rule_twice_is_refused():
    rules = [
        {"target": "fs1", "network": "tcp", "flavor": "ski"},
        {"target": "fs1", "network": "tcp0", "flavor": "ski"},
    ]
    with pytest.raises(BadValue) as caught:
        FlavorResource.from_options(rules)
    assert caught.value.path == "rules[1]" and "already given as rules[0]" in str(caught.value)


def state(have):
    rules = [srpc.parse_rule(f"{name}={flavor}") for name, flavor in have.get("rules", {}).items()]
    served = have.get("filesystems", {"fs1": FS1, "fs2": ("fs2-MDT0000",)})
    return Have(
        have.get("mgs", True),
        str(have.get("release", "2.15.6")),
        tuple(served),
        {name: tuple(targets) for name, targets in served.items() if name in have.get("shown", served)},
        {rule.name: rule for rule in rules},
        have.get("own", True),
    )


@pytest.mark.parametrize("case", load_cases("flavor_plan"), ids=lambda case: case["name"])
def test_plans(case):
    options = {key: case[key] for key in ("purge", "allow_ineffective", "provisional") if key in case}
    resource = FlavorResource.from_options(case.get("rules", []), **options)
    have = state(case.get("have", {}))
    if "error" in case:
        with pytest.raises(LustreError) as caught:
            resource.plan(have)
        assert case["error"] in str(caught.value)
        return
    plan = resource.plan(have)
    assert [[step.action, step.object] for step in plan.steps] == [row[:2] for row in case.get("steps", [])]
    assert all(row[2] in step.reason for step, row in zip(plan.steps, case.get("steps", []), strict=True))
    assert all(step.disruptive and not step.destructive for step in plan.steps)
    if "commands" in case:
        assert [step.public()["command"] for step in plan.steps] == case["commands"]
    notes = resource.notes(have)
    assert len(notes) == len(case.get("notes", []))
    assert all(words in note for words, note in zip(case.get("notes", []), notes, strict=True))
    assert plan == resource.plan(have), "the plan depends on something that is not the state"


def shown(*rules, filesystems="foo\nlustre\n"):
    lines = "".join(f"{rule}\n" for rule in rules)
    return (
        f"version=2.17.0\nmgs.MGS.filesystems=\n{filesystems}mgs.MGS.srpc_rules=\nmgs.MGS.live.lustre=\nfsname: lustre\n"
        f"flags: 0x20     gen: 20\nlustre-MDT0000\nlustre-OST0000\n\nSecure RPC Config Rules:\n{lines}\n"
        "imperative_recovery_state:\n    state: startup\n"
    )


def no_wait(_seconds):
    raise AssertionError("waited for nothing")


SKPI = [{"target": "lustre", "flavor": "skpi"}]


def test_a_converged_call_is_one_process(fake):
    run = fake([(READ, shown("lustre.srpc.flavor.default=skpi"), STDIN)])
    outcome = converge(FlavorResource.from_options(SKPI, ["lustre"]), run, sleep=no_wait)
    assert not outcome.changed
    assert outcome.after["rules"] == [{"target": "lustre", "network": "default", "direction": "", "flavor": "skpi"}]


def test_nothing_wanted_starts_nothing(fake):
    assert not converge(FlavorResource.from_options([]), fake([])).changed


def test_what_was_recorded_is_read(fake, transcript):
    recorded = transcript("security/mgs-live-skn").out
    out = f"version=2.17.0\nmgs.MGS.filesystems=\nlustre\nmgs.MGS.srpc_rules=\n{recorded}"
    assert not converge(
        FlavorResource.from_options([{"target": "lustre", "flavor": "skn"}]), fake([(READ, out)])
    ).changed


def test_set_and_read_again(fake):
    run = fake(
        [
            (READ, shown("lustre.srpc.flavor.default.cli2mdt=ski"), STDIN),
            (("lctl", "conf_param", "lustre.srpc.flavor.default=skpi"), ""),
            (("lctl", "conf_param", "-d", "lustre.srpc.flavor.default.cli2mdt"), ""),
            (READ, shown("lustre.srpc.flavor.default=skpi"), STDIN),
        ]
    )
    outcome = converge(FlavorResource.from_options(SKPI, ["lustre"]), run, sleep=no_wait)
    assert outcome.changed and outcome.before["undeclared"] == ["lustre.srpc.flavor.default.cli2mdt"]
    assert outcome.after["undeclared"] == []


def test_check_mode_plans_the_same_and_sets_nothing(fake):
    run = fake([(READ, shown(), STDIN)])
    outcome = converge(FlavorResource.from_options(SKPI), run, check_mode=True)
    assert [step.object for step in outcome.plan.steps] == ["lustre.srpc.flavor.default"]


def test_a_refused_flavor_stops_there(fake, transcript):
    run = fake(
        [
            (READ, shown(), STDIN),
            (("lctl", "conf_param", "lustre.srpc.flavor.default.mdt2mdt=skpi"), ""),
            (("lctl", "conf_param", "lustre.srpc.flavor.default=skpi"), transcript("security/flavor-bad")),
        ]
    )
    rules = [*SKPI, {"target": "lustre", "direction": "mdt2mdt", "flavor": "skpi"}]
    with pytest.raises(ToolError, match="Does this release know the flavor") as caught:
        converge(FlavorResource.from_options(rules), run)
    assert caught.value.steps_done == ("set lustre.srpc.flavor.default.mdt2mdt",)


def test_an_unknown_file_system_never_reaches_lustre(fake):
    run = fake([(READ, shown(), STDIN)])
    with pytest.raises(Refused, match="knows no file system lustr, only foo, lustre"):
        converge(FlavorResource.from_options([{"target": "lustr", "flavor": "skpi"}]), run)


def test_a_rule_that_does_not_come_is_an_error(fake):
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    calls = [(READ, shown(), STDIN), (("lctl", "conf_param", "lustre.srpc.flavor.default=skpi"), "")]
    run = fake(calls + [(READ, shown(), STDIN)] * 14)
    with pytest.raises(NotConverged, match=r"set lustre\.srpc\.flavor\.default: is not set, wanted skpi"):
        converge(FlavorResource.from_options(SKPI), run, sleep=wait, clock=lambda: now[0])
    assert now[0] >= 30.0


@pytest.mark.parametrize("rule", ["lustre.srpc.flavor.default:skpi", "- { rule: skpi }"])
def test_rules_in_another_shape_stop(fake, rule):
    with pytest.raises(UnknownOutput):
        converge(FlavorResource.from_options(SKPI), fake([(READ, shown(rule), STDIN)]))


def test_no_rules_at_all_stop(fake):
    out = "version=2.18.0\nmgs.MGS.filesystems=\nlustre\nmgs.MGS.srpc_rules=\nmgs.MGS.live.lustre=\nfsname: lustre\n"
    with pytest.raises(UnknownOutput):
        converge(FlavorResource.from_options(SKPI), fake([(READ, out)]))


def test_rules_that_cannot_be_read_stop(fake):
    err = "error: read_param: '/sys/kernel/debug/lustre/mgs/MGS/live/lustre': Input/output error\n"
    with pytest.raises(UnknownOutput, match="Input/output error"):
        converge(FlavorResource.from_options(SKPI), fake([(READ, (5, shown(), err))]))


def test_garbage_stops(fake):
    with pytest.raises(ToolError, match="Segmentation fault"):
        converge(FlavorResource.from_options(SKPI), fake([(READ, (139, "", "Segmentation fault\n"))]))
