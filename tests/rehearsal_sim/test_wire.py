# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LNet over real TCP: several nodes of one process on addresses 127.0.x.y."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lustre_sim.sim_error import SimError

from tests.rehearsal_sim.support import make_node

# Workers of a parallel run must not meet on 127.0.0.0/8.
PORT = 9980 + 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SERVER, ROUTER, ROUTER1, CLIENT = "127.0.10.11", "127.0.10.30", "127.0.11.30", "127.0.11.42"


class Site:
    """server on tcp, client on tcp1, a router between them; nothing configured yet."""

    def __init__(self, folder: Path) -> None:
        self.server = make_node(folder, "server", {"eth0": f"{SERVER}/24"}, lnet_port=PORT)
        self.router = make_node(folder, "router", {"eth0": f"{ROUTER}/24", "eth1": f"{ROUTER1}/24"}, lnet_port=PORT)
        self.client = make_node(folder, "client", {"eth0": f"{CLIENT}/24"}, lnet_port=PORT)
        for node in self.nodes:
            node.load("lnet")
            node.call("lnet.configure")

    @property
    def nodes(self) -> list[Any]:
        return [self.server, self.router, self.client]

    def networks(self) -> None:
        self.server.call("lnet.net_add", net="tcp0", interfaces=["eth0"])
        self.router.call("lnet.net_add", net="tcp", interfaces=["eth0"])
        self.router.call("lnet.net_add", net="tcp1", interfaces=["eth1"])
        self.client.call("lnet.net_add", net="tcp1", interfaces=["eth0"])

    def routes(self) -> None:
        self.router.call("lnet.set", key="routing", value=1)
        self.server.call("lnet.route_add", net="tcp1", gateway=f"{ROUTER}@tcp")
        self.client.call("lnet.route_add", net="tcp", gateway=f"{ROUTER1}@tcp1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for node in made.nodes:
        node.lnet.unload()


def error_of(node: Any, nid: str) -> int:
    """errno of a ping, 0 when it is answered."""
    try:
        node.call("lnet.ping", nid=nid)
    except Exception as error:
        return int(getattr(error, "errno", -1))
    return 0


def connects(address: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, PORT)) == 0


def test_nothing_listens_without_an_ni(site: Site) -> None:
    assert not connects(SERVER)
    site.server.call("lnet.net_add", net="tcp", interfaces=["eth0"])
    assert connects(SERVER)
    assert not connects(ROUTER)
    site.server.call("lnet.net_del", net="tcp")
    assert not connects(SERVER)


def test_ping_and_what_is_on_the_other_side(site: Site) -> None:
    site.networks()
    assert site.server.call("lnet.ping", nid=f"{ROUTER}@tcp")["nids"] == [f"{ROUTER}@tcp", f"{ROUTER1}@tcp1"]
    assert error_of(site.server, "127.0.10.99@tcp") == errno.ECONNREFUSED
    assert error_of(site.server, f"{CLIENT}@tcp1") == errno.EHOSTUNREACH


def test_a_nid_that_is_not_the_other_nodes_is_reset(site: Site) -> None:
    """The address is right, the network is not: "No matching NI"."""
    site.networks()
    site.server.call("lnet.net_add", net="tcp7", interfaces=["eth0"])
    assert error_of(site.server, f"{ROUTER}@tcp7") == errno.ECONNRESET
    assert "No matching NI" in "".join(site.router.log_lines)


def test_a_router_forwards(site: Site) -> None:
    site.networks()
    site.routes()
    assert error_of(site.client, f"{SERVER}@tcp") == 0
    assert error_of(site.server, f"{CLIENT}@tcp1") == 0
    (route,) = site.client.call("lnet.route_show")
    assert (route["state"], route["type"]) == ("up", "single-hop")


def test_a_router_without_routing_is_down(site: Site) -> None:
    site.networks()
    site.routes()
    site.router.call("lnet.set", key="routing", value=0)
    site.router.tick()
    assert site.client.call("lnet.route_show")[0]["state"] == "down"
    assert error_of(site.client, f"{SERVER}@tcp") == errno.EHOSTUNREACH
    site.router.call("lnet.set", key="routing", value=1)
    assert error_of(site.client, f"{SERVER}@tcp") == 0


def test_a_missing_way_back_is_a_time_out(site: Site) -> None:
    site.networks()
    site.routes()
    site.server.call("lnet.route_del", net="tcp1", gateway=f"{ROUTER}@tcp")
    assert error_of(site.client, f"{SERVER}@tcp") == errno.ETIMEDOUT
    assert error_of(site.server, f"{CLIENT}@tcp1") == errno.EHOSTUNREACH


def test_a_second_router_takes_over(site: Site, tmp_path: Path) -> None:
    site.networks()
    site.routes()
    second = make_node(tmp_path, "second", {"eth0": "127.0.10.31/24", "eth1": "127.0.11.31/24"}, lnet_port=PORT)
    second.load("lnet")
    second.call("lnet.configure")
    second.call("lnet.net_add", net="tcp", interfaces=["eth0"])
    second.call("lnet.net_add", net="tcp1", interfaces=["eth1"])
    second.call("lnet.set", key="routing", value=1)
    site.client.call("lnet.route_add", net="tcp", gateway="127.0.11.31@tcp1", priority=1)
    site.server.call("lnet.route_add", net="tcp1", gateway="127.0.10.31@tcp", priority=1)
    assert error_of(site.client, f"{SERVER}@tcp") == 0
    site.router.call("lnet.unconfigure")
    assert error_of(site.client, f"{SERVER}@tcp") == 0
    states = {route["gateway"]: route["state"] for route in site.client.call("lnet.route_show")}
    assert states == {f"{ROUTER1}@tcp1": "down", "127.0.11.31@tcp1": "up"}
    second.lnet.unload()


def test_requests_and_their_errors_travel(site: Site) -> None:
    site.networks()
    site.routes()
    site.server._services["echo.say"] = lambda from_nid, word: f"{from_nid} said {word}"
    site.server._services["echo.fail"] = _busy
    assert site.client.rpc(f"{SERVER}@tcp", {"service": "echo.say", "word": "hi"}) == f"{CLIENT}@tcp1 said hi"
    with pytest.raises(Exception, match="EBUSY: no time"):
        site.client.rpc(f"{SERVER}@tcp", {"service": "echo.fail"})
    assert site.server.rpc(f"{SERVER}@tcp", {"service": "echo.say", "word": "me"}) == "0@lo said me"


def _busy(from_nid: str) -> None:
    raise SimError(errno.EBUSY, "no time")


def test_two_nodes_may_call_each_other_from_within_a_request(site: Site) -> None:
    """What mounts do; a lock held over a message would end here."""
    site.networks()
    site.routes()
    site.server._services["echo.back"] = lambda from_nid: site.server.rpc(from_nid, {"service": "echo.end"})
    site.client._services["echo.end"] = lambda from_nid: "done"
    assert site.client.rpc(f"{SERVER}@tcp", {"service": "echo.back"}, timeout=10.0) == "done"


def test_discovery_and_the_peer_table(site: Site) -> None:
    site.networks()
    found = site.server.call("lnet.discover", nid=f"{ROUTER}@tcp")
    assert found == {"primary": f"{ROUTER}@tcp", "multi_rail": True, "nids": [f"{ROUTER}@tcp", f"{ROUTER1}@tcp1"]}
    site.router.call("lnet.set", key="discovery", value=0)
    site.client.call("lnet.discover", nid=f"{ROUTER1}@tcp1")
    (peer,) = site.client.call("lnet.peer_show")
    assert (peer["multi_rail"], [ni["nid"] for ni in peer["nis"]]) == (False, [f"{ROUTER1}@tcp1"])
    site.server.call("lnet.net_del", net="tcp")
    assert site.server.call("lnet.peer_show") == []


def test_an_interface_that_loses_its_address(site: Site) -> None:
    site.networks()
    site.client.lnet.interfaces.addresses["eth0"] = None
    site.client.tick()
    assert site.client.call("lnet.net_show", net="tcp1")[0]["nis"][0]["status"] == "down"
    assert not connects(CLIENT)
    site.client.lnet.interfaces.addresses["eth0"] = f"{CLIENT}/24"
    site.client.tick()
    assert site.client.call("lnet.net_show", net="tcp1")[0]["nis"][0]["status"] == "up"
    assert connects(CLIENT)


def test_routing_starts_and_stops_with_a_delay(tmp_path: Path) -> None:
    node = make_node(tmp_path, "router", {"eth0": f"{ROUTER}/24"}, lnet_port=PORT, routing_delay=0.3)
    node.load("lnet")
    node.call("lnet.configure")
    assert node.call("lnet.routing_show") is None
    node.call("lnet.set", key="large", value=512)  # accepted and forgotten: there are no buffers
    node.call("lnet.set", key="routing", value=1)
    node.call("lnet.set", key="tiny", value=1024)
    shown = node.call("lnet.routing_show")
    assert shown["enable"] == 3
    assert {pool["name"]: pool["nbuffers"] for pool in shown["pools"]} == {"tiny": 1024, "small": 16384, "large": 1024}
    time.sleep(0.4)
    assert node.call("lnet.routing_show")["enable"] == 1
    node.call("lnet.set", key="routing", value=0)
    with pytest.raises(Exception, match="EBUSY"):
        node.call("lnet.set", key="routing", value=1)
    time.sleep(0.4)
    assert node.call("lnet.routing_show")["enable"] == 0
    node.lnet.unload()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"LSim",
        struct.pack("!4sI", b"LSim", 0xFFFFFFFF),
        b"\0" * 4096,
        struct.pack("!4sI", b"LSim", 2) + b"[]",
        struct.pack("!4sI", b"LSim", 3) + b"\xff\xfe\xfd",
        struct.pack("!4sI", b"LSim", 2) + b"{}",
        struct.pack("!4sI", b"LSim", 11) + b'{"hello":1}',
        struct.pack("!4sI", b"LSim", 100_000) + b"[" * 100_000,
    ],
)
def test_garbage_is_refused_and_harmless(site: Site, garbage: bytes) -> None:
    site.networks()
    with socket.create_connection((SERVER, PORT), timeout=8.0) as connection:
        connection.sendall(garbage)
        # the other side may already have hung up on what it took for noise
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(16) == b""
    assert error_of(site.router, f"{SERVER}@tcp") == 0


def test_a_silent_peer_is_a_time_out(site: Site) -> None:
    site.server.call("lnet.net_add", net="tcp", interfaces=["eth0"])
    with socket.create_server(("127.0.10.77", PORT)):
        started = time.monotonic()
        assert error_of(site.server, "127.0.10.77@tcp") == errno.ETIMEDOUT
    assert time.monotonic() - started < 6.0


def test_many_at_once(site: Site) -> None:
    site.networks()
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(error_of(site.server, f"{ROUTER}@tcp"))) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 50


def test_module_options_count_from_the_load_on(tmp_path: Path) -> None:
    node = make_node(tmp_path, "host", {"eth0": f"{SERVER}/24", "eth1": f"{ROUTER}/24"}, lnet_port=PORT)
    folder = Path(node.settings["modprobe_dir"])
    folder.mkdir(parents=True)
    (folder / "lustre.conf").write_text(
        'options lnet networks="tcp3(eth1)" accept_port=9979 lnet_transaction_timeout=90\n'
        "options ksocklnd peer_credits=16 credits=512\n"
    )
    node.load("lnet")
    node.call("lnet.configure", all=True)
    assert node.lnet.nids() == [f"{ROUTER}@tcp3"]
    (net,) = node.call("lnet.net_show", net="tcp3")
    assert net["nis"][0]["tunables"] == {
        "peer_timeout": 180,
        "peer_credits": 16,
        "peer_buffer_credits": 0,
        "credits": 512,
    }
    assert node.call("lnet.global_show")["lnd_timeout"] == 29
    assert node.lnet.port == 9979
    (folder / "lustre.conf").write_text("options lnet networks=tcp\n")
    node.call("lnet.unconfigure")
    node.call("lnet.configure", all=True)
    assert node.lnet.nids() == [f"{ROUTER}@tcp3"]
    node.call("node.unload")
    node.load("lnet")
    node.lnet.ensure_configured()
    assert node.lnet.nids() == [f"{SERVER}@tcp"]  # the silent fall-back: tcp on the first interface
    node.lnet.unload()


def test_unconfigure_is_refused_while_something_is_mounted(site: Site) -> None:
    site.networks()
    site.server.parts["mounts"] = type("Mounts", (), {"holds_lnet": lambda self: True})()
    with pytest.raises(Exception, match="EBUSY: Object busy"):
        site.server.call("lnet.unconfigure")
    del site.server.parts["mounts"]
    site.server.call("lnet.net_del", net="tcp")  # this one is not, as recorded


def test_modules_that_hold_lnet_bring_it_up_and_keep_it(site: Site) -> None:
    """2.17.0: `modprobe lustre` alone gives a tcp on the first interface; unconfigure is then EBUSY, until the modules go."""
    node = site.server
    node.call("node.unload")
    node.call("node.load", module="lnet")
    assert not node.lnet.configured
    node.call("node.load", module="lustre")
    assert node.lnet.nids() == ["127.0.10.11@tcp"]
    with pytest.raises(Exception, match="EBUSY: Object busy"):
        node.call("lnet.unconfigure")
    node.call("node.unload")
    node.call("node.load", module="lnet")
    assert not node.lnet.configured
    node.call("lnet.unconfigure")


def test_net_set_does_what_the_real_one_does(site: Site) -> None:
    site.networks()
    node = site.server
    nid = node.lnet.nids()[0]
    (ni,) = [ni for nis in node.lnet.nets.values() for ni in nis if ni.nid == nid]
    before = ni.lnd_tunables["conns_per_peer"]
    node.call("lnet.net_set", nid=nid, conns_per_peer=before + 1)
    assert ni.lnd_tunables["conns_per_peer"] == before
    with pytest.raises(Exception, match="EINVAL: unsupported NID"):
        node.call("lnet.net_set", nid="eth0@tcp", conns_per_peer=2)
    node.call("lnet.net_set", net="tcp99", conns_per_peer=before + 2)
    assert ni.lnd_tunables["conns_per_peer"] == before + 2
    node.call("lnet.net_set", net="tcp", conns_per_peer=before + 3, lnd_timeout=20)
    assert (ni.lnd_tunables["conns_per_peer"], ni.lnd_tunables["timeout"]) == (before + 2, 20)
