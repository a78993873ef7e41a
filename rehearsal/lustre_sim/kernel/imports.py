# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of an ``import`` parameter: how a client device stands with its server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_COMMON = "version, adaptive_timeouts, full20, bulk_mbits, second_flags, reply_mbits"
_FLAGS = {
    "mgc": "version, mgs_nidlist, barrier, adaptive_timeouts, full20, imp_recov, bulk_mbits, second_flags, reply_mbits, large_nid",
}


#: What an MDT grants of encryption.
ENCRYPTION = ", client_encryption, name_encryption, encryption_fid2path"


def text(row: Mapping[str, Any], state: Mapping[str, Any], own_nids: Sequence[str], granted: str = "") -> str:
    kind = row["type"]
    is_mgc = kind == "mgc"
    nid = state["nid"] or "0@lo"
    if nid in own_nids:
        nid = "0@lo"
    flags = "pingable" if is_mgc else "replayable, pingable"
    lines = [
        "import:",
        f"    name: {row['name']}",
        f"    target: {'MGS' if is_mgc else row['peer'] + '_UUID'}",
        f"    state: {state['state']}",
        f"    connect_flags: [ {_FLAGS.get(kind, _COMMON)}{granted} ]",
        "    connect_data:",
        "       flags: 0xa000011001002060",
        f"       instance: {state.get('instance', 0)}",
        "       target_version: 2.17.0.0",
        f"    import_flags: [ {flags}, connect_tried ]",
        "    connection:",
        f'       failover_nids: [ "{nid}" ]',
        "       nids_stats:",
        f'          "{nid}": {{ connects: 1, replied: 1, uptodate: uptodate, sec_ago: 1 }}',
        f'       current_connection: "{nid}"',
        "       connection_attempts: 1",
        "       generation: 1",
        "       in-progress_invalidations: 0",
        "       idle: 1 sec",
    ]
    if not is_mgc:
        lines += [
            "    rpcs:",
            "       inflight: 0",
            "       unregistering: 0",
            "       timeouts: 0",
            "       avg_waittime: 1000 usecs",
            "    service_estimates:",
            "       services: 5 sec",
            "       network: 5 sec",
            "    transactions:",
            "       last_replay: 0",
            "       peer_committed: 0",
            "       last_checked: 0",
        ]
    return "\n".join(lines)
