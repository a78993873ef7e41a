# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The simulated host that recorded command lines run on: one node in this process, its tools as functions.

Devices are sparse files that get a real ext4, mounts are real FUSE mounts; both lie below the host's folder, which
stands for the root of its files (``/dev/vdb`` of a recording is ``FOLDER/dev/vdb`` here). Time is the node's own clock:
``sleep 12`` moves it. Nothing answers on the network but the host itself.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from lustre_sim.node import Node
from lustre_sim.sim_error import SimError
from lustre_sim.tools import lctl_params

from tests.contract.shell import Done, NotUnderstood, Program, Shell
from tests.rehearsal_sim.fakes import DeadWire, FakeClock
from tests.rehearsal_sim.support import REHEARSAL, make_node

TOOLS = (
    "lctl", "lnetctl", "lfs", "mkfs.lustre", "tunefs.lustre", "mount.lustre", "lustre_rmmod", "modprobe", "modinfo",
    "lsmod", "lgss_sk", "keyctl",
)  # fmt: skip
#: real programs that recordings use on the output of a tool, on the host's files and on its devices
REAL = (
    "awk", "blkid", "cat", "chmod", "cp", "dd", "e2label", "echo", "egrep", "findmnt", "grep", "head", "ls", "lsattr", "mkdir", "mountpoint", "printf", "rm",
    "sed", "seq", "sort", "tail", "touch", "tr", "umount", "uniq", "wc",
)  # fmt: skip
#: those of them that change something: only below the host's folder
WRITERS = ("chmod", "cp", "dd", "e2label", "mkdir", "rm", "touch", "umount")
_OURS = re.compile(r"(?<![\w./-])(?=/(?:dev/(?:vd|\$)|mnt/|root/|tmp/|proc/mounts|etc/mtab))")


class Door:
    """The way from a tool to the kernel: all that passes is JSON, as over the socket of an installed host."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.site_dir, self.persistent_dir, self.runtime_dir = node.site_dir, node.persistent_dir, node.runtime_dir

    def call(self, op: str, /, **args: Any) -> Any:
        return json.loads(json.dumps(self._node.call(op, **json.loads(json.dumps(args)))))


class Host:
    def __init__(self, folder: Path, node: Node) -> None:
        self.folder, self.node = folder, node
        self._door = Door(node)
        programs: dict[str, Program] = {name: self._tool(name) for name in TOOLS}
        programs |= {name: self._real(name) for name in REAL}
        programs |= {
            "mount": self._mount,
            "python3": self._python,
            "date": self._date,
            "timeout": self._timeout,
            "sleep": self._sleep,
            ":": _nothing,
            "true": _nothing,
            "/bin/true": _nothing,
        }
        self._programs = programs
        self._shell = Shell(programs, folder)

    def run(self, line: str) -> Done:
        """A recorded command line; its output speaks of the recorded paths again."""
        self.node.tick()
        if "/proc/mounts" in line or "/etc/mtab" in line:
            self._write_tables()
        done = self._shell.run(_OURS.sub(str(self.folder), line))
        return Done(done.rc, self._told(done.out), self._told(done.err))

    def _told(self, text: str) -> str:
        return text.replace(str(self.folder), "")

    def _write_tables(self) -> None:
        """The mounts of this host alone; other tests and hosts of the machine have theirs."""
        text = "".join(row + "\n" for row in _table() if row.split()[1].startswith(f"{self.folder}/"))
        for name in ("proc/mounts", "etc/mtab"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(text, encoding="utf-8")

    # -- programs ----------------------------------------------------------------------------------------------

    def _tool(self, name: str) -> Program:
        module = importlib.import_module("lustre_sim.tools." + name.replace(".", "_"))

        def run(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
            try:
                return int(module.main(argv, stdin, out, err, self._door)) & 0xFF
            except SimError as error:
                err.write(f"{name}: {error.text or os.strerror(error.errno)}\n")
                return error.errno & 0xFF or 1

        return run

    def _real(self, name: str) -> Program:
        def run(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
            for path in (word.partition("=")[2] if name == "dd" else word for word in argv):
                outside = path.startswith("/") and not path.startswith(f"{self.folder}/")
                if name in WRITERS and outside and path not in ("/dev/zero", "/dev/null"):
                    raise NotUnderstood(f"{name} of {path}, outside of {self.folder}")
            if name == "sed" and "-i" in argv:
                raise NotUnderstood("sed -i")
            done = subprocess.run(
                [name, *argv], input=stdin.read(), capture_output=True, text=True, check=False, timeout=60,
                cwd=self._shell.folder,
            )  # fmt: skip
            out.write(done.stdout)
            err.write(done.stderr)
            return done.returncode

        return run

    def _mount(self, argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        """mount(8) hands a Lustre mount to its helper."""
        if argv[:1] == ["-l"]:
            return self._real("mount")(argv, stdin, out, err)
        assert argv[:2] == ["-t", "lustre"], argv
        return self._programs["mount.lustre"](argv[2:], stdin, out, err)

    def _python(self, argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        """The one script that recordings start, in a process of its own: this one serves the mounts."""
        assert argv[0] == f"{self.folder}/root/fscrypt_ioctl.py", argv
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("recorder_fscrypt.py")), *argv[1:]],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        out.write(done.stdout)
        err.write(done.stderr)
        return done.returncode

    def _timeout(self, argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        return self._programs[argv[1]](argv[2:], stdin, out, err)

    def _date(self, argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        """``date +%T`` of the node's clock."""
        assert argv == ["+%T"], argv
        out.write(time.strftime("%T\n", time.gmtime(self.node.clock.time())))
        return 0

    def _sleep(self, argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        """The node's kernel looks around every second, as its daemon does."""
        for _ in range(max(1, round(float(argv[0])))):
            self.node.clock.sleep(1.0)
            self.node.tick()
        return 0


def _nothing(argv: list[str], stdin: TextIO, out: TextIO, err: TextIO) -> int:
    return 0


@contextmanager
def simulated_host(description: Mapping[str, Any]) -> Iterator[Host]:
    """A host as a session describes it (``interfaces``, ``devices``, ``plain_e2fsprogs``); nothing of it is left at the end."""
    with tempfile.TemporaryDirectory(prefix="lustre-contract-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for part in ("dev", "mnt", "root", "tmp", "state"):
            (folder / part).mkdir()
        for device, megabytes in description.get("devices", {}).items():
            with (folder / "dev" / device).open("wb") as stream:
                stream.truncate(megabytes << 20)
        node = make_node(folder / "state", "host", description["interfaces"], clock=FakeClock(), routing_delay=3600.0)
        node.lnet.messages.wire = DeadWire()
        (Path(node.site_dir) / "settings.json").write_text('{"prime_seconds": 0}', encoding="utf-8")
        path = os.environ["PATH"] if description.get("plain_e2fsprogs") else f"{_aware(folder)}:{os.environ['PATH']}"
        patch.setenv("PATH", path)
        patch.setenv("LC_ALL", "C")
        patch.setattr(lctl_params, "MOUNT_PARAMS", f"{folder}/etc/lustre/mount.{{}}.params")
        try:
            yield Host(folder, node)
        finally:
            for mounted in reversed(_mounts_below(folder)):
                subprocess.run(["umount", mounted], check=True)


def _aware(folder: Path) -> Path:
    """The mke2fs of a rehearsal host, which takes Lustre's features."""
    tools = folder / "state" / "e2fsprogs"
    tools.mkdir()
    (tools / "mke2fs").write_bytes((REHEARSAL / "packages" / "files" / "mke2fs").read_bytes())
    (tools / "mke2fs").chmod(0o755)
    (tools / "mke2fs.real").symlink_to("/sbin/mke2fs")
    return tools


def _mounts_below(folder: Path) -> list[str]:
    return [row.split()[1] for row in _table() if row.split()[1].startswith(f"{folder}/")]


def _table() -> list[str]:
    return Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
