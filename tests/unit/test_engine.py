"""The engine: files written whole or not at all, what is late is waited for, what never comes is an error."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._engine import converge, write_file
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    NotConverged,
    ToolError,
    ToolTimeout,
    WriteFailed,
)
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Result


def test_a_new_file_comes_with_its_folder_and_mode(tmp_path):
    path = tmp_path / "new" / "file.conf"
    write_file(FileWrite(str(path), "ä\n", 0o600))
    assert path.read_text(encoding="utf-8") == "ä\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["file.conf"], "nothing temporary is left"


def test_an_old_file_keeps_its_mode_and_owner(tmp_path):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    before = path.stat()
    write_file(FileWrite(str(path), "new", 0o600))
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "it was replaced whole, not written into"


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_file(FileWrite(str(path), "half of it \udc00"))
    assert path.read_text(encoding="utf-8") == "old" and os.listdir(tmp_path) == ["file"]


def test_a_removal_takes_the_link_and_not_what_it_leads_to(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept", encoding="utf-8")
    link.symlink_to(target)
    write_file(FileWrite(str(link), None))
    write_file(FileWrite(str(tmp_path / "was never there"), None))
    assert os.listdir(tmp_path) == ["target"]


def test_what_was_no_text_comes_out_as_it_went_in(tmp_path):
    """A comment in Latin-1 in /etc/crypttab, after the containers were made already."""
    path = tmp_path / "crypttab"
    path.write_bytes(b"# caf\xe9\n")
    write_file(FileWrite(str(path), text_or_empty(str(path)) + "more\n"))
    assert path.read_bytes() == b"# caf\xe9\nmore\n"


def test_the_name_of_a_file_is_on_the_disk_as_well(tmp_path, monkeypatch):
    """A container made with a key must not outlive the key in a loss of power."""
    order = []
    real_sync, real_move = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: order.append(os.readlink(f"/proc/self/fd/{fd}")) or real_sync(fd))
    monkeypatch.setattr(os, "replace", lambda old, new: order.append("moved") or real_move(old, new))
    write_file(FileWrite(str(tmp_path / "keys" / "one"), b"key", 0o600, exact=True))
    assert [os.path.dirname(order[0]), *order[1:]] == [str(tmp_path / "keys"), "moved", str(tmp_path / "keys")]


class Late:
    """A value that reaches the node some seconds after it was set."""

    kind, settle = "late", 30.0

    def __init__(self, delay: float) -> None:
        self.delay, self.now, self.set_at = delay, 0.0, None
        self.pauses: list[float] = []

    def have(self, run: Any) -> bool:
        return self.set_at is not None and self.now >= self.set_at + self.delay

    def plan(self, have: bool) -> Plan:
        return Plan() if have else Plan((Step("late", "set", "it", "it is not set", ("set", "it")),))

    def public(self, have: bool) -> dict[str, Any]:
        return {"set": have}

    def check_step(self, step: Step, run: Any) -> None:
        """Nothing."""

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        return ToolError("set it", step.argv, rc, out, err)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self, argv: Any, stdin: Any = None, timeout: float = 0.0) -> Result:
        self.set_at = self.now
        return Result(0, "", "")


def test_what_is_late_is_waited_for_and_set_once():
    late = Late(8.0)
    outcome = converge(late, late, sleep=late.sleep, clock=lambda: late.now)
    assert outcome.applied and outcome.after == {"set": True} and outcome.before == {"set": False}
    assert 8.0 <= late.now < 12.0 and late.pauses == sorted(late.pauses) and max(late.pauses) <= 3.0


def test_what_never_comes_is_an_error_within_the_bound():
    late = Late(1e9)
    with pytest.raises(NotConverged, match=r"within 30 s.*set it: it is not set") as error:
        converge(late, late, sleep=late.sleep, clock=lambda: late.now)
    assert 30.0 <= late.now < 34.0
    assert error.value.steps_done == ("set it",) and error.value.facts()["left"] == ["set it: it is not set"]


def test_a_silent_tool_is_told_with_what_to_expect():
    late = Late(0.0)

    def silent(argv: Any, stdin: Any = None, timeout: float = 0.0) -> Result:
        raise ToolTimeout("run set", argv, timeout, still_running=True)

    with pytest.raises(ToolTimeout, match=r"set it.*cannot be killed.*next run reads that first"):
        converge(late, silent)
    late.timed_out = lambda step: "It waits for the moon."
    with pytest.raises(ToolTimeout, match="waits for the moon"):
        converge(late, silent)


def test_a_full_disk_is_told_with_what_was_done_before():
    late = Late(0.0)
    late.plan = lambda have: Plan(
        (
            Step("late", "set", "it", "x", ("set", "it")),
            Step("late", "write", "it", "x", write=FileWrite("/etc/it", "x")),
        )
    )

    def full(change: FileWrite) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        WriteFailed, match=r"Could not write /etc/it: No space left on device\. What was there"
    ) as error:
        converge(late, late, write=full)
    assert error.value.steps_done == ("set it",)
