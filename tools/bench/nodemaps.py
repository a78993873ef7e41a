# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""200 nodemaps of 10 ranges and 20 id maps each: started processes and time, beside one lctl process per object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import measured
import stages
from figures import Figures

HERE = Path(__file__).resolve().parent
LIMIT = 900.0


def measure(figures: Figures, python: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    say("nodemaps: 200 with 10 ranges and 20 id maps each, applied and applied again")
    found = json.loads(measured.run([str(python), str(HERE / "load_nodemaps.py")], environ, stages.ROOT, LIMIT).out)
    for key, value in found.items():
        figures.add(f"nodemap_200_{key}", value)
    alone = found["commands"] * found["one_process_seconds"]
    figures.add("nodemap_200_one_by_one_seconds", alone)
    figures.add("nodemap_200_time_ratio", found["apply_seconds"] / alone)
