# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module tells about its steps while it works: in the node's journal, and in the lock of the node.

Formatting a large target or a first mount may take many minutes, during which Ansible
hears nothing of the module.  On the node, an administrator sees each step begin and end:
``journalctl -f | grep ansible-lustre.core``.  Only action and object of a step are told,
never its standard input or the content of a file.
"""

from __future__ import annotations

import contextlib
import time
from typing import Callable, ContextManager, Iterator

from ansible_collections.lustre.core.plugins.module_utils._lock import READING, NodeLock, quiet
from ansible_collections.lustre.core.plugins.module_utils._plan import Step

#: Told when a step begins; what it returns is left when the step ends.
Watch = Callable[[Step], ContextManager[None]]


def unwatched(step: Step) -> ContextManager[None]:
    """For a look, which takes no steps, and for tests."""
    return contextlib.nullcontext()


def writes_on_device(step: Step) -> bool:
    """Whether a second run must not begin before the step's program is over, even if its module was killed.

    Not so mounts, services and kernel modules: they can wait in the kernel for ever, and
    what they leave behind can be seen by whoever comes next.
    """
    return step.destructive or step.kind == "target"


class StepLog:
    """The Watch of a real run.  ``keeping`` is CommandRunner's: programs started meanwhile inherit the descriptor."""

    def __init__(
        self,
        log: Callable[[str], None],
        lock: NodeLock,
        keeping: Callable[[int], ContextManager[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._lock, self._keeping, self._clock = log, lock, keeping, clock

    @contextlib.contextmanager
    def __call__(self, step: Step) -> Iterator[None]:
        name = quiet(f"{step.action} {step.object}")
        self._log(f"{name}: began")
        self._lock.note(name)
        began = self._clock()
        ended = "failed after"
        try:
            with self._keeping(self._lock.descriptor) if writes_on_device(step) else contextlib.nullcontext():
                yield
            ended = "done in"
        finally:
            self._log(f"{name}: {ended} {self._clock() - began:.0f} s")
            self._lock.note(READING)
