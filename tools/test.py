#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make test``: every gate, in lanes side by side, with one closing line that counts the tests.

The lane ``checks`` needs only Python; the lanes ``hosts...`` build rehearsal hosts.  ``--long`` is the other set of
stages, ``make test-long``: every case of what ``make test`` takes a sample of.  Each stage
writes a log to ``build/test/``; a failing stage's last lines are shown at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import stages

LOGS = stages.ROOT / "build" / "test"
TAIL = 60


@dataclass
class Board:
    """What ran so far; shared by the lanes."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    stop: bool = False
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        with self.lock:
            print(text, flush=True)


def run_lane(names: list[stages.Stage], board: Board, keep_going: bool) -> None:
    for stage in names:
        if board.stop or (board.failed and not keep_going):
            return
        try:
            run_stage(stage, board)
        except SystemExit as error:  # a missing interpreter, an environment that cannot be made
            with board.lock:
                board.failed.append(stage.name)
            board.say(f"  FAIL {stage.name}: {error}")
        board.finished.append(stage.name)


def run_stage(stage: stages.Stage, board: Board) -> None:
    started = time.monotonic()
    board.say(f"  ...  {stage.name}: {stage.about}")
    log = LOGS / f"{stage.name}.log"
    with tempfile.TemporaryDirectory(prefix="lc-", ignore_cleanup_errors=True) as scratch, open(log, "wb") as stream:
        process = subprocess.Popen(
            stage.command(scratch),
            cwd=stages.ROOT,
            env={**stages.environment(), **dict(stage.settings)},
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        board.running[stage.name] = process
        try:
            rc = process.wait(timeout=stage.limit)
        except subprocess.TimeoutExpired:
            end_group(process)
            rc = 124
        board.running.pop(stage.name, None)
    text = log.read_text(encoding="utf-8", errors="replace")
    count = stage.count(text)
    took = time.monotonic() - started
    if rc == 0 and count == 0:
        rc, text = 1, text + f"\nThe stage {stage.name} ended well but counted no test: that is a failure."
    if rc == 0:
        with board.lock:
            board.passed += count
        board.say(f"  ok   {stage.name}: {count} passed in {took:.0f} s")
        return
    with board.lock:
        board.failed.append(stage.name)
    why = f"no end within {stage.limit} s" if rc == 124 else f"exit code {rc}"
    tail = "\n".join("       | " + line for line in text.splitlines()[-TAIL:])
    board.say(f"  FAIL {stage.name}: {why} after {took:.0f} s; whole log in {log.relative_to(stages.ROOT)}\n{tail}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a stage's process group, first asking (stages clean up on SIGINT), then telling."""
    for sign, patience in ((signal.SIGINT, 60), (signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", nargs="*", help="only these stages, one after the other")
    parser.add_argument("--list", action="store_true", help="name the stages")
    parser.add_argument("--long", action="store_true", help="the long set instead of the usual one")
    parser.add_argument("--keep-going", action="store_true", help="run the rest of a lane after a failure")
    words = parser.parse_args()
    known = stages.LONG if words.long else stages.ALL
    if words.list:
        for stage in known:
            print(f"{stage.name:<14} {stage.lane:<7} {stage.about}")
        return 0
    known = (*stages.ALL, *stages.LONG) if words.stage else known
    unknown = set(words.stage) - {stage.name for stage in known}
    if unknown:
        print(f"No such stage: {', '.join(sorted(unknown))}. `tools/test.py --list` names them.", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [stage for stage in known if not words.stage or stage.name in words.stage]
    hosts = any(stage.lane.startswith("hosts") for stage in chosen)
    if hosts:
        stages.clear_orphans()
    board, started = Board(), time.monotonic()
    lanes = {stage.lane for stage in chosen} if not words.stage else {""}
    threads = [
        threading.Thread(
            target=run_lane, args=([s for s in chosen if not lane or s.lane == lane], board, words.keep_going)
        )
        for lane in sorted(lanes)
    ]
    return finish(threads, board, started, len(chosen), hosts)


def finish(threads: list[threading.Thread], board: Board, started: float, stages_chosen: int, hosts: bool) -> int:
    """Wait for the lanes, pass Ctrl-C on to the running stages, clean up, and count."""
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
    except KeyboardInterrupt:
        board.stop = True
        board.say("Interrupted: ending the running stages and cleaning up ...")
        for process in list(board.running.values()):
            end_group(process)
        for thread in threads:
            thread.join()
        board.failed.append("interrupted")
    if len(board.finished) < stages_chosen and not board.failed:
        board.failed.append("stages")
        board.say(f"  FAIL stages: only {len(board.finished)} of {stages_chosen} stages ran to their end.")
    left = stages.leftovers() if hosts else ""
    if left:
        board.failed.append("leftovers")
        board.say(f"  FAIL leftovers: the tests left these on the machine:\n{left}")
    print(f"All stages took {time.monotonic() - started:.0f} s. Failed stages: {', '.join(board.failed) or 'none'}.")
    print(f"{board.passed} passed, {len(board.failed)} failed", flush=True)
    return 1 if board.failed else 0


if __name__ == "__main__":
    # SIGINT as well: a shell's background job would have it, and all stages after it, ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
