# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of ``site.yml`` that must find everything converged, measured and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measured
import stages

PLUGINS = stages.ROOT / "tests" / "bench"
SERVER_ROLES = ("mds", "oss")


@dataclass(frozen=True)
class Counted:
    """One run with what it did per host."""

    cost: measured.Measured
    hosts: dict[str, dict[str, Any]]
    skipped: int

    def worst(self, key: str, servers: bool) -> int:
        """The largest number among the servers, or among the clients."""
        found = [
            len(said[key]) if isinstance(said[key], list) else int(said[key])
            for host, said in self.hosts.items()
            if host.startswith(SERVER_ROLES) == servers
        ]
        return max(found, default=0)

    @property
    def executed(self) -> int:
        return sum(len(said["tasks"]) for said in self.hosts.values())


def environment() -> dict[str, str]:
    """As every stage has it, with the plugins of the benchmark; the shipped ansible.cfg is what is measured."""
    callbacks = "counted,lustre.core.progress"
    return {
        **stages.environment(),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": callbacks,
        "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
    }


def site(
    program: Path, sources: Sequence[Path], words: Sequence[str], folder: Path, limit: float,
    environ: Mapping[str, str] | None = None,
) -> Counted:  # fmt: skip
    """``site.yml`` with these inventories."""
    record = folder / "counted.json"
    record.unlink(missing_ok=True)
    argv = [str(program), *(word for source in sources for word in ("-i", str(source))), "lustre.core.site", *words]
    known = {**(environ or environment()), "LUSTRE_BENCH_COUNTED": str(record)}
    cost = measured.run(argv, known, stages.ROOT, limit)
    said = json.loads(record.read_text(encoding="utf-8"))
    return Counted(cost, said["hosts"], said["skipped"])


def converged(run: Counted, expected: int) -> Counted:
    """The same run, when as many hosts as expected took part and nothing was changed: else the figure would be of another thing."""
    hosts = {host: said for host, said in run.hosts.items() if host != "localhost"}
    changed = sorted(host for host, said in hosts.items() if said["changed"] or said["failed"])
    if changed:
        raise measured.BenchError(
            f"A converged run changed or failed on {', '.join(changed[:5])}:\n{run.cost.out[-3000:]}"
        )
    if len(hosts) != expected:
        raise measured.BenchError(f"A run was to be on {expected} hosts and was on {len(hosts)}.")
    return run
