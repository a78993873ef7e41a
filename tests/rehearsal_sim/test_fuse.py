# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file server behind the simulated mounts: two mounts of one folder, used by ordinary programs (root only)."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.rehearsal_sim.support import REHEARSAL

SOURCE = "10.0.0.1@tcp,10.0.1.1@tcp:10.0.0.2@tcp:/fs1"
SIZES = {
    "kbytestotal": 4_000_000,
    "kbytesfree": 3_000_000,
    "kbytesavail": 2_000_000,
    "filestotal": 900,
    "filesfree": 800,
}
# A process of its own serves the mount: one that used its own mount while it holds Python's lock would wait for itself.
SERVER = f"""
import sys, threading
sys.path.insert(0, {str(REHEARSAL)!r})
from lustre_sim.kernel.fuse import FuseMount
from lustre_sim.sim_error import Unanswered
source, path, folder, subtype, readonly, silent = sys.argv[1:]
ended = threading.Event()
def gate(uid):
    if str(uid) == silent:
        raise Unanswered()
FuseMount(
    source, path, folder or None, subtype=subtype, capacity=lambda: {SIZES!r}, ended=lambda mount: ended.set(), readonly=bool(readonly),
    gate=gate,
)
print("mounted", flush=True)
ended.wait()
print("ended", flush=True)
"""


def mounted(path: Path) -> list[str] | None:
    rows = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    return next((row for row in rows if row[1] == str(path)), None)


@contextmanager
def served(
    source: str, path: Path, folder: Path | None, subtype: str = "lustre", readonly: str = "", silent: str = ""
) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", SERVER, source, str(path), str(folder or ""), subtype, readonly, silent]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "mounted\n"
        try:
            yield server
        finally:
            if mounted(path):
                subprocess.run(["umount", str(path)], check=True)
            server.wait(10)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two hosts' mounts of the same file system."""
    shared, one, other = (tmp_path / name for name in ("shared", "one", "other"))
    for folder in (shared, one, other):
        folder.mkdir()
    with ExitStack() as stack:
        stack.enter_context(served(SOURCE, one, shared))
        stack.enter_context(served(SOURCE, other, shared))
        yield one, other


def test_the_mount_table_shows_the_source(two: tuple[Path, Path]) -> None:
    row = mounted(two[0])
    assert row is not None and row[0] == SOURCE and row[2] == "fuse.lustre"
    numbers = os.statvfs(two[0])
    assert numbers.f_blocks * numbers.f_frsize == SIZES["kbytestotal"] * 1024
    assert numbers.f_bavail * numbers.f_frsize == SIZES["kbytesavail"] * 1024


def test_what_one_host_writes_the_other_reads_at_once(two: tuple[Path, Path]) -> None:
    one, other = two
    (one / "file").write_text("hello\n", encoding="utf-8")
    assert (other / "file").read_text(encoding="utf-8") == "hello\n"
    with open(other / "file", "a", encoding="utf-8") as stream:
        stream.write("more\n")
    assert (one / "file").read_text(encoding="utf-8") == "hello\nmore\n"
    (one / "file").unlink()
    assert not (other / "file").exists()


def test_folders_links_modes_and_times(two: tuple[Path, Path]) -> None:
    one, other = two
    (one / "a/b").mkdir(parents=True)
    (one / "a/b/file").write_bytes(b"x" * 300_000)
    (one / "a/link").symlink_to("b/file")
    os.link(one / "a/b/file", one / "a/hard")
    assert (other / "a/link").stat().st_size == 300_000
    assert (other / "a/hard").stat().st_nlink == 2
    os.chmod(one / "a/hard", 0o640)
    os.chown(one / "a/hard", 1000, 1001)
    os.utime(one / "a/hard", ns=(5, 1_500_000_007))
    found = (other / "a/hard").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_mtime_ns) == (0o640, 1000, 1001, 1_500_000_007)
    os.truncate(one / "a/hard", 10)
    assert (other / "a/b/file").stat().st_size == 10
    os.rename(one / "a/b", one / "moved")
    assert sorted(os.listdir(other)) == ["a", "moved"]
    with pytest.raises(OSError):
        (one / "moved").rmdir()


def test_many_files_and_a_mapped_one(two: tuple[Path, Path]) -> None:
    one, other = two
    for number in range(1200):
        (one / f"file-with-a-longer-name-{number}").touch()
    assert len(os.listdir(other)) == 1200
    with open(one / "mapped", "w+b") as stream:
        stream.write(b"x" * 8192)
        stream.flush()
        with mmap.mmap(stream.fileno(), 8192) as area:
            area[0:3] = b"abc"
            area.flush()
    assert (other / "mapped").read_bytes()[:4] == b"abcx"


def test_owners_of_what_users_make(two: tuple[Path, Path]) -> None:
    one, _ = two
    (one / "open").mkdir()
    os.chmod(one / "open", 0o1777)
    script = "umask 027; echo x > open/file; mkdir open/folder; echo y > refused"
    done = subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1001", "--clear-groups", "sh", "-c", script],
        cwd=one,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Permission denied" in done.stderr
    file, folder = (one / "open/file").stat(), (one / "open/folder").stat()
    assert (file.st_uid, file.st_gid, file.st_mode & 0o777) == (1000, 1001, 0o640)
    assert (folder.st_uid, folder.st_gid, folder.st_mode & 0o777) == (1000, 1001, 0o750)
    assert not (one / "refused").exists()


def test_an_unmount_is_noticed_and_a_busy_one_refused(tmp_path: Path) -> None:
    with served("/dev/loop77", tmp_path, None, "lustre_tgt") as server:
        row = mounted(tmp_path)
        assert row is not None and row[:1] + row[2:3] == ["/dev/loop77", "fuse.lustre_tgt"]
        assert os.listdir(tmp_path) == []
        handle = os.open(tmp_path, os.O_RDONLY)
        busy = subprocess.run(["umount", str(tmp_path)], capture_output=True, text=True, check=False)
        os.close(handle)
        assert busy.returncode == 32 and "busy" in busy.stderr
        subprocess.run(["umount", str(tmp_path)], check=True)
        assert server.stdout is not None and server.stdout.readline() == "ended\n"
    assert server.returncode == 0 and mounted(tmp_path) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_gets_no_answer_waits_until_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """Others are served meanwhile, and the mount is busy although nobody has anything of it open."""
    (tmp_path / "folder").mkdir()
    path = tmp_path / "mnt"
    path.mkdir()
    look = f"import os; os.setuid(65534); os.stat({str(path / 'x')!r})"
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o711)
    with served(SOURCE, path, tmp_path / "folder", silent="65534"):
        with subprocess.Popen([sys.executable, "-c", look]) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(2)
            assert os.listdir(path) == []
            busy = subprocess.run(["umount", str(path)], capture_output=True, text=True, check=False)
            assert busy.returncode == 32 and "busy" in busy.stderr
            waiting.send_signal(number)
            assert waiting.wait(5) == -number
        assert os.listdir(path) == []


def test_who_only_reads_changes_nothing_not_even_when_mounted_anew(tmp_path: Path) -> None:
    folder, path = tmp_path / "folder", tmp_path / "mnt"
    folder.mkdir()
    path.mkdir()
    (folder / "kept").write_text("kept", encoding="utf-8")
    with served(SOURCE, path, folder, readonly="yes"):
        subprocess.run(["mount", "-o", "remount,rw", str(path)], check=True)
        assert (path / "kept").read_text(encoding="utf-8") == "kept"
        for change in (
            lambda: (path / "kept").write_text("gone", encoding="utf-8"),
            lambda: (path / "new").touch(),
            lambda: (path / "new").mkdir(),
            lambda: (path / "kept").unlink(),
            lambda: (path / "kept").chmod(0o600),
            lambda: (path / "kept").rename(path / "other"),
        ):
            with pytest.raises(OSError, match="Read-only file system"):
                change()
    assert [(one.name, one.read_text(encoding="utf-8")) for one in folder.iterdir()] == [("kept", "kept")]


def test_what_was_written_is_read_past_the_page_cache_as_a_whole(two: tuple[Path, Path]) -> None:
    """In several requests: each needed aligned memory once, and had it by chance."""
    one, other = two
    content = os.urandom(1 << 20)
    for number in range(8):
        (one / f"file{number}").write_bytes(content)
        argv = ["dd", f"if={other}/file{number}", "bs=1M", "iflag=direct", "status=none"]
        done = subprocess.run(argv, capture_output=True, check=False)
        assert (done.returncode, done.stdout == content) == (0, True), done.stderr
