# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of LNet: sending to a NID, serving, and forwarding on a router.

On the wire a message is an object with ``hello`` (the NID whose acceptor is meant; another one is refused with a
reset), ``dst``, ``src``, ``kind`` (``ping`` or ``rpc``), ``via`` (the router it came through), ``ttl``, ``timeout``
and ``body``.  Answers: ``value``; ``errno`` and ``text`` of the service's error; ``drop`` where the real LNet would
drop without a word, so that the sender sees a time-out (here without waiting for it).

A message is answered only when the receiver has a way back to the sender's net: a missing return route is a
time-out, whatever the TCP connection would allow.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..sim_error import SimError
from .lnet_ni import Ni
from .nids import canonical_nid, net_of, split_nid
from .wire import Message, Wire

if TYPE_CHECKING:
    from ..node import Operation
    from .lnet import Lnet

MAX_ROUTERS = 8
# The next gateway may be tried: the message has not been handled by anybody.
NOT_SENT = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.ECONNRESET, errno.ENETDOWN)
STATISTICS = (
    "msgs_alloc",
    "msgs_max",
    "rst_alloc",
    "errors",
    "send_count",
    "resend_count",
    "response_timeout_count",
    "local_interrupt_count",
    "local_dropped_count",
    "local_aborted_count",
    "local_no_route_count",
    "local_timeout_count",
    "local_error_count",
    "remote_dropped_count",
    "remote_error_count",
    "remote_timeout_count",
    "network_timeout_count",
    "failed_resends",
    "successful_resends",
    "recv_count",
    "route_count",
    "drop_count",
    "send_length",
    "recv_length",
    "route_length",
    "drop_length",
)
MESSAGE_LENGTH = 48  # what a ping adds to the length counters


class Messages:
    def __init__(self, lnet: Lnet) -> None:
        self._lnet = lnet
        self.wire = Wire(self._incoming)
        self._statistics = dict.fromkeys(STATISTICS, 0)

    def ops(self) -> Mapping[str, Operation]:
        return {
            "ping": self.ping,
            "discover": self.discover,
            "which_nid": self.which_nid,
            "stats_show": self.stats_show,
            "stats_reset": self.stats_reset,
        }

    # -- for tools ---------------------------------------------------------------------------------------------

    def ping(self, nid: str, timeout: float = 1.0, source: str | None = None) -> dict[str, Any]:
        """The NIDs of the node behind ``nid``: {"primary", "multi_rail", "nids"}; enters it as a peer."""
        target = self._target(nid)
        answer = self.ask(target, self._patience(timeout), source)
        if self._discovers(answer):
            self._lnet.peers.discovered(target, answer["nids"])
        return {"primary": target, "multi_rail": self._discovers(answer), "nids": answer["nids"]}

    def discover(self, nid: str, force: bool = False) -> dict[str, Any]:
        """As ping, but answers with what the peer table then says; every failure is EIO."""
        target = self._target(nid)
        try:
            answer = self.ask(target, self._patience(1.0))
        except SimError as error:
            raise SimError(errno.EIO, f"failed to discover {nid}") from error
        primary = target
        if self._discovers(answer):
            primary = self._lnet.peers.discovered(target, answer["nids"])
        return {
            "primary": primary,
            "multi_rail": self._discovers(answer),
            "nids": self._lnet.peers.nids_of(primary),
        }

    def _target(self, nid: str) -> str:
        self._lnet.require(errno.ENETDOWN, "Network is down")
        target = canonical_nid(nid)
        if target is None:
            raise SimError(errno.EINVAL, f"failed to parse NID {nid}")
        return target

    def _discovers(self, answer: Mapping[str, Any]) -> bool:
        return bool(answer.get("discovery")) and bool(self._lnet.settings.get("discovery"))

    def _patience(self, timeout: float) -> float:
        """Hosts of a rehearsal share a few cores: one second, the real default, is too little. And an address that
        nobody has is "No route to host" only when the kernel gave up on ARP, after three seconds.
        """
        return max(float(timeout), float(self._lnet.node.settings.get("lnet_ping_timeout", 4.0)))

    def which_nid(self, nids: list[str]) -> str | None:
        """The nearest of ``nids``: own, then local net, then routed; None when none can be reached."""
        self._lnet.require(errno.ENETDOWN, "Network is down")
        best: tuple[int, int, str] | None = None
        for order, text in enumerate(nids):
            nid = canonical_nid(text)
            if nid is None:
                raise SimError(errno.EINVAL, text)
            with self._lnet.lock:
                near = 0 if nid in self._lnet.nids() else 1 if net_of(nid) in self._lnet.nets else None
            distance = near if near is not None else 2 if self._lnet.routes.all_gateways_to(net_of(nid)) else None
            if distance is not None and (best is None or (distance, order) < best[:2]):
                best = (distance, order, nid)
        return best[2] if best else None

    def stats_show(self) -> dict[str, int]:
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Network is down")
            return dict(self._statistics)

    def stats_reset(self) -> None:
        with self._lnet.lock:
            self._lnet.require(errno.ENETDOWN, "Network is down")
            self._statistics = dict.fromkeys(STATISTICS, 0)

    # -- sending -----------------------------------------------------------------------------------------------

    def ask(self, nid: str, timeout: float, source: str | None = None) -> dict[str, Any]:
        """A ping as the kernel sees it."""
        answer = self._send(nid, "ping", None, timeout, source)
        if not isinstance(answer, dict) or not isinstance(answer.get("nids"), list):
            raise SimError(errno.EPROTO, f"{nid} answered a ping with something else")
        return answer

    def rpc(self, nid: str, request: Mapping[str, Any], timeout: float) -> Any:
        self._lnet.require(errno.ENETDOWN, "Network is down")
        target = canonical_nid(nid)
        if target is None:
            raise SimError(errno.EINVAL, f"{nid} is not a NID")
        return self._send(target, "rpc", dict(request), timeout)

    def _send(self, nid: str, kind: str, body: Any, timeout: float, source: str | None = None) -> Any:
        if nid == "0@lo" or nid in self._lnet.nids():
            self._count(self._lnet.nets["lo"][0], kind, True)
            if kind == "ping":
                self._lnet.peers.heard(nid, True) if nid != "0@lo" else None
            return self._result(self._serve(kind, body, "0@lo"))
        try:
            answer = self._through(nid, kind, body, timeout, source)
        except SimError:
            self._lnet.peers.heard(nid, False, _counter(kind))
            with self._lnet.lock:
                self._statistics["remote_dropped_count"] += 1
            raise
        self._lnet.peers.heard(nid, True, _counter(kind))
        return self._result(answer)

    def _through(self, nid: str, kind: str, body: Any, timeout: float, source: str | None) -> Message:
        """Over the local net, or over one gateway after the other."""
        failure = SimError(errno.EHOSTUNREACH, f"no route to {nid}")
        for next_nid in self._next_hops(nid):
            with self._lnet.lock:
                ni = self._lnet.local_ni(net_of(next_nid), source)
            if ni is None:
                failure = SimError(errno.ENETDOWN, f"no NI of {net_of(next_nid)} is up")
                continue
            message = {"hello": next_nid, "dst": nid, "src": ni.nid, "kind": kind, "ttl": MAX_ROUTERS, "body": body}
            try:
                return self._over(ni, next_nid, message, timeout)
            except SimError as error:
                failure = error
                if next_nid == nid or error.errno not in NOT_SENT:
                    break
        raise failure

    def _next_hops(self, nid: str) -> list[str]:
        with self._lnet.lock:
            local = net_of(nid) in self._lnet.nets
        return [nid] if local else self._lnet.routes.gateways_to(net_of(nid))

    def _over(self, ni: Ni, next_nid: str, message: Message, timeout: float) -> Message:
        connect = min(float(self._lnet.node.settings.get("lnet_connect_timeout", 4.0)), max(timeout, 1.0))
        message["timeout"] = timeout
        try:
            answer = self.wire.exchange(ni.address, split_nid(next_nid)[0], self._lnet.port, message, connect, timeout)
        except SimError:
            self._lnet.routes.suspect(next_nid)
            self._count(ni, message["kind"], False)
            raise
        self._count(ni, message["kind"], True)
        if "drop" in answer:
            raise SimError(errno.ETIMEDOUT, f"no answer from {message['dst']}: {answer['drop']}")
        return answer

    @staticmethod
    def _result(answer: Message) -> Any:
        if "errno" in answer:
            raise SimError(int(answer["errno"]), str(answer.get("text", "")))
        return answer.get("value")

    def _count(self, ni: Ni, kind: str, answered: bool) -> None:
        with self._lnet.lock:
            ni.counters.sent[_counter(kind)] += 1
            self._statistics["send_count"] += 1
            self._statistics["send_length"] += MESSAGE_LENGTH
            self._statistics["msgs_max"] = max(self._statistics["msgs_max"], 2)
            if answered:
                ni.counters.received["reply" if kind == "ping" else "ack"] += 1
                self._statistics["recv_count"] += 1
                self._statistics["recv_length"] += MESSAGE_LENGTH

    # -- receiving ---------------------------------------------------------------------------------------------

    def _incoming(self, message: Message) -> Message | None:
        """The acceptor's side; None = refuse the connection."""
        hello, dst, src = (message.get(key) for key in ("hello", "dst", "src"))
        if not all(isinstance(text, str) and canonical_nid(text) == text for text in (hello, dst, src)):
            return None
        assert isinstance(dst, str) and isinstance(src, str) and isinstance(hello, str)
        own = self._lnet.nids()
        if hello not in own:
            self._lnet.node.log(f"LNetError: 120-3: Refusing connection from {src} for {hello}: No matching NI")
            return None
        if dst not in own:
            return self._forward(message, dst, src)
        if not self._way_back(src, message.get("via")):
            return self._dropped(f"{dst} has no route to {net_of(src)}")
        self._received(hello, message)
        return self._serve(str(message.get("kind")), message.get("body"), src)

    def _way_back(self, src: str, via: Any) -> bool:
        net = net_of(src)
        with self._lnet.lock:
            if net in self._lnet.nets:
                return True
            asymmetric_allowed = not self._lnet.settings.get("drop_asym_route")
        if not asymmetric_allowed and via not in self._lnet.routes.all_gateways_to(net):
            return False
        return bool(self._lnet.routes.gateways_to(net))

    def _forward(self, message: Message, dst: str, src: str) -> Message:
        ttl, patience = message.get("ttl"), message.get("timeout")
        if not self._lnet.settings.forwards:
            return self._dropped("routing is not enabled")
        if not isinstance(ttl, int) or ttl < 1 or not isinstance(patience, (int, float)):
            return self._dropped("too many routers")
        if not self._way_back(src, None):
            return self._dropped(f"the router has no route to {net_of(src)}")
        with self._lnet.lock:
            self._statistics["route_count"] += 1
            self._statistics["route_length"] += MESSAGE_LENGTH
        for next_nid in self._next_hops(dst):
            ni = self._lnet.local_ni(net_of(next_nid))
            if ni is None:
                continue
            onward = {**message, "hello": next_nid, "via": ni.nid, "ttl": ttl - 1}
            try:
                return self._over(ni, next_nid, onward, float(patience) * 0.9)
            except SimError as error:
                return self._dropped(os.strerror(error.errno))
        return self._dropped(f"no route to {net_of(dst)}")

    def _dropped(self, why: str) -> Message:
        with self._lnet.lock:
            self._statistics["drop_count"] += 1
            self._statistics["drop_length"] += MESSAGE_LENGTH
        return {"drop": why}

    def _received(self, nid: str, message: Message) -> None:
        kind = str(message.get("kind"))
        with self._lnet.lock:
            self._statistics["recv_count"] += 1
            self._statistics["recv_length"] += MESSAGE_LENGTH
            for nis in self._lnet.nets.values():
                for ni in nis:
                    if ni.nid == nid:
                        ni.counters.received[_counter(kind)] += 1
                        ni.counters.sent["reply" if kind == "ping" else "ack"] += 1

    def _serve(self, kind: str, body: Any, src: str) -> Message:
        if kind == "ping":
            return {"value": self._ping_info()}
        if kind != "rpc" or not isinstance(body, dict):
            return {"errno": errno.EPROTO, "text": "unknown message"}
        try:
            return {"value": self._lnet.node.handle_rpc(body, src)}
        except SimError as error:
            return {"errno": error.errno, "text": error.text}
        except (TypeError, ValueError, KeyError, OSError) as error:
            self._lnet.node.log(f"LustreError: request {body.get('service')} from {src} failed: {error!r}")
            return {"errno": errno.EPROTO, "text": f"{type(error).__name__}: {error}"}

    def _ping_info(self) -> dict[str, Any]:
        with self._lnet.lock:
            status = self._lnet.status_of_all()
            nids = self._lnet.nids()
            return {
                "nids": nids,
                "states": {nid: status[nid] for nid in nids},
                "routing": self._lnet.settings.forwards,
                "discovery": bool(self._lnet.settings.get("discovery")),
            }


def _counter(kind: str) -> str:
    return "get" if kind == "ping" else "put"
