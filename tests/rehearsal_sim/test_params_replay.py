"""Parameters of the simulation beside what the real lctl of 2.17.0 printed.

The state that a recording was made in is set up by hand: one node with the recorded devices.
"""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest

from rehearsal.lustre_sim.kernel.llog import LogStore
from rehearsal.lustre_sim.node import FakeClock, Node, Subsystem
from rehearsal.lustre_sim.tools.lctl_params import COMMANDS
from tests.unit.fake_runner import load_transcript

FOLDER = Path(__file__).parents[1] / "contract" / "transcripts"
INSTANCE = "ff236cfb2a2bc800"
DEVICES = [
    ("mgc", "MGC10.0.2.15@tcp"),
    ("mgs", "MGS"),
    ("mdt", "lustre-MDT0000"),
    ("mdt", "lustre-MDT0001"),
    ("obdfilter", "lustre-OST0000"),
    ("obdfilter", "lustre-OST0001"),
    *(("osp", f"lustre-OST{ost:04x}-osc-MDT{mdt:04x}") for mdt in range(2) for ost in range(2)),
    ("lov", f"lustre-clilov-{INSTANCE}"),
    *(("osc", f"lustre-OST{ost:04x}-osc-{INSTANCE}") for ost in range(2)),
    *(("mdc", f"lustre-MDT{mdt:04x}-mdc-{INSTANCE}") for mdt in range(2)),
]


class Obd(Subsystem):
    name = "obd"

    def devices(self):
        return [{"status": "UP", "type": kind, "name": name} for kind, name in DEVICES]

    def params(self):
        return {"health_check": lambda: "healthy", "mdt.lustre-MDT0000.num_exports": lambda: "3"}


class Mgs(Subsystem):
    name = "mgs"
    running = True

    def __init__(self, node):
        super().__init__(node)
        self.logs = LogStore()
        for log in ("lustre-client", "lustre-OST0000", "lustre-MDT0000", "params"):
            self.logs.create(log)

    def save(self):
        self.saved = True


class Mounts(Subsystem):
    name = "mounts"

    def management(self):
        return [(["10.0.2.15@tcp"], ["lustre"])]


class Lnet(Subsystem):
    name = "lnet"

    def rpc(self, nid, request, timeout):
        return self.node.handle_rpc(request, nid)


@pytest.fixture
def node(tmp_path):
    parts = {"obd": Obd, "mgs": Mgs, "mounts": Mounts, "lnet": Lnet, "targets": Subsystem}
    folders = [str(tmp_path / name) for name in ("node", "run", "site")]
    made = Node("one", *folders, clock=FakeClock(), subsystems=parts)
    made.load()
    return made


def lctl(node, command):
    words = shlex.split(command)
    out, err = io.StringIO(), io.StringIO()
    rc = COMMANDS[words[1]](words[2:], out, err, node)
    return rc, out.getvalue(), err.getvalue()


# each: recordings replayed one after the other on one node
SEQUENCES = {
    "get": [
        "gp-single",
        "gp-n",
        "gp-multi",
        "gp-wild",
        "gp-N",
        "gp-slash",
        "gp-missing",
        "gp-missing-wild",
        "gp-one-missing",
        "health",
        "health-n",
    ],
    "get usage": ["gp-noargs"],
    "list": ["list_param-missing"],
    "set": [
        "sp-ok",
        "sp-ok-wild",
        "sp-unknown",
        "sp-unknown-wild",
        "sp-noval",
        "sp-readonly",
        "sp-badvalue",
        "sp-badvalue2",
        "sp-debug-bad",
    ],
    "set negative": ["sp-badvalue3"],
    "set value apart": ["sp-space"],
    "stored": ["sp-P-unknown", "sp-P-bad", "sp-P-bad2", "sp-P-d", "sp-P-d-real", "sp-P-d-again", "sp-P-d-unknown"],
    "conf_param": [
        "cp-ok",
        "cp-osc",
        "cp-llite",
        "cp-unknown",
        "cp-badtarget",
        "cp-badfs",
        "cp-malformed",
        "cp-d",
        "cp-d-again",
    ],
    "logs": ["llog-missing", "llog-cancel-missing"],
}


@pytest.mark.parametrize("names", SEQUENCES.values(), ids=list(SEQUENCES))
def test_replay(node, names):
    for name in names:
        command = (FOLDER / "params" / f"{name}.txt").read_text().splitlines()[0].removeprefix("$ ")
        recorded = load_transcript(f"params/{name}")
        rc, out, err = lctl(node, command.replace("--device MGS ", ""))
        assert (rc, out, err) == (recorded.rc, recorded.out, recorded.err), name


def test_the_log_of_parameters_reads_as_recorded(node):
    for text in ("no.such.param=1", "osc.*.max_rpcs_in_flight=abc", "jobid_var=procname_uid"):
        assert lctl(node, f"lctl set_param -P {text}")[0] == 0
    assert lctl(node, "lctl llog_print params")[1].splitlines() == [
        "- { index: 2, event: set_param, device: general, parameter: no.such.param, value: 1 }",
        "- { index: 5, event: set_param, device: general, parameter: osc.*.max_rpcs_in_flight, value: abc }",
        "- { index: 8, event: set_param, device: general, parameter: jobid_var, value: procname_uid }",
    ]


def test_a_stored_value_arrives_late_and_does_not_repair_a_drift(node):
    assert lctl(node, "lctl set_param -P osc.*.max_rpcs_in_flight=12")[0] == 0
    node.tick()
    assert "=8\n" in lctl(node, "lctl get_param osc.*OST0000-osc-f*.max_rpcs_in_flight")[1]
    node.clock.sleep(9)
    node.tick()
    assert "=12\n" in lctl(node, "lctl get_param osc.*OST0000-osc-f*.max_rpcs_in_flight")[1]
    lctl(node, "lctl set_param osc.*.max_rpcs_in_flight=9")
    assert lctl(node, "lctl set_param -P osc.*.max_rpcs_in_flight=12")[0] == 0
    node.clock.sleep(40)
    node.tick()
    assert "=9\n" in lctl(node, "lctl get_param osc.*OST0000-osc-f*.max_rpcs_in_flight")[1]


@pytest.mark.parametrize(("written", "read"), [("1M", "1"), ("0", "0"), ("64M", "64"), ("1G", "1024")])
def test_units_read_back_in_the_unit_of_the_name(node, written, read):
    lctl(node, f"lctl set_param osc.*.max_dirty_mb={written}")
    assert lctl(node, "lctl get_param -n osc.lustre-OST0000-osc-ff*.max_dirty_mb")[1] == f"{read}\n"


def test_flags_are_added_and_taken(node):
    before = lctl(node, "lctl get_param -n debug")[1].split()
    lctl(node, "lctl set_param debug=+rpctrace")
    lctl(node, "lctl set_param debug=-ha")
    assert set(lctl(node, "lctl get_param -n debug")[1].split()) == (set(before) | {"rpctrace"}) - {"ha"}
