"""A small pure LNet: takes the command lines of the plan, answers in the shapes of the recordings.

It is no simulation of Lustre, only enough of a state machine to ask whether a plan,
once carried out, leaves nothing to do.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_system import MOUNT_TABLE, Reader
from ansible_collections.lustre.core.plugins.module_utils._run import Result

DEFAULTS = {
    "numa_range": 0,
    "max_interfaces": 200,
    "discovery": 1,
    "drop_asym_route": 0,
    "retry_count": 2,
    "transaction_timeout": 150,
    "health_sensitivity": 100,
    "recovery_interval": 1,
    "router_sensitivity": 100,
    "lnd_timeout": 49,
    "response_tracking": 3,
    "recovery_limit": 0,
    "max_recovery_ping_interval": 900,
}
TUNABLES = {"peer_timeout": 180, "peer_credits": 8, "peer_buffer_credits": 0, "credits": 256}
POOLS = {"tiny": (2048, 0), "small": (16384, 1), "large": (1024, 256)}


def failed(verb: str, thing: str, errno: int, text: str = "x") -> Result:
    """The error document of the netlink commands of 2.17.0, on standard error, always with 234."""
    return Result(234, "", f'---\n{verb}:\n-     {thing}:\n      errno: -{errno}\n      descr: ! "{text}"\n...\n')


class LnetModel:
    """One node; call it like a runner."""

    def __init__(
        self, links: dict[str, list[str]] | None = None, loaded: bool = False, up: bool = False, partitions: int = 2
    ) -> None:
        self.links = links or {
            "lo": ["127.0.0.1"],
            "eth0": ["10.77.0.11"],
            "eth1": ["10.77.1.11"],
            "eth2": ["10.77.2.11"],
        }
        self.loaded, self.up, self.partitions = loaded or up, up, partitions
        self.nis: list[dict[str, Any]] = []
        self.routes: list[dict[str, Any]] = []
        self.routing, self.pools = 0, dict.fromkeys(POOLS, 0)
        self.settings = dict(DEFAULTS)
        self.peers: list[dict[str, Any]] = []
        self.udsp: list[dict[str, Any]] = []
        self.files: dict[str, str] = {}
        self.reload_needed = False
        self.calls: list[tuple[str, ...]] = []
        self.help = "\t--nid: bring up NI based on the address of the specified LNet NID\n"

    # ---- the node around LNet ----

    def reader(self) -> Reader:
        folder = "/etc/modprobe.d/"
        return Reader(
            read=self.files.get, modprobe_files=lambda: sorted(path for path in self.files if path.startswith(folder))
        )

    def write(self, change: FileWrite) -> None:
        self.reload_needed |= change.path.startswith("/etc/systemd/")
        if change.content is None:
            self.files.pop(change.path, None)
        else:
            self.files[change.path] = change.content

    def mount(self, *lines: str) -> None:
        self.files[MOUNT_TABLE] = "".join(f"{line}\n" for line in lines)

    def counted(self) -> Counter[str]:
        return Counter(call[0] for call in self.calls)

    # ---- programs ----

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        self.calls.append(tuple(argv))
        if argv[0] == "lnetctl":
            handler = getattr(
                self, f"_{argv[1]}_{argv[2].replace('-', '_')}" if argv[1] not in ("set", "export") else f"_{argv[1]}"
            )
            return handler(list(argv), _options(argv))
        return getattr(self, f"_run_{argv[0]}")(list(argv))

    def _run_ip(self, argv: list[str]) -> Result:
        shown = [
            {
                "ifname": name,
                "flags": ["UP"],
                "addr_info": [{"family": "inet", "local": address} for address in addresses],
            }
            for name, addresses in self.links.items()
        ]
        return Result(0, json.dumps(shown), "")

    def _run_systemctl(self, argv: list[str]) -> Result:
        if argv[1] == "daemon-reload":
            self.reload_needed = False
            return Result(0, "", "")
        return Result(0, f"NeedDaemonReload={'yes' if self.reload_needed else 'no'}\n", "")

    def _run_modprobe(self, argv: list[str]) -> Result:
        self.loaded = True
        return Result(0, "", "")

    def _lnet_configure(self, argv: list[str], given: dict[str, str]) -> Result:
        self.up = True
        return Result(0, "", "")

    # ---- networks ----

    def add(self, net: str, interface: str, **given: Any) -> None:
        """Put an NI there, as an administrator would."""
        lnd = {"conns_per_peer": 1, "timeout": 50, "tos": -1}
        tunables = {**TUNABLES, **{key: value for key, value in given.items() if key in TUNABLES}}
        lnd.update({key: value for key, value in given.items() if key in lnd})
        self.nis.append(
            {
                "net": net,
                "if": interface,
                "nid": f"{self.links[interface][0]}@{net}",
                "tunables": tunables,
                "lnd": lnd,
                "cpts": given.get("cpts") or list(range(self.partitions)),
                "status": given.get("status", "up"),
            }
        )

    def _net_add(self, argv: list[str], given: dict[str, str]) -> Result:
        if argv[3] == "--help":
            return Result(1, f"net add: add a network\n\t--net: net name\n{self.help}\t--if: physical interface\n", "")
        if not self.up:
            return failed("add", "net", 108)
        if "nid" in given:
            return self._net_add_nid(given)
        names = given["if"].split(",")
        if any(ni["net"] == given["net"] and ni["if"] in names for ni in self.nis):
            return failed("add", "net", 17)
        values: dict[str, Any] = {
            key.replace("-", "_"): int(value) for key, value in given.items() if key not in ("net", "if", "cpt")
        }
        if "cpt" in given:
            values["cpts"] = [int(part) for part in given["cpt"].strip("[]").split(",")]
        for name in names:
            self.add(given["net"], name, **values)
        return Result(0, "10.77.0.0/24 dev eth0 proto kernel scope link src 10.77.0.11\n", "")

    def _net_add_nid(self, given: dict[str, str]) -> Result:
        """By a NID: the interface that has its address; the network and the interface may not be named."""
        address, _, net = given["nid"].rpartition("@")
        name = next((name for name, addresses in self.links.items() if address in addresses), None)
        if name is None:
            return failed("add", "net", 100, "cannot add LNet NI")
        if "net" in given or "if" in given or any(ni["nid"] == given["nid"] for ni in self.nis):
            return failed("add", "net", 17)
        self.add(net, name, **{key.replace("-", "_"): int(value) for key, value in given.items() if key != "nid"})
        self.nis[-1]["nid"] = given["nid"]
        return Result(0, "", "")

    def _net_del(self, argv: list[str], given: dict[str, str]) -> Result:
        kept = [ni for ni in self.nis if ni["net"] != given["net"] or given.get("if", ni["if"]) != ni["if"]]
        if len(kept) == len(self.nis):
            return failed("del", "net", 22, "cannot del network")
        self.nis = kept
        if not any(ni["net"] == given["net"] for ni in kept):
            self._net_gone(given["net"])
        return Result(0, "", "")

    def _net_gone(self, net: str) -> None:
        """With a network's last interface LNet forgets the routes and peers that were reached over it."""
        self.routes = [route for route in self.routes if not route["gateway"].endswith(f"@{net}")]
        for peer in self.peers:
            peer["nids"] = [nid for nid in peer["nids"] if not nid.endswith(f"@{net}")]
        self.peers = [peer for peer in self.peers if peer["primary"] in peer["nids"]]

    def _net_set(self, argv: list[str], given: dict[str, str]) -> Result:
        """With ``--nid`` 2.17.0 changes nothing and ends with 0; without it all interfaces are set."""
        for ni in self.nis if "nid" not in given else ():
            ni["lnd"]["conns_per_peer"] = int(given["conns-per-peer"])
        return Result(0, "", "")

    def _net_show(self, argv: list[str], given: dict[str, str]) -> Result:
        if not self.loaded:
            return Result(234, "", "Writer error: failed to resolve Netlink family id\n")
        if not self.up:
            return failed("show", "net", 100, "Unspecific failure")
        return Result(0, self._nets(), "")

    def _nets(self) -> str:
        lines = ["net:", "-     net type: lo", "      local NI(s):", "      -     nid: 0@lo", "            status: up"]
        for net in dict.fromkeys(ni["net"] for ni in self.nis):
            lines += [f"-     net type: {net}", "      local NI(s):"]
            for ni in self.nis:
                if ni["net"] == net:
                    lines += [
                        f"      -     nid: {ni['nid']}",
                        f"            status: {ni['status']}",
                        "            interfaces:",
                    ]
                    lines += [
                        f"                  0: {ni['if']}",
                        "            statistics:",
                        "                  send_count: 0",
                    ]
                    lines += ["            tunables:"] + [
                        f"                  {key}: {value}" for key, value in ni["tunables"].items()
                    ]
                    lines += ["            lnd tunables:"] + [
                        f"                  {key}: {value}" for key, value in ni["lnd"].items()
                    ]
                    lines += ["            dev cpt: -1", f'            CPT: "[{",".join(map(str, ni["cpts"]))}]"']
        return "\n".join(lines) + "\n"

    # ---- routes, routing, settings ----

    def _route_add(self, argv: list[str], given: dict[str, str]) -> Result:
        if any(route["net"] == given["net"] and route["gateway"] == given["gateway"] for route in self.routes):
            return failed("add", "route", 17, "Route already exists or the specified network is local")
        if not any(ni["net"] == normal_net(given["gateway"].rpartition("@")[2]) for ni in self.nis):
            return failed("add", "route", 113, "No interface configured on the same net as gateway")
        hop, priority = int(given.get("hop", -1)), int(given.get("priority", 0))
        self.routes.append({"net": given["net"], "gateway": given["gateway"], "hop": hop, "priority": priority})
        return Result(0, "", "")

    def _route_del(self, argv: list[str], given: dict[str, str]) -> Result:
        self.routes = [
            route for route in self.routes if (route["net"], route["gateway"]) != (given["net"], given["gateway"])
        ]
        return Result(0, "", "")

    def _route_show(self, argv: list[str], given: dict[str, str]) -> Result:
        lines = []
        for route in self.routes:
            lines += [f"-     net: {route['net']}", f"      gateway: {route['gateway']}", f"      hop: {route['hop']}"]
            lines += [f"      priority: {route['priority']}", "      state: up", "      type: multi-hop"]
        return Result(0, "".join(f"{line}\n" for line in ["route:"] * bool(lines) + lines), "")

    def _set(self, argv: list[str], given: dict[str, str]) -> Result:
        key, value = argv[2], int(argv[3])
        if key == "routing":
            self.routing = 3 if value else 2
            self.pools = {pool: size for pool, (size, _pages) in POOLS.items()} if value else dict.fromkeys(POOLS, 0)
        elif key.endswith("_buffers"):
            self.pools[key[: -len("_buffers")]] = max(value // self.partitions, 1) * self.partitions
        elif key in self.settings:
            self.settings[key] = value
        else:
            return Result(255, "", f"lnetctl: '{key}' is not a valid command. See 'lnetctl --list-commands'.\n")
        return Result(0, "", "")

    def _routing_show(self, argv: list[str], given: dict[str, str]) -> Result:
        if self.routing == 0:
            return Result(0, "", "")
        lines = ["routing:"]
        for cpt in range(self.partitions):
            lines.append(f"    - cpt[{cpt}]:")
            for pool, (_size, pages) in POOLS.items():
                count = self.pools[pool] // self.partitions
                lines += [f"          {pool}:", f"              npages: {pages}", f"              nbuffers: {count}"]
                lines += [f"              credits: {count}", f"              mincredits: {count}"]
        lines += [f"    - enable: {self.routing}", "buffers:"] + [
            f"    {pool}: {count}" for pool, count in self.pools.items()
        ]
        return Result(0, "\n".join(lines) + "\n", "")

    def _global_show(self, argv: list[str], given: dict[str, str]) -> Result:
        return Result(0, "global:\n" + "".join(f"    {key}: {value}\n" for key, value in self.settings.items()), "")

    # ---- peers and policies ----

    def _peer_add(self, argv: list[str], given: dict[str, str]) -> Result:
        nids = given["nid"].split(",") if "nid" in given else []
        for peer in self.peers:
            if peer["primary"] == given["prim_nid"]:
                peer["nids"] += [nid for nid in nids if nid not in peer["nids"]]
                return Result(0, "", "")
        self.peers.append({"primary": given["prim_nid"], "nids": [given["prim_nid"], *nids], "state": 9})
        return Result(0, "", "")

    def _peer_del(self, argv: list[str], given: dict[str, str]) -> Result:
        for peer in list(self.peers):
            if peer["primary"] == given["prim_nid"]:
                if "nid" in given:
                    peer["nids"].remove(given["nid"])
                else:
                    self.peers.remove(peer)
                return Result(0, "", "")
        return Result(234, "", "")

    def _peer_show(self, argv: list[str], given: dict[str, str]) -> Result:
        if not self.peers:
            return Result(0, "", "")
        lines = ["peer:"]
        for peer in self.peers:
            lines += [
                f"-     primary nid: {peer['primary']}",
                "      Multi-Rail: true",
                f"      peer state: {peer['state']}",
                "      peer ni:",
            ]
            for nid in peer["nids"]:
                lines += [f"      -     nid: {nid}", "            state: NA"]
        return Result(0, "\n".join(lines) + "\n", "")

    def _udsp_add(self, argv: list[str], given: dict[str, str]) -> Result:
        ends = {end: given.get(end) for end in ("src", "dst", "rte")}
        if any({end: rule[end] for end in ends} == ends for rule in self.udsp):
            descr = '"cannot add udsp: Operation already in progress"'
            return Result(114, "", f"add:\n    - udsp:\n          errno: 114\n          descr: {descr}\n")
        single = (ends["src"] is None) != (ends["dst"] is None) and ends["rte"] is None
        priority = int(given["priority"]) if "priority" in given else 0 if single else None
        self.udsp.insert(int(given.get("idx", len(self.udsp))), {**ends, "priority": priority})
        return Result(0, "", "")

    def _udsp_del(self, argv: list[str], given: dict[str, str]) -> Result:
        if int(given["idx"]) >= len(self.udsp):
            return Result(
                254,
                "",
                'add:\n    - udsp:\n          errno: -2\n          descr: "cannot del udsp: No such file or directory"\n',
            )
        del self.udsp[int(given["idx"])]
        return Result(0, "", "")

    def _udsp_show(self, argv: list[str], given: dict[str, str]) -> Result:
        lines = ["udsp:"] * bool(self.udsp)
        for idx, rule in enumerate(self.udsp):
            lines += [f"    - idx: {idx}"] + [f"      {end}: {rule[end]}" for end in ("src", "dst", "rte") if rule[end]]
            lines += (
                ["      action:", f"          priority: {rule['priority']}"] if rule["priority"] is not None else []
            )
        return Result(0, "".join(f"{line}\n" for line in lines), "")

    # ---- everything at once ----

    def _export(self, argv: list[str], given: dict[str, str]) -> Result:
        if not self.up:
            nets = self._net_show(argv, given)
            broken = 'show:\n    - routing:\n          errno: -100\n          descr: "cannot get routing information: Network is down"\n'
            return Result(0, broken, nets.err)
        shown = (self._route_show, self._peer_show, self._routing_show, self._global_show, self._udsp_show)
        return Result(0, self._nets() + "".join(show(argv, given).out for show in shown), "")


def _options(argv: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word, value in zip(argv, [*argv[1:], ""]):
        if word.startswith("--"):
            given[word[2:]] = value
    return given
