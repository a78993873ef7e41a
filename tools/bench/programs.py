# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs started per module call: the numbers of tests/unit/cases/budgets.yml, once the unit test has held them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import measured
import stages
from figures import Figures

CASES = stages.ROOT / "tests" / "unit" / "cases" / "budgets.yml"
LIMIT = 300.0
#: In an environment that has PyYAML, which this script's own Python need not have.
READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))"


def measure(figures: Figures, python: Path, say: Callable[[str], None]) -> None:
    say("the unit test of the budgets")
    test = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_budgets.py"]
    measured.run(test, stages.environment(), stages.ROOT, LIMIT)
    read = measured.run([str(python), "-c", READ, str(CASES)], stages.environment(), stages.ROOT, LIMIT)
    for case in json.loads(read.out):
        figures.add(f"processes_per_module_{case['module']}_{case['case']}", case["programs"])
