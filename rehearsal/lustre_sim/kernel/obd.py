# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The devices of a node (``lctl dl``), derived from what is mounted, and the imports of its clients."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from .. import disk
from ..node import Node, Operation, Param, Subsystem
from ..sim_error import SimError
from . import imports
from .mounts import Mount
from .targets import Target

# reference counts as recorded after a start
_REFS = {
    "osd-ldiskfs": 5,
    "osd-zfs": 5,
    "mgs": 5,
    "mgc": 5,
    "mds": 3,
    "lod": 4,
    "mdt": 9,
    "mdd": 4,
    "qmt": 4,
    "osp": 5,
    "lwp": 5,
    "ost": 3,
    "obdfilter": 7,
    "lov": 4,
    "lmv": 5,
    "mdc": 5,
    "osc": 5,
}
Device = tuple[str, str, str, str]  # type, name, uuid, peer ("" or the target it is connected to)


class Obd(Subsystem):
    name = "obd"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._slots: dict[int, Device] = {}
        self._inactive: set[str] = set()
        self._mgc: dict[str, str] = {}  # uuid of each MGC

    def ops(self) -> Mapping[str, Operation]:
        return {
            "devices": self.devices,
            "set_active": self.set_active,
            "check": self.check,
            "filesystems": self.filesystems,
        }

    def unload(self) -> None:
        self._slots.clear()
        self._inactive.clear()
        self._mgc.clear()

    # -- the list ----------------------------------------------------------------------------------------------

    def devices(self) -> list[dict[str, Any]]:
        """[{index, status, type, name, uuid, refs, nid}]; a number stays with a device as long as it lives.

        ``refs`` is what ``lctl dl`` prints; the parameter ``devices`` prints one more. ``nid`` is where an mdc or
        osc is connected ("" for other types), what ``lctl dl -t`` adds.
        """
        self.node.mounts.refresh()
        first: dict[tuple[str, str], Device] = {}
        for device in self._wanted():
            first.setdefault(device[:2], device)
        wanted = list(first.values())
        with self.node.lock:
            names = {device[:2] for device in wanted}
            self._slots = {at: device for at, device in self._slots.items() if device[:2] in names}
            present = {device[:2] for device in self._slots.values()}
            for device in wanted:
                if device[:2] not in present:
                    free = next(at for at in range(len(self._slots) + 1) if at not in self._slots)
                    self._slots[free] = device
            self._inactive &= {device[1] for device in wanted}
            return [self._row(at, self._slots[at]) for at in sorted(self._slots)]

    def _row(self, at: int, device: Device) -> dict[str, Any]:
        kind, name, identity, peer = device
        connected = kind in ("mdc", "osc")
        return {
            "index": at,
            "status": "IN" if name in self._inactive else "UP",
            "type": kind,
            "name": name,
            "uuid": identity,
            "refs": _REFS.get(kind, 4),
            "peer": peer,
            "nid": self.node.mounts.peers.get(peer, {}).get("nid", "") if connected else "",
        }

    def _wanted(self) -> Iterator[Device]:
        for mount in list(self.node.mounts.table.values()):
            if mount.kind == "target":
                target = self.node.targets.running.get(mount.device)
                if target is not None:
                    yield from self._of_target(target, mount)
            else:
                yield from self._of_client(mount)

    def _of_target(self, target: Target, mount: Mount) -> Iterator[Device]:
        data = target.data
        yield (target.osd, f"{target.name}-osd", f"{target.name}-osd_UUID", "")
        if data.flags & disk.MGS and self.node.mgs.device == target.device:
            yield ("mgs", "MGS", "MGS", "")
        yield from self._mgc_of(mount)
        if target.nosvc or data.stand_alone_mgs:
            return
        fsname, short = data.fsname, target.name.rsplit("-", 1)[1]
        others = self._targets(fsname)
        if data.flags & disk.OST:
            yield ("ost", "OSS", "OSS_uuid", "")
            yield ("obdfilter", target.name, f"{target.name}_UUID", "")
            for other in others:
                if other["kind"] == "MDT":
                    name = f"{other['name']}-lwp-{short}"
                    yield ("lwp", name, f"{name}_UUID", other["name"])
            return
        lov = f"{target.name}-mdtlov"
        yield ("mds", "MDS", "MDS_uuid", "")
        yield ("lod", lov, f"{lov}_UUID", "")
        yield ("mdt", target.name, f"{target.name}_UUID", "")
        yield ("mdd", f"{fsname}-MDD{short[3:]}", f"{fsname}-MDD{short[3:]}_UUID", "")
        if data.index == 0:
            yield ("qmt", f"{fsname}-QMT0000", f"{fsname}-QMT0000_UUID", "")
        for other in others:
            if other["name"] != target.name:
                middle = "osc" if other["kind"] == "OST" else "osp"
                yield ("osp", f"{other['name']}-{middle}-{short}", f"{lov}_UUID", other["name"])
        name = f"{fsname}-MDT0000-lwp-{short}"
        yield ("lwp", name, f"{name}_UUID", f"{fsname}-MDT0000")

    def _of_client(self, mount: Mount) -> Iterator[Device]:
        yield from self._mgc_of(mount)
        fsname, tail = mount.fsname, mount.instance
        yield ("lov", f"{fsname}-clilov-{tail}", mount.uuid, "")
        yield ("lmv", f"{fsname}-clilmv-{tail}", mount.uuid, "")
        for target in self._targets(fsname):
            kind = "mdc" if target["kind"] == "MDT" else "osc"
            yield (kind, f"{target['name']}-{kind}-{tail}", mount.uuid, target["name"])

    def _mgc_of(self, mount: Mount) -> Iterator[Device]:
        nids = mount.all_nids
        if not nids:
            return
        own = self.node.lnet.nids()
        first = own[0] if nids[0] == "0@lo" and own else nids[0]
        name = f"MGC{first}"
        yield ("mgc", name, self._mgc.setdefault(name, str(uuid.uuid4())), "MGS " + nids[0])

    def _targets(self, fsname: str) -> list[dict[str, Any]]:
        found = self.node.mounts.configs.get(fsname, {}).get("targets", {}).values()
        return sorted(found, key=lambda target: (target["kind"], target["index"]))

    # -- active, states ----------------------------------------------------------------------------------------

    def set_active(self, device: str, active: bool) -> None:
        """``lctl --device NAME|NUMBER activate|deactivate``."""
        for row in self.devices():
            if device in (row["name"], str(row["index"])):
                (self._inactive.discard if active else self._inactive.add)(row["name"])
                return
        raise SimError(errno.ENODEV, device)

    def state(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """{"state", "nid"} of a device's connection."""
        mounts = self.node.mounts
        if row["peer"].startswith("MGS "):
            found = mounts.mgs_state.get(row["peer"][4:], {"state": "NEW", "nid": row["peer"][4:]})
        else:
            found = mounts.peers.get(row["peer"], {"state": "NEW", "nid": ""})
        return {**found, "state": self.node.gss.state(row, found["state"])}

    def check(self) -> list[dict[str, Any]]:
        """What ``lfs check`` looks at, asked afresh: [{name, type, errno}] in the order it prints."""
        self.node.mounts.check()
        found = []
        for kind in ("osc", "mdc", "mgc"):
            for row in sorted(self.devices(), key=lambda row: row["name"]):
                shown = "osc" if row["type"] == "osp" and "-osc-" in row["name"] else row["type"]
                if shown == kind:
                    state = self.state(row)["state"]
                    found.append(
                        {
                            "name": row["name"],
                            "type": kind,
                            "peer": row["peer"],
                            "errno": 0 if state == "FULL" else errno.EAGAIN,
                        }
                    )
        return found

    def filesystems(self) -> list[dict[str, Any]]:
        """What ``lfs df`` needs of each client mount, asked afresh: its targets in order with numbers and state."""
        self.node.mounts.check()
        return [
            {
                "path": mount.path,
                "fsname": mount.fsname,
                "instance": mount.instance,
                "targets": [
                    {
                        "name": target["name"],
                        "kind": target["kind"],
                        "index": target["index"],
                        **self.node.mounts.peers.get(target["name"], {"state": "NEW"}),
                    }
                    for target in self._targets(mount.fsname)
                ],
            }
            for mount in self.node.mounts.clients()
        ]

    # -- parameters --------------------------------------------------------------------------------------------

    def params(self) -> Mapping[str, Any]:
        rows = self.devices()
        found: dict[str, Any] = {
            "health_check": lambda: "healthy",
            "devices": lambda: "\n".join(line(row, 1) for row in self.devices()),
        }
        for row in rows:
            if row["peer"]:
                found.update(self._connection_params(row))
            elif row["type"] in ("lov", "lmv", "lod"):
                found.update(self._layout_params(row))
        for mount in self.node.mounts.clients():
            found.update(self._numbers(f"llite.{mount.fsname}-{mount.instance}", mount.fsname, "OST"))
            found[f"llite.{mount.fsname}-{mount.instance}.uuid"] = mount.uuid
        return found

    def _connection_params(self, row: dict[str, Any]) -> dict[str, Any]:
        kind, name, peer = row["type"], row["name"], row["peer"]
        if kind == "lwp":
            return {}
        prefixes = [f"{kind}.{name}"] + ([f"osc.{name}"] if kind == "osp" and "-osc-" in name else [])
        found: dict[str, Any] = {}
        for prefix in prefixes:
            found[f"{prefix}.import"] = lambda: imports.text(
                row, self.state(row), self.node.lnet.nids(), imports.ENCRYPTION if self._encrypts(row) else ""
            )
            found[f"{prefix}.state"] = lambda: f"current_state: {self.state(row)['state']}\nstate_history:"
            if kind == "mgc":
                continue
            conn = "mds_conn_uuid" if kind == "mdc" else "mdt_conn_uuid" if "-osp-" in name else "ost_conn_uuid"
            found[f"{prefix}.{conn}"] = lambda: self.state(row)["nid"]
            found[f"{prefix}.active"] = Param(
                lambda: str(int(name not in self._inactive)), lambda text: self.set_active(name, _flag(text))
            )
            for key in ("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree"):
                found[f"{prefix}.{key}"] = lambda key=key: str(self.node.mounts.peers.get(peer, {}).get(key, 0))
        return found

    def _encrypts(self, row: Mapping[str, Any]) -> bool:
        """Whether the client mount that a device belongs to asked for encryption and was granted it."""
        mounts = [mount for mount in self.node.mounts.clients() if row["name"].endswith(f"-mdc-{mount.instance}")]
        return any(mount.encryption is not None and mount.encryption.enabled for mount in mounts)

    def _layout_params(self, row: dict[str, Any]) -> dict[str, Any]:
        kind, name = row["type"], row["name"]
        fsname = name.split("-cli")[0] if "-cli" in name else name.rsplit("-", 2)[0]
        wanted = "MDT" if kind == "lmv" else "OST"
        found = self._numbers(f"{kind}.{name}", fsname, wanted)
        found[f"{kind}.{name}.target_obd"] = lambda: "\n".join(
            f"{target['index']}: {target['name']}_UUID {'ACTIVE' if self._is_up(target['name']) else 'INACTIVE'}"
            for target in self._targets(fsname)
            if target["kind"] == wanted
        )
        found[f"{kind}.{name}.numobd"] = lambda: str(sum(t["kind"] == wanted for t in self._targets(fsname)))
        found[f"{kind}.{name}.activeobd"] = lambda: str(
            sum(t["kind"] == wanted and self._is_up(t["name"]) for t in self._targets(fsname))
        )
        if kind == "lod":
            others = [t for t in self._targets(fsname) if t["kind"] == "MDT" and not name.startswith(t["name"])]
            found[f"{kind}.{name}.mdt_numobd"] = str(len(others))
            found[f"{kind}.{name}.mdt_obd"] = "\n".join(
                f"{t['index']}: {t['name']}_UUID {'ACTIVE' if self._is_up(t['name']) else 'INACTIVE'}" for t in others
            )
        return found

    def _is_up(self, target: str) -> bool:
        return bool(self.node.mounts.peers.get(target, {}).get("state") == "FULL")

    def _numbers(self, prefix: str, fsname: str, kind: str) -> dict[str, Any]:
        keys = ("kbytestotal", "kbytesfree", "kbytesavail", "filestotal", "filesfree")
        return {f"{prefix}.{key}": lambda key=key: str(self.node.mounts.capacity(fsname, kind)[key]) for key in keys}


def line(row: Mapping[str, Any], more_refs: int = 0) -> str:
    """A line of ``lctl dl``."""
    return f"{row['index']:3d} {row['status']} {row['type']} {row['name']} {row['uuid']} {row['refs'] + more_refs}"


def _flag(text: str) -> bool:
    if text.strip() not in ("0", "1"):
        raise SimError(errno.EINVAL, text)
    return text.strip() == "1"
