# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records that a registration leaves in the logs of an MGS, in the recorded order."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from .llog import LogStore

Event = tuple[str, dict[str, Any]]
_LND = {"tcp": 2, "o2ib": 5, "gni": 13, "kfi": 16, "lo": 9}


def nid_text(nid: str) -> str:
    """``10.0.2.15@tcp(0x200000a00020f)``, as llog_print shows a NID."""
    address, _, net = nid.partition("@")
    kind = net.rstrip("0123456789") or net
    number = int(net[len(kind) :] or 0)
    try:
        host = struct.unpack("!I", socket.inet_aton(address))[0]
    except OSError:
        return nid
    return f"{nid}(0x{(_LND.get(kind, 0) << 48) | (number << 32) | host:x})"


def add_target(logs: LogStore, now: float, target: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> None:
    """A new target: its own log, and its place in the logs of the clients and of every MDT."""
    fsname, name = target["fsname"], target["name"]
    client = f"{fsname}-client"
    if client not in logs.names() or not logs.live(client):
        _new_fs(logs, now, fsname)
    if target["kind"] == "MDT":
        _new_mdt(logs, now, name)
    else:
        logs.add(
            name,
            now,
            ("attach", {"device": name, "type": "obdfilter", "UUID": f"{name}_UUID"}),
            ("setup", {"device": name, "UUID": "dev", "node": "type", "options": "f"}),
        )
    logs.add(client, now, *_for_client(target))
    for other in others:
        if other["name"] == name:
            continue
        if other["kind"] == "MDT":
            logs.add(other["name"], now, *_for_mdt(target, other["name"]))
        if target["kind"] == "MDT":
            logs.add(name, now, *_for_mdt(other, name))
    for text in target.get("params", []):
        key, _, value = text.partition("=")
        log = client if not key.startswith(("ost.", "mdt.")) else name
        logs.add(log, now, ("conf_param", {"device": name, "parameter": f"{key}={value}"}))


def update_target(logs: LogStore, now: float, target: Mapping[str, Any]) -> None:
    """tunefs.lustre changed NIDs or parameters: the old records are cancelled, new ones written."""
    name, client = target["name"], f"{target['fsname']}-client"
    remove_from(logs, now, client, name)
    logs.add(client, now, *_for_client(target))
    for log in [log for log in logs.names() if log.startswith(f"{target['fsname']}-MDT") and log != name]:
        remove_from(logs, now, log, name)
        logs.add(log, now, *_for_mdt(target, log))


def remove_target(logs: LogStore, now: float, name: str) -> None:
    fsname = name.rsplit("-", 1)[0]
    for log in [log for log in logs.names() if log.rsplit("-", 1)[0] == fsname]:
        remove_from(logs, now, log, name)


def remove_from(logs: LogStore, now: float, log: str, name: str) -> None:
    if log in logs.names():
        logs.cancel(
            log,
            now,
            lambda record: (
                record["event"] == "setup"
                and record["fields"].get("UUID") == f"{name}_UUID"
                and record["fields"].get("device") != name
            ),
        )


def _new_fs(logs: LogStore, now: float, fsname: str) -> None:
    client = f"{fsname}-client"
    for kind in ("lov", "lmv"):
        device = f"{fsname}-cli{kind}"
        logs.add(
            client,
            now,
            ("attach", {"device": device, "type": kind, "UUID": f"{device}_UUID"}),
            ("setup", {"device": device, "UUID": ""}),
        )
    logs.add(client, now, ("new_profile", {"name": client, "lov": f"{fsname}-clilov", "lmv": f"{fsname}-clilmv"}))


def _new_mdt(logs: LogStore, now: float, name: str) -> None:
    lov = f"{name}-mdtlov"
    logs.add(
        name,
        now,
        ("attach", {"device": lov, "type": "lov", "UUID": f"{lov}_UUID"}),
        ("setup", {"device": lov, "UUID": ""}),
    )
    logs.add(
        name,
        now,
        ("attach", {"device": name, "type": "mdt", "UUID": f"{name}_UUID"}),
        ("new_profile", {"name": name, "lov": lov}),
        ("setup", {"device": name, "UUID": f"{name}_UUID", "node": "0", "options": lov, "failout": "f"}),
    )


def _for_client(target: Mapping[str, Any]) -> list[Event]:
    fsname, name = target["fsname"], target["name"]
    if target["kind"] == "MDT":
        device, parent, kind = f"{name}-mdc", f"{fsname}-clilmv", "mdc"
        last = (
            "add_mdc",
            {"device": parent, "mdt": f"{name}_UUID", "index": target["index"], "gen": 1, "UUID": f"{device}_UUID"},
        )
    else:
        device, parent, kind = f"{name}-osc", f"{fsname}-clilov", "osc"
        last = ("add_osc", {"device": parent, "ost": f"{name}_UUID", "index": target["index"], "gen": 1})
    return _connection(target, device, kind, f"{parent}_UUID", last)


def _for_mdt(target: Mapping[str, Any], mdt: str) -> list[Event]:
    name, lov, short = target["name"], f"{mdt}-mdtlov", mdt.rsplit("-", 1)[1]
    if target["kind"] == "MDT":
        device, kind = f"{name}-osp-{short}", "osp"
        last = ("add_mdc", {"device": lov, "mdt": f"{name}_UUID", "index": target["index"], "gen": 1})
    else:
        device, kind = f"{name}-osc-{short}", "osc"
        last = ("add_osc", {"device": lov, "ost": f"{name}_UUID", "index": target["index"], "gen": 1})
    return _connection(target, device, kind, f"{lov}_UUID", last)


def _connection(target: Mapping[str, Any], device: str, kind: str, uuid: str, last: Event) -> list[Event]:
    node = target["nids"][0] if target["nids"] else "0@lo"
    events: list[Event] = [("add_uuid", {"nid": nid_text(nid), "node": node}) for nid in target["nids"]]
    events += [
        ("attach", {"device": device, "type": kind, "UUID": uuid}),
        ("setup", {"device": device, "UUID": f"{target['name']}_UUID", "node": node}),
    ]
    for group in target["failover"]:
        events += [("add_uuid", {"nid": nid_text(nid), "node": group[0]}) for nid in group]
        events.append(("add_conn", {"device": device, "node": group[0]}))
    return [*events, last]
