# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tools' side of the simulated kernel: a client of the daemon's unix socket, and how the daemon is started.

A daemon that is not there means that no module is loaded.  Only ``node.load`` starts it, as only modprobe (or a
mount, which calls it) loads a module.  It must outlive the ssh session or the service that asked for it, so systemd
is asked to start it as a unit of its own; without systemd it is a detached process in a session of its own.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any

from .framing import BadFrame, receive_frame, send_frame
from .sim_error import NotLoaded, SimError

SOCKET = "/run/lustre-sim/kernel.sock"
UNIT = "lustre-simd.service"
UNIT_FILES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
DAEMON = (os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "lustre-simd"),)
START_TIMEOUT = 20.0


class KernelClient:
    """``call(op, **args)`` like a Node's; one connection is kept for all calls of a tool."""

    def __init__(self, path: str = SOCKET) -> None:
        self.path = path
        self._connection: socket.socket | None = None

    def call(self, op: str, /, **args: Any) -> Any:
        if self._connection is None and not self._connect():
            if op == "node.loaded":
                return []
            if op != "node.load":
                raise NotLoaded()
            start_daemon(self.path)
            if not self._connect():
                raise SimError(errno.ENXIO, "the simulated kernel did not start (journalctl -u lustre-simd)")
        assert self._connection is not None
        try:
            send_frame(self._connection, {"op": op, "args": args})
            answer = receive_frame(self._connection)
        except (OSError, BadFrame) as error:
            self.close()
            raise SimError(errno.EIO, f"the simulated kernel died: {error}") from error
        if answer is None:
            self.close()
            raise SimError(errno.EIO, "the simulated kernel died")
        if "errno" in answer:
            if answer.get("not_loaded"):
                raise NotLoaded(answer["text"])
            raise SimError(answer["errno"], answer["text"])
        return answer.get("value")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> bool:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self.path)
        except OSError as error:
            connection.close()
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                return False
            raise SimError(error.errno or errno.EIO, f"{self.path}: {error.strerror}") from error
        self._connection = connection
        return True


def start_daemon(path: str = SOCKET, daemon: tuple[str, ...] = DAEMON) -> None:
    """Returns when the daemon accepts calls. Modules are loaded by root only: EPERM for others."""
    if os.geteuid() != 0:
        raise SimError(errno.EPERM, "Operation not permitted")
    if path == SOCKET and os.path.isdir("/run/systemd/system"):
        _start_unit(daemon)
    else:
        _start_detached(path, daemon)
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(path):
        if time.monotonic() > deadline:
            raise SimError(errno.ENXIO, "the simulated kernel did not start")
        time.sleep(0.02)


def _start_unit(daemon: tuple[str, ...]) -> None:
    """The packaged unit, or a transient one of the same properties where it is not installed."""
    if any(os.path.exists(os.path.join(folder, UNIT)) for folder in UNIT_FILES):
        command = ["systemctl", "start", UNIT]
    else:
        command = [
            "systemd-run",
            "--quiet",
            "--collect",
            f"--unit={UNIT}",
            "--property=Type=notify",
            "--property=DefaultDependencies=no",
            "--property=KillMode=process",
            *daemon,
        ]
    import subprocess  # only the tool that loads the modules needs it, and it is slow to import

    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "already" not in done.stderr:
        raise SimError(errno.ENXIO, f"{' '.join(command[:2])}: {done.stderr.strip()}")


def _start_detached(path: str, daemon: tuple[str, ...]) -> None:
    """A grandchild with its own session; nothing of the caller's is inherited."""
    import subprocess

    process = subprocess.Popen(
        [*daemon, "--socket", path, "--detach"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    process.wait()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def open_kernel() -> KernelClient:
    """The kernel of this host. LUSTRE_SIM_SOCKET names another socket (several daemons on one machine, in tests)."""
    return KernelClient(os.environ.get("LUSTRE_SIM_SOCKET", SOCKET))
