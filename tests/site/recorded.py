# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of Ansible did, read from the record that the callback ``record`` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]
#: Actions that reach no host (conditions, reports, variables).
LOCAL = frozenset(
    {
        *(f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact", "meta", "include_tasks")),
        "lustre.core.report",
        "lustre.core.site_check",
    }
)


def read(path: Path) -> list[Event]:
    """The events so far; a last line that is just being written is left for the next time."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


@dataclass
class Run:
    """One run: exit code, what it printed, what it did."""

    argv: list[str]
    code: int
    text: str
    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0

    def _of(self, kind: str, host: str = "") -> Iterator[Event]:
        return (e for e in self.events if e["event"] == kind and (not host or e["host"] == host))

    @property
    def sums(self) -> dict[str, dict[str, int]]:
        """Ansible's own recap, per host; empty when the run did not come to its end."""
        return next((dict(event["hosts"]) for event in self._of("stats")), {})

    @property
    def changed(self) -> dict[str, int]:
        return {host: sums["changed"] for host, sums in self.sums.items()}

    def executed(self, host: str) -> list[str]:
        """The tasks that did something on a host: what was skipped started no process there."""
        return [e["task"] for e in self._of("result", host) if e["status"] in ("ok", "failed")]

    @property
    def failures(self) -> dict[str, str]:
        """Host → message of its failure."""
        bad = (e for e in self._of("result") if e["status"] in ("failed", "unreachable"))
        return {e["host"]: str(e["result"].get("msg", "")) for e in bad}

    @property
    def items(self) -> list[Event]:
        return list(self._of("item"))

    def skipped(self, host: str) -> list[str]:
        return [e["task"] for e in self._of("result", host) if e["status"] == "skipped"]

    def remote(self, host: str) -> list[str]:
        """The tasks that started a process on a host: modules, as opposed to what the controller does by itself."""
        return [
            e["task"] for e in self._of("result", host) if e["status"] in ("ok", "failed") and e["action"] not in LOCAL
        ]

    def programs(self, host: str) -> int:
        """The programs that these processes started there."""
        return sum(e["result"].get("processes", 0) for e in self._of("result", host))

    def steps(self, host: str) -> list[dict[str, Any]]:
        """The steps taken on a host, in order, of all its tasks; those planned when it was only looked at."""
        found = [e for e in self._of("result", host) if e["result"].get("plan")]
        acted = [e for e in found if not e["look"]]
        return [step for e in acted or found for step in e["result"]["plan"]]

    def drift(self, host: str) -> list[dict[str, Any]]:
        """What differs and stays; a look at the whole host has seen all of it."""
        found = [e for e in self._of("result", host) if e["result"].get("drift")]
        looked = [e for e in found if e["look"]]
        return [drift for e in looked or found for drift in e["result"]["drift"]]

    def told(self) -> str:
        """For the message of a failed assertion: the command, the end of its output, and what each host that failed said."""
        said = "".join(f"\n{host} failed: {message}" for host, message in self.failures.items())
        return f"{' '.join(self.argv)}\nexit code {self.code}\n" + "\n".join(self.text.splitlines()[-80:]) + said
