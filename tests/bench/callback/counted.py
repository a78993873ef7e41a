# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback ``counted``: the tasks and programs of each host, written once at the end, so that counting costs next to nothing."""

from __future__ import annotations

DOCUMENTATION = """
name: counted
type: aggregate
short_description: Counts what a run did per host
description:
  - Writes a JSON file at the end of a run. For each host the tasks that were executed, those that changed something or failed, and
    the largest number of programs that one module call started there; also the last answer of M(lustre.core.node).
  - The file is named by the environment variable E(LUSTRE_BENCH_COUNTED).
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "counted"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = os.environ.get("LUSTRE_BENCH_COUNTED", "")
        self.disabled = not self._path
        self._hosts: dict[str, dict[str, Any]] = {}
        self._skipped = 0

    def _note(self, result: Any, status: str) -> None:
        host = self._hosts.setdefault(
            result._host.get_name(), {"tasks": [], "changed": 0, "failed": 0, "processes": 0, "node": None}
        )
        values = result._result
        host["tasks"].append(result._task.get_name())
        host["changed"] += bool(values.get("changed"))
        host["failed"] += status != "ok"
        host["processes"] = max(host["processes"], int(values.get("processes", 0)))
        if result._task.action == "lustre.core.node":
            host["node"] = values

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._note(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._note(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._skipped += 1

    def v2_playbook_on_stats(self, stats: Any) -> None:
        with open(self._path, "w", encoding="utf-8") as stream:
            json.dump({"hosts": self._hosts, "skipped": self._skipped}, stream, default=str)
