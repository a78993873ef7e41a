# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of the simulated network share: recordings, hosts of one process, a wire that leads nowhere."""

from __future__ import annotations

import errno
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REHEARSAL = Path(__file__).parents[2] / "rehearsal"
TOOLS = REHEARSAL / "lustre_sim" / "bin"
if str(REHEARSAL) not in sys.path:
    sys.path.insert(0, str(REHEARSAL))

from lustre_sim import client  # the path above comes first
from lustre_sim.daemon import Daemon
from lustre_sim.node import Clock, Node
from lustre_sim.sim_error import SimError
from lustre_sim.tools import _yaml_in as yaml_in
from lustre_sim.tools import lnetctl

__all__ = [
    "TOOLS",
    "Daemon",
    "DeadWire",
    "Recording",
    "SimError",
    "client",
    "lnetctl",
    "make_node",
    "recording",
    "simulated_host",
    "yaml_in",
]

_SHAPE = re.compile(r"\A\$ (?P<cmd>.*)\n--- rc: (?P<rc>.*)\n--- stdout\n(?P<out>.*)--- stderr\n(?P<err>.*)\Z", re.S)
TRANSCRIPTS = Path(__file__).parents[1] / "contract" / "transcripts"


@dataclass(frozen=True)
class Recording:
    command: str
    rc: str
    out: str
    err: str


def recording(name: str) -> Recording:
    match = _SHAPE.match((TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8"))
    assert match is not None, f"{name} does not have the shape of a transcript"
    return Recording(match["cmd"], match["rc"], match["out"], match["err"])


class DeadWire:
    """Nothing is bound and nobody answers: what a host alone on its network sees."""

    def listen(self, addresses: set[str], port: int) -> dict[str, OSError]:
        return {}

    @staticmethod
    def exchange(source: str, address: str, port: int, message: Any, connect: float, answer: float) -> Any:
        raise SimError(errno.EHOSTUNREACH, f"nobody has {address}")


def make_node(
    folder: Path, name: str, interfaces: Mapping[str, str | None], clock: Clock | None = None, **settings: Any
) -> Node:
    """A node whose state lives under ``folder/name``."""
    home = folder / name
    return Node(
        name,
        str(home / "persistent"),
        str(home / "run"),
        str(folder / "site"),
        clock=clock,
        settings={
            "interfaces": dict(interfaces),
            "modprobe_dir": str(home / "modprobe.d"),
            "router_check_interval": 0.0,
            "routing_delay": 0.0,
            "lnet_connect_timeout": 2.0,
            **settings,
        },
    )


@contextmanager
def simulated_host(folder: Path, interfaces: Mapping[str, str | None]) -> Iterator[Path]:
    """A daemon of this process on a unix socket; its node has no module loaded. Yields the socket."""
    node = make_node(folder, "host", interfaces, routing_delay=3600.0)
    node.lnet.messages.wire = DeadWire()
    daemon = Daemon(node, str(folder / "kernel.sock"))
    daemon.open()
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        yield folder / "kernel.sock"
    finally:
        daemon.ended.set()
        thread.join(5.0)
