# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recorded commands of the real lnetctl and lctl, run against the simulated ones: exit code, stdout, stderr.

The commands are run by a shell, with the tools' real launcher, against a daemon of this process whose interfaces and
wire are replaced: nothing answers on the network, as in the recording.
"""

from __future__ import annotations

import os
import re
import subprocess
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal_sim.support import TOOLS, Recording, recording, simulated_host

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "lnet.yml").read_text(encoding="utf-8"))
INTERFACES = {"eth0": "10.0.2.15/24", "dummy0": "10.0.3.15/24"}
MASK = re.compile(rf"^(\s*(?:- +)?)({'|'.join(map(re.escape, CASES['uncompared_keys']))}): \d+$", re.M)


def run(command: str, folder: Path, socket: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LUSTRE_SIM_SOCKET": str(socket), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", command.replace("/tmp/", f"{folder}/")], env=environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=False)


def compared(text: str, folder: Path) -> str:
    return MASK.sub(r"\1\2: N", text.replace(f"{folder}/", "/tmp/"))


@pytest.mark.parametrize("scenario", CASES["scenarios"], ids=lambda scenario: scenario["name"])
def test_replay(scenario: dict[str, Any], tmp_path: Path) -> None:
    differences = []
    with simulated_host(tmp_path, INTERFACES) as socket:
        for command in scenario["setup"]:
            run(command, tmp_path, socket)
        for name in scenario["replay"]:
            recorded: Recording = recording(name)
            done = run(recorded.command, tmp_path, socket)
            found = (str(done.returncode), compared(done.stdout, tmp_path), compared(done.stderr, tmp_path))
            wanted = (recorded.rc, compared(recorded.out, tmp_path), compared(recorded.err, tmp_path))
            differences += [
                "\n".join([f"{name}: {recorded.command}", *unified_diff(
                    want.splitlines(), have.splitlines(), f"recorded {what}", f"simulated {what}", lineterm="")])
                for what, want, have in zip(("rc", "stdout", "stderr"), wanted, found, strict=True) if want != have
            ]
    assert not differences, "\n\n".join(differences)


def test_every_recording_is_replayed_or_excused() -> None:
    replayed = [name for scenario in CASES["scenarios"] for name in scenario["replay"]]
    assert len(replayed) == len(set(replayed))
    excused = set(CASES["not_replayed"])
    assert not excused & set(replayed)
    root = Path(__file__).parents[1] / "contract" / "transcripts"
    there = {f"{folder}/{path.stem}" for folder in CASES["covers"] for path in (root / folder).glob("*.txt")}
    assert len(there) > 100
    assert there == {name for name in (*replayed, *excused) if name.split("/")[0] in CASES["covers"]}
