# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lives only for a moment, sampled while something runs: arguments and environments of processes, temporary files.

Rehearsal hosts are containers, so the processes in them are seen from outside.  What a secret is may be known only
afterwards (keys are made during the run), so that all that was seen is kept, each text once.  A file that others can
read is what matters, but one that only root reads is told as well: it may stay when a run is killed.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

#: Seconds between two looks. A program that lives shorter may be missed: `ssk` and `kerberos` run theirs many times.
PAUSE = 0.02
#: A process is looked at this often after it was first seen: between fork and exec it still shows its parent's words.
LOOKS = 5
#: Folders are looked through at every so many looks at processes.
ROUNDS = 4
#: Bytes of a temporary file that are kept: Ansible's modules are larger, keys are not.
LARGEST = 1 << 21


class Sampler:
    """``with Sampler() as seen:`` ... ``seen.texts()``: what was seen.  ``folders`` gives those to watch, at every look anew."""

    def __init__(self, folders: Callable[[], Iterable[Path]] = tuple, proc: Path = Path("/proc")) -> None:
        self._proc, self._folders = proc, folders
        self._files: set[tuple[int, int, int]] = set()
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
        if self.rounds % ROUNDS == 1:
            for folder in self._folders():
                self._look_through(folder)
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

    def _look_through(self, folder: Path) -> None:
        for top, _folders, names in os.walk(folder):
            for name in names:
                path = Path(top, name)
                try:
                    found = path.lstat()
                    identity = (found.st_ino, found.st_mtime_ns, found.st_size)
                    if not stat.S_ISREG(found.st_mode) or identity in self._files or found.st_size > LARGEST:
                        continue
                    data = path.read_bytes()
                except OSError:  # it went meanwhile
                    continue
                self._files.add(identity)
                self._seen.setdefault(data, f"temporary file {path} (mode {stat.S_IMODE(found.st_mode):04o})")

    def _keep(self, name: str) -> None:
        for file, what in (("cmdline", "arguments"), ("environ", "environment")):
            data = (self._proc / name / file).read_bytes()
            if data:
                self._seen.setdefault(data, f"{what} of process {name}")
