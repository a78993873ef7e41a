# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one loop that all resources share: have → plan → apply → have again.

A resource is a small object that knows one kind of thing and nothing of Ansible.
After applying, the state is read again; a plan that is still not empty is waited for
within the resource's own bound (``settle`` seconds: ``set_param -P`` needs some),
then it is an error that says what did not converge.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from typing import Any, Callable, Mapping, Protocol, TypeVar

from ansible_collections.lustre.core.plugins.module_utils._errors import (
    LustreError,
    NotConverged,
    ToolError,
    ToolTimeout,
    WriteFailed,
)
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite, Outcome, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._progress import Watch, unwatched
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

Have = TypeVar("Have")


class Resource(Protocol[Have]):
    """What a resource file in ``_resources/`` offers.

    ``want`` is bound into the object when it is made (and validated there: BadValue).
    ``have`` only reads.  ``plan`` is pure: same state in, same steps out.
    """

    kind: str
    settle: float

    def have(self, run: Runner) -> Have: ...

    def plan(self, have: Have) -> Plan: ...

    def public(self, have: Have) -> Mapping[str, Any]: ...

    def check_step(self, step: Step, run: Runner) -> None:
        """Called right before a step is applied: the last guard (a second probe of a device, a ping of the MGS)."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        """The error of a failed step, its exit code decoded by the tool's own convention."""


def converge(
    resource: Resource[Have],
    run: Runner,
    check_mode: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    write: Callable[[FileWrite], None] | None = None,
    watch: Watch = unwatched,
) -> Outcome:
    """Bring one resource to its wanted state, or say what would be done; ``watch`` is told of each step."""
    before = resource.have(run)
    plan = resource.plan(before)
    shown = resource.public(before)
    if check_mode or not plan.steps:
        return Outcome(resource.kind, plan, shown, shown)
    done: list[str] = []
    seconds: list[float] = []
    try:
        for step in plan.steps:
            resource.check_step(step, run)
            began = time.monotonic()
            with watch(step):
                apply_step(resource, step, run, write or write_file)
            seconds.append(time.monotonic() - began)
            done.append(f"{step.action} {step.object}")
        after, left = _settled(resource, run, sleep, clock)
        if left.steps:
            told = [f"{s.action} {s.object}: {s.reason}" for s in left.steps]
            raise NotConverged(f"The {resource.kind} resource", told, resource.settle)
    except LustreError as error:
        error.steps_done = tuple(done)
        raise
    made = Plan(plan.steps, left.drift)
    return Outcome(resource.kind, made, shown, resource.public(after), applied=True, seconds=tuple(seconds))


def apply_step(resource: Resource[Have], step: Step, run: Runner, write: Callable[[FileWrite], None]) -> None:
    """Carry out one step; raises the resource's own typed error when its command fails."""
    if step.write is not None:
        try:
            write(step.write)
        except OSError as problem:
            # A full disk is no defect of ours: what was done before must be told all the same.
            raise WriteFailed(step.write.path, problem.strerror or str(problem)) from None
    if step.argv:
        try:
            rc, out, err = run(step.argv, step.stdin, step.timeout)
        except ToolTimeout as error:
            # A resource may know what its silent tool is waiting for: ``timed_out(step)`` gives the remedy.
            remedy = getattr(resource, "timed_out", lambda _step: "")(step) or _incomplete(step)
            wanted = f"{step.action} {step.object}"
            raise ToolTimeout(wanted, step.argv, error.seconds, error.still_running, remedy, error.left) from None
        # A resource may know a tool that ends well whatever it refused: ``failed(step, rc, out, err)`` says whether it did.
        if getattr(resource, "failed", _by_exit_code)(step, rc, out, err):
            raise resource.tool_error(step, rc, out, err)


def _by_exit_code(step: Step, rc: int, out: str, err: str) -> bool:
    return rc != 0


def _incomplete(step: Step) -> str:
    return f"What it did to {step.object} may be incomplete: the next run reads that first and says what it finds."


def _settled(
    resource: Resource[Have], run: Runner, sleep: Callable[[float], None], clock: Callable[[], float]
) -> tuple[Have, Plan]:
    """Read the state until nothing is left to do, for at most ``settle`` seconds (at least once)."""
    end = clock() + resource.settle
    pause = 0.5
    while True:
        have = resource.have(run)
        left = resource.plan(have)
        if not left.steps or clock() >= end:
            return have, left
        sleep(pause)
        pause = min(pause * 1.5, 3.0)


def write_file(change: FileWrite) -> None:
    """Write a file atomically beside the old one (owner and mode of an existing file are kept), or remove it."""
    if change.content is None:
        if os.path.lexists(change.path):
            os.unlink(change.path)
        return
    folder = os.path.dirname(change.path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".lustre-", dir=folder)
    try:
        # A temporary file is its owner's alone (0600) from the first byte on.
        with os.fdopen(handle, "wb") as stream:
            # What was no text when it was read (text_files.py) comes out as it went in.
            raw = change.content
            stream.write(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fsync(stream.fileno())
        mode, owner = change.mode, None
        if os.path.exists(change.path):
            old = os.stat(change.path)
            _keep_label(change.path, temporary)
            if not change.exact:
                mode, owner = old.st_mode & 0o7777, (old.st_uid, old.st_gid)
        os.chmod(temporary, mode)
        if owner is not None:
            os.chown(temporary, *owner)
        os.replace(temporary, change.path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync(folder)


def _sync(folder: str) -> None:
    """The name is on the disk, too: what a later step makes with a key must not outlive the key in a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # not every file system takes it, and the file is there
            os.fsync(handle)
    finally:
        os.close(handle)


def _keep_label(old: str, new: str) -> None:
    """The SELinux label of a file that is replaced (krb5_keytab_t in place of etc_t); where there is none, none is set."""
    with contextlib.suppress(OSError):
        os.setxattr(new, "security.selinux", os.getxattr(old, "security.selinux"))
