# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The figures of ``make bench``: what each means, its budget where it has one, and how they are shown and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class About:
    """``budget``: the largest value that is in order; None where a figure is only told."""

    key: str
    says: str
    budget: float | None = None


#: Patterns, the first that fits counts. Ratios have budgets; seconds of one machine say nothing about another's.
ABOUT = (
    About("tasks_per_client", "tasks executed on the client with most of them, converged run", 6),
    About("tasks_per_server", "tasks executed on the server with most of them, converged run", 12),
    About("converged_over_ping_*_cpu", "the same by processor time, of the controller and the hosts together", 4),
    About("converged_over_ping_*_cpu_controller", "the same by processor time of the controller alone", 4),
    About("converged_over_ping_*_cpu_hosts", "the same by processor time of the hosts alone", 6),
    About("converged_over_ping_*", "wall time of a converged site run over `ansible -m ping` of the same hosts", 4),
    About("converged_seconds_*", "wall time of a converged site run on so many hosts"),
    About("ping_seconds_*", "wall time of `ansible -m ping` of the same hosts"),
    About("inventory_20500_time_ratio", "time to load the site file over the same hosts as static YAML", 1.5),
    About("inventory_20500_memory_ratio", "peak memory for it, over static YAML", 1.3),
    About("inventory_20500_listed_time_ratio", "the same with every host written out in the site file", 1.5),
    About("inventory_20500_listed_memory_ratio", "the same, memory", 1.3),
    About("inventory_20500_*seconds", "processor time to load it and read the variables of a sample of hosts"),
    About("inventory_20500_*megabytes", "peak memory of that process"),
    About("node_state_ms_growth", "node_state of one host among 20,500 over one among 205", 2),
    About("node_state_ms_*", "milliseconds that node_state takes for one host"),
    About("site_check_20500_seconds", "the check of the whole description, once per run"),
    About("controller_growth_*_wall", "wall time per host at 1,000 hosts over that at 200"),
    About("controller_growth_*", "processor time per host at 1,000 hosts over that at 200", 1.3),
    About("controller_exponent_*", "exponent of the growth from 200 to 1,000 hosts (1 is linear)", 1.15),
    About("controller_*_cpu_ms_per_host_task", "processor time of the controller per host and task"),
    About("controller_*_cpu_ms_per_host", "processor time of the controller per host"),
    About("controller_*_cpu_seconds", "processor time of the controller, stub connection"),
    About("controller_*_wall_seconds", "wall time, stub connection"),
    About("controller_*_tasks_per_host", "tasks executed per host, stub connection"),
    About("report_1000_*_seconds", "processor time of a table over 1,000 hosts (todo: the choice of who takes part)"),
    About("report_growth", "the table that grows fastest: time per host at 8,000 hosts over that at 1,000", 2.5),
    About(
        "nodemap_200_apply_processes",
        "lctl processes that apply 200 nodemaps of 10 ranges and 20 id maps, reading included",
        8,
    ),
    About("nodemap_200_noop_processes", "lctl processes of a run that finds them as described", 1),
    About("nodemap_200_time_ratio", "time to apply them over one lctl process per object (simulated lctl)", 0.5),
    About("nodemap_200_commands", "commands of lctl that apply them: the objects"),
    About("nodemap_200_one_process_seconds", "one lctl process for one object, mean of a sample"),
    About(
        "nodemap_200_*seconds", "wall time to apply them, to find them as described, and one by one (from the sample)"
    ),
    About("processes_per_module_node_*", "programs started by the one module call of a converged run, worst host"),
    About("processes_per_module_*", "programs started by a module call (tests/unit/cases/budgets.yml)"),
)


def about(key: str) -> About:
    found = next((entry for entry in ABOUT if fnmatchcase(key, entry.key)), None)
    if found is None:
        raise LookupError(f"the figure {key} is not described in tools/bench/figures.py")
    return found


@dataclass
class Figures:
    """What was measured so far."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, key: str, value: float) -> None:
        about(key)
        self.values[key] = round(value, 3 if abs(value) < 100 else 1)

    def over(self) -> list[str]:
        """A sentence for each figure that is over its budget."""
        found = []
        for key, value in self.values.items():
            budget = about(key).budget
            if budget is not None and value > budget:
                found.append(f"{key} is {value:g}, over its budget of {budget:g}: {about(key).says}.")
        return found

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.values, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def table(self) -> str:
        rows = [("FIGURE", "VALUE", "BUDGET", "", "WHAT IT IS")]
        for key, value in self.values.items():
            entry = about(key)
            verdict = "" if entry.budget is None else "ok" if value <= entry.budget else "OVER"
            rows.append((key, f"{value:g}", "" if entry.budget is None else f"{entry.budget:g}", verdict, entry.says))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]), row[3].ljust(widths[3])]
            lines.append("  ".join([*cells, row[4]]).rstrip())
        return "\n".join(lines)
