# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tests that are interrupted take their sites away before they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from rehearsal.hosts.layout import Layout

from .rehearsed import ROOT, environment, until


def processes(mention: str) -> list[str]:
    """Command lines with this text in them, but for our own."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mention in words:
            found.append(f"{pid}: {words}")
    return found


def test_ctrl_c_leaves_nothing_behind() -> None:
    """In the middle of a playbook, as by the terminal: to all processes of the group at once."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/site/test_killed.py"]
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a job of a shell in the background has it ignored, and hands that on
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as tests:
        layout = Layout(f"test-kill-{tests.pid}")
        until(lambda: "" if "ansible-playbook" in " ".join(processes(str(layout.top))) else "a playbook", 90)
        os.killpg(tests.pid, signal.SIGINT)
        said = tests.communicate(timeout=60)[0]
    assert tests.returncode == 2, said
    assert "KeyboardInterrupt" in said
    left = [sys.executable, "-m", "rehearsal.hosts", "leftovers", "--site", layout.site]
    done = subprocess.run(left, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert processes(str(layout.top)) == []
