# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Arguments and environments of every process of the machine, sampled while something runs.

Rehearsal hosts are containers, so the processes in them are seen from outside.  What a secret is may be known only
afterwards (keys are made during the run), so that all that was seen is kept, each text once.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

#: Seconds between two looks. A program that lives shorter may be missed: `ssk` and `kerberos` run theirs many times.
PAUSE = 0.02
#: A process is looked at this often after it was first seen: between fork and exec it still shows its parent's words.
LOOKS = 5


class Sampler:
    """``with Sampler() as seen:`` ... ``seen.texts()``: the arguments and environments that were seen."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._seen: dict[bytes, str] = {}
        self._looks: dict[tuple[str, int], int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.rounds = 0

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.look()

    def texts(self) -> list[tuple[str, bytes]]:
        """Where each was seen (``arguments of process 4711``), and its bytes."""
        return [(place, data) for data, place in self._seen.items()]

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            self.look()

    def look(self) -> None:
        self.rounds += 1
        alive = {}
        for name in os.listdir(self._proc):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                identity = (name, os.stat(self._proc / name).st_ino)
                alive[identity] = self._looks.get(identity, 0) + 1
                if alive[identity] <= LOOKS:
                    self._keep(name)
            except OSError:  # it ended meanwhile
                continue
        self._looks = alive

    def _keep(self, name: str) -> None:
        for file, what in (("cmdline", "arguments"), ("environ", "environment")):
            data = (self._proc / name / file).read_bytes()
            if data:
                self._seen.setdefault(data, f"{what} of process {name}")
