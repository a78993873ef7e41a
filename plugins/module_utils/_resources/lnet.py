# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ``lnet`` resource: one node's LNet, live and at the next boot.

Order of work: the module's options on disk, LNet up, removals, settings, networks,
routes, forwarding, peers, policies; then the files that bring the same up at boot.
A converged node costs at most two ``lnetctl`` processes, one ``ip``, one ``systemctl``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_state
from ansible_collections.lustre.core.plugins.module_utils._errors import NotConverged, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid import split_nid
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources import lnet_files, lnet_ipv6, lnet_system
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_plan import KIND, plan_live
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import IP_NETS, LnetWant, net_kind
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_RELOAD = ("systemctl", "daemon-reload")


@dataclass(frozen=True)
class LnetHave:
    """LNet's own state, and what it stands on."""

    lnet: lnetctl_state.State
    system: lnet_system.System


class LnetResource:
    """Implements the Resource protocol for one node's LNet."""

    kind = KIND
    #: LNet's commands are done when they return; this covers a state that is read a moment too early.
    settle = 5.0

    def __init__(self, want: LnetWant, reader: lnet_system.Reader | None = None) -> None:
        self.want = want
        self.reader = reader or lnet_system.Reader()

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], path: str = "lnet", reader: lnet_system.Reader | None = None
    ) -> LnetResource:
        """From plain data (the keys of the module's options); BadValue names what cannot be used."""
        return cls(LnetWant.from_options(options, path), reader)

    # ---- have ----

    def have(self, run: Runner) -> LnetHave:
        networks = bool(self.want.networks)
        files = [lnet_system.LNET_CONF, lnet_system.START_SCRIPT, lnet_system.DROP_IN] if networks else []
        files += [lnet_system.MODPROBE_CONF] if self.want.module_options is not None else []
        read = self.reader.read
        modprobe = {path: read(path) or "" for path in self.reader.modprobe_files()} if networks else {}
        system = lnet_system.System(
            links=lnet_system.read_links(run) if networks else {},
            mounts=lnet_system.lustre_mounts(read(lnet_system.MOUNT_TABLE) or ""),
            files={path: read(path) for path in files},
            modprobe=modprobe,
            parameters=self._parameters(),
            reload_needed=lnet_system.reload_needed(run) if networks else False,
        )
        state = lnetctl.read(run, self.want.sections())
        if any(lnet_ipv6.ipv6(nid) and nid not in {ni.nid for ni in state.interfaces} for nid in self.want.nids):
            lnet_ipv6.require_option(run)
        return LnetHave(state, system)

    def _parameters(self) -> dict[str, str]:
        """Live values of the module parameters that are declared (a module not loaded has none)."""
        found = {}
        for module, options in (self.want.module_options or {}).items():
            for name in options:
                value = self.reader.read(f"/sys/module/{module}/parameters/{name}")
                if value is not None:
                    found[f"{module}.{name}"] = value.strip()
        return found

    # ---- plan ----

    def plan(self, have: LnetHave) -> Plan:
        lnet_files.refuse_static(have.system.modprobe)
        self._check_interfaces(have)
        by_nid = lnet_ipv6.by_nid(self.want, have.system.links)
        files_before, files_after, file_drift = self._plan_files(have, by_nid)
        live = plan_live(self.want, have.lnet, have.system.mounts, by_nid)
        self._check_nids(have, live)
        return Plan(tuple(files_before) + live.steps + tuple(files_after), live.drift + tuple(file_drift))

    def _check_interfaces(self, have: LnetHave) -> None:
        """Before anything: the declared interfaces are there, have addresses, and those of the expected NIDs."""
        links = have.system.links
        known = ", ".join(
            f"{link.name} ({', '.join(link.addresses) or 'no address'})" for link in links.values() if link.name != "lo"
        )
        for network in self.want.networks:
            if net_kind(network.net) not in IP_NETS:
                continue
            for name in network.interfaces:
                if name not in links or not _usable(links[name]):
                    problem = "has no address" if name in links else "does not exist on this node"
                    raise Refused(
                        f"put the network {network.net} on {name}",
                        f"{name} {problem}; the interfaces here are {known or 'none'}",
                        "Correct interfaces in the description, or bring the interface up with its address, then run again.",
                    )
            addresses = [address for name in network.interfaces for address in _usable(links[name])]
            for nid in self.want.nids:
                address, net = split_nid(nid)
                if net == network.net and address not in addresses:
                    raise Refused(
                        f"give this node the NID {nid}",
                        f"the address {address} is not on {', '.join(network.interfaces)} (which has {', '.join(addresses)}); "
                        f"the interfaces here are {known}",
                        f"Correct interfaces of {network.net} or the expected NID (lustre_nids, ansible_host) in the description.",
                    )

    def _check_nids(self, have: LnetHave, live: Plan) -> None:
        """The NIDs the site expects are there and up, or about to be added; anything else is a silent fallback."""
        pending = {added for step in live.steps if step.action == "add network" for added in _added(step)}
        there = {ni.nid: ni for ni in have.lnet.interfaces}
        self._refuse_fallback(have, live, pending)
        for nid in self.want.nids:
            net = split_nid(nid)[1]
            if nid in there:
                self._check_up(there[nid], have)
            elif not any(added == net for added, _name in pending):
                shown = ", ".join(f"{ni.nid} on {', '.join(ni.interfaces)}" for ni in have.lnet.interfaces) or "none"
                raise NotConverged(
                    "LNet",
                    [
                        f"have the NID {nid} that the site expects, where LNet has {shown} (it takes the first address of an "
                        "interface: correct the expected NID, or the order of the addresses)"
                    ],
                )

    def _check_up(self, ni: lnetctl_state.Interface, have: LnetHave) -> None:
        """A router's idle interface is shown as down (2.17.0), so there the state of the NI says nothing."""
        if ni.status != "down" or (have.lnet.routing is not None and have.lnet.routing.enabled) or self._forwards():
            return
        raise NotConverged(
            "LNet",
            [
                f"have {ni.nid} on {', '.join(ni.interfaces)} up: it is {ni.status} (see ip link, the cable and the switch port)"
            ],
        )

    def _forwards(self) -> bool:
        return self.want.routing is not None and self.want.routing.enabled

    def _refuse_fallback(self, have: LnetHave, live: Plan, pending: set[tuple[str, str]]) -> None:
        """A declared network that sits only on an interface nobody declared: Lustre's own default, or an old name."""
        removed = {
            (step.argv[4], step.argv[6] if len(step.argv) > 6 else "")
            for step in live.steps
            if step.action == "remove network"
        }
        for network in self.want.networks:
            others = [
                ni
                for ni in have.lnet.interfaces
                if ni.net == network.net and not set(ni.interfaces) & set(network.interfaces)
            ]
            if not others or not any(net == network.net for net, _name in pending):
                continue
            if all((ni.net, ni.interfaces[0] if ni.interfaces else "") in removed for ni in others):
                continue
            shown = ", ".join(f"{ni.nid} on {', '.join(ni.interfaces)}" for ni in others)
            raise Refused(
                f"add {network.net} on {', '.join(network.interfaces)}",
                f"LNet has this network on another interface already: {shown}. A Lustre mount without a configured LNet brings up tcp "
                "on the first interface by itself, and such a NID would stay this node's first one",
                f"Unmount Lustre here and run lustre_rmmod, then run again; or let it be removed: purge: [networks]"
                f"{' and remove_networks: [' + network.net + ']' if have.system.mounts else ''}.",
            )

    # ---- files ----

    def _plan_files(self, have: LnetHave, by_nid: lnet_ipv6.ByNid) -> tuple[list[Step], list[Step], list[Drift]]:
        before: list[Step] = []
        after: list[Step] = []
        drift: list[Drift] = []
        files = have.system.files
        if self.want.module_options is not None:
            before += self._module_file(files.get(lnet_system.MODPROBE_CONF))
            drift += self._module_drift(have)
        if not self.want.networks:
            return before, after, drift
        found, wanted = files.get(lnet_system.LNET_CONF), lnet_files.lnet_conf(self.want, by_nid)
        if found != wanted and not (lnet_files.active(found) and lnet_files.same_meaning(found or "", wanted)):
            if lnet_files.active(found) and not lnet_files.ours(found):
                lnet_files.refuse_foreign(lnet_system.LNET_CONF, found or "")
            after.append(_write(lnet_system.LNET_CONF, wanted, found))
        script = lnet_files.start_script(self.want, by_nid)
        if files.get(lnet_system.START_SCRIPT) != script:
            after.append(_write(lnet_system.START_SCRIPT, script, files.get(lnet_system.START_SCRIPT), mode=0o755))
        unit = lnet_files.drop_in(self.want)
        if files.get(lnet_system.DROP_IN) != unit:
            after.append(_write(lnet_system.DROP_IN, unit, files.get(lnet_system.DROP_IN)))
        if files.get(lnet_system.DROP_IN) != unit or have.system.reload_needed:
            after.append(Step(KIND, "reload", "systemd", "lnet.service has a changed drop-in", argv=_RELOAD))
        return before, after, drift

    def _module_file(self, found: str | None) -> list[Step]:
        options, path = self.want.module_options or {}, lnet_system.MODPROBE_CONF
        if not options:
            return (
                [
                    Step(
                        KIND,
                        "remove file",
                        path,
                        "no module options are declared any more",
                        write=FileWrite(path, None),
                    )
                ]
                if lnet_files.ours(found)
                else []
            )
        wanted = lnet_files.modprobe_conf(options)
        if found == wanted or (lnet_files.active(found) and lnet_files.same_options(found or "", wanted)):
            return []
        if lnet_files.active(found) and not lnet_files.ours(found):
            lnet_files.refuse_foreign(path, found or "")
        return [_write(path, wanted, found)]

    def _module_drift(self, have: LnetHave) -> list[Drift]:
        drift = []
        for module, options in (self.want.module_options or {}).items():
            for name, value in options.items():
                live = have.system.parameters.get(f"{module}.{name}")
                if live is not None and _plain(live) != _plain(value):
                    remedy = "The file is right; a loaded module keeps its value until lustre_rmmod (nothing mounted) or a reboot."
                    drift.append(Drift(KIND, f"module parameter {module}.{name}", live, value, remedy))
        return drift

    # ---- the rest of the protocol ----

    def public(self, have: LnetHave) -> Mapping[str, Any]:
        return public_state(have)

    def check_step(self, step: Step, run: Runner) -> None:
        """Right before a network goes: nobody mounted Lustre since the plan was made."""
        if step.action != "remove network" or step.argv[4] in self.want.remove_networks:
            return
        mounts = lnet_system.lustre_mounts(self.reader.read(lnet_system.MOUNT_TABLE) or "")
        if mounts:
            raise Refused(
                f"remove the network {step.object}",
                f"Lustre was mounted on {mounts[0].path} since this run began",
                f"Unmount it, or consent with remove_networks: [{step.argv[4]}].",
            )

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        if step.argv[0] != lnetctl.TOOL:
            remedy = (
                "Look at dmesg; the modules must fit the running kernel (uname -r)." if step.action == "load" else ""
            )
            return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, None, remedy)
        failed = lnetctl.error(f"{step.action} {step.object}", step.argv, rc, out, err)
        return lnetctl.error(f"{step.action} {step.object}", step.argv, rc, out, err, _remedy(step, failed))


def _remedy(step: Step, failed: ToolError) -> str:
    code = failed.errno
    if "is not a valid command" in failed.err or "Invalid option or missing argument" in failed.err:
        return "This node's Lustre does not know that option; see its `lnetctl --list-commands`."
    if step.action == "add network" and code in (22, 2):
        return "Its network driver may not be built or loaded: try modprobe ksocklnd (tcp) or ko2iblnd (o2ib), and look at dmesg."
    if step.action == "add network" and code == 100:
        return "The interface must be up and have an address; see `ip address`."
    if step.action == "add network" and code == 17:
        return "Somebody else added it meanwhile; run again."
    if step.action == "add route" and code == 113:
        return "The gateway's network must be one of this node's own (lnetctl net show)."
    if step.action == "set routing" and code == 16:
        return "Routing is still being switched off, which takes some two minutes; run again then."
    return ""


def _write(path: str, content: str, found: str | None, mode: int = 0o644) -> Step:
    reason = "differs from what is declared" if found is not None else "not there"
    return Step(KIND, "write file", path, reason, write=FileWrite(path, content, mode))


def _usable(link: lnet_system.Link) -> list[str]:
    return lnet_ipv6.plain(link)


def _added(step: Step) -> list[tuple[str, str]]:
    """Networks and interfaces that a step adds; it tells them in its object, whichever way it names them to lnetctl."""
    net, _on, names = step.object.partition(" on ")
    return [(net, name) for name in names.split(", ")]


def _plain(value: str) -> str:
    return {"Y": "1", "N": "0"}.get(value, value).strip('"')


def public_state(have: LnetHave) -> dict[str, Any]:
    """The state as plain data, with the names of the options."""
    state = have.lnet
    shown: dict[str, Any] = {
        "loaded": state.loaded,
        "up": state.up,
        "nids": [ni.nid for ni in state.interfaces],
        "networks": [
            {
                "net": ni.net,
                "nid": ni.nid,
                "status": ni.status,
                "interfaces": list(ni.interfaces),
                "tunables": dict(ni.tunables),
                "lnd_tunables": dict(ni.lnd_tunables),
                "cpts": list(ni.cpts or ()),
            }
            for ni in state.interfaces
        ],
    }
    if state.routes is not None:
        shown["routes"] = [
            {"net": r.net, "gateway": r.gateway, "hop": r.hop, "priority": r.priority, "state": r.state}
            for r in state.routes
        ]
    if state.routing is not None:
        shown["routing"] = {"enabled": state.routing.enabled, **state.routing.buffers}
    if state.settings is not None:
        shown["discovery"] = bool(state.settings.get("discovery", 1))
        shown["global"] = {key: value for key, value in state.settings.items() if key != "discovery"}
    if state.peers is not None:
        shown["peers"] = [{"primary": p.primary, "nids": list(p.nids), "multi_rail": p.multi_rail} for p in state.peers]
    if state.udsp is not None:
        shown["udsp"] = [{"src": u.src, "dst": u.dst, "rte": u.rte, "priority": u.priority} for u in state.udsp]
    shown["files"] = dict(have.system.files)
    return shown
