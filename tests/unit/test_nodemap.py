"""Nodemaps: what is written and what Lustre gets, what it shows and what is read of it, the order of the steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.lustre.core.plugins.module_utils import _nid_range as ranges
from ansible_collections.lustre.core.plugins.module_utils._cli import lctl_params, nodemap, nodemap_data, nodemap_words
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    NotConverged,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._readers.nodemap_seen import seen
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from tests.unit.fake_runner import load_cases
from tests.unit.models.nodemap_model import NodemapModel

READ = ("lctl",)
STDIN = (
    "ignore_errors\nhelp nodemap_modify\nhelp nodemap_add_offset\nhelp nodemap_add\n"
    "get_param version mgs.MGS.filesystems nodemap.active nodemap.*.*\n"
)
TENANT = {"name": "a", "ranges": ["10.1.0.[1-9]@tcp"], "idmap": {"uid": ["500:1000"]}, "filesets": [{"path": "/a"}]}


@pytest.mark.parametrize(("text", "expected"), load_cases("nodemap_ranges"), ids=lambda value: str(value)[:40])
def test_ranges(text, expected):
    if isinstance(expected, str):
        with pytest.raises(ValueError) as caught:
            ranges.spans_of(text)
        assert expected in str(caught.value)
    else:
        assert ranges.written(ranges.spans_of(text)) == expected


@pytest.mark.parametrize("case", load_cases("nodemap_bad"), ids=lambda case: f"{case['path']}: {case['says']}"[:60])
def test_unusable_options_are_named(case):
    with pytest.raises(BadValue) as caught:
        NodemapResource.from_options({"nodemaps": case["maps"], **case.get("more", {})})
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)


def made(case):
    model = NodemapModel(mgs=True)
    for line in [*case.get("have", []), *case.get("also", [])]:
        model.command(line.split())
    for name, nids in case.get("clients", {}).items():
        model.maps[name].clients = nids
    model.mgs, model.here = case.get("mgs", True), case.get("here", True)
    model.done.clear()
    model.history.clear()
    return model


def run_all(options, model, check=False):
    return converge(NodemapResource.from_options(options), model, check_mode=check, sleep=lambda _seconds: None)


@pytest.mark.parametrize("case", load_cases("nodemap_plan"), ids=lambda case: case["name"])
def test_plans(case):
    model = made(case)
    if "error" in case:
        for check in (True, False):
            with pytest.raises(LustreError) as caught:
                run_all(case["options"], model, check)
            assert case["error"] in str(caught.value)
        assert model.done == []
        return
    options = case.get("options", {})
    planned = run_all(options, model, check=True)
    assert model.done == []
    outcome = run_all(options, model)
    assert outcome.plan.steps == planned.plan.steps, "check mode plans something else"
    assert [" ".join(line.split()) for line in model.done] == case.get("commands", [])
    if "disruptive" in case:
        assert [step.object for step in outcome.plan.steps if step.disruptive] == case["disruptive"]
    if "processes" in case:
        assert model.batches == case["processes"]
    assert not any(step.destructive for step in outcome.plan.steps)
    assert not run_all(options, model).changed, "a second run has something to do"


# Processes


def shown(*lines):
    """What the model shows after these commands, as the one reading process prints it."""
    model = NodemapModel()
    for line in lines:
        model.command(line.split())
    return model(READ, STDIN)


APPLIED = (
    "nodemap_add a",
    "nodemap_add_idmap --name a --idtype uid --idmap 500:1000",
    "nodemap_fileset_add --name a --fileset /a",
    "nodemap_add_range --name a --range 10.1.0.[1-9]@tcp",
)


def test_a_converged_call_is_one_process(fake):
    outcome = converge(NodemapResource.from_options({"nodemaps": [TENANT]}), fake([(READ, shown(*APPLIED), STDIN)]))
    assert not outcome.changed
    state = outcome.public()["state"]
    assert state["nodemaps"]["a"]["ranges"] == ["10.1.0.1-10.1.0.9@tcp"]
    assert state["nodemaps"]["a"]["idmap"] == {"uid": ["500:1000"], "gid": [], "projid": []}
    assert (state["active"], state["others"], len(state["digest"])) == (False, ["default"], 64)


def test_a_change_is_one_process_that_stops_at_its_first_failure(fake):
    """Without ignore_errors: the ranges must not be added when the file set was not."""
    script = "".join(f"{line}\n" for line in APPLIED)
    run = fake([(READ, shown(), STDIN), (READ, "", script), (READ, shown(*APPLIED), STDIN)])
    outcome = converge(NodemapResource.from_options({"nodemaps": [TENANT]}), run)
    assert [step.action for step in outcome.plan.steps] == ["create", "map", "confine", "add"]
    assert [bool(step.argv) for step in outcome.plan.steps] == [True, False, False, False]


def test_the_command_that_failed_is_named():
    model = NodemapModel(fail_at=3)
    with pytest.raises(ToolError) as caught:
        run_all({"nodemaps": [TENANT], "active": True}, model)
    told = str(caught.value)
    assert told.startswith(
        "Could not run lctl nodemap_add_range --name a --range 10.1.0.[1-9]@tcp: `lctl nodemap_add_range"
    )
    assert "No space left on device" in told
    assert "It is command 4 of 5 of one process; those after it were not run." in told
    assert not model.active and model.maps["a"].ranges == []
    model.fail_at = -1
    assert run_all({"nodemaps": [TENANT], "active": True}, model).changed
    assert model.active and model.maps["a"].ranges


def test_among_equal_commands_the_one_that_is_still_to_be_done_failed():
    ids = [f"{number}:{number + 1000}" for number in range(0, 20, 2)]
    model = NodemapModel(fail_at=6)
    with pytest.raises(
        ToolError, match=r"^Could not run lctl nodemap_add_idmap --name a --idtype uid --idmap 10:1010: "
    ):
        run_all({"nodemaps": [{"name": "a", "idmap": {"uid": ids}}]}, model)


def test_success_that_changed_nothing_is_an_error(fake):
    """Several of these commands end with 0 for nothing done: what is read back decides."""
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    before = shown("nodemap_add a")
    command = ("lctl", "nodemap_add_range", "--name", "a", "--range", "10.7.0.*@tcp")
    stored = before._replace(
        out=before.out.replace(
            "nodemap.a.ranges=[]", "nodemap.a.ranges=\n[\n { id: 4, start_nid: 10.7.0.0@tcp, end_nid: 10.7.0.0@tcp }\n]"
        )
    )
    run = fake([(READ, before), (command, ""), *[(READ, stored)] * 9])
    resource = NodemapResource.from_options({"nodemaps": [{"name": "a", "ranges": ["10.7.0.0/24@tcp"]}]})
    with pytest.raises(NotConverged, match=r"add ranges to nodemap a: not in it: 10\.7\.0\."):
        converge(resource, run, sleep=wait, clock=lambda: now[0])


def test_many_commands_are_several_processes():
    maps = [
        {"name": f"t{n}", "ranges": [f"10.{n}.{m}.[1-9]@tcp" for m in range(10)], "idmap": {"uid": [f"{2 * i}:{1000 + 2 * i}" for i in range(20)]}}
        for n in range(80)
    ]  # fmt: skip
    model = NodemapModel()
    model.snapshot = lambda: model
    run_all({"nodemaps": maps, "active": True}, model)
    assert sum(model.batches) == 80 + 80 * 20 + 80 * 10 + 1
    assert len(model.batches) == 2 and model.processes == 4
    assert not run_all({"nodemaps": maps, "active": True}, model).changed


# What Lustre shows


def recorded_values(transcript, name):
    found = transcript(f"nodemap/{name}")
    return lctl_params.parse(found.out, found.err, nodemap.ASKED).values


def test_the_recorded_nodemaps_are_read(transcript):
    state = nodemap.parse(recorded_values(transcript, "R-final"), transcript("nodemap/modify-badprop").out)
    assert state.active and sorted(state.maps) == ["default", "remote", "second"]
    remote = state.maps["remote"]
    assert remote.flags["admin"] and remote.flags["deny_mount"] and not remote.flags["audit_mode"]
    assert remote.numbers == {"squash_uid": 99, "squash_gid": 99, "squash_projid": 99}
    assert remote.sets["child_raise_privileges"] == {"admin", "caps"} and len(remote.sets["rbac"]) == 11
    assert remote.caps == ("mask", {"cap_dac_read_search"}) and remote.sepol.startswith("1:mls:31:")
    assert len(remote.idmap["uid"]) == 11 and remote.idmap["gid"] == {500: 1000}
    assert ranges.written(remote.ranges) == ["192.168.1.[1-20]@tcp"]
    assert ranges.written(state.maps["second"].ranges) == ["10.7.0.0@tcp"]
    assert "0@lo" in state.maps["default"].clients
    assert state.features.filesets and state.features.banlist and state.features.caps
    assert "child_raise_privileges" in state.features.properties and state.features.offset
    assert not nodemap.parse(recorded_values(transcript, "R-initial")).features.offset


def test_recorded_lists(transcript):
    fileset = recorded_values(transcript, "fileset-get")["nodemap.remote.fileset"]
    assert nodemap.parse_filesets(fileset) == [nodemap.Fileset("/dir1"), nodemap.Fileset("/dir2", True, True)]
    assert nodemap.parse_offset(recorded_values(transcript, "get_offset")["nodemap.second.offset"]) == (100000, 65536)
    ids = nodemap.parse_idmap(recorded_values(transcript, "idmap")["nodemap.remote.idmap"])
    assert ids["uid"][500] == 1001 and ids["projid"] == {1: 100}


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("add_range-again", "nodemap_add_range"),
        ("modify-badval", "nodemap_modify"),
        ("fileset_del-missing", "nodemap_fileset_del"),
        ("add_offset-overlap", "nodemap_add_offset"),
        ("set_cap-bad", "nodemap_set_cap"),
        ("add_idmap-badtype", "nodemap_add_idmap"),
        ("activate-0", ""),
    ],
)
def test_the_verb_of_a_recorded_failure(transcript, name, verb):
    assert nodemap_words.failed_verb(transcript(f"nodemap/{name}").err) == verb


def test_before_2_17_a_file_set_is_plain():
    state = nodemap.parse(
        {"nodemap.active": "0", "nodemap.default.fileset": "", "nodemap.a.fileset": "/a", "version": "2.15.6"}
    )
    assert state.maps["a"].filesets == (nodemap.Fileset("/a"),) and not state.features.filesets


OLD = "version=2.15.6\nmgs.MGS.filesystems=\nfs1\nnodemap.active=0\nnodemap.default.fileset=\nnodemap.a.fileset={}\n"


def test_before_2_17_a_file_set_is_stored_and_then_set(fake):
    """A run that ended between the two would leave what the next restart takes away, and only what is live is read."""
    script = "set_param -P nodemap.a.fileset=/b\nnodemap_set_fileset --name a --fileset /b\n"
    run = fake([(READ, OLD.format("/a")), (READ, "", script), (READ, OLD.format("/b"))])
    assert converge(
        NodemapResource.from_options({"nodemaps": [{"name": "a", "filesets": [{"path": "/b"}]}]}), run
    ).changed


def test_before_2_17_a_policy_is_stored_and_then_set(fake):
    policy = "1:mls:31:40afb7"
    have = f"{OLD.format('/a')}nodemap.a.sepol={{}}\n"
    script = f"set_param -P nodemap.a.sepol={policy}\nnodemap_set_sepol --name a --sepol {policy}\n"
    run = fake([(READ, have.format("")), (READ, "", script), (READ, have.format(policy))])
    assert converge(NodemapResource.from_options({"nodemaps": [{"name": "a", "sepol": policy}]}), run).changed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"filesets": [{"path": "/b"}, {"path": "/c", "alternate": True}]}, "alternate or read-only file sets needs Lustre 2.17"),
        ({"offset": {"offset": 1, "limit": 70000}}, "an offset needs Lustre 2.17 or newer: this node has 2.15.6"),
        ({"banlist": []}, "a list of banned NIDs needs Lustre 2.17"),
        ({"capabilities": {"type": "off"}}, "capabilities needs Lustre 2.17"),
        ({"deny_mount": True}, "the property deny_mount needs Lustre 2.17"),
        ({"readonly_mount": True}, "the property readonly_mount needs Lustre 2.16"),
    ],
)  # fmt: skip
def test_what_an_old_release_lacks(fake, options, told):
    run = fake([(READ, OLD.format("/a"))])
    with pytest.raises(LustreError) as caught:
        converge(NodemapResource.from_options({"nodemaps": [{"name": "a", **options}]}), run)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("active", "maybe"),
        ("a.admin_nodemap", "2"),
        ("a.squash_uid", "-7"),
        ("a.ranges", "10.0.0.1@tcp"),
        ("a.ranges", "[\n { id: 1, start_nid: 10.0.0.9@tcp, end_nid: 10.0.0.1@tcp }\n]"),
        ("a.ranges", "[\n { id: 1, nid: 10.0.0.9@tcp }\n]"),
        ("a.idmap", "[\n { idtype: xid, client_id: 1, fs_id: 1 }\n]"),
        ("a.offset", "[]"),
        ("a.offset", "{\n start_uid: 1,\n limit_uid: 5\n}"),
        ("a.fileset", "[\n { tertiary: /x }\n]"),
        ("a.fileset", "[\n { primary: /x, mode: rx }\n]"),
        ("a.fileset", "dir"),
        ("a.enable_cap_mask", "on"),
    ],
)
def test_what_is_not_known_stops(key, value):
    with pytest.raises(UnknownOutput, match=f"nodemap.{key}"):
        nodemap.parse({"nodemap.active": "0", f"nodemap.{key}": value})


def test_what_cannot_be_read_stops(fake):
    bad = "error: read_param: '/sys/kernel/debug/lustre/nodemap/a/idmap': Input/output error\n"
    with pytest.raises(ToolError, match=r"^Could not read nodemap\.a\.idmap"):
        converge(NodemapResource.from_options({"nodemaps": [TENANT]}), fake([(READ, (0, shown().out, bad))]))


# Other servers


def test_a_server_is_waited_for(fake):
    old, new = shown("nodemap_add a"), shown(*APPLIED)
    digest = seen(fake([(READ, new, STDIN)]))["digest"]
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    run = fake([(READ, old), (READ, old), (READ, new)])
    found = seen(run, ["a"], ["0" * 64, digest], sleep=wait, clock=lambda: now[0])
    assert found["waited"] == 2.0 and list(found["nodemaps"]) == ["a"] and found["nodemaps"]["a"]["clients"] == []
    with pytest.raises(NotConverged, match=r"take over what the MGS has .* within 3 s|within 3 s.*take over"):
        seen(fake([(READ, old)] * 4), [], [digest], 3.0, sleep=wait, clock=lambda: now[0])


def test_a_client_has_no_nodemaps(fake):
    missing = "error: get_param: param_path 'nodemap/active': No such file or directory\n"
    with pytest.raises(Refused, match="it shows none"):
        seen(fake([(READ, (2, "version=2.17.0\n", missing))]))


def test_servers_of_different_releases_are_compared_by_what_all_of_them_show():
    """A site is upgraded one server after the other, for weeks; until then nobody shall wait in vain."""

    def told(older=False, **changes):
        made = nodemap.Nodemap(
            "a", ranges=tuple(ranges.spans_of("10.0.0.[1-9]@tcp")), filesets=(nodemap.Fileset("/a"),)
        )
        made = replace(made, **changes)
        if older:
            made = replace(made, flags={key: made.flags[key] for key in ("admin", "trusted", "deny_unknown")})
        return nodemap_data.digest(nodemap.State(True, {"a": made}))

    new, old = told(), told(older=True)
    assert new != old and nodemap_data.same(new, old) and len(new) == 64
    closed = {**nodemap.NEW_FLAGS, "deny_mount": True}
    assert not nodemap_data.same(new, told(flags=closed)), "of one release all counts"
    for change in (
        {"ranges": ()},
        {"filesets": ()},
        {"idmap": {"uid": {1: 2}}},
        {"flags": {**nodemap.NEW_FLAGS, "trusted": True}},
        {"numbers": {**nodemap.NEW_NUMBERS, "squash_uid": 7}},
    ):
        assert not nodemap_data.same(new, told(older=True, **change)), change


def test_clients_and_dynamic_nodemaps_do_not_change_the_digest():
    one, two = NodemapModel(), NodemapModel()
    for model in (one, two):
        model.command(["nodemap_add", "a"])
    two.maps["a"].clients = ["10.0.0.1@tcp"]
    two.command(["nodemap_add", "b"])
    two.maps["b"].parent = "a"
    assert seen(one)["digest"] == seen(two)["digest"]
