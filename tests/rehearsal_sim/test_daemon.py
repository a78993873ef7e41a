# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon as a process of its own, and the tools that start it and talk to it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lustre_sim import client
from lustre_sim.daemon import Daemon
from lustre_sim.sim_error import SimError

from tests.rehearsal_sim.support import TOOLS, make_node


class Host:
    """A host whose kernel is a real daemon; its state is under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "kernel.sock"
        (folder / "node").mkdir()
        (folder / "site").mkdir()
        settings = {"interfaces": {"eth0": "127.0.20.11/24"}, "lnet_port": 9970, "modprobe_dir": str(folder / "none")}
        (folder / "node" / "settings.json").write_text(json.dumps(settings))

    def start(self) -> None:
        arguments = ("--persistent", str(self.folder / "node"), "--site", str(self.folder / "site"), "--name", "host")
        client.start_daemon(str(self.socket), (*client.DAEMON, *arguments))

    def tool(self, *argv: str, stdin: str = "") -> tuple[int, str, str]:
        environment = {"LUSTRE_SIM_SOCKET": str(self.socket), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(
            [str(TOOLS / argv[0]), *argv[1:]],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def processes(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
                if str(self.socket).encode() in words:
                    found.append(int(entry.name))
        return found

    def stop(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + 5.0
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.stop()
    assert made.processes() == []


def test_a_node_comes_up_by_the_tools(host: Host) -> None:
    assert host.tool("lctl", "list_nids")[0] == 1
    assert host.processes() == []  # asking does not start anything
    host.start()
    assert host.tool("lctl", "list_nids")[0] == 1  # a daemon without modules is as good as none
    assert host.tool("modprobe", "lnet") == (0, "", "")
    assert host.tool("lnetctl", "lnet", "configure") == (0, "", "")
    assert host.tool("lnetctl", "net", "add", "--net", "tcp", "--if", "eth0") == (0, "", "")
    assert host.tool("lctl", "list_nids") == (0, "127.0.20.11@tcp\n", "")
    assert "ksocklnd" in host.tool("lsmod")[1]
    assert host.tool("lctl", "ping", "127.0.20.11@tcp") == (0, "12345-0@lo\n127.0.20.11@tcp\n", "")


def test_the_daemon_has_a_session_of_its_own_and_its_memory_ends_with_it(host: Host) -> None:
    host.start()
    (process,) = host.processes()
    assert os.getsid(process) not in (os.getsid(0), 0)
    assert os.stat(f"/proc/{process}").st_uid == 0
    host.tool("modprobe", "lnet")
    host.tool("lnetctl", "lnet", "configure")
    host.stop()
    assert not host.socket.exists()
    host.start()
    assert host.tool("lnetctl", "net", "show")[2] == "Writer error: failed to resolve Netlink family id\n"


def test_a_killed_daemon_leaves_a_socket_that_is_replaced(host: Host) -> None:
    host.start()
    for process in host.processes():
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 5.0
    while host.processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert host.socket.exists()
    assert host.tool("lctl", "list_nids")[0] == 1
    host.start()
    assert len(host.processes()) == 1


def test_there_is_one_daemon_per_socket(host: Host) -> None:
    host.start()
    node = make_node(host.folder, "second", {})
    with pytest.raises(SimError, match="EADDRINUSE"):
        Daemon(node, str(host.socket)).open()
    assert len(host.processes()) == 1


def test_users_may_look_but_not_touch(tmp_path: Path) -> None:
    node = make_node(tmp_path, "host", {"eth0": "127.0.20.12/24"}, lnet_port=9970)
    node.load("lnet")
    daemon = Daemon(node, str(tmp_path / "kernel.sock"))
    assert daemon.answer({"op": "lnet.configure", "args": {}}, False)["errno"] == errno.EPERM
    assert daemon.answer({"op": "lnet.configure", "args": {}}, True) == {"value": None}
    assert daemon.answer({"op": "lnet.net_show", "args": {}}, False)["value"][0]["net"] == "lo"
    for request in (
        {},
        {"op": 1},
        {"op": "lnet.nids", "args": []},
        {"op": "no.such"},
        {"op": "lnet.nids", "args": {"x": 1}},
    ):
        assert "errno" in daemon.answer(request, True)
    node.lnet.unload()


def test_garbage_on_the_socket_is_harmless(host: Host) -> None:
    host.start()
    for garbage in (b"", b"hello\n", b"LSim\xff\xff\xff\xff", b"LSim\0\0\0\x02[]"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(host.socket))
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(16) == b""
    assert host.tool("modprobe", "lnet")[0] == 0


def test_modprobe_passes_on_what_is_not_lustres(host: Host) -> None:
    rc, out, err = host.tool("modprobe", "no_such_module")
    assert (rc, out) == (1, "")
    assert err.startswith("modprobe: FATAL: Module no_such_module not found")
    assert host.processes() == []


def test_a_tool_starts_fast(host: Host) -> None:
    """Ansible calls many of them; an import of something heavy would show here, beside a Python that does nothing."""
    host.start()
    host.tool("modprobe", "lnet")
    nothing = ["/usr/bin/python3", "-IS", "-c", "pass"]
    tools, bare = [], []
    for _ in range(7):
        tools.append(_seconds(lambda: host.tool("lctl", "list_nids")))
        bare.append(_seconds(lambda: subprocess.run(nothing, check=True)))
    assert min(tools) / min(bare) < 12


def _seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
