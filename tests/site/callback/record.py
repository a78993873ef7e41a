# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback ``record``: what a run did, as JSON lines, while it does it.

Tests read data instead of a screen's text, and see at which task a run is just now.
"""

from __future__ import annotations

DOCUMENTATION = """
name: record
type: aggregate
short_description: Write what a run does to a file, as JSON lines
description:
  - One line per task that begins, per result of a host and per item of a loop, and one with the sums at the end.
  - The file is named by the environment variable E(LUSTRE_TEST_RECORD).
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

#: What tests look at; whole results of setup-like modules would only be long.
KEPT = (
    "msg",
    "plan",
    "drift",
    "results",
    "failed_at",
    "summary",
    "state",
    "item",
    "report",
    "text",
    "problems",
    "processes",
    "stdout",
    "rc",
)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = os.environ.get("LUSTRE_TEST_RECORD", "")
        self.disabled = not self._path

    def _write(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, **values}, default=str)
        # opened for each line: forked workers and a killed run leave whole lines behind
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _result(self, status: str, result: Any, item: bool = False) -> None:
        values = result._result
        self._write(
            "item" if item else "result",
            host=result._host.get_name(),
            task=result._task.get_name(),
            action=result._task.action,
            status=status,
            changed=bool(values.get("changed")) and status == "ok",
            look=bool(result._task.check_mode),
            result={key: values[key] for key in KEPT if key in values},
        )

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._write("task", task=task.get_name(), action=task.action)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write("begin", host=host.get_name(), task=task.get_name(), action=task.action)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._result("ok", result, item=True)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._result("failed", result, item=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
