# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run in a child process: what the tables of plan, status and verify and the choice of hosts take, as JSON.

load_reports.py HOSTS ANSWERS     ANSWERS is the folder with the recorded answers of converged hosts
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sites
import yaml

from ansible_collections.lustre.core.plugins.plugin_utils import _plan_report, _status_report, _todo, _verify_report

SERVERS = 20


def step(host: str) -> dict[str, Any]:
    """Differs between hosts, so that no line of a table is shared."""
    return {
        "kind": "mount", "action": "mount", "object": f"fs0 on /mnt/{host}", "reason": "it is not mounted",
        "command": "mount -t lustre", "disruptive": False, "destructive": False,
    }  # fmt: skip


def main() -> None:
    hosts, answers = int(sys.argv[1]), Path(sys.argv[2])
    description = yaml.safe_load(sites.large(hosts - SERVERS, SERVERS))
    names = [f"client{number:05}" for number in range(1, hosts - SERVERS + 1)]
    names += ["mds001", "mds002", *(f"oss{number:03}" for number in range(1, SERVERS - 1))]
    looks = {name: json.loads((answers / f"{kind(name)}.json").read_text(encoding="utf-8")) for name in names}
    planned = {name: {**look, "plan": [step(name)], "changed": True} for name, look in looks.items()}
    found = {
        name: {"node": {"targets": [], "mounts": [], "problems": [f"nothing is mounted on {name}"]}} for name in names
    }
    checked = {
        name: {"checks": [{"check": "health", "ok": False}], "problems": [f"{name} is not healthy"], "healthy": False}
        for name in names
    }
    clients = [name for name in names if kind(name) == "client"]
    groups = {"compute": clients, "lustre_client": clients, "lustre_all": names, "all": names}
    systems = description["filesystems"]
    made: dict[str, Callable[[], Any]] = {
        "plan": lambda: _plan_report.plan_table(planned, commands=True),
        "todo": lambda: _todo.site_todo(looks, groups),
        "status": lambda: _status_report.status_table(systems, found, groups),
        "verify": lambda: _verify_report.verify_table(systems, checked),
    }
    said = {}
    gc.disable()  # its passes depend on all that is in memory, not on what is measured
    for name, make in made.items():
        began = time.process_time()
        text = make()
        said[name] = time.process_time() - began
        assert text
    print(json.dumps(said))


def kind(name: str) -> str:
    return "client" if name.startswith("client") else "server"


if __name__ == "__main__":
    main()
