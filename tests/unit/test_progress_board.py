"""What the callback lustre.core.progress says, with a clock and a display of ours."""

from __future__ import annotations

import threading
import time

from ansible_collections.lustre.core.plugins.callback.progress import CallbackModule, Ticker
from ansible_collections.lustre.core.plugins.plugin_utils._progress_board import (
    Board,
    Job,
    Planned,
    duration,
    steps_of,
    words,
)

OSTS = Job("2", "OSTs", phases=frozenset({"ost"}))
CLIENTS = Job("3", "Client mounts", kinds=frozenset({"mount"}))


def step(action, thing, kind="target", **more):
    return {"kind": kind, "action": action, "object": thing, **more}


def look(*steps, phase="ost"):
    return {"results": [{"phase": phase, "plan": list(steps)}], "plan": list(steps), "changed": True}


def board(**working):
    made = Board(after=15.0, interval=30.0)
    for host, since in working.items():
        made.start(host, OSTS, since)
    return made


def test_nobody_at_work_is_nothing_to_say():
    empty = Board(15.0, 30.0)
    assert empty.idle and empty.due(5.0) is None and empty.lines(5.0) == [] and empty.took() == []


def test_a_host_is_spoken_of_after_a_while_and_then_again():
    at_work = board(oss1=100.0, oss2=110.0)
    assert at_work.due(100.0) == 15.0 and at_work.due(116.0) == -1.0
    assert at_work.lines(116.0) == ["  ... 16 s: oss1: OSTs"]
    assert at_work.due(116.0) == 30.0
    assert at_work.lines(146.0) == ["  ... 46 s: oss1, oss2: OSTs"]


def test_the_plan_of_the_look_tells_what_a_host_does():
    at_work = Board(15.0, 30.0)
    disk = "on /dev/disk/by-id/x"
    plan = look(
        step("create", "/lustre/fs1/ost0000", "mount"),
        step("format", f"fs1-OST0000 {disk}"),
        step("format", f"fs1-OST0002 {disk}"),
        step("mount", f"fs1-OST0000 {disk}", "mount"),
        step("mount", f"fs1-OST0002 {disk}", "mount"),
    )
    plan["results"].append({"phase": "params", "plan": [step("store", "x", "param")]})
    at_work.end("oss1", "1", plan)
    at_work.start("oss1", OSTS, 0.0)
    at_work.start("oss2", OSTS, 0.0)
    assert at_work.lines(45.0) == [
        "  ... 45 s: oss1: format fs1-OST0000, fs1-OST0002, then mount 2",
        "  ... 45 s: oss2: OSTs",
    ]


def test_what_is_done_is_struck_out_of_the_plan():
    at_work = Board(15.0, 30.0)
    at_work.end("c1", "1", look(step("mount", "fs1 on /a", "mount"), step("mount", "fs2 on /b", "mount")))
    at_work.end("c1", "2", {"plan": [step("mount", "fs1 on /a", "mount", seconds=1.0)]})
    at_work.start("c1", CLIENTS, 0.0)
    assert at_work.lines(20.0) == ["  ... 20 s: c1: mount fs2"]
    at_work.end("c1", "3", {"plan": [step("mount", "fs2 on /b", "mount", seconds=1.0)]})
    at_work.start("c1", CLIENTS, 0.0)
    assert at_work.lines(20.0) == ["  ... 20 s: c1: Client mounts"]


def test_a_look_at_some_parts_leaves_the_plan_of_the_others():
    at_work = Board(15.0, 30.0)
    at_work.end("oss1", "1", look(step("mount", "fs1 on /a", "mount"), phase="client"))
    at_work.end("oss1", "1", look(step("format", "fs1-OST0000 on /dev/x")))
    at_work.end("oss1", "1", look(phase="mgt"))
    at_work.start("oss1", CLIENTS, 0.0)
    assert at_work.lines(20.0) == ["  ... 20 s: oss1: mount fs1"]
    at_work.end("oss1", CLIENTS.id, look(phase="client"))
    at_work.start("oss1", CLIENTS, 0.0)
    at_work.start("oss1", OSTS, 1.0)
    assert at_work.lines(21.0) == ["  ... 21 s: oss1: Client mounts", "  ... 20 s: oss1: format fs1-OST0000"]


def test_a_look_is_called_by_its_name():
    at_work = Board(15.0, 30.0)
    at_work.end("c1", "1", look(step("mount", "fs1 on /a", "mount")))
    at_work.start("c1", Job("4", "What is to be done", looks=True), 0.0)
    assert at_work.lines(20.0) == ["  ... 20 s: c1: What is to be done"]


def test_many_hosts_are_few_lines():
    at_work = Board(15.0, 30.0)
    for number in range(200):
        at_work.end(f"client{number}", "1", look(step("mount", "fs1 on /mnt/fs1", "mount"), phase="client"))
        at_work.start(f"client{number}", CLIENTS, float(number > 0))
    for number in range(8):
        at_work.end(f"oss{number}", "1", look(step("format", f"fs1-OST000{number} on /dev/x")))
        at_work.start(f"oss{number}", OSTS, 10.0 + number)
    lines = at_work.lines(60.0)
    assert lines[0] == "  ... 60 s: client0, client1, client2 and 197 more: mount fs1"
    assert lines[1] == "  ... 50 s: oss0: format fs1-OST0000"
    assert lines[5:] == ["  ... 46 s: and 4 more hosts at work"]


def test_long_steps_are_told_with_their_time_once():
    at_work = board(oss1=0.0)
    failed = {"results": [{"phase": "ost", "plan": [step("format", "fs1-OST0003 on /dev/x", seconds=62.4)]}]}
    at_work.end("oss1", OSTS.id, failed)
    at_work.end("oss2", OSTS.id, {"plan": [step("mount", "x on /y", seconds=14.9), step("tune", "z", seconds=200)]})
    assert at_work.took() == ["  oss2: tune z took 3 min 20 s", "  oss1: format fs1-OST0003 on /dev/x took 62 s"]
    assert at_work.took() == []


def test_many_long_steps_are_summed_up():
    at_work = Board(15.0, 30.0)
    for number in range(200):
        at_work.end(f"c{number}", "3", {"plan": [step("mount", "fs1 on /m", seconds=20 + number)]})
    lines = at_work.took()
    assert len(lines) == 11 and lines[0] == "  c199: mount fs1 on /m took 3 min 39 s"
    assert lines[-1] == "  and 190 more steps of 20 s to 3 min 29 s"


def test_results_of_any_shape_are_read():
    assert steps_of({}) == [] and steps_of({"plan": "x", "results": "y"}) == []
    assert steps_of({"plan": [1, {"action": "x"}], "results": [None, {"plan": None}]}) == []
    loop = {"results": [{"plan": [step("mount", "a", "mount", seconds=2)]}, {"skipped": True}]}
    assert steps_of(loop) == [Planned("mount", "mount", "a", "", 2.0)]
    assert steps_of({"plan": [step("mount", "a", "mount", phase="client")]})[0].phase == "client"


def test_words_name_the_first_and_count_the_rest():
    steps = [Planned("target", "format", f"fs1-OST000{n} on /dev/{n}") for n in range(5)]
    assert words(steps) == "format fs1-OST0000, fs1-OST0001, fs1-OST0002 and 2 more"
    assert words([]) == ""


def test_durations_are_read_easily():
    told = [duration(seconds) for seconds in (0.4, 15, 119.4, 120, 200, 7199, 7200, 90000)]
    assert told == ["0 s", "15 s", "119 s", "2 min", "3 min 20 s", "119 min 59 s", "2 h 0 min", "25 h 0 min"]


class Shown(list):
    """A display that wakes whoever waits for a line."""

    def __init__(self):
        super().__init__()
        self.came = threading.Event()

    def __call__(self, line):
        self.append(line)
        self.came.set()


def test_the_ticker_speaks_while_others_wait_and_is_silent_then():
    shown = Shown()
    ticker = Ticker(Board(after=0.05, interval=3600.0), shown)
    before = threading.active_count()
    ticker.start("oss1", OSTS)
    assert shown.came.wait(20), "it says nothing"
    assert shown == ["  ... 0 s: oss1: OSTs"] and threading.active_count() == before + 1
    ticker.end("oss1", OSTS.id, {"plan": [step("format", "x", seconds=62)]})
    assert shown[1:] == ["  oss1: format x took 62 s"]
    ticker.stop()
    assert threading.active_count() == before
    ticker.start("oss1", OSTS)
    assert threading.active_count() == before, "after its end it does not come back"


def test_the_ticker_sleeps_while_there_is_nothing_to_do():
    calls = []

    def clock():
        calls.append(None)
        return time.monotonic()

    ticker = Ticker(Board(after=3600.0, interval=3600.0), Shown(), clock)
    for number in range(100):
        ticker.start(f"c{number}", CLIENTS)
        ticker.end(f"c{number}", CLIENTS.id, {})
    ticker.stop()
    assert len(calls) < 350, "one for each start, and a few for the thread's looks at what is due"


class Thing:
    """Whatever has the named attributes."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def get_name(self):
        return "oss1"


class Display:
    verbosity = 0

    def __init__(self):
        self.lines = []

    def display(self, text):
        self.lines.append(text)


def callback(after):
    display = Display()
    made = CallbackModule(display=display)
    made.watch(after, 30.0)
    return made, display


def task(**more):
    return Thing(
        **{"_uuid": "u", "action": "lustre.core.node", "name": "OSTs", "args": {}, "check_mode": False, **more}
    )


def test_other_peoples_tasks_are_not_watched():
    made, display = callback(0.0)
    other = task(action="ansible.builtin.command")
    made.v2_runner_on_start(Thing(), other)
    made.v2_runner_on_ok(Thing(task=other, host=Thing(), result={"plan": [step("x", "y", seconds=99)]}))
    made.v2_playbook_on_stats(None)
    assert made._ticker._thread is None and display.lines == []


def test_tasks_in_our_roles_are_watched():
    made, _ = callback(3600.0)
    packages = task(action="ansible.builtin.apt", _role=Thing(_role_collection="lustre.core"))
    made.v2_runner_on_start(Thing(), packages)
    assert not made._ticker.board.idle
    made.v2_runner_on_skipped(Thing(task=packages, host=Thing(), result={}))
    assert made._ticker.board.idle
    made.v2_playbook_on_stats(None)


def test_results_of_old_and_new_cores_are_read():
    for names in (("task", "host", "result"), ("_task", "_host", "_result")):
        made, display = callback(20.0)
        made.v2_runner_on_start(Thing(), task())
        values = (task(), Thing(), {"plan": [step("format", "x", seconds=62)]})
        made.v2_runner_on_failed(Thing(**dict(zip(names, values))))
        made.v2_playbook_on_stats(None)
        assert display.lines == ["  oss1: format x took 62 s"]
