# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rehearsal site of a test's own: made, used by Ansible over SSH, broken, and gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.hosts.layout import Layout

from . import recorded
from .recorded import Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEMO = ROOT / "inventories" / "demo"
SMALL = HERE / "inventories" / "small"
sys.path.insert(0, str(ROOT / "tools"))

import envs
import stages

#: No run of a playbook on these few hosts takes longer unless something hangs.
PLAYBOOK_LIMIT = 300.0


Case = dict[str, Any]


def cases(name: str, least: int) -> list[Case]:
    """The cases of a file; a file that lost its cases would test nothing."""
    found = list(yaml.safe_load((HERE / "cases" / f"{name}.yml").read_text(encoding="utf-8")))
    assert len(found) >= least, f"{name}.yml has {len(found)} cases, fewer than {least}"
    return found


def each(found: list[Case], all_of_them: bool = True) -> pytest.MarkDecorator:
    """One test per case, called by what the case says; not all of them: those without ``sample`` are for long runs."""
    marks = {True: [], False: [pytest.mark.long]}
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, id=case["says"].replace(" ", "-"), marks=marks[all_of_them or bool(case.get("sample"))])
            for case in found
        ],
    )


def environment() -> dict[str, str]:
    """As every stage has it, and the callback that records."""
    return {
        **stages.environment(),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "record",
    }


def program(name: str) -> str:
    """A program of the environment that runs the tests."""
    return str(Path(sys.executable).parent / name)


def packages() -> str:
    """The repository with the packages of the simulated Lustre, built when it is not up to date."""
    argv = [sys.executable, "-m", "rehearsal.packages", "--output", str(envs.cache() / "packages")]
    return _checked(argv, 300).strip()


def _checked(argv: list[str], limit: float) -> str:
    done = subprocess.run(
        argv, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=limit, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Background:
    """A run of Ansible under way, in a session of its own, with its record."""

    def __init__(self, argv: list[str], folder: Path) -> None:
        self.argv, self.record, self.output = argv, folder / "record.jsonl", folder / "output"
        self._began = time.monotonic()
        with open(self.output, "wb") as stream:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env={**environment(), "LUSTRE_TEST_RECORD": str(self.record)}, stdout=stream,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def events(self) -> list[recorded.Event]:
        return recorded.read(self.record)

    def kill(self) -> None:
        """As the out-of-memory killer or a lost terminal would: the program, its workers and their ssh, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for worker in self._workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def _workers(self) -> Iterator[int]:
        """Ansible's workers have sessions of their own: one whose program is gone may wait for ever to hand on its result."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = f"LUSTRE_TEST_RECORD={self.record}".encode() in (folder / "environ").read_bytes().split(b"\0")
                if ours and b"ansible-playbook" in (folder / "cmdline").read_bytes():
                    yield int(folder.name)
            except OSError:  # it ended meanwhile
                continue

    def finish(self, limit: float = PLAYBOOK_LIMIT) -> Run:
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            code = 124
        finally:
            self.kill()
        text = self.output.read_text(encoding="utf-8", errors="replace")
        return Run(self.argv, code, text, self.events(), time.monotonic() - self._began)


class Rehearsed:
    """One site, up from the beginning of the ``with`` block to its end."""

    def __init__(self, purpose: str, *inventories: Path) -> None:
        self.layout = Layout(f"test-{purpose}-{os.getpid()}"[:24])
        self.inventories = inventories
        self._folder = tempfile.TemporaryDirectory(prefix=f"lustre-core-test-{os.getpid()}-")
        self._runs = 0

    def __enter__(self) -> Rehearsed:
        try:
            sources = [word for path in self.inventories for word in ("--inventory", str(path))]
            # with-process: the site also goes when these tests are killed
            self.rehearse("up", *sources, "--packages", packages(), "--with-process", str(os.getpid()))
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self.rehearse("down")
        finally:
            self._folder.cleanup()

    def rehearse(self, command: str, *words: str) -> str:
        return _checked([sys.executable, "-m", "rehearsal.hosts", command, "--site", self.layout.site, *words], 300)

    @property
    def hosts(self) -> list[str]:
        return sorted(json.loads(self.layout.plan_file.read_text())["addresses"])

    # Ansible

    def begin(self, name: str, *words: str) -> Background:
        """A playbook of the collection (its short name), or one of the tests' own (its path), started."""
        self._runs += 1
        folder = Path(self._folder.name) / str(self._runs)
        folder.mkdir()
        sources = [word for path in (*self.inventories, self.layout.inventory) for word in ("-i", str(path))]
        playbook = name if name.endswith(".yml") else f"lustre.core.{name}"
        return Background([program("ansible-playbook"), *sources, playbook, *words], folder)

    def playbook(self, name: str, *words: str) -> Run:
        return self.begin(name, *words).finish()

    def converge(self, *words: str) -> Run:
        """The site playbook, which must come to a good end on every host."""
        run = self.playbook("site", *words)
        assert run.code == 0 and not run.failures, run.told()
        return run

    # the hosts

    def sh(self, host: str, command: str, code: int | None = 0, limit: float = 120) -> str:
        """A shell command in a host, not by the network; ``code`` None: any exit code will do."""
        argv = [sys.executable, "-m", "rehearsal.hosts", "exec", "--site", self.layout.site, host, "sh", "-c", command]
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=limit, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert code is None or done.returncode == code, (
            f"{host}: {command}\nended with {done.returncode}: {done.stdout}{done.stderr}"
        )
        return done.stdout.strip()

    @contextlib.contextmanager
    def fault(self, name: str, host: str = "", hits: int = 0) -> Iterator[None]:
        """A fault of the simulated Lustre (see FAULTS.md), on for the whole site or one host, always or a few times."""
        folder = "/var/lib/lustre-sim/node/faults" if host else "/var/lib/lustre-sim/site/faults"
        where = host or self.hosts[0]
        self.sh(where, f"mkdir -p {folder} && echo {hits or ''} > '{folder}/{name}'")
        try:
            yield
        finally:
            self.sh(where, f"rm -f '{folder}/{name}'")


def until(condition: Callable[[], str], seconds: float, pause: float = 0.3) -> None:
    """Wait until nothing is missing any more; ``condition`` names what is."""
    deadline = time.monotonic() + seconds
    while missing := condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {missing}"
        time.sleep(pause)
