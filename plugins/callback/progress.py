# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback lustre.core.progress: which hosts are still at work, since when and with what, while Ansible waits for them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
short_description: Tells which hosts are still at work on Lustre while a task runs long
version_added: 0.1.0
description:
  - Formatting a large target or a first mount takes many minutes, during which Ansible prints nothing. With this callback, a task of
    this collection that works on a host for longer than O(after) seconds says every O(interval) seconds which hosts
    are still at work, since when, and what their plan has for them in this task.
  - Steps that took long are listed with their time at the end of the task.
  - What a host is doing is taken from its plan, as the look that playbooks of this collection begin with has returned it. Without
    such a look the name of the task is told. Nothing is asked over the network. To see the very step on a node,
    C(journalctl -f | grep ansible-lustre.core) there shows each as it begins and ends.
  - Tasks that use modules of this collection are watched, and all tasks in its roles. A run without long tasks prints nothing more than
    without this callback. The lines are the same whether or not the output is a terminal.
requirements:
  - to be enabled, with C(callbacks_enabled = lustre.core.progress) in the section C([defaults]) of C(ansible.cfg)
options:
  after:
    description: How many seconds a host works on a task before it is spoken of. Also the least time of a step that is listed at the end.
    type: float
    default: 15
    env:
      - name: LUSTRE_CORE_PROGRESS_AFTER
    ini:
      - section: callback_lustre_core_progress
        key: after
  interval:
    description: How many seconds pass between two times.
    type: float
    default: 30
    env:
      - name: LUSTRE_CORE_PROGRESS_INTERVAL
    ini:
      - section: callback_lustre_core_progress
        key: interval
author:
  - lustre.core contributors (@lustre-core)
"""

import atexit
import contextlib
import sys
import threading
import time
from typing import Any, Callable

from ansible.plugins.callback import CallbackBase

from ansible_collections.lustre.core.plugins.plugin_utils._progress_board import Board, Job

COLLECTION = "lustre.core"


class Ticker:
    """Says what the board has to say, when it is due, from a thread of its own.

    Ansible forks its workers from the main thread while this one lives.  That is safe:
    a worker never touches the board, and the one lock both sides need, that of
    Display, is held by the main thread while it forks.  The order of locks is always board
    before Display: no callback is called while Display's is held.
    """

    def __init__(self, board: Board, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.board, self._show, self._clock = board, show, clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def start(self, host: str, job: Job) -> None:
        with self._changed:
            was_idle = self.board.idle
            self.board.start(host, job, self._clock())
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="lustre.core.progress", daemon=True)
                self._thread.start()
                # A daemon thread that writes while the interpreter ends would break its last words.
                atexit.register(self.stop)
            elif was_idle:
                self._changed.notify()

    def end(self, host: str, job_id: str, result: dict[str, Any]) -> None:
        with self._changed:
            self.board.end(host, job_id, result)
            if self.board.idle:
                # The next task's heading comes before its callbacks: whatever is left until then stands below the wrong one.
                self._took()

    def took(self) -> None:
        with self._changed:
            self._took()

    def _took(self) -> None:
        for line in self.board.took():
            self._show(line)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                seconds = self.board.due(self._clock())
                if seconds is None or seconds > 0:
                    self._changed.wait(seconds)
                    continue
                for line in self.board.lines(self._clock()):
                    self._show(line)


class CallbackModule(CallbackBase):
    """What Ansible calls; everything is handed to the ticker, and nothing here takes time."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "lustre.core.progress"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        self.watch(float(self.get_option("after")), float(self.get_option("interval")))

    def watch(self, after: float, interval: float) -> None:
        self._ticker = Ticker(Board(after, max(1.0, interval)), self._line)

    def _line(self, text: str) -> None:
        self._display.display(text)
        # Into a pipe or a file, the lines of a long wait would otherwise come when it is over.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if _ours(task):
            self._ticker.start(host.get_name(), _job(task))

    def v2_runner_on_ok(self, result: Any) -> None:
        self._over(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._over(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._over(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._over(result)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._ticker.took()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._ticker.took()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._ticker.took()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._ticker.took()
        self._ticker.stop()

    def _over(self, result: Any) -> None:
        task = _part(result, "task")
        if _ours(task):
            self._ticker.end(_part(result, "host").get_name(), task._uuid, _part(result, "result"))


def _part(result: Any, name: str) -> Any:
    """Of a task's result; the name without underscore exists since ansible-core 2.19, the other one until some later release."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")


def _ours(task: Any) -> bool:
    if _action(task).startswith(f"{COLLECTION}."):
        return True
    return getattr(getattr(task, "_role", None), "_role_collection", None) == COLLECTION


def _action(task: Any) -> str:
    return str(getattr(task, "resolved_action", None) or task.action)


def _job(task: Any) -> Job:
    """Which part of a host's plan the task takes, as far as that is written in it and not made up by a template."""
    noun = _action(task).rpartition(".")[2] if _action(task).startswith(f"{COLLECTION}.") else ""
    phases = task.args.get("phases") if isinstance(task.args, dict) else None
    written = isinstance(phases, (list, tuple)) and not any("{{" in str(phase) for phase in phases)
    return Job(
        task._uuid,
        str(task.name or _action(task)),
        looks=task.check_mode is True or not noun,
        kinds=frozenset() if noun == "node" else frozenset({noun}),
        phases=frozenset(map(str, phases)) if phases and written else frozenset(),
    )
