# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands for time and network in tests: a clock that does not wait, a wire that leads nowhere, an LNet without sockets."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

from lustre_sim.node import Node, Subsystem
from lustre_sim.sim_error import SimError

Network = dict[str, Node]


class FakeClock:
    """Sleeping is instant and moves time."""

    def __init__(self, start: float = 1_795_373_000.0) -> None:
        self.now = start

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class DeadWire:
    """Nothing is bound and nobody answers: what a host alone on its network sees."""

    def listen(self, addresses: set[str], port: int) -> dict[str, OSError]:
        return {}

    @staticmethod
    def exchange(source: str, address: str, port: int, message: Any, connect: float, answer: float) -> Any:
        raise SimError(errno.EHOSTUNREACH, f"nobody has {address}")


class FakeLnet(Subsystem):
    """The part of LNet that the storage side uses, of one dictionary: nodes of one process reach each other."""

    name = "lnet"

    def __init__(self, node: Node, network: Network, nid: str) -> None:
        super().__init__(node)
        self._network = network
        self._nid = nid
        self._configured = False
        self.down = False

    @property
    def configured(self) -> bool:
        return self._configured

    def ensure_configured(self) -> None:
        """What a mount does when nobody configured LNet: the default network comes up."""
        self._configured = True
        self._network[self._nid] = self.node

    def nids(self) -> list[str]:
        return [self._nid] if self._configured else []

    def rpc(self, nid: str, request: dict[str, Any], timeout: float) -> Any:
        if nid == "0@lo" or nid in self.nids():
            return self.node.handle_rpc(request, "0@lo")
        peer = self._network.get(nid)
        if peer is None or self.down or peer.lnet.down:
            self.node.clock.sleep(timeout)
            raise SimError(errno.ETIMEDOUT, f"{nid} does not answer")
        request = json.loads(json.dumps(request))  # what JSON cannot carry must fail here, too
        return json.loads(json.dumps(peer.handle_rpc(request, self._nid)))

    def unload(self) -> None:
        self._configured = False
        self._network.pop(self._nid, None)


def fake_lnet(network: Network, nid: str) -> Callable[[Node], FakeLnet]:
    return lambda node: FakeLnet(node, network, nid)
