# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The typed errors of the collection.

Every layer below a module's ``main()`` raises one of these and nothing else;
only ``main()`` turns them into ``fail_json``.  The text of each is a sentence a
tired administrator can act on: what was wanted, what was found, where, what to do.
"""

from __future__ import annotations

import errno
import os
import shlex
from typing import Sequence


class LustreError(Exception):
    """Base of all errors of this collection; ``str()`` of it is the message shown."""

    #: What had been done already when it was raised, as the engine writes it in: "format MGS on /dev/...".
    steps_done: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """Machine-readable details, returned beside ``msg`` by a failing module."""
        return {}


class ToolError(LustreError):
    """A tool ran and failed.

    ``errno`` is the positive errno the tool meant (each tool wrapper decodes its own
    convention; see facts in ``_cli/``), or None when the exit code carries no errno.
    """

    def __init__(
        self,
        wanted: str,
        argv: Sequence[str],
        rc: int,
        out: str = "",
        err: str = "",
        code: int | None = None,
        remedy: str = "",
    ) -> None:
        self.wanted, self.argv, self.rc, self.out, self.err = wanted, tuple(argv), rc, out, err
        self.errno, self.remedy = code, remedy
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        said = " / ".join(line.strip() for line in (self.err or self.out).splitlines() if line.strip())
        why = f" ({os.strerror(self.errno)})" if self.errno is not None and self.errno in errno.errorcode else ""
        text = f"Could not {self.wanted}: `{shlex.join(self.argv)}` ended with exit code {self.rc}{why}"
        text += f" and said: {said[:600]}" if said else " and said nothing"
        return text.rstrip(".") + "." + (f" {self.remedy}" if self.remedy else "")

    def facts(self) -> dict[str, object]:
        return {"cmd": list(self.argv), "rc": self.rc, "stdout": self.out, "stderr": self.err}


class ToolTimeout(LustreError):
    """A tool gave no answer within its bound.

    ``still_running`` is True when even SIGKILL did not end it: a Lustre mount whose
    MGS is down sits in an uninterruptible wait (observed on 2.17.0).  ``left`` names
    what is still there (``mount.lustre (process 4711)``).
    """

    def __init__(
        self,
        wanted: str,
        argv: Sequence[str],
        seconds: float,
        still_running: bool,
        remedy: str = "",
        left: Sequence[str] = (),
    ) -> None:
        self.wanted, self.argv, self.seconds, self.still_running = wanted, tuple(argv), seconds, still_running
        self.left = tuple(left)
        text = f"Could not {wanted}: `{shlex.join(argv)}` gave no answer within {seconds:g} s"
        text += f" and {self._state()}"
        super().__init__(text + (f" {remedy}" if remedy else ""))

    def _state(self) -> str:
        if not self.still_running:
            return "was ended."
        named = f"; still on this node: {', '.join(self.left)}" if self.left else ""
        return f"cannot be killed (it waits inside the kernel){named}."

    def facts(self) -> dict[str, object]:
        return {
            "cmd": list(self.argv),
            "timeout": self.seconds,
            "still_running": self.still_running,
            "processes_left": list(self.left),
        }


class ToolMissing(LustreError):
    """A program that is needed is not installed."""

    def __init__(self, program: str, package: str = "") -> None:
        self.program = program
        hint = f" Install the package {package}." if package else " Install the package that ships it."
        super().__init__(
            f"The program {program} was not found on this node (searched PATH and the sbin directories).{hint}"
        )


class WriteFailed(LustreError):
    """A file could not be written: the disk is full, or read-only. What was there before is unchanged."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"Could not write {path}: {problem.rstrip('.')}. What was there before is unchanged. Correct that (`df`, `findmnt -T`), and run again."
        )


class NotThereYet(LustreError):
    """A look needs what only a step before it makes (a container that is not open yet): nothing can be said so far."""

    def __init__(self, what: str, found: str) -> None:
        super().__init__(f"{what} cannot be looked at: {found}.")


class UnknownOutput(LustreError):
    """A tool printed something that no parser of ours knows: never guess, stop."""

    def __init__(self, tool: str, what: str, text: str) -> None:
        self.tool, self.text = tool, text
        super().__init__(
            f"{tool} printed something this collection does not know while it was asked for {what}; "
            f"nothing was changed. Please report this output: {text.strip()[:600]!r}"
        )


class Refused(LustreError):
    """What was asked for is unsafe or not consented to; nothing was touched."""

    def __init__(self, what: str, found: str, remedy: str) -> None:
        self.what, self.found, self.remedy = what, found, remedy
        super().__init__(f"Refused to {what}: {found.rstrip('.')}. {remedy}")


class BadValue(LustreError):
    """A value that the user gave is not usable; ``path`` says which one."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"{path}: {problem.rstrip('.')}. {remedy}")


class NeedsRelease(LustreError):
    """A feature this node's Lustre does not have (found by asking the tool, not by its number)."""

    def __init__(self, feature: str, release: str, found: str) -> None:
        super().__init__(f"{feature} needs Lustre {release} or newer: this node has {found or 'an unknown release'}.")


class NotConverged(LustreError):
    """Everything was applied without error, yet the state read back is not the one wanted."""

    def __init__(self, what: str, left: Sequence[str], seconds: float = 0.0) -> None:
        self.left = tuple(left)
        waited = f" within {seconds:g} s" if seconds else ""
        super().__init__(
            f"{what} did not reach the wanted state{waited}. Still to do according to the state read back: "
            + "; ".join(left)
            + ". Nothing is known to be broken: look at the node's kernel log (dmesg) for Lustre's reason and run again."
        )

    def facts(self) -> dict[str, object]:
        return {"left": list(self.left)}
