# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a converged run costs the controller alone: site.yml on hosts that answer at once (tests/bench), at two sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median

import site_runs
import sites
from figures import Figures

#: Hosts, and how often: the large run takes most of the time.
SIZES = {200: 2, 1000: 1}
SERVERS = 20
LIMIT = 1500.0


def _site(folder: Path, hosts: int) -> list[Path]:
    """A site of so many hosts, and what makes its hosts answer without being there."""
    source = folder / f"site{hosts}.lustre.yml"
    source.write_text(sites.large(hosts - SERVERS, SERVERS), encoding="utf-8")
    known = folder / f"answering{hosts}.yml"
    known.write_text(
        "all:\n  vars: {ansible_connection: answering, ansible_python_interpreter: /usr/bin/python3}\n  children:\n"
        "    lustre_servers: {vars: {bench_answer: server}}\n    lustre_client: {vars: {bench_answer: client}}\n",
        encoding="utf-8",
    )
    return [source, known]


def measure(figures: Figures, folder: Path, programs: Path, say: Callable[[str], None]) -> None:
    per_host: dict[int, dict[str, float]] = {}
    for hosts, times in SIZES.items():
        sources = _site(folder, hosts)
        runs = []
        for number in range(times):
            say(f"{hosts} answering hosts, {number + 1} of {times}")
            run = site_runs.site(programs / "ansible-playbook", sources, (), folder, LIMIT)
            runs.append(site_runs.converged(run, hosts))
        wall, cpu = (median(getattr(run.cost, key) for run in runs) for key in ("wall", "cpu"))
        tasks = median(run.executed for run in runs)
        figures.add(f"controller_{hosts}_wall_seconds", wall)
        figures.add(f"controller_{hosts}_cpu_seconds", cpu)
        figures.add(f"controller_{hosts}_tasks_per_host", tasks / hosts)
        figures.add(f"controller_{hosts}_cpu_ms_per_host", 1000 * cpu / hosts)
        figures.add(f"controller_{hosts}_cpu_ms_per_host_task", 1000 * cpu / tasks)
        per_host[hosts] = {"wall": wall / hosts, "cpu": cpu / hosts}
    small, large = sorted(per_host)
    for key in ("cpu", "wall"):
        growth = per_host[large][key] / per_host[small][key]
        name = f"controller_growth_{large}_over_{small}"
        figures.add(name if key == "cpu" else f"{name}_wall", growth)
        if key == "cpu":
            figures.add(f"controller_exponent_{small}_{large}", 1 + math.log(growth) / math.log(large / small))
