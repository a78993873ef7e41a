# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run in a child process: 200 nodemaps applied to a simulated MGS by real processes of the simulated lctl, as JSON.

The kernel is a node of this process behind the socket of a rehearsal host; the MGS has no device, so that nothing is
written. What one process per object takes is measured on a sample of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "rehearsal"), str(ROOT)]
from lustre_sim.daemon import Daemon
from lustre_sim.node import Node

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.rehearsal_sim.fakes import fake_lnet

LCTL = ROOT / "rehearsal" / "lustre_sim" / "bin" / "lctl"
SAMPLE = 60


def wanted(count: int = 200, ranges: int = 10, ids: int = 20) -> dict[str, Any]:
    """Ids and ranges that cannot be joined, so that each is an object of its own."""
    maps = [
        {
            "name": f"tenant{number}",
            "ranges": [f"10.{number}.{part}.[1-99]@tcp" for part in range(ranges)],
            "idmap": {"uid": [f"{1000 + 2 * client}:{5000 + 2 * client}" for client in range(ids)]},
            "filesets": [{"path": f"/tenants/{number}"}],
            "deny_unknown": True,
        }
        for number in range(count)
    ]
    return {"nodemaps": maps, "active": True}


class Lctl:
    """A runner of real processes; ``commands`` are lctl's own, however many share a process."""

    def __init__(self, path: str) -> None:
        self.environ = {**os.environ, "LUSTRE_SIM_SOCKET": path}
        self.count = self.commands = 0

    def __call__(self, argv: Any, stdin: str | None = None, timeout: float = 120.0) -> Result:
        self.count += 1
        self.commands += len((stdin or "").splitlines()) or 1
        words = [str(LCTL), *argv[1:]]
        done = subprocess.run(
            words, input=stdin or "", capture_output=True, text=True, check=False, env=self.environ, timeout=timeout
        )
        return Result(done.returncode, done.stdout, done.stderr)


def kernel(folder: str) -> Daemon:
    node = Node(
        "mgs1", f"{folder}/node", f"{folder}/run", f"{folder}/site", subsystems={"lnet": fake_lnet({}, "10.0.0.1@tcp")}
    )
    node.load("lustre")
    node.mgs.device = "none"
    node.mgs.save = lambda: None
    daemon = Daemon(node, f"{folder}/run/kernel.sock")
    daemon.open()
    threading.Thread(target=daemon.run, daemon=True).start()
    return daemon


def applied(run: Lctl) -> dict[str, float]:
    run.count = run.commands = 0
    began = time.monotonic()
    outcome = converge(NodemapResource.from_options(wanted()), run)
    return {
        "processes": run.count,
        "seconds": time.monotonic() - began,
        "steps": len(outcome.plan.steps),
        "commands": run.commands,
    }


def one_process(run: Lctl) -> float:
    began = time.monotonic()
    for number in range(SAMPLE):
        words = ("--name", "tenant0", "--idtype", "gid", "--idmap", f"{2 * number}:{7000 + 2 * number}")
        assert run(("lctl", "nodemap_add_idmap", *words)).rc == 0
    return (time.monotonic() - began) / SAMPLE


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        daemon = kernel(folder)
        run = Lctl(daemon.path)
        first, again = applied(run), applied(run)
        assert first["steps"] and not again["steps"], "the second run has something to do"
        single = one_process(run)
        daemon.ended.set()
    # two looks of one batch each: what is not a change of an object
    commands = first["commands"] - 2 * again["commands"]
    print(
        json.dumps(
            {
                "apply_processes": first["processes"],
                "apply_seconds": first["seconds"],
                "noop_processes": again["processes"],
                "noop_seconds": again["seconds"],
                "commands": commands,
                "one_process_seconds": single,
            }
        )
    )


if __name__ == "__main__":
    main()
