# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of ``make test``: what each runs, in which environment, and how its tests are counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import envs

ROOT = envs.ROOT


def collections_path() -> Path:
    """A collections folder in which this checkout is lustre.core (a link, so nothing is installed)."""
    digest = str(ROOT).strip("/").replace("/", "-")
    folder = envs.cache() / "collections" / digest
    link = folder / "ansible_collections" / "lustre" / "core"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.resolve() != ROOT:
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT)
    return folder


def environment() -> dict[str, str]:
    """What every stage sees: this checkout as the only collection, no user settings, plain output."""
    path = str(collections_path())
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))}
    # Ansible's modules start faster with byte code; some shells switch it off
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": path,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "PYTHONPATH": f"{path}:{ROOT}",
        "MYPYPATH": path,
        "LC_ALL": "C.UTF-8",
    }


def pytest_count(text: str) -> int:
    return sum(int(n) for n in re.findall(r"(\d+) passed", text))


def one(_: str) -> int:
    """A gate that is one test: it passes or it does not."""
    return 1


def sanity_count(text: str) -> int:
    return len(re.findall(r'^Running sanity test "', text, re.M))


def listed_count(text: str) -> int:
    """Scripts of ours close with a line ``N passed``; what the programs they run say is not counted twice."""
    closing = re.findall(r"^(\d+) passed$", text, re.M)
    return int(closing[-1]) if closing else 0


@dataclass(frozen=True)
class Stage:
    """One gate.  ``limit`` in seconds is a bound against hanging, not a budget; ``settings`` are environment variables."""

    name: str
    about: str
    lane: str
    env: str
    words: tuple[str, ...]
    count: Callable[[str], int] = one
    limit: int = 900
    settings: tuple[tuple[str, str], ...] = ()

    def command(self, scratch: str) -> list[str]:
        """The words to run; pytest gets a scratch folder of its own, which several runs side by side cannot share."""
        if not self.env:
            return [sys.executable, *self.words]
        folder = envs.ensure(self.env)
        own = [f"--basetemp={scratch}/pytest"] if self.words[0] == "pytest" else []
        return [str(folder / "bin" / self.words[0]), *self.words[1:], *own]


#: Share of the lines of plugins/ that the unit tests reach, in percent; fewer fail the stage.
COVERED = 90


def _unit(release: str) -> Stage:
    words: tuple[str, ...] = ("pytest", "-q", "-p", "no:cacheprovider", "tests/unit")
    if release == "2.21":
        words += ("tests/bad_input", "tests/secrets", "--cov=plugins", "--cov-config=pyproject.toml")
        words += ("--cov-report=term:skip-covered", f"--cov-fail-under={COVERED}")
    return Stage(
        f"unit-{release}", f"unit tests on ansible-core {release}", "checks", f"ansible-{release}", words, pytest_count
    )


ALL: tuple[Stage, ...] = (
    Stage("ruff", "style and common mistakes", "checks", "gates", ("ruff", "check", ".")),
    Stage("format", "one layout of Python code", "checks", "gates", ("ruff", "format", "--check", "--quiet", ".")),
    Stage(
        "mypy",
        "types, strictly, of plugins/",
        "checks",
        "gates",
        ("mypy", "-p", "ansible_collections.lustre.core.plugins"),
    ),
    Stage("yamllint", "YAML files", "checks", "gates", ("yamllint", "--strict", ".")),
    Stage(
        "ansible-lint",
        "roles and playbooks, production profile",
        "checks",
        "gates",
        ("ansible-lint",),
    ),
    _unit("2.21"),
    _unit("2.19"),
    _unit("2.16"),
    Stage(
        "contract",
        "recorded sessions of real Lustre against the simulation",
        "checks",
        "ansible-2.21",
        ("pytest", "-q", "-p", "no:cacheprovider", "tests/contract", "tests/rehearsal_sim"),
        pytest_count,
    ),
    Stage("sanity", "ansible-test sanity on the newest core", "checks", "", ("tools/sanity.py",), sanity_count),
    Stage(
        "build",
        "the tarball builds, installs in an empty place and answers",
        "checks",
        "",
        ("tools/build_check.py",),
        listed_count,
    ),
    Stage(
        "docs",
        "the documentation site builds without a warning and has every page",
        "checks",
        "",
        ("tools/docs.py", "--check"),
        listed_count,
    ),
    Stage(
        "hosts",
        "rehearsal hosts come up, reboot and go without a trace",
        "hosts",
        "ansible-2.21",
        ("pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", "tests/rehearsal_hosts"),
        pytest_count,
    ),
    Stage(
        "molecule",
        "molecule default: create, converge, idempotence, verify, destroy",
        "hosts",
        "",
        ("tools/molecule.py", "default"),
        listed_count,
        1200,
    ),
    Stage(
        "molecule-encryption",
        "molecule encryption: keys, locks, a client without the key, a boot",
        "hosts",
        "",
        ("tools/molecule.py", "encryption"),
        listed_count,
        1200,
    ),
    Stage(
        "molecule-ssk",
        "molecule ssk: keys, a roll-out in stages, a client without a key",
        "hosts",
        "",
        ("tools/molecule.py", "ssk"),
        listed_count,
        1200,
    ),
    Stage(
        "molecule-tenants",
        "molecule multi_tenant: three tenants, what each sees, may do and cannot get at",
        "hosts",
        "",
        ("tools/molecule.py", "multi_tenant"),
        listed_count,
        1200,
    ),
    Stage(
        "molecule-kerberos",
        "molecule kerberos: KDCs, krb5i on every connection, a client without its key, keys that rotate",
        "hosts",
        "",
        ("tools/molecule.py", "kerberos"),
        listed_count,
        1200,
    ),
    Stage(
        "site",
        "whole sites on rehearsal hosts: faults, guards, reboot",
        "hosts",
        "ansible-2.21",
        (
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--durations=15",
            "-m",
            "not long",
            "tests/site",
        ),
        pytest_count,
        1500,
    ),
)


def _site(name: str, about: str, lane: str, *words: str) -> Stage:
    """Every case of some whole sites, not only the sample of the stage ``site``."""
    pytest = ("pytest", "-q", "-p", "no:cacheprovider", "--durations=15")
    return Stage(name, about, lane, "ansible-2.21", (*pytest, *words), pytest_count, 3600)


_KILLED = "tests/site/test_killed.py"
#: ``make test-long``: what takes too long for every change. Two lanes of hosts, side by side.
LONG: tuple[Stage, ...] = (
    _site(
        "site-killed", "runs interrupted at many moments, by many means, converge and lose nothing", "hosts", _KILLED
    ),
    _site(
        "site-all",
        "all other whole sites, every case",
        "hosts-2",
        f"--ignore={_KILLED}",
        "tests/site",
    ),
    _site(
        "security",
        "wire security on two hosts with a real KDC, every failure",
        "hosts-2",
        "tests/rehearsal_hosts/test_security.py",
    ),
    Stage(
        "mutants",
        "the guard with one question less: some test of it must fail",
        "checks",
        "ansible-2.21",
        ("pytest", "-q", "-p", "no:cacheprovider", "tests/mutants"),
        pytest_count,
    ),
    Stage(
        "properties",
        "generated states and spoilt texts, ten times as many as in the unit tests",
        "checks",
        "ansible-2.21",
        ("pytest", "-q", "-p", "no:cacheprovider", "tests/unit", "-k", "property or fuzz or converges"),
        pytest_count,
        2400,
        (("LUSTRE_CORE_LONG", "1"),),
    ),
)


def leftovers() -> str:
    """What tests left on this machine, as text; empty when nothing.

    A demo that runs is none of it.  Names of test sites end with the id of the process that they belong to:
    what belongs to one that lives is in use by other tests on this machine.
    """
    command = [sys.executable, "-m", "rehearsal.hosts", "leftovers", "--prefix", "test-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = (done.stdout + done.stderr).splitlines() if done.returncode else []
    state = os.environ.get("LUSTRE_CORE_STATE", "/var/lib/lustre.core-rehearsal")
    found += [f"process {line}" for line in _processes(f"{state}/test-")]
    found += [f"folder {path}" for path in Path(tempfile.gettempdir()).glob("lustre-core-test-[0-9]*-*")]
    return "\n".join(line for line in found if line and not _in_use(line))


def clear_orphans() -> None:
    """Remove what an earlier run left that was killed with all its clean-up: this run's verdict is about itself."""
    command = [sys.executable, "-m", "rehearsal.hosts", "gc", "--prefix", "test-"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    for path in Path(tempfile.gettempdir()).glob("lustre-core-test-[0-9]*-*"):
        if not _in_use(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _in_use(line: str) -> bool:
    name = re.search(r"\btest-(?:[a-z]+-)*(\d+)", line)
    return name is not None and Path(f"/proc/{name[1]}").exists()


def _processes(mention: str) -> list[str]:
    """Processes whose command line mentions a path: an ssh in the background, a playbook without a parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if mention in words:
            found.append(f"{path.parent.name}: {words[:400]}")
    return found
