#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make bench``: what the collection costs, as figures in build/bench.json and a table. No test: times are of this machine.

    bench.py                 all of it, about a quarter of an hour on 2 cores
    bench.py inventory ...   only these parts (build/bench.json then holds only their figures)

A figure over its budget ends it with exit code 1 and a sentence. Budgets are ratios, counts and growth, never seconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "bench")]
import controller
import envs
import inventory
import measured
import nodemaps
import programs
import rehearsed
import reports
import stages
from figures import Figures

RESULT = stages.ROOT / "build" / "bench.json"
PARTS = {
    "programs": "programs started per module call, as the unit tests hold them",
    "inventory": "the inventory plugin with 20,500 hosts beside static YAML",
    "reports": "the tables of plan, status and verify",
    "nodemaps": "200 nodemaps with 10 ranges and 20 id maps each, beside one lctl process per object",
    "controller": "the controller alone, 200 and 1,000 hosts that answer at once",
    "hosts": "converged runs on 2, 8 and 20 rehearsal hosts beside ping",
}
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def measure(part: str, figures: Figures, folder: Path, environment: Path) -> None:
    """One part, with the programs of the newest ansible-core."""
    binaries = environment / "bin"
    if part == "inventory":
        inventory.measure(figures, folder, binaries / "python", stages.environment(), say)
    elif part == "reports":
        reports.measure(figures, binaries / "python", stages.environment(), say)
    elif part == "nodemaps":
        nodemaps.measure(figures, binaries / "python", stages.environment(), say)
    elif part == "controller":
        controller.measure(figures, folder, binaries, say)
    elif part == "hosts":
        rehearsed.measure(figures, folder, binaries, say)
    else:
        programs.measure(figures, binaries / "python", say)


def left_behind() -> list[str]:
    """What there still is of our own hosts, as sentences."""
    argv = [sys.executable, "-m", "rehearsal.hosts", "leftovers", "--prefix", rehearsed.site_name()]
    done = subprocess.run(argv, cwd=stages.ROOT, capture_output=True, text=True, check=False)
    return [f"The benchmark left this on the machine: {line}" for line in done.stdout.splitlines() if done.returncode]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    chosen = parser.parse_args().part or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    figures, trouble = Figures(), list[str]()
    environment = envs.ensure("ansible-2.21")
    RESULT.unlink(missing_ok=True)
    stages.clear_orphans()
    for part in chosen:
        say(f"{part}: {PARTS[part]}")
        with tempfile.TemporaryDirectory(prefix=f"lustre-core-test-{os.getpid()}-") as folder:
            try:
                measure(part, figures, Path(folder), environment)
            except measured.BenchError as error:
                trouble.append(f"The part {part} gave no figures: {error}")
        figures.write(RESULT)
    trouble += left_behind() if "hosts" in chosen else []
    trouble += figures.over()
    print(f"\n{figures.table()}\n")
    print("\n".join(trouble) if trouble else "All figures are within their budgets.")
    print(f"{len(figures.values)} figures in {RESULT.relative_to(stages.ROOT)}, {time.monotonic() - STARTED:.0f} s.")
    return 1 if trouble else 0


if __name__ == "__main__":
    # SIGINT as well: a shell's background job would have it, and all it starts, ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted; everything was taken away again.")
