"""lctl's batches and parsers: on recorded output, and on recorded output that was damaged."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params, llog, mount_params
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._param_names import glob, kind_of, matches, nearest, table
from ansible_collections.lustre.core.plugins.module_utils._units import Kind, same
from tests.unit.fake_runner import TRANSCRIPTS, load_transcript


def test_a_batch_goes_on_after_failures():
    assert lctl.batch([("set_param", "at_max=600"), ("dl",)]) == "ignore_errors\nset_param at_max=600\ndl\n"


@pytest.mark.parametrize("word", ["debug=a b", "a\nquit", "a\tb", ""])
def test_a_batch_takes_no_word_that_lctl_would_split(word):
    with pytest.raises(ValueError, match="knows no quotes"):
        lctl.batch([("set_param", word)])


def test_long_lines_are_cut():
    lines = lctl.chunked(("get_param",), [f"p{number}" for number in range(450)])
    assert [len(line) for line in lines] == [201, 201, 51]


def test_usage_and_echoed_input_are_left_out(fake, transcript):
    recorded = transcript("timing/stdin-bad-cmd-middle")
    run = fake([(("lctl",), (0, "set_param at_max=603\n" + recorded.out, ""))])
    result = lctl.run_batch(run, [("set_param", "at_max=603"), ("frobnicate",), ("get_param", "at_max")])
    assert result.out == "at_max=603\nat_max=603\nrc=0\n"


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mount/lctl-dl", 35),
        ("mount/lctl-dl-t", 35),
        ("mount/get_param-devices", 35),
        ("shutdown/dl-after-ost1", 25),
        ("shutdown/dl-empty", 0),
    ],
)
def test_devices(transcript, name, count):
    assert len(lctl.parse_devices(transcript(name).out)) == count


def test_a_device_with_its_nid(transcript):
    last = lctl.parse_devices(transcript("mount/lctl-dl-t").out)[-1]
    assert (last.index, last.state, last.type, last.name, last.nid) == (
        34,
        "UP",
        "mdc",
        "lustre-MDT0001-mdc-ff236cfb2a2bc800",
        "0@lo",
    )


def test_devices_without_modules_are_none(fake, transcript):
    assert lctl.devices(fake([(("lctl", "dl"), transcript("versions/lctl-dl-nomodules"))])) == []


def test_devices_that_cannot_be_listed_are_an_error(fake):
    with pytest.raises(ToolError):
        lctl.devices(fake([(("lctl", "dl"), (13, "", "Permission denied\n"))]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lnet/lctl-list_nids", ["10.0.2.15@tcp", "10.0.3.15@tcp1", "10.0.2.15@tcp2", "10.0.3.15@tcp3"]),
        ("lnet/lctl-list_nids-all", ["10.0.2.15@tcp", "10.0.3.15@tcp1", "10.0.2.15@tcp2", "10.0.3.15@tcp3"]),
        ("lnet/lctl-list_nids-lo-only", []),
        ("lnet/lctl-list_nids-unconfigured", []),
        ("versions/list_nids-nomodules", []),
    ],
)
def test_nids(fake, transcript, name, expected):
    assert lctl.nids(fake([(("lctl", "list_nids"), transcript(name))])) == expected


def test_version(fake, transcript):
    assert lctl.version(fake([(("lctl", "--version"), transcript("versions/lctl-version"))])) == "2.17.0_dirty"
    assert lctl.parse_version("lctl 2.15.8\n") == "2.15.8"
    with pytest.raises(UnknownOutput):
        lctl.parse_version("Segmentation fault")


def test_values_of_one_and_of_several_lines(transcript):
    values = lctl_params.parse(transcript("params/llite").out).values
    assert values["llite.lustre-ff236cfb2a2bc800.max_read_ahead_mb"] == "32"
    assert values["llite.lustre-ff236cfb2a2bc800.statfs_state"] == ""
    assert values["llite.lustre-ff236cfb2a2bc800.max_cached_mb"].splitlines()[1] == "max_cached_mb: 1956"
    assert len(values) == 80


def test_a_line_inside_a_value_is_no_value_of_its_own():
    out = "ost.OSS.ost_io.nrs_tbf_rule=\nCPT 0:\nr1 nid={a} 100\nx=1\nat_max=600\n"
    values = lctl_params.parse(out, asked=["ost.OSS.ost_io.nrs_tbf_rule", "at_*"]).values
    assert values == {"ost.OSS.ost_io.nrs_tbf_rule": "CPT 0:\nr1 nid={a} 100\nx=1", "at_max": "600"}


def test_complaints(transcript):
    missing = transcript("params/gp-one-missing")
    answer = lctl_params.parse(missing.out, missing.err)
    assert answer.values == {"jobid_var": "disable", "at_max": "600"}
    assert answer.missing == {"no.such.param": "No such file or directory"}
    unreadable = lctl_params.parse("", transcript("params/mdt-params").out).unreadable
    assert unreadable["mdt.lustre-MDT0000.identity_flush"] == "Permission denied"


def test_refusals(transcript):
    err = transcript("params/sp-badvalue2").err
    assert [(bad.name, bad.value, bad.why) for bad in lctl_params.not_set(err)] == [
        ("osc.*.max_rpcs_in_flight", "99999", "Numerical result out of range")
    ]
    assert sorted(lctl_params.refused_instances(err)) == [
        f"osc.lustre-OST000{index}-osc-ff236cfb2a2bc800.max_rpcs_in_flight" for index in (0, 1)
    ]
    rule = lctl_params.not_set(transcript("services/nrs-tbf-rule-again").err)
    assert rule[0].value == "start r1 nid={192.168.*.*@tcp} rate=100"
    readonly = transcript("params/sp-readonly").err
    assert lctl_params.refused_instances(readonly) == {"mdt.lustre-MDT0000.num_exports": "Permission denied"}


def test_states_and_recovery(transcript):
    states = lctl_params.states(lctl_params.parse(transcript("params/state").out).values)
    assert states["osc.lustre-OST0001-osc-ff236cfb2a2bc800"] == "IDLE"
    assert len(states) == 15
    recovery = lctl_params.recovery(lctl_params.parse(transcript("shutdown/remount-ost1-abort_recov").out).values)
    assert recovery["lustre-OST0001"]["status"] == "COMPLETE"
    assert recovery["lustre-OST0001"]["completed_clients"] == "0/2"


def test_file_systems_of_an_mgs(transcript):
    value = lctl_params.parse(transcript("params/mgs-filesystems").out).values["mgs.MGS.filesystems"]
    assert lctl_params.filesystems(value) == ["foo", "nofs", "lustre"]


def test_stored_parameters(transcript):
    stored = llog.stored_params(llog.parse(transcript("params/llog-params").out))
    assert {name: record.fields["value"] for name, record in stored.items()} == {
        "no.such.param": "1",
        "osc.*.max_rpcs_in_flight": "abc",
        "jobid_var": "procname_uid",
        "osc.*.max_pages_per_rpc": "256",
        "mdc.*.max_rpcs_in_flight": "10",
    }


@pytest.mark.parametrize(
    "value", ["a, b: c", "start r1 nid={192.168.*.*@tcp} rate=100", "%e.%u, x: {1} }", "", 'it\'s "so"']
)
def test_values_of_records_hold_anything(value):
    line = f"- {{ index: 4, event: set_param, device: general, parameter: jobid_name, value: {value} }}"
    assert llog.parse_line(line).fields == {"device": "general", "parameter": "jobid_name", "value": value.strip()}


def test_targets_that_clients_are_told_of(transcript):
    targets = llog.targets(llog.parse(transcript("params/llog-client").out))
    assert [(t.label, t.kind, t.index, t.service_nids) for t in targets] == [
        ("lustre-MDT0000", "mdt", 0, [["10.0.2.15@tcp"]]),
        ("lustre-OST0000", "ost", 0, [["10.0.2.15@tcp"]]),
        ("lustre-OST0001", "ost", 1, [["10.0.2.15@tcp"]]),
        ("lustre-MDT0001", "mdt", 1, [["10.0.2.15@tcp"]]),
    ]


def test_every_recorded_log_is_read():
    names = sorted(
        path.stem
        for path in (TRANSCRIPTS / "params").glob("llog-*.txt")
        if path.stem not in ("llog-info", "llog-missing", "llog-cancel-missing") and "catlist" not in path.stem
    )
    assert len(names) >= 7
    for name in names:
        assert llog.parse(load_transcript(f"params/{name}").out)


DAMAGED = [
    "mount/lctl-dl",
    "params/llog-client",
    "params/llog-params",
    "params/state",
    "params/gp-one-missing",
    "lnet/lctl-list_nids",
    "params/sp-badvalue2",
    "versions/lctl-version",
]


@pytest.mark.parametrize("name", DAMAGED)
@given(data=st.data())
def test_damaged_output_is_read_or_refused_but_never_crashes(name, data):
    result = load_transcript(name)
    text = result.out or result.err
    start = data.draw(st.integers(0, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=12)) + text[start + data.draw(st.integers(0, 40)) :]
    for parse in (
        lctl.parse_devices,
        lctl.parse_nids,
        lctl.parse_version,
        llog.parse,
        llog.parse_mixed,
        lctl_params.parse,
        lctl_params.not_set,
        lctl_params.refused_instances,
        lctl_params.filesystems,
    ):
        try:
            read = parse(damaged)
        except LustreError:
            continue
        if parse in (llog.parse, llog.parse_mixed):
            llog.targets(read)
            llog.stored_params(read)
        if parse is lctl_params.parse:
            lctl_params.states(read.values)
            lctl_params.recovery(read.values)


KINDS = [
    Kind("bool"),
    Kind("int"),
    Kind("size", 1024),
    Kind("pages"),
    Kind("time"),
    Kind("percent"),
    Kind("choice"),
    Kind("flags"),
    Kind("nrs"),
    Kind("text"),
]


@given(kind=st.sampled_from(KINDS), wanted=st.text(max_size=12), found=st.text(max_size=30))
@example(kind=Kind("size", 1024), wanted="1e9", found="NaN")
@example(kind=Kind("size", 1024), wanted="9" * 40, found="1E+400")
def test_comparing_never_crashes(kind, wanted, found):
    assert same(kind, wanted, found, "debug") in (True, False)


@given(number=st.integers(0, 10**9), unit=st.sampled_from(["", "K", "M", "G", "KiB", "MiB"]))
def test_a_size_reads_back_as_itself(number, unit):
    size = number * {"": 1024**2, "K": 1024, "M": 1024**2, "G": 1024**3}[unit[:1]]
    assert same(Kind("size", 1024**2), f"{number}{unit}", str(size // 1024**2))
    assert not same(Kind("size", 1024**2), f"{number}{unit}", str(size // 1024**2 + 2))


def test_every_settable_name_recorded_is_known():
    """What list_param marks as writable on servers and clients is in the table (instances of pools apart)."""
    lines = (TRANSCRIPTS / "params" / "list_param-F-R.txt").read_text(encoding="utf-8").splitlines()
    names = [line[:-1] for line in lines if line.endswith("=") and " " not in line]
    unknown = [
        name
        for name in names
        if not matches(name) and ".target_obds." not in name and ".lmv." not in name and ".lov." not in name
    ]
    assert len(names) > 300
    assert unknown == []


def test_no_name_has_two_kinds():
    kinds = {}
    for known in table():
        assert kinds.setdefault(known.name, known.kind) == known.kind, known.name
    assert len(kinds) > 600


def test_patterns_match_as_lctl_expands_them(transcript):
    names = [line for line in transcript("params/gp-N").out.splitlines() if line]
    assert all(glob("osc.*.max_rpcs_in_flight").match(name) for name in names)
    assert sum(bool(glob("osc.*-OST0001-*MDT000[01].max_rpcs_in_flight").match(name)) for name in names) == 2
    assert not glob("osc.*.max_rpcs_in_flight").match("mdc.a.max_rpcs_in_flight")
    assert glob("mgc.*.import").match("mgc.MGC10.0.2.15@tcp.import")


@given(st.text(alphabet="abc.*?[]!-_", max_size=12))
def test_any_pattern_compiles(pattern):
    glob(pattern)


def test_neighbours_of_a_mistyped_name():
    assert nearest("osc.fs1-*.max_dirty")[0] == "osc.fs1-*.max_dirty_mb"
    assert sorted(nearest("llite.fs1-*.max_rpcs_in_flight")) == [
        f"{kind}.fs1-*.max_rpcs_in_flight" for kind in ("mdc", "osc", "osp")
    ]
    assert kind_of("something.*.size_mb") == Kind("size", 1024**2)


@given(st.text(max_size=60))
def test_any_mount_file_is_read(text):
    mount_params.value_in(text, "at_max")
    assert mount_params.changed(text, [])[1] == []
