# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that crosses the border between the tools and the simulated kernel."""

from __future__ import annotations

import errno as _errno
import os


class SimError(Exception):
    """A system call of the simulated kernel failed.

    ``errno`` is the positive number a real call would have set; ``text`` is what the kernel log would say
    (tools print their own recorded texts, chosen by ``errno``).
    """

    def __init__(self, errno: int, text: str = "") -> None:
        super().__init__(errno, text)
        self.errno = errno
        self.text = text

    def __str__(self) -> str:
        name = _errno.errorcode.get(self.errno, str(self.errno))
        return f"{name}: {self.text or os.strerror(self.errno)}"


class Unanswered(Exception):
    """The kernel says nothing to a request: whoever made it waits until a signal ends it."""


class NotLoaded(SimError):
    """No simulated kernel module is loaded on this node (there is no daemon, or it has no module yet)."""

    def __init__(self, text: str = "the kernel modules are not loaded") -> None:
        super().__init__(_errno.ENODEV, text)
