"""The param resource: its cases, its single process of reads, and who is to blame when a setting fails."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils import _units
from ansible_collections.lustre.core.plugins.module_utils._cli import llog
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    NotConverged,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._param_names import kind_of
from ansible_collections.lustre.core.plugins.module_utils._resources.param import Have, ParamResource
from ansible_collections.lustre.core.plugins.module_utils._units import same
from tests.unit.fake_runner import load_cases


@pytest.mark.parametrize(
    ("wanted", "found", "cpus", "expected"),
    [
        # seen on one CPU of 2.17.0
        ("100", "101", 1, True),
        ("5", "6", 1, True),
        ("200", "201", 1, True),
        ("1G", "1025", 64, True),
        # what does not divide is left out, and no CPU gets less than one
        ("1G", "961", 96, True),
        ("64M", "129", 128, True),
        ("100", "51", 1, False),
        ("1G", "1025", 96, False),
        ("100", "", 1, False),
        ("100", "many", 1, False),
    ],
)
def test_the_trace_buffer_is_shared_out(wanted, found, cpus, expected):
    assert _units.same(kind_of("debug_mb"), wanted, found, "debug_mb", cpus=cpus) is expected


def test_the_trace_buffer_is_written_without_a_unit():
    assert [_units.written(kind_of("debug_mb"), text) for text in ("1G", "100", "1.5M", "64MiB")] == [
        "1024",
        "100",
        "2",
        "64",
    ]
    assert "not a number" in _units.problem(kind_of("debug_mb"), "much", "debug_mb")


@pytest.mark.parametrize(
    ("name", "written", "found"),
    [("max_dirty_mb", "2048", "2048"), ("llite.fs1-*.stat_blocksize", "2147483648", "2147483648")],
)  # fmt: skip
def test_sizes_that_lustre_takes_without_a_unit_only(name, written, found):
    """Seen on 2.17.0: EINVAL for 2G."""
    assert _units.written(kind_of(name), "2G") == written
    assert _units.same(kind_of(name), "2G", found, name) and not _units.same(kind_of(name), "2G", "1", name)
    # others keep what was written
    assert _units.written(kind_of("osc.fs1-*.max_dirty_mb"), "2G") == "2G"


@pytest.mark.parametrize("name", ["obdfilter.fs1-*.checksum_type", "mdt.fs1-*.checksum_type"])
def test_servers_do_not_choose_the_checksum(name):
    with pytest.raises(BadValue, match="can only be read"):
        ParamResource.from_options([{"name": name, "value": "crc32c"}])


def test_types_of_changelog_records_are_known():
    assert "it names OPENED" in _units.problem(kind_of("mdd.fs1-MDT0000.changelog_mask"), "CREAT OPENED")
    assert not _units.problem(kind_of("mdd.*.changelog_mask"), "+OPEN -xattr")


@pytest.mark.parametrize(("name", "wanted", "found", "expected"), load_cases("units"))
def test_values_are_compared_by_meaning(name, wanted, found, expected):
    assert same(kind_of(name), wanted, found, name, page=4096) is expected


@pytest.mark.parametrize("case", load_cases("param_bad"), ids=lambda case: f"{case['param']['name']}: {case['says']}")
def test_unusable_entries_are_named(case):
    with pytest.raises(BadValue) as caught:
        ParamResource.from_options([case["param"]])
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)


def test_the_same_name_twice_is_refused():
    with pytest.raises(BadValue) as caught:
        ParamResource.from_options([{"name": "osc.*.checksums", "value": 1}, {"name": "osc/*/checksums", "value": 0}])
    assert "already given as params[0]" in str(caught.value)
    assert caught.value.path == "params[1]"


@pytest.mark.parametrize("prefix", ["", "*", " ", "."])
def test_a_prefix_for_everything_is_refused(prefix):
    with pytest.raises(BadValue, match="every stored parameter"):
        ParamResource.from_options([], [prefix])


def state(have):
    records = {
        name: llog.Record(place, "set_param", {"parameter": name, "value": value})
        for place, (name, value) in enumerate(have.get("stored", {}).items())
    }
    return Have(
        have.get("live", {}),
        have.get("unreadable", {}),
        have.get("mgs", True),
        tuple(have.get("filesystems", ["fs1"])),
        records,
        tuple(llog.parse_line(line) for line in have.get("conf", [])),
        have.get("files", {}),
        have.get("at_mount", True),
        have.get("release", ""),
    )


@pytest.mark.parametrize("case", load_cases("param_plan"), ids=lambda case: case["name"])
def test_plans(case):
    resource = ParamResource.from_options(case.get("params", []), case.get("purge", []), case.get("provisional", False))
    have = state(case.get("have", {}))
    if "error" in case:
        with pytest.raises(LustreError) as caught:
            resource.plan(have)
        assert case["error"] in str(caught.value)
        return
    plan = resource.plan(have)
    assert [[step.action, step.object] for step in plan.steps] == [row[:2] for row in case.get("steps", [])]
    for step, row in zip(plan.steps, case.get("steps", []), strict=True):
        assert row[2] in step.reason
        assert not step.destructive
    if "commands" in case:
        assert [step.public().get("command") for step in plan.steps] == case["commands"]
    if "stdin" in case:
        assert [step.stdin for step in plan.steps] == case["stdin"]
    if "content" in case:
        assert [step.write.content for step in plan.steps if step.write] == [case["content"]]
    assert [[drift.object, drift.found] for drift in plan.drift] == case.get("drift", [])
    notes = resource.notes(have)
    assert len(notes) == len(case.get("notes", []))
    assert all(words in note for words, note in zip(case.get("notes", []), notes, strict=True))
    assert plan == resource.plan(have), "the plan depends on something that is not the state"


LOG = "- { index: 14, event: set_param, device: general, parameter: jobid_var, value: procname_uid }\n"
MGS = "mgs.MGS.filesystems=\nfoo\nlustre\n"
READ = ("lctl",)


def no_wait(_seconds):
    raise AssertionError("waited for nothing")


def test_a_converged_call_is_one_process(fake):
    stdin = (
        "ignore_errors\ndevice MGS\nllog_print params\n"
        "get_param version mgs.MGS.filesystems jobid_var osc.lustre-*.max_rpcs_in_flight at_max\n"
    )
    out = (
        LOG
        + (
            "- { index: 11, event: set_param, device: general, parameter: osc.lustre-*.max_rpcs_in_flight, value: 8 }\n"
            "version=2.17.0\n"
        )
        + MGS
        + (
            "jobid_var=procname_uid\nosc.lustre-OST0000-osc-MDT0000.max_rpcs_in_flight=8\n"
            "osc.lustre-OST0000-osc-ff236cfb2a2bc800.max_rpcs_in_flight=8\nat_max=600\n"
        )
    )
    run = fake([(READ, out, stdin)])
    resource = ParamResource.from_options(
        [
            {"name": "jobid_var", "value": "procname_uid"},
            {"name": "osc.lustre-*.max_rpcs_in_flight", "value": 8},
            {"name": "at_max", "value": 600, "scope": "local"},
        ]
    )
    outcome = converge(resource, run, sleep=no_wait)
    assert not outcome.changed
    assert run.count == 1
    assert outcome.after["parameters"][1]["stored"] == "8"
    assert outcome.after["parameters"][2] == {"name": "at_max", "scope": "local", "live": {"at_max": "600"}}


def test_nothing_wanted_starts_nothing(fake):
    assert not converge(ParamResource.from_options([]), fake([])).changed


def test_only_local_parameters_do_not_ask_for_logs(fake):
    run = fake([(READ, "version=2.17.0\nat_max=600\n", "ignore_errors\nget_param version at_max\n")])
    assert not converge(ParamResource.from_options([{"name": "at_max", "value": 600, "scope": "local"}]), run).changed


def test_mount_files_are_read_directly(fake, transcript):
    usage = transcript("async/sp-P-notonmgs-hint")
    stdin = "ignore_errors\nhelp set_param\nget_param version\n"
    run = fake([(READ, (0, "version=2.17.0\n", usage.err), stdin)])
    resource = ParamResource.from_options([{"name": "at_max", "value": 600, "scope": "mount"}])
    resource.read = lambda path: {"/etc/lustre/mount.client.params": "at_max=600\n"}[path]
    outcome = converge(resource, run)
    assert not outcome.changed
    assert outcome.after["parameters"][0]["stored"] == "600"


def test_conf_param_settings_are_read_in_the_same_process(fake, transcript):
    client = transcript("params/llog-client").out
    stdin = "ignore_errors\ndevice MGS\nllog_print params\nllog_print lustre-client\nget_param version mgs.MGS.filesystems jobid_var\n"
    run = fake([(READ, LOG + client + "version=2.17.0\n" + MGS + "jobid_var=procname_uid\n", stdin)])
    resource = ParamResource.from_options([{"name": "jobid_var", "value": "procname_uid", "fsname": "lustre"}])
    outcome = converge(resource, run)
    assert not outcome.changed
    assert not outcome.plan.drift, "the old setting says the same"


def test_no_log_yet_on_a_fresh_mgs(fake):
    err = "params: OBD_IOC_LLOG_PRINT failed: No such file or directory\n"
    run = fake([(READ, (2, "version=2.17.0\nmgs.MGS.filesystems=\n", err))])
    outcome = converge(
        ParamResource.from_options([{"name": "llite.fs1-*.statahead_max", "value": 8}]), run, check_mode=True
    )
    assert [step.action for step in outcome.plan.steps] == ["store"]


def test_an_unreadable_log_stops_everything(fake):
    err = "params: OBD_IOC_LLOG_PRINT failed: Input/output error\n"
    run = fake([(READ, (5, "version=2.17.0\nmgs.MGS.filesystems=\n", err))])
    with pytest.raises(ToolError, match="read the parameters stored on this MGS"):
        converge(ParamResource.from_options([{"name": "llite.fs1-*.statahead_max", "value": 8}]), run)


@pytest.mark.parametrize(
    "line", ["#01 (224)marker   3 (flags=0x01)", "- {index: 1, event: set_param}", "  - event: set_param"]
)
def test_a_log_in_another_shape_stops_everything(fake, line):
    run = fake([(READ, f"{line}\nversion=2.17.0\nmgs.MGS.filesystems=\n")])
    with pytest.raises(UnknownOutput):
        converge(ParamResource.from_options([{"name": "llite.fs1-*.statahead_max", "value": 8}]), run)


def test_garbage_instead_of_answers_stops_everything(fake):
    run = fake([(READ, (139, "", "Segmentation fault\n"))])
    with pytest.raises(ToolError, match="Segmentation fault"):
        converge(ParamResource.from_options([{"name": "osc.*.checksums", "value": 1, "scope": "local"}]), run)


def test_a_node_without_an_mgs_is_told_so(fake, transcript):
    err = transcript("params/device-unknown").err.replace("nosuchdev", "MGS") + "".join(
        f"error: get_param: param_path '{name}': No such file or directory\n"
        for name in ("mgs/MGS/filesystems", "jobid_var")
    )
    run = fake([(READ, (1, "Reader error: 'Object not found' at 0\nversion=2.17.0\n", err))])
    with pytest.raises(
        Refused, match=r"set_param -P must be run on the MGS\. Run this on the node where the MGT is mounted"
    ):
        converge(ParamResource.from_options([{"name": "jobid_var", "value": "nodelocal"}]), run)


def test_a_node_without_modules_is_told_so(fake, transcript):
    err = transcript("versions/get_param-version-nomodules").err
    run = fake([(READ, (2, "", err + err.replace("version", "at_max")))])
    with pytest.raises(Refused, match="the node has no such parameter now"):
        converge(ParamResource.from_options([{"name": "at_max", "value": 600, "scope": "local"}]), run)


def test_set_here_then_stored_then_read_again(fake):
    before = LOG + "version=2.17.0\n" + MGS + "jobid_var=disable\n"
    after = LOG.replace("procname_uid", "nodelocal") + "version=2.17.0\n" + MGS + "jobid_var=nodelocal\n"
    run = fake(
        [
            (READ, before),
            (("lctl", "set_param", "jobid_var=nodelocal"), "jobid_var=nodelocal\n"),
            (("lctl", "set_param", "-P", "jobid_var=nodelocal"), ""),
            (READ, after),
        ]
    )
    outcome = converge(ParamResource.from_options([{"name": "jobid_var", "value": "nodelocal"}]), run, sleep=no_wait)
    assert [step.action for step in outcome.plan.steps] == ["set", "store"]
    assert outcome.before["parameters"][0]["stored"] == "procname_uid"
    assert outcome.after["parameters"][0] == {
        "name": "jobid_var",
        "scope": "persistent",
        "live": {"jobid_var": "nodelocal"},
        "stored": "nodelocal",
    }


def test_check_mode_plans_the_same_and_sets_nothing(fake):
    run = fake([(READ, LOG + "version=2.17.0\n" + MGS + "jobid_var=disable\n")])
    outcome = converge(ParamResource.from_options([{"name": "jobid_var", "value": "nodelocal"}]), run, check_mode=True)
    assert [step.action for step in outcome.plan.steps] == ["set", "store"]


def test_a_value_the_kernel_refuses_is_not_stored(fake, transcript):
    refused = transcript("params/sp-badvalue2")
    live = "".join(f"osc.lustre-OST0000-osc-{end}.max_rpcs_in_flight=8\n" for end in ("MDT0000", "ff236cfb2a2bc800"))
    run = fake(
        [
            (READ, "version=2.17.0\n" + MGS + live),
            (("lctl", "set_param", "osc.*.max_rpcs_in_flight=99999"), refused),
        ]
    )
    with pytest.raises(ToolError) as caught:
        converge(ParamResource.from_options([{"name": "osc.*.max_rpcs_in_flight", "value": 99999}]), run)
    text = str(caught.value)
    assert text.startswith("Could not set osc.*.max_rpcs_in_flight: ")
    assert "Nothing of it was stored." in text
    assert "Other instances of the pattern may have taken the value" in text


def test_the_setting_that_failed_is_named_whatever_the_exit_code_says(fake, transcript):
    recorded = transcript("async/ignore_errors-inline")
    run = fake(
        [
            (READ, "version=2.17.0\nat_max=1\nno.such=5\nat_min=1\n"),
            (
                READ,
                (2, recorded.out, recorded.err),
                "ignore_errors\nset_param at_max=604\nset_param no.such=1\nset_param at_min=8\n",
            ),
        ]
    )
    wanted = [{"name": n, "value": v, "scope": "local"} for n, v in (("at_max", 604), ("no.such", 1), ("at_min", 8))]
    with pytest.raises(ToolError, match=r"^Could not set no\.such: "):
        converge(ParamResource.from_options(wanted), run)


def test_what_was_not_stored_is_told_from_the_log_read_back(fake):
    wanted = [{"name": f"llite.fs1-*.{name}", "value": 8} for name in ("statahead_max", "statahead_min")]
    read_back = "- { index: 3, event: set_param, device: general, parameter: llite.fs1-*.statahead_max, value: 8 }\n"
    run = fake(
        [
            (READ, "version=2.17.0\n" + MGS),
            (READ, (28, read_back, "error: executing set_param: No space left on device\n")),
        ]
    )
    with pytest.raises(ToolError, match=r"^Could not set llite\.fs1-\*\.statahead_min: .*No space left on device"):
        converge(ParamResource.from_options(wanted), run)


def test_success_that_changed_nothing_is_an_error(fake):
    """The exit code of several settings is 0 although one failed (2.17.0): what is read back decides."""
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    before = "version=2.17.0\nat_max=1\n"
    calls = [(READ, before), (("lctl", "set_param", "at_max=600"), "at_max=600\n")] + [(READ, before)] * 6
    run = fake(calls)
    with pytest.raises(NotConverged, match="set at_max: is 1, wanted 600"):
        converge(
            ParamResource.from_options([{"name": "at_max", "value": 600, "scope": "local"}]),
            run,
            sleep=wait,
            clock=lambda: now[0],
        )
    assert now[0] >= 5.0
