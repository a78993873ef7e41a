"""A real ansible-playbook of the core these tests run on, with a module whose program takes its time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LCTL = """#!/bin/sh
input=$(cat)
case "$1" in
set_param) sleep 3; echo "${2#*=}" > value ;;
*) printf 'version=2.17.0\\nat_max=%s\\n' "$(cat value)" ;;
esac
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: The look
      lustre.core.param: &wanted
        params: [{name: at_max, value: 700, scope: local}]
      check_mode: true
    - name: Parameters of this node
      lustre.core.param: *wanted
    - name: Once more
      lustre.core.param: *wanted
"""
CFG = """
[defaults]
callbacks_enabled = lustre.core.progress
retry_files_enabled = False
[callback_lustre_core_progress]
after = 1
interval = 1
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "lctl").write_text(LCTL.replace("value", str(tmp_path / "value")))
    (tmp_path / "lctl").chmod(0o755)
    (tmp_path / "value").write_text("600\n")
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "ansible.cfg").write_text(CFG)
    (tmp_path / "hosts").write_text(f"oss1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    return tmp_path


def play(site: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(
        PATH=f"{site}:{os.environ['PATH']}",
        ANSIBLE_CONFIG=str(site / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=os.environ["PYTHONPATH"].split(os.pathsep)[0],
        ANSIBLE_HOME=str(site / "home"),
    )
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts", "play.yml"]
    done = subprocess.run(
        words, cwd=site, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failure using method" not in done.stderr and "Skipping callback" not in done.stderr, done.stderr
    return done.stdout


def test_a_long_task_speaks_and_its_steps_are_timed(site: Path):
    tasks = dict(re.findall(r"TASK \[(.+?)\] \*+\n(.*?)\n\n", play(site), re.S))
    lines = tasks["Parameters of this node"].splitlines()
    assert re.fullmatch(r"  \.\.\. [1-9] s: oss1: set at_max", lines[0])
    assert len(lines) >= 4, "one line each second"
    assert lines[-2] == "changed: [oss1]"
    assert re.fullmatch(r"  oss1: set at_max took [3-9] s", lines[-1])
    assert tasks["Once more"].splitlines()[-1] == "ok: [oss1]"
