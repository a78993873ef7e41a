# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guard with one question less: its tests must notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = yaml.safe_load((Path(__file__).parent / "guard.yml").read_text(encoding="utf-8"))
TESTS = (
    "test_blank.py",
    "test_guard_moments.py",
    "test_guard_stacked.py",
    "test_luks.py",
    "test_target.py",
    "test_target_format.py",
    "test_target_parsers.py",
    "test_target_unread.py",
    "test_wipe.py",
)
#: What only counts the probes would notice a missing one without testing anything.
COUNTING = "not test_a_blank_disk_is_proven_blank and not test_no_evidence_at_all and not a_probe_that_was_not_asked"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The parts of the collection that the guard's tests need, at a place where they are found."""
    folder = tmp_path_factory.mktemp("mutant") / "ansible_collections" / "lustre" / "core"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("plugins", "tests/unit", "tests/contract/transcripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for path in [*(ROOT / "tests").glob("*.py"), ROOT / "pyproject.toml"]:
        shutil.copy(path, folder / path.relative_to(ROOT))
    yield folder


def outcome(copy: Path, chosen: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen]
    environment = {**os.environ, "PYTHONPATH": f"{copy.parents[2]}:{copy}", "PYTHONDONTWRITEBYTECODE": "1"}
    tests = [f"tests/unit/{name}" for name in TESTS]
    return subprocess.run(
        [*argv, *tests], cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_guard_as_it_is_passes(copy: Path) -> None:
    done = outcome(copy, COUNTING)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["says"].replace(" ", "-") for mutant in MUTANTS])
def test_a_guard_that_does_not(copy: Path, mutant: dict[str, str]) -> None:
    path = copy / "plugins/module_utils" / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["old"]) == 1, f"{mutant['file']} has changed: {mutant['old']!r} is not there exactly once"
    path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    try:
        done = outcome(copy, COUNTING if mutant["new"] == "" else "test")
    finally:
        path.write_text(text, encoding="utf-8")
    assert done.returncode == 1, f"nobody noticed ({done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-500:]}"
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    assert failed and not any("SyntaxError" in line or "NameError" in line for line in failed), failed
