#!/usr/bin/env python3
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run ``molecule test`` for one scenario, and leave nothing behind.

    molecule.py NAME [ARGUMENT ...]      arguments go to `molecule test`, such as --destroy=never

The rehearsal hosts go after a failure and Ctrl-C, too (unless --destroy=never asks for them).
Molecule calls it a success when an inventory is empty or no test is found; here it counts
only when every declared host converged, stayed unchanged, and was verified by tests.

A scenario with a file ``secrets.txt`` deals with keys: its output, the hosts' files and memory, temporary files and the
arguments of all processes are searched for every key that the hosts keep, before the hosts go.  The file may name
further secrets, one ``NAME VALUE`` a line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
import envs
import stages

from rehearsal.hosts.layout import Layout
from tests.secrets.processes import Sampler
from tests.secrets.rehearsal import NothingFound, scan_site
from tests.secrets.spellings import Secret

SCENARIOS = envs.ROOT / "molecule"
#: Steps of molecule that must end well on every host.
RUNS = ("converge", "idempotence")
_STEP = re.compile(r"^INFO +\[\S+ > (?P<step>\w+)\] Executing$", re.M)
_RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=\d+\s+unreachable=0\s+failed=0", re.M)
_TEST = re.compile(r"^\S+::(?P<name>\S+?)(?:\[(?P<id>.+)\])? PASSED", re.M)
_SUM = re.compile(r"^=+ (?:.* )?(\d+) passed", re.M)


def environment(folder: Path, site: str, kept: bool = False) -> dict[str, str]:
    """As every stage has it; molecule's own state stays out of the checkout, and `molecule` finds its siblings.

    The hosts are bound to this process, unless they are to be kept.
    """
    return {
        **stages.environment(),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "LUSTRE_MOLECULE_SITE": site,
        "LUSTRE_MOLECULE_OWNER": "" if kept else str(os.getpid()),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(envs.cache() / "molecule" / site),
        "ANSIBLE_LOCAL_TEMP": str(envs.cache() / "molecule" / f"{site}.tmp"),
    }


def declared(folder: Path, environ: dict[str, str], scenario: str) -> set[str]:
    """The hosts that the scenario's inventory describes."""
    argv = [str(folder / "bin" / "ansible-inventory"), "-i", str(SCENARIOS / scenario / "inventory"), "--list"]
    done = subprocess.run(argv, cwd=envs.ROOT, env=environ, text=True, stdout=subprocess.PIPE, check=False)
    return set(json.loads(done.stdout)["_meta"]["hostvars"]) if done.returncode == 0 else set()


def run(argv: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """Run molecule, showing and keeping what it says; Ctrl-C reaches it by the terminal, and we wait for its end."""
    said = []
    with subprocess.Popen(
        argv,
        cwd=envs.ROOT,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line)
    return process.returncode, "".join(said)


def clear(site: str, environ: dict[str, str]) -> None:
    """Nothing of an earlier run: neither its hosts nor what molecule remembers of them."""
    subprocess.run([sys.executable, "-m", "rehearsal.hosts", "down", "--site", site], cwd=envs.ROOT, check=True)
    for name in ("MOLECULE_EPHEMERAL_DIRECTORY", "ANSIBLE_LOCAL_TEMP"):
        shutil.rmtree(environ[name], ignore_errors=True)


def judge(text: str, hosts: set[str]) -> tuple[int, list[str]]:
    """Number of tests that passed, and what is missing for a success."""
    said = _STEP.split(text)
    steps = dict(zip(said[1::2], said[2::2]))
    missing = [
        f"{host} did not come to a good end in the step {step}"
        for step in RUNS
        for host in sorted(hosts - set(_RECAP.findall(steps.get(step, ""))))
    ]
    tests = [(match["name"], match["id"] or "") for match in _TEST.finditer(text)]
    missing += [
        f"no test ran on {host}" for host in sorted(hosts) if not any(host in identity for _, identity in tests)
    ]
    told = sum(int(number) for number in _SUM.findall(text))
    if not tests or told != len(tests):
        missing.append(f"{len(tests)} tests were seen and {told} were summed up")
    if not hosts:
        missing.append("the inventory of the scenario describes no host")
    return told, missing


def given_secrets(scenario: str) -> list[Secret] | None:
    """Those that the scenario names; None for one that has nothing to do with secrets."""
    path = SCENARIOS / scenario / "secrets.txt"
    if not path.exists():
        return None
    rows = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Secret(name, value.encode()) for name, value in (row for row in rows if row and row[0] != "#")]


def watched(layout: Layout, environ: dict[str, str]) -> list[Path]:
    """Where Ansible puts temporary files: on the hosts, and here."""
    remote = layout.top.glob("hosts/*/upper/root/.ansible") if layout.top.exists() else []
    return [*remote, Path(environ["ANSIBLE_LOCAL_TEMP"])]


def leaks(
    site: str, hosts: set[str], given: list[Secret], said: str, seen: Sampler, environ: dict[str, str]
) -> list[str]:
    """Every place where a secret is that must not be, as sentences."""
    texts = [("the output of molecule", said.encode()), *seen.texts()]
    folders = [Path(environ["MOLECULE_EPHEMERAL_DIRECTORY"]), Path(environ["ANSIBLE_LOCAL_TEMP"])]
    try:
        count, wrong = scan_site(Layout(site), sorted(hosts), given, texts, folders)
    except NothingFound as error:
        return [str(error)]
    print(
        f"secrets: {count} were looked for in {len(hosts)} hosts, {len(texts)} texts and {seen.rounds} looks at all processes"
    )
    return wrong


def main(words: list[str]) -> int:
    known = sorted(path.parent.name for path in SCENARIOS.glob("*/molecule.yml"))
    if not words or words[0] not in known:
        print(f"Name a scenario: {', '.join(known)}.", file=sys.stderr)
        return 2
    scenario, kept = words[0], "--destroy=never" in words
    # a name of this run's own, so that two of them do not meet; one that is kept can be found again
    site = f"test-mol-{scenario.replace('_', '-') if kept else os.getpid()}"[:24].rstrip("-")
    folder = envs.ensure("gates")
    environ = environment(folder, site, kept)
    hosts = declared(folder, environ, scenario)
    clear(site, environ)
    code, given, wrong = 130, given_secrets(scenario), list[str]()
    program = str(folder / "bin" / "molecule")
    try:
        if given is None:
            code, text = run([program, "test", "-s", scenario, *words[1:]], environ)
        else:
            # it must be up to be searched
            with Sampler(lambda: watched(Layout(site), environ)) as seen:
                code, text = run([program, "test", "-s", scenario, *words[1:], "--destroy=never"], environ)
            wrong = leaks(site, hosts, given, text, seen, environ)
            if not kept:
                code = run([program, "destroy", "-s", scenario], environ)[0] or code
    except KeyboardInterrupt:
        print("Interrupted.", flush=True)
        return code
    finally:
        if not kept:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            clear(site, environ)
    passed, missing = judge(text, hosts)
    missing += wrong
    passed += given is not None and not wrong
    for sentence in missing:
        print(f"molecule {scenario}: {sentence}.")
    print(f"molecule {scenario}: {len(hosts)} hosts, exit code {code}")
    print(f"{passed} passed", flush=True)
    return code or (1 if missing else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
