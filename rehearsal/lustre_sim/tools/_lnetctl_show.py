# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lnetctl shows: values of the kernel in the tool's order and depth. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._yaml_out import cpt_expression

Value = dict[str, Any]

KINDS = ("put", "get", "reply", "ack", "hello")
UDSP_INFO = {"net priority": -1, "nid priority": -1}


def nets(found: Sequence[Mapping[str, Any]], level: int) -> Value:
    """``net show -v LEVEL``; 0 = without -v."""
    return {"net": [{"net type": net["net"], "local NI(s)": [_ni(ni, level) for ni in net["nis"]]} for net in found]}


def nets_backup(found: Sequence[Mapping[str, Any]]) -> Value:
    """``export --backup``: what it takes to make the NIs again; not lo."""
    return {
        "net": [
            {
                "net type": net["net"],
                "local NI(s)": [
                    {
                        "interfaces": {"0": ni["interface"]},
                        "tunables": dict(ni["tunables"]),
                        "lnd tunables": {key: value for key, value in ni["lnd_tunables"].items() if key != "timeout"},
                        "CPT": cpt_expression(ni["cpts"]),
                    }
                    for ni in net["nis"]
                ],
            }
            for net in found
            if net["net"] != "lo"
        ]
    }


def _ni(ni: Mapping[str, Any], level: int) -> Value:
    shown: Value = {"nid": ni["nid"], "status": ni["status"]}
    if ni["interface"]:
        shown["interfaces"] = {"0": ni["interface"]}
    if level < 1:
        return shown
    shown.update(_counters(ni["counters"], level))
    if level >= 2:
        shown["health stats"] = {
            "fatal_error": 0 if ni["status"] == "up" else 1,
            "health value": ni["health"],
            "interrupts": 0,
            "dropped": 0,
            "aborted": 0,
            "no route": 0,
            "timeouts": 0,
            "error": 0,
            "ping_count": 0,
            "next_ping": 0,
        }
    shown["tunables"] = dict(ni["tunables"])
    if ni["lnd_tunables"]:
        shown["lnd tunables"] = dict(ni["lnd_tunables"])
    shown["dev cpt"] = -1 if ni["interface"] else 0
    shown["CPT"] = cpt_expression(ni["cpts"])
    return shown


def _counters(counters: Mapping[str, Mapping[str, int]], level: int) -> Value:
    shown: Value = {
        "statistics": {
            "send_count": sum(counters["sent"].values()),
            "recv_count": sum(counters["received"].values()),
            "drop_count": sum(counters["dropped"].values()),
        }
    }
    if level >= 4:
        shown["udsp info"] = dict(UDSP_INFO)
    if level >= 2:
        for kind in ("sent", "received", "dropped"):
            shown[f"{kind}_stats"] = {key: counters[kind][key] for key in KINDS}
    return shown


def routes(found: Sequence[Mapping[str, Any]], verbose: bool) -> Value:
    keys = ("net", "gateway", "hop", "priority", "state", "type") if verbose else ("net", "gateway")
    return {"route": [{key: route[key] for key in keys} for route in found]}


def routes_backup(found: Sequence[Mapping[str, Any]]) -> Value:
    return {"route": [{key: route[key] for key in ("net", "gateway", "hop", "priority")} for route in found]}


def peers(found: Sequence[Mapping[str, Any]], level: int) -> Value:
    shown = []
    for peer in found:
        one: Value = {"primary nid": peer["primary"], "Multi-Rail": peer["multi_rail"]}
        if level >= 1:
            one["peer state"] = peer["state"]
        shown.append({**one, "peer ni": [_peer_ni(ni, level) for ni in peer["nis"]]})
    return {"peer": shown}


def peers_backup(found: Sequence[Mapping[str, Any]]) -> Value:
    return {
        "peer": [
            {
                "primary nid": peer["primary"],
                "Multi-Rail": peer["multi_rail"],
                "peer ni": [{"nid": ni["nid"]} for ni in peer["nis"]],
            }
            for peer in found
        ]
    }


def _peer_ni(ni: Mapping[str, Any], level: int) -> Value:
    shown: Value = {"nid": ni["nid"]}
    if level >= 4:
        shown["udsp info"] = dict(UDSP_INFO)
    shown["state"] = ni["state"]
    if level < 1:
        return shown
    credits = ni["credits"]
    shown.update(
        {
            "max_ni_tx_credits": credits,
            "available_tx_credits": credits,
            "min_tx_credits": credits,
            "tx_q_num_of_buf": 0,
            "available_rtr_credits": credits,
            "min_rtr_credits": credits,
            "refcount": 1,
        }
    )
    shown.update(_counters(ni["counters"], min(level, 3)))
    if level >= 2:
        shown["health stats"] = {
            "health value": ni["health"],
            "dropped": sum(ni["counters"]["dropped"].values()),
            "timeout": 0,
            "error": 0,
            "network timeout": 0,
            "ping_count": 0,
            "next_ping": 0,
        }
    return shown


def routing(found: Mapping[str, Any] | None) -> Value:
    """Sections ``routing`` and ``buffers``; empty when no buffers were ever made."""
    if found is None:
        return {}
    pools = {
        pool["name"]: {
            "npages": pool["npages"],
            "nbuffers": pool["nbuffers"],
            "credits": pool["nbuffers"],
            "mincredits": pool["nbuffers"],
        }
        for pool in found["pools"]
    }
    return {"routing": [{"cpt[0]": pools}, {"enable": found["enable"]}], "buffers": _buffers(found)}


def routing_backup(found: Mapping[str, Any] | None) -> Value:
    return {} if found is None else {"routing": {"enable": found["enable"]}, "buffers": _buffers(found)}


def _buffers(found: Mapping[str, Any]) -> Value:
    return {pool["name"]: pool["nbuffers"] for pool in found["pools"]}


def udsp(found: Sequence[Mapping[str, Any]]) -> Value:
    if not found:
        return {}
    return {
        "udsp": [
            {
                **{key: rule[key] for key in ("idx", "src", "dst", "rte") if key in rule},
                **({"action": {"priority": rule["priority"]}} if "priority" in rule else {}),
            }
            for rule in found
        ]
    }


def discovery(what: str, found: Mapping[str, Any]) -> Value:
    """Answer of ping and discover."""
    return {
        what: [
            {
                "primary nid": found["primary"],
                "Multi-Rail": found["multi_rail"],
                "peer_ni": [{"nid": nid} for nid in found["nids"]],
            }
        ]
    }
