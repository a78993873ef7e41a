# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of plan, status and verify at 1,000 hosts, and whether their cost grows with the hosts and no faster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import measured
import stages
from figures import Figures

HERE = Path(__file__).resolve().parent
ANSWERS = stages.ROOT / "tests" / "bench" / "answers"
SMALL, LARGE = 1_000, 8_000
ROUNDS = 3
LIMIT = 300.0


def measure(figures: Figures, python: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    def best(hosts: int) -> dict[str, float]:
        """The least of some rounds: what is above it is the machine's."""
        say(f"tables of {hosts} hosts")
        argv = [str(python), str(HERE / "load_reports.py"), str(hosts), str(ANSWERS)]
        rounds = [json.loads(measured.run(argv, environ, stages.ROOT, LIMIT).out) for _ in range(ROUNDS)]
        return {name: min(said[name] for said in rounds) for name in rounds[0]}

    small, large = best(SMALL), best(LARGE)
    for name, seconds in small.items():
        figures.add(f"report_{SMALL}_{name}_seconds", seconds)
    figures.add("report_growth", max(large[name] / small[name] for name in small) / (LARGE / SMALL))
