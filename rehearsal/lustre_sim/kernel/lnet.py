# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LNet of one node: networks and their NIs, global settings, and the composition of routes, peers, UDSP and wire.

State is guarded by ``self.lock`` (re-entrant); it is never held while a message is on its way.  Nothing listens and
nothing is sent unless there is an NI: as with the real LNet, the interface's address and TCP 988 are what counts.
Error numbers and texts of SimError are the ones the real kernel gives to its netlink callers.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..node import Node, Operation, Subsystem
from ..sim_error import SimError
from .interfaces import Interface, Reader, StaticInterfaces, SystemInterfaces
from .lnet_message import Messages
from .lnet_ni import DEFAULT_LND_TUNABLES, DEFAULT_TUNABLES, Ni, chosen, loopback_ni
from .lnet_peer import Peers
from .lnet_route import Routes
from .lnet_settings import Settings
from .lnet_udsp import Udsp
from .modprobe_d import Options, parse_networks, parse_routes, read_options
from .nids import canonical_net, canonical_nid, expand_numbers, split_net, split_nid

ACCEPT_PORT = 988


class Lnet(Subsystem):
    """The network side of a node; ``node.lnet``."""

    name = "lnet"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.lock = threading.RLock()
        given = node.settings.get("interfaces")
        self.interfaces: Reader = StaticInterfaces(given) if given is not None else SystemInterfaces()
        self._options: Options | None = None
        self.configured = False
        self.large = False
        self.nets: dict[str, list[Ni]] = {}
        self.settings = Settings(self)
        self.routes = Routes(self)
        self.peers = Peers(self)
        self.udsp = Udsp(self)
        self.messages = Messages(self)

    # -- doors -------------------------------------------------------------------------------------------------

    def ops(self) -> Mapping[str, Operation]:
        own: dict[str, Operation] = {
            "configure": self.configure,
            "unconfigure": self.unconfigure,
            "nids": self.list_nids,
            "net_add": self.net_add,
            "net_del": self.net_del,
            "net_show": self.net_show,
            "net_set": self.net_set,
            "mr_setup": self.mr_setup,
            "module_options": self.module_options,
            "resolve": self.resolve_interfaces,
        }
        for part in (self.settings, self.routes, self.peers, self.udsp, self.messages):
            own.update(part.ops())
        return own

    def nids(self) -> list[str]:
        """The node's NIDs without 0@lo; the first is the primary one."""
        with self.lock:
            return [ni.nid for nis in self.nets.values() for ni in nis if ni.net != "lo"]

    def list_nids(self, all: bool = False) -> list[str]:  # the tool's word
        with self.lock:
            self.require(errno.ENETDOWN, "Network is down")
            return (["0@lo"] if all else []) + self.nids()

    def rpc(self, nid: str, request: dict[str, Any], timeout: float) -> Any:
        """Another node's service; see Node.rpc."""
        return self.messages.rpc(nid, request, timeout)

    def tick(self) -> None:
        if self.configured:
            self._listen()
            self.settings.tick()
            self.routes.tick()

    def unload(self) -> None:
        if self.configured:
            self._release()
        with self.lock:
            self._options = None
            self.settings.reset()

    # -- configuration -----------------------------------------------------------------------------------------

    def module_options(self) -> Options:
        """Options of modprobe.d, read once in a module's life: a later change of the file needs a reload."""
        with self.lock:
            if self._options is None:
                self._options = read_options(self.node.settings.get("modprobe_dir", "/etc/modprobe.d"))
                self.settings.from_module(self._options.get("lnet", {}))
            return self._options

    @property
    def port(self) -> int:
        text = self.module_options().get("lnet", {}).get("accept_port", "")
        return int(text) if text.isdigit() else int(self.node.settings.get("lnet_port", ACCEPT_PORT))

    def require(self, number: int, text: str) -> None:
        if not self.configured:
            raise SimError(number, text)

    def configure(self, all: bool = False, large: bool = False) -> None:  # the tool's word
        """``lnetctl lnet configure``; configured already is a success and changes nothing."""
        options = self.module_options().get("lnet", {})
        with self.lock:
            if self.configured:
                return
            self.configured = True
            self.large = large
            self.nets = {"lo": [loopback_ni()]}
            self.settings.configured()
            if options.get("forwarding") == "enabled":
                self.settings.set("routing", 1)
        self.node.log("LNet: Added LNI 0@lo")
        if all:
            try:
                self._from_module_options(options)
            except SimError:
                self._forget()
                raise

    def ensure_configured(self) -> None:
        """A mount's LNetNIInit: without configuration the module options count, else tcp on the first interface.

        With LNet configured but without any net nothing is added, as in reality: the mount then has no NID.
        """
        self.configure(all=True)

    def _from_module_options(self, options: Mapping[str, str]) -> None:
        for spec in parse_networks(options.get("networks", "tcp")):
            names = list(spec.interfaces) or [self._first_interface()]
            self.net_add(spec.net, interfaces=names)
        for net, hop, gateway in parse_routes(options.get("routes", "")):
            self.routes.add(net, gateway, hop=hop)

    def _first_interface(self) -> str:
        for interface in self.interfaces.all():
            if interface.running and interface.address and not interface.loopback:
                return interface.name
        raise SimError(errno.ENETDOWN, "cannot add LNet NI")

    def unconfigure(self) -> None:
        """``lnetctl lnet unconfigure``; success when there is nothing to do.

        EBUSY at once while Lustre's modules are loaded, mounted or not: ptlrpc holds LNet from its loading on (2.17.0).
        """
        if self.configured and self.node.holds_lnet():
            raise SimError(errno.EBUSY, "Object busy")
        self._release()

    def _release(self) -> None:
        for part in self.node.parts.values():
            holds = getattr(part, "holds_lnet", None)
            if holds is not None and holds():
                raise SimError(errno.EBUSY, "Object busy")
        self._forget()

    def _forget(self) -> None:
        with self.lock:
            self.configured = False
            self.nets = {}
            self.routes.clear()
            self.peers.clear()
            self.udsp.clear()
        self.messages.wire.listen(set(), 0)

    # -- networks ----------------------------------------------------------------------------------------------

    def net_add(
        self,
        net: str,
        interfaces: Sequence[str] = (),
        nids: Sequence[str] = (),
        tunables: Mapping[str, Any] | None = None,
        lnd_tunables: Mapping[str, Any] | None = None,
        cpts: str | None = None,
    ) -> None:
        """Bring up NIs one after the other; what came before a failing one stays, as in the kernel."""
        name = self._lnd_net(net)
        wanted = [(entry, None) for entry in interfaces] + [(None, nid) for nid in nids]
        for entry, nid in wanted:
            interface, own_cpts = self._interface_of(entry, nid)
            with self.lock:
                self.require(errno.ESHUTDOWN, "cannot add LNet NI")
                self._add_ni(name, interface, tunables or {}, lnd_tunables or {}, own_cpts or cpts)
            self._listen_or_undo(name, interface)
            self.node.log(f"LNet: Added LNI {interface.address}@{name} [8/256/0/180]")

    def _lnd_net(self, net: str) -> str:
        parts = split_net(net)
        if parts is None:
            raise SimError(errno.ENOENT, "cannot parse net")
        name = canonical_net(net)
        if parts[0] != "tcp" or name is None:
            raise SimError(errno.EINVAL, "LND type not supported")
        return name

    def _interface_of(self, entry: str | None, nid: str | None) -> tuple[Interface, str | None]:
        down = SimError(errno.ENETDOWN if self.configured else errno.ESHUTDOWN, "cannot add LNet NI")
        if nid is not None:
            address = split_nid(canonical_nid(nid) or "")[0]
            found = next((one for one in self.interfaces.all() if one.address == address), None)
            cpts = None
        else:
            name, bracket, expression = str(entry).partition("[")
            found = self.interfaces.get(name)
            cpts = bracket + expression if bracket else None
        if found is None or found.address is None or not found.running:
            raise down
        return found, cpts

    def _add_ni(
        self, net: str, interface: Interface, tunables: Mapping[str, Any], lnd: Mapping[str, Any], cpts: str | None
    ) -> None:
        nid = f"{interface.address}@{net}"
        if any(ni.nid == nid or ni.interface == interface.name for ni in self.nets.get(net, [])):
            raise SimError(errno.EEXIST, "cannot add LNet NI")
        module = self.module_options().get("ksocklnd", {})
        ni = Ni(
            nid,
            net,
            interface.name,
            str(interface.address),
            chosen(DEFAULT_TUNABLES, module, tunables),
            chosen(DEFAULT_LND_TUNABLES, module, lnd),
            expand_numbers(cpts.strip("[]")) if cpts else None,
        )
        self.nets.setdefault(net, []).append(ni)

    def _listen_or_undo(self, net: str, interface: Interface) -> None:
        failed = self._listen()
        if interface.address not in failed:
            return
        with self.lock:
            self._remove([ni for ni in self.nets.get(net, []) if ni.interface == interface.name])
        error = failed[interface.address]
        self.node.log(f"LNetError: Can't start acceptor on port {self.port}: {error.strerror}")
        raise SimError(error.errno or errno.EIO, "cannot add LNet NI")

    def _listen(self) -> dict[str, OSError]:
        """An acceptor for each address that has an NI, and that the host still has."""
        with self.lock:
            addresses = {ni.address for nis in self.nets.values() for ni in nis if ni.interface}
        present = {one.address for one in self.interfaces.all() if one.address}
        return self.messages.wire.listen(addresses & present, self.port)

    def net_del(self, net: str, interfaces: Sequence[str] = (), nids: Sequence[str] = ()) -> None:
        """Remove a net or some of its NIs: without a warning, also when mounts use it (as the real one does)."""
        what = "cannot del LNet NI" if interfaces or nids else "cannot del network"
        name = canonical_net(net)
        with self.lock:
            self.require(errno.ESHUTDOWN, what)
            if name is None and split_net(net) is None:
                raise SimError(errno.ENOENT, "cannot parse net")
            if name not in self.nets or name == "lo":
                raise SimError(errno.EINVAL, what)
            doomed = list(self.nets[name])
            if interfaces or nids:
                wanted = {*interfaces, *(canonical_nid(nid) or nid for nid in nids)}
                doomed = [ni for ni in doomed if ni.interface in wanted or ni.nid in wanted]
                if len(doomed) < len(wanted):
                    raise SimError(errno.ENODEV, what)
            self._remove(doomed)
        self._listen()

    def _remove(self, doomed: Iterable[Ni]) -> None:
        for ni in doomed:
            self.nets[ni.net].remove(ni)
            if not self.nets[ni.net]:
                del self.nets[ni.net]
                self.routes.net_gone(ni.net)
                self.peers.net_gone(ni.net)

    def net_set(
        self,
        nid: str | None = None,
        net: str | None = None,
        all: bool = False,
        health: int | None = None,
        conns_per_peer: int | None = None,
        lnd_timeout: int | None = None,
    ) -> None:
        """As 2.17.0 was seen to do it.

        With ``nid`` nothing is changed, and only one that is no NID is an error.  A time-out is that of a network's
        driver, and what else is given beside it is lost.  All else is set on every interface, whatever ``net`` says.
        """
        with self.lock:
            self.require(errno.ENETDOWN, "Network is down")
            if nid is not None and canonical_nid(nid) is None:
                raise SimError(errno.EINVAL, "unsupported NID")
            own = [ni for nis in self.nets.values() for ni in nis if ni.interface]
            if lnd_timeout is not None:
                for ni in own:
                    if ni.net == canonical_net(net or ""):
                        ni.lnd_tunables["timeout"] = lnd_timeout
            elif nid is None and (all or net is not None):
                for ni in own:
                    if health is not None:
                        ni.health = min(max(health, 0), 1000)
                    if conns_per_peer is not None:
                        ni.lnd_tunables["conns_per_peer"] = conns_per_peer

    def net_show(self, net: str | None = None) -> list[dict[str, Any]]:
        with self.lock:
            self.require(errno.ENETDOWN, "Unspecific failure")
            name = canonical_net(net) if net else None
            if net and name not in self.nets:
                raise SimError(errno.ESRCH, "Network is down")
            status = self.status_of_all()
            return [
                {"net": key, "nis": [ni.public(status[ni.nid]) for ni in nis]}
                for key, nis in self.nets.items()
                if name in (None, key)
            ]

    def status_of_all(self) -> dict[str, str]:
        """``up`` while the interface has its address and a carrier."""
        alive = {(one.name, one.address) for one in self.interfaces.all() if one.running}
        return {
            ni.nid: "up" if ni.interface is None or (ni.interface, ni.address) in alive else "down"
            for nis in self.nets.values()
            for ni in nis
        }

    def local_ni(self, net: str, source: str | None = None) -> Ni | None:
        """An NI to send from: on ``net``, up, and of the best health; a given source NID must be it."""
        status = self.status_of_all()
        usable = [ni for ni in self.nets.get(net, []) if status[ni.nid] == "up" and source in (None, ni.nid)]
        return max(usable, key=lambda ni: ni.health, default=None)

    # -- what liblnetconfig's ksocklnd-config does -------------------------------------------------------------

    def mr_setup(self) -> list[str]:
        """The route lines that the script prints: for each tcp NI whose interface had been set up before.

        The routing tables are the host's, not LNet's: they outlive an unload of the modules, not a reboot.
        """
        path = os.path.join(self.node.runtime_dir, "mr_routing")
        try:
            with open(path, encoding="utf-8") as stream:
                seen = stream.read().split()
        except OSError:
            seen = []
        lines = []
        with self.lock:
            names = [ni.interface for nis in self.nets.values() for ni in nis if ni.interface]
        for interface in (self.interfaces.get(name) for name in names):
            if interface is None or interface.address is None:
                continue
            if interface.name in seen:
                where = f"{interface.subnet} dev {interface.name}"
                lines.append(f"{where} proto kernel scope link src {interface.address}")
            else:
                seen.append(interface.name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("\n".join(seen))
        return lines

    def resolve_interfaces(self, names: Sequence[str]) -> list[str]:
        """Those of ``names`` that the host does not have with an address (import checks them before the kernel)."""
        found: Callable[[str], Interface | None] = self.interfaces.get
        return [name for name in names if (one := found(name.partition("[")[0])) is None or one.address is None]
