"""One writer per node: real processes, two at a time, killed with and without a child that still works."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ansible_collections.lustre.core.plugins.module_utils import _lock
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._lock_told import NodeBusy
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from ansible_collections.lustre.core.plugins.module_utils._progress import StepLog, writes_on_device

NOBODY = 65534
FORMAT = Step("target", "format", "fs1-OST0003 on /dev/x", "blank", ("sh", "-c", "x"), destructive=True)
MOUNT = Step("mount", "mount", "fs1 on /mnt/fs1", "not mounted", ("sh", "-c", "x"))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = tmp_path / "run"
    made.mkdir(mode=0o755)
    return str(made)


@pytest.fixture
def module(tmp_path: Path, folder: str):
    """Start a real module process with the lock of ``folder``; it runs ``lines`` and is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(lines: str) -> subprocess.Popen[str]:
        head = f"""
            import sys
            from ansible.module_utils import basic
            from ansible_collections.lustre.core.plugins.module_utils import _lock, _module, _run
            from ansible_collections.lustre.core.plugins.module_utils._plan import Step
            basic._ANSIBLE_ARGS = b'{{"ANSIBLE_MODULE_ARGS": {{}}}}'
            basic._ANSIBLE_PROFILE = "legacy"
            _lock.FOLDER = {folder!r}
            module = basic.AnsibleModule(argument_spec={{}})
            module._name = "lustre.core.node"
            run = _run.CommandRunner(module)
            format = Step("target", "format", "fs1-OST0003 on /dev/x", "blank", destructive=True)
            mount = Step("mount", "mount", "fs1 on /mnt/fs1", "not mounted")
            def say(text):
                print(text, flush=True)
            """
        script = tmp_path / f"module{len(started)}.py"
        script.write_text(textwrap.dedent(head) + textwrap.dedent(lines))
        process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def heard(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip()


HOLD = """
with _module.node_held(module, run) as held:
    say("held")
    sys.stdin.readline()
"""
#: A step whose program tells its process id, and ends when the pipe is opened for writing.
WORK = """
with _module.node_held(module, run) as held, held.watch({step}):
    say("held")
    run(["sh", "-c", "echo $$ > {mark}.new; mv {mark}.new {mark}; read x < {pipe}"])
"""


def test_a_second_module_begins_when_the_first_has_ended(module, folder):
    first = module(HOLD)
    assert heard(first) == "held"
    second = module('say("wants")' + HOLD)
    assert heard(second) == "wants"
    with pytest.raises(NodeBusy):
        _lock.take("lustre.core.mount", wait=0, folder=folder)
    first.stdin.write("\n")
    first.stdin.close()
    assert heard(second) == "held"
    assert first.wait(timeout=20) == 0
    assert json.loads(Path(_lock.path(folder)).read_text())["pid"] == second.pid


def test_many_at_once_come_one_after_the_other(module, tmp_path):
    trace = tmp_path / "trace"
    lines = f"""
    import os
    with _module.node_held(module, run):
        for word in ("begin", "end"):
            with open({str(trace)!r}, "a") as stream:
                stream.write(f"{{os.getpid()}} {{word}}\\n")
            os.sched_yield()
    say("over")
    """
    for process in [module(lines) for _ in range(6)]:
        assert heard(process) == "over"
    told = [line.split() for line in trace.read_text().splitlines()]
    assert len(told) == 12
    for begin, end in zip(told[::2], told[1::2]):
        assert (begin[0], begin[1], end[1]) == (end[0], "begin", "end")


def test_who_waited_in_vain_is_told_who_holds_the_node(module, folder):
    first = module(HOLD)
    assert heard(first) == "held"
    with pytest.raises(NodeBusy) as caught:
        _lock.take("lustre.core.mount", wait=0, folder=folder)
    text = str(caught.value)
    assert f"The module lustre.core.node (process {first.pid}) began on 2" in text
    assert "it has been at: reads the state of the node" in text
    assert "This run has changed nothing." in text and "then run again" in text
    busy = caught.value.facts()["held_by"]
    assert busy["pid"] == first.pid and [entry["pid"] for entry in busy["processes"]] == [first.pid]


def test_a_killed_module_without_a_child_leaves_the_node_free(module, folder):
    first = module(HOLD)
    assert heard(first) == "held"
    first.kill()
    first.wait()
    _lock.take("lustre.core.mount", wait=0, folder=folder).release()


def wait_for(what, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def work(module, tmp_path):
    """A module inside a step whose program runs; returns (module, pid of the program, how to end the program)."""
    pids: list[int] = []
    mark, pipe = tmp_path / "mark", tmp_path / "pipe"
    os.mkfifo(pipe)

    def start(step: str):
        process = module(WORK.format(step=step, mark=mark, pipe=pipe))
        assert heard(process) == "held"
        wait_for(mark.exists)
        pids.append(int(mark.read_text()))

        def finish() -> None:
            with open(pipe, "w") as stream:
                stream.write("\n")

        return process, pids[-1], finish

    yield start
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_format_of_a_killed_module_keeps_the_node_until_it_is_over(work, folder):
    process, pid, finish = work("format")
    process.kill()
    process.wait()
    with pytest.raises(NodeBusy) as caught:
        _lock.take("lustre.core.node", wait=0, folder=folder)
    text = str(caught.value)
    assert f"(process {process.pid}, begun on 2" in text and "is gone, but what it started still runs: " in text
    assert f"sh (process {pid})" in text and "at: format fs1-OST0003 on /dev/x" in text
    assert "a device must not be touched while it is written" in text
    assert f"sh (process {pid})" in _lock.somebody(folder)
    finish()
    _lock.take("lustre.core.node", wait=20, folder=folder).release()
    assert _lock.somebody(folder) == ""


def test_the_mount_of_a_killed_module_does_not_keep_the_node(work, folder):
    process, pid, finish = work("mount")
    process.kill()
    process.wait()
    _lock.take("lustre.core.node", wait=0, folder=folder).release()
    assert Path(f"/proc/{pid}").exists(), "the program was to be at work still"
    finish()


def test_a_module_that_ends_before_its_format_leaves_the_lock_with_it(work, folder):
    process, _, finish = work("format")
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    with pytest.raises(NodeBusy):
        _lock.take("lustre.core.node", wait=0, folder=folder)
    finish()
    _lock.take("lustre.core.node", wait=20, folder=folder).release()


class Clock:
    """Time that passes only by sleeping; ``at`` does something at a moment."""

    def __init__(self, **at) -> None:
        self.now, self.at = 0.0, at

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [m for m in self.at if float(m[1:]) <= self.now]:
            self.at.pop(moment)()


@pytest.fixture
def holder(folder):
    lock = _lock.take("lustre.core.node", wait=0, folder=folder)
    yield lock
    lock.release()


def test_the_wait_is_bounded(holder, folder):
    clock = Clock()
    with pytest.raises(NodeBusy, match=r"120 s of waiting|121 s of waiting"):
        _lock.take("lustre.core.mount", folder=folder, sleep=clock.sleep, clock=clock)
    assert 120 <= clock.now < 122


def test_the_wait_is_longer_while_the_holder_gets_on(holder, folder):
    clock = Clock(t100=lambda: holder.note("format a"), t200=lambda: holder.note("format b"))
    with pytest.raises(NodeBusy, match="at: format b"):
        _lock.take("lustre.core.mount", folder=folder, sleep=clock.sleep, clock=clock)
    assert 319 < clock.now < 325


def test_the_wait_ends_all_the_same(holder, folder):
    clock = Clock(**{f"t{10 * n}": (lambda n=n: holder.note(f"step {n}")) for n in range(1, 100)})
    with pytest.raises(NodeBusy):
        _lock.take("lustre.core.mount", at_most=300, folder=folder, sleep=clock.sleep, clock=clock)
    assert 300 <= clock.now < 302


def test_a_lock_file_that_was_removed_meanwhile_is_not_held_in_vain(folder):
    def vanish():
        os.unlink(_lock.path(folder))
        held.release()

    held = _lock.take("lustre.core.node", wait=0, folder=folder)
    clock = Clock(t1=vanish)
    lock = _lock.take("lustre.core.mount", folder=folder, sleep=clock.sleep, clock=clock)
    with pytest.raises(NodeBusy):
        _lock.take("lustre.core.mount", wait=0, folder=folder)
    lock.release()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"pid": "x"}', b"\xff" * 9000, b"[" * 4000, b'{"pid": 1}', b"null"]
)
def test_what_stands_in_the_file_is_never_trusted(folder, content):
    Path(_lock.path(folder)).write_bytes(content)
    _lock.take("lustre.core.node", wait=0, folder=folder).release()
    Path(_lock.path(folder)).write_bytes(content)
    with open(_lock.path(folder), "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(NodeBusy, match=r"It has not said who it is; the lock .* is held by .*process"):
            _lock.take("lustre.core.node", wait=0, folder=folder)
        assert f"(process {os.getpid()})" in _lock.somebody(folder)


def test_a_record_of_long_ago_names_nobody_once_the_lock_is_free(folder):
    _lock.take("lustre.core.node", wait=0, folder=folder).release()
    assert "lustre.core.node" in Path(_lock.path(folder)).read_text()
    assert _lock.somebody(folder) == ""
    lock = _lock.take("lustre.core.mount", wait=0, folder=folder)
    assert json.loads(Path(_lock.path(folder)).read_text())["module"] == "lustre.core.mount"
    lock.release()


def test_a_symbolic_link_is_not_followed(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, _lock.path(folder))
    with pytest.raises(Refused, match=r"is a symbolic link.*remove it, then run again"):
        _lock.take("lustre.core.node", folder=folder)
    assert victim.read_text() == "precious" and _lock.somebody(folder) == ""


def test_other_things_in_its_place_are_refused(folder, tmp_path):
    where = _lock.path(folder)
    os.mkfifo(where)
    with pytest.raises(Refused, match="is not a plain file of root's with one name"):
        _lock.take("lustre.core.node", folder=folder)
    assert _lock.somebody(folder) == ""
    os.unlink(where)
    (tmp_path / "victim").write_text("precious")
    os.link(tmp_path / "victim", where)
    with pytest.raises(Refused, match="with one name"):
        _lock.take("lustre.core.node", folder=folder)
    assert (tmp_path / "victim").read_text() == "precious"
    os.unlink(where)
    os.mkdir(where)
    with pytest.raises(Refused, match="is a directory"):
        _lock.take("lustre.core.node", folder=folder)


def test_a_folder_that_is_not_there_or_open_to_all_is_refused(folder, tmp_path):
    with pytest.raises(Refused, match=r"No such file or directory.*mend that"):
        _lock.take("lustre.core.node", folder=str(tmp_path / "nowhere"))
    os.chmod(folder, 0o1777)
    with pytest.raises(Refused, match="others than root may write into"):
        _lock.take("lustre.core.node", folder=folder)
    assert os.listdir(folder) == []


def test_the_file_is_for_root_alone(folder):
    Path(_lock.path(folder)).write_text("")
    os.chmod(_lock.path(folder), 0o666)
    before = os.umask(0)
    try:
        _lock.take("lustre.core.node", wait=0, folder=folder).release()
        os.chown(_lock.path(folder), NOBODY, NOBODY)
        with pytest.raises(Refused):
            _lock.take("lustre.core.node", wait=0, folder=folder)
        os.unlink(_lock.path(folder))
        _lock.take("lustre.core.node", wait=0, folder=folder).release()
    finally:
        os.umask(before)
    assert os.stat(_lock.path(folder)).st_mode & 0o777 == 0o600


def test_a_look_does_not_wait_and_says_that_another_run_is_at_work(module):
    first = module(HOLD)
    assert heard(first) == "held"
    look = module(
        """
        import json
        module.check_mode = True
        warned = []
        module.warn = warned.append
        with _module.node_held(module, run) as held:
            say(json.dumps([held.told, warned]))
        """
    )
    told, warned = json.loads(heard(look))
    assert f"The module lustre.core.node (process {first.pid}) began" in told["busy"]
    assert warned and warned[0].startswith("Another run is at work on this node") and told["busy"] in warned[0]
    first.kill()
    first.wait()
    alone = module(
        "module.check_mode = True\nwith _module.node_held(module, run) as held:\n    say(str(dict(held.told)))\n"
    )
    assert heard(alone) == "{}"


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kept: list[int] = []
        self.now = 0.0

    @contextlib.contextmanager
    def keeping(self, descriptor):
        self.kept.append(descriptor)
        yield

    def clock(self) -> float:
        return self.now


def test_steps_go_to_the_log_and_into_the_lock(holder, folder):
    log = Log()
    watch = StepLog(log.lines.append, holder, log.keeping, log.clock)
    with watch(FORMAT):
        assert json.loads(Path(_lock.path(folder)).read_text())["step"] == "format fs1-OST0003 on /dev/x"
        log.now += 42
    assert json.loads(Path(_lock.path(folder)).read_text())["step"] == _lock.READING
    with pytest.raises(KeyError), watch(MOUNT):
        log.now += 3
        raise KeyError
    assert log.lines == [
        "format fs1-OST0003 on /dev/x: began",
        "format fs1-OST0003 on /dev/x: done in 42 s",
        "mount fs1 on /mnt/fs1: began",
        "mount fs1 on /mnt/fs1: failed after 3 s",
    ]
    assert log.kept == [holder.descriptor], "the format keeps the lock, the mount does not"


def test_the_log_has_one_line_for_each_and_no_secrets(holder):
    log = Log()
    watch = StepLog(log.lines.append, holder, log.keeping, log.clock)
    with watch(Step("param", "set", "a\nb\x1b[31m" + "x" * 999, "", ("lctl",), stdin="secret")):
        pass
    assert len(log.lines) == 2
    assert all(line.isprintable() and len(line) < 400 and "secret" not in line for line in log.lines)


def test_programs_that_write_on_devices_keep_the_lock():
    assert writes_on_device(Step("target", "tune", "x", ""))
    assert writes_on_device(Step("wipe", "zero end", "x", "", destructive=True))
    assert not writes_on_device(Step("service", "start", "x", ""))


def test_a_full_run_does_not_stop_a_step(folder, monkeypatch):
    lock = _lock.take("lustre.core.node", wait=0, folder=folder)

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_lock.os, "pwrite", full)
    lock.note("format x")
    lock.release()
