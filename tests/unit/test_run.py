"""The production runner against real programs, inside a real AnsibleModule."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest


@pytest.fixture
def in_module(tmp_path: Path):
    """Run a few lines with ``run`` (a CommandRunner) and return what they put into ``answer``."""

    def execute(lines: str):
        text = textwrap.dedent(
            """
            import json
            from ansible.module_utils import basic
            from ansible_collections.lustre.core.plugins.module_utils import _run
            from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
            basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": {}}'
            basic._ANSIBLE_PROFILE = "legacy"
            _run.KILL_GRACE = 0.5
            module = basic.AnsibleModule(argument_spec={})
            run = _run.CommandRunner(module)
            answer = None
            """
        )
        script = tmp_path / "script.py"
        script.write_text(text + textwrap.dedent(lines) + "\nprint(json.dumps([answer, run.count]))\n")
        environ = {**os.environ, "A_VARIABLE": "expanded", "LC_ALL": "C.UTF-8"}
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environ, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return execute


def test_output_exit_code_and_input_come_back_whole(in_module):
    answer, count = in_module("""answer = run(["sh", "-c", "cat; echo bad >&2; exit 3"], "no newline added")""")
    assert answer == [3, "no newline added", "bad\n"]
    assert count == 1


def test_a_program_that_ends_without_reading_its_input_is_a_result(in_module):
    """lctl with a missing library, say: what it said and its exit code count, not the broken pipe."""
    program = ["sh", "-c", "exec <&-; echo why >&2; echo half; sleep 0.2; exit 127"]
    answer, _ = in_module(f"""answer = run({program!r}, "get_param\\n" * 100000)""")
    assert answer == [127, "half\n", "why\n"]


def test_words_are_taken_as_they_are(in_module):
    answer, _ = in_module("""answer = run(["printf", "%s|", "$A_VARIABLE", "~", "*", "a b"])[1]""")
    assert answer == "$A_VARIABLE|~|*|a b|"


def test_the_locale_is_c(in_module):
    answer, _ = in_module("""answer = run(["sh", "-c", "echo $LC_ALL"])[1]""")
    assert answer == "C\n"


def test_bytes_that_are_no_text_do_not_stop_us(in_module):
    answer, _ = in_module("""answer = run(["printf", "\\\\377ok"])[1]""")
    assert answer.endswith("ok")


def test_a_missing_program_is_named(in_module):
    answer, count = in_module(
        """
        try:
            run(["no-such-program-here"])
        except LustreError as error:
            answer = str(error)
        """
    )
    assert answer.startswith("The program no-such-program-here was not found on this node")
    assert count == 0


def test_a_silent_program_is_ended_with_all_that_it_started(in_module, tmp_path):
    mark = tmp_path / "pid"
    started = time.monotonic()
    answer, _ = in_module(
        f"""
        try:
            run(["sh", "-c", "sh -c 'echo $$ > {mark}; exec sleep 60' & wait"], timeout=1)
        except LustreError as error:
            answer = [str(error), error.still_running]
        """
    )
    assert answer == ["Could not run sh: " + answer[0].split(": ", 1)[1], False]
    assert "gave no answer within 1 s and was ended" in answer[0]
    assert time.monotonic() - started < 20
    assert not runs(mark.read_text().strip())


def runs(pid: str) -> bool:
    """Is it still running (a dead process that nobody has waited for yet does not)?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_ignores_sigterm_is_killed(in_module):
    answer, _ = in_module(
        """
        try:
            run(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], timeout=1)
        except LustreError as error:
            answer = error.still_running
        """
    )
    assert answer is False


def test_a_helper_that_outlives_its_parent_is_ended_too(in_module, tmp_path):
    mark = tmp_path / "pid"
    helper = f"trap : TERM; echo $$ > {mark}; while :; do sleep 1; done"
    answer, _ = in_module(
        f"""
        try:
            run(["sh", "-c", {f"sh -c '{helper}' & wait"!r}], timeout=1)
        except LustreError as error:
            answer = error.still_running
        """
    )
    assert answer is False
    assert not runs(mark.read_text().strip())


def test_what_no_signal_ends_is_named(in_module, tmp_path):
    mark = tmp_path / "pid"
    answer, _ = in_module(
        f"""
        import os
        real = os.killpg
        os.killpg = lambda group, sign: real(group, 0)
        try:
            run(["sh", "-c", "echo $$ > {mark}; exec sleep 60"], timeout=1)
        except LustreError as error:
            answer = [str(error), error.facts()["processes_left"]]
        """
    )
    pid = int(mark.read_text())
    os.kill(pid, signal.SIGKILL)
    assert answer[1] == [f"sleep (process {pid})"]
    assert f"cannot be killed (it waits inside the kernel); still on this node: sleep (process {pid})." in answer[0]
