# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A converged site on rehearsal hosts beside ``ansible -m ping`` of the same hosts, over SSH."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import envs
import measured
import site_runs
import sites
import stages
from figures import Figures

#: Hosts of a run, and how often it is repeated: short ones vary more.
SIZES = {2: 5, 8: 5, 20: 3}
LIMIT = 900.0
#: Prints the microseconds that all hosts of a site have computed; a process of its own, for it may have to mount.
HOSTS_CPU = """
import sys
from rehearsal.hosts import cgroups
cgroups.ensure()
lines = (cgroups.hierarchies()[0] / sys.argv[1] / "cpu.stat").read_text().splitlines()
print(dict(line.split() for line in lines)["usage_usec"])
"""


@dataclass(frozen=True)
class Sample:
    """One run: wall time, processor seconds of the controller and of the hosts."""

    wall: float
    controller: float
    hosts: float


def site_name() -> str:
    """Ends with the process that it belongs to, as all checks for leftovers understand it."""
    return f"test-bench-{os.getpid()}"


@contextlib.contextmanager
def up(folder: Path, programs: Path, say: Callable[[str], None]) -> Iterator[tuple[str, list[Path], list[str]]]:
    """The hosts, gone afterwards whatever happens; they also go when this process is killed."""
    name = site_name()
    text, hosts = sites.rehearsed(max(SIZES))
    source = folder / "site.lustre.yml"
    source.write_text(text, encoding="utf-8")
    listing = folder / "listing.json"
    argv = [str(programs / "ansible-inventory"), "-i", str(source), "--list"]
    listing.write_text(measured.run(argv, stages.environment(), stages.ROOT, LIMIT).out, encoding="utf-8")
    say("packages of the simulated Lustre")
    packages = _rehearsal("rehearsal.packages", "--output", str(envs.cache() / "packages")).strip()
    try:
        say(f"{len(hosts)} rehearsal hosts")
        _rehearsal(
            "rehearsal.hosts", "up", "--site", name, "--inventory", str(listing), "--packages", packages,
            "--with-process", str(os.getpid()),
        )  # fmt: skip
        yield name, [source, Path(_inventory(name))], hosts
    finally:
        _rehearsal("rehearsal.hosts", "down", "--site", name)


def _rehearsal(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=stages.ROOT, text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise measured.BenchError(
            f"{module} {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def _inventory(name: str) -> str:
    found = [site for site in json.loads(_rehearsal("rehearsal.hosts", "status", "--json")) if site["site"] == name]
    return str(found[0]["inventory"])


class Bench:
    """Runs on chosen hosts of the one site."""

    def __init__(self, name: str, sources: Sequence[Path], folder: Path, programs: Path) -> None:
        sys.path.insert(0, str(stages.ROOT))
        from rehearsal.hosts.layout import Layout

        self.cgroup = Layout(name).cgroup
        self.sources, self.folder, self.programs = list(sources), folder, programs
        self.environ = site_runs.environment()

    def hosts_cpu(self) -> float:
        argv = [sys.executable, "-c", HOSTS_CPU, self.cgroup]
        done = subprocess.run(argv, cwd=stages.ROOT, text=True, capture_output=True, check=True)
        return int(done.stdout) / 1e6

    def ping(self, hosts: Sequence[str]) -> Sample:
        words = [word for source in self.sources for word in ("-i", str(source))]
        argv = [str(self.programs / "ansible"), *words, ",".join(hosts), "-m", "ansible.builtin.ping"]
        before = self.hosts_cpu()
        cost = measured.run(argv, self.environ, stages.ROOT, LIMIT)
        if cost.out.count("SUCCESS") != len(hosts):
            raise measured.BenchError(f"ping did not reach all of {len(hosts)} hosts:\n{cost.out[-2000:]}")
        return Sample(cost.wall, cost.cpu, self.hosts_cpu() - before)

    def site(self, hosts: Sequence[str]) -> tuple[Sample, site_runs.Counted]:
        before = self.hosts_cpu()
        run = self.converge("--limit", ",".join(hosts))
        return Sample(run.cost.wall, run.cost.cpu, self.hosts_cpu() - before), site_runs.converged(run, len(hosts))

    def converge(self, *words: str) -> site_runs.Counted:
        program = self.programs / "ansible-playbook"
        return site_runs.site(program, self.sources, words, self.folder, LIMIT, self.environ)


def measure(
    figures: Figures, folder: Path, programs: Path, say: Callable[[str], None], keep: Path | None = None
) -> None:
    with up(folder, programs, say) as (name, sources, hosts):
        bench = Bench(name, sources, folder, programs)
        say("the site is made for the first time")
        bench.converge()
        runs = [_beside_ping(figures, bench, hosts[:size], times, say) for size, times in SIZES.items()]
        whole = runs[-1].hosts
        # The first host of a run has what is done once per run: so clients and servers alone are cases of their own.
        for clients in (True, False):
            runs.append(bench.site([host for host in hosts if host.startswith("client") == clients])[1])
    for key, servers in (("tasks_per_client", False), ("tasks_per_server", True)):
        figures.add(key, max(run.worst("tasks", servers) for run in runs))
    for key, servers in (("client", False), ("server", True)):
        figures.add(f"processes_per_module_node_{key}", max(run.worst("processes", servers) for run in runs))
    if keep is not None:
        for answer, host in (("client", "client1"), ("server", "mds1")):
            (keep / f"{answer}.json").write_text(json.dumps(whole[host]["node"], indent=1) + "\n", encoding="utf-8")


def _beside_ping(
    figures: Figures, bench: Bench, hosts: Sequence[str], times: int, say: Callable[[str], None]
) -> site_runs.Counted:
    size = len(hosts)
    bench.ping(hosts)  # opens the connections that both then use
    pings, runs = [], []
    for number in range(times):
        say(f"{size} hosts: ping and converged run, {number + 1} of {times}")
        pings.append(bench.ping(hosts))
        sample, last = bench.site(hosts)
        runs.append(sample)

    def ratio(part: Callable[[Sample], float]) -> float:
        return median(part(run) for run in runs) / median(part(ping) for ping in pings)

    figures.add(f"converged_over_ping_{size}", ratio(lambda sample: sample.wall))
    figures.add(f"converged_over_ping_{size}_cpu", ratio(lambda sample: sample.controller + sample.hosts))
    figures.add(f"converged_over_ping_{size}_cpu_controller", ratio(lambda sample: sample.controller))
    figures.add(f"converged_over_ping_{size}_cpu_hosts", ratio(lambda sample: sample.hosts))
    figures.add(f"converged_seconds_{size}", median(run.wall for run in runs))
    figures.add(f"ping_seconds_{size}", median(ping.wall for ping in pings))
    return last
