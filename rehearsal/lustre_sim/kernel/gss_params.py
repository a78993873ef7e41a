# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``lctl get_param`` shows of security: of each connection, of each target, and of the module ptlrpc_gss."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, NoReturn

from .. import disk
from ..node import Param
from ..sim_error import SimError
from . import gss_context, srpc
from .gss_context import Import

_REPLAYS = (
    "seqwin:\t\t   2048\nbackwin:\t\t128\nclient fall behind seqwin\n  occurrence:\t0\n  max seq behind:\t0\n"
    "server replay detected:\n  phase 0:\t\t0\n  phase 1:\t\t0\n  phase 2:\t\t0\nserver verify ok:\n  phase 2:\t\t0"
)


def params(gss: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    rows = [row for row in gss.node.obd.devices() if row["peer"]]
    for row in rows:
        twins = [row["type"]] + (["osc"] if row["type"] == "osp" and "-osc-" in row["name"] else [])
        for kind in twins:
            found[f"{kind}.{row['name']}.srpc_info"] = lambda row=row: _info(gss, row, rows)
            found[f"{kind}.{row['name']}.srpc_sepol"] = "uninitialized"
            found[f"{kind}.{row['name']}.srpc_contexts"] = lambda row=row: _of(gss, row).shown(gss.node.clock.time())
    if "ptlrpc_gss" in gss.node.loaded():
        found.update(_module(gss))
        found.update(_served(gss))
    return found


def _of(gss: Any, row: Mapping[str, Any]) -> Import:
    name = row["peer"] if row["type"] == "mgc" else f"{row['type']}.{row['name']}"
    one: Import = gss.imports.get(name) or Import()
    return one


def _info(gss: Any, row: Mapping[str, Any], rows: list[dict[str, Any]]) -> str:
    alike = sum(not srpc.mechanism(_of(gss, other).flavor) for other in rows)
    return _of(gss, row).info(row["type"], gss.node.clock.time(), alike)


def _served(gss: Any) -> dict[str, Any]:
    names = [("mgs.MGS", "MGS")] if gss.node.mgs.running else []
    for target in list(gss.node.targets.running.values()):
        if not target.nosvc and not target.data.stand_alone_mgs:
            kind = "obdfilter" if target.data.flags & disk.OST else "mdt"
            names.append((f"{kind}.{target.name}", target.name))
    return {f"{where}.gss.srpc_serverctx": lambda name=name: _contexts(gss, name) for where, name in names}


def _contexts(gss: Any, target: str) -> str:
    now = gss.node.clock.time()
    return gss_context.lines((one for one in gss.served.get(target, {}).values() if one.expire > now), now)


def _module(gss: Any) -> dict[str, Any]:
    return {
        "sptlrpc.gss.gss_check_upcall_ns": "1",
        "sptlrpc.gss.init_channel": Param(lambda: _refuse(errno.EACCES), lambda text: None),
        "sptlrpc.gss.krb5_allow_old_client_csum": "0",
        "sptlrpc.gss.rsi_acquire_expire": "30",
        "sptlrpc.gss.rsi_entry_expire": "600",
        "sptlrpc.gss.rsi_upcall": Param(lambda: gss.upcall, lambda text: _set_upcall(gss, text)),
        "sptlrpc.gss.replays": lambda: _REPLAYS,
        "sptlrpc.gss.rsc_info": lambda: _refuse(errno.EINVAL),
        "sptlrpc.gss.rsi_info": lambda: _refuse(errno.EINVAL),
        "sptlrpc.gss.lgss_keyring.debug_level": "1",
    }


def _set_upcall(gss: Any, text: str) -> None:
    if not text.startswith("/") and text.upper() != "NONE":
        raise SimError(errno.EINVAL, text)
    gss.upcall = text.strip()


def _refuse(number: int) -> NoReturn:
    raise SimError(number)
