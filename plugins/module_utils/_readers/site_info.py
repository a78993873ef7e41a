# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an MGS knows of its whole site: file systems, their targets with NIDs, stored parameters, connected nodes.

Two processes: the second one reads the logs of the file systems that the first one named.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lctl, lctl_params, llog
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

_ON_MGS = "mgs.MGS.filesystems"
_EXPORTS = "mgs.MGS.exports.*.uuid"
_EXPORT = re.compile(r"mgs\.MGS\.exports\.(?P<nid>.+)\.uuid\Z")
_ABSENT = "No such file or directory"


class NotOnMgs(Refused):
    """This node runs no MGS."""

    def __init__(self) -> None:
        super().__init__(
            "read what the MGS knows", "this node runs no MGS", "Run this on the node where the MGT is mounted now."
        )


def site(run: Runner) -> dict[str, Any]:
    """Raises NotOnMgs elsewhere than on the node whose MGT is mounted, ToolError when a log cannot be read."""
    asked = (_ON_MGS, _EXPORTS, "version")
    first = lctl.run_batch(run, [("device", "MGS"), ("llog_print", "params"), ("list_nids",), ("get_param", *asked)])
    answer = lctl_params.parse(first.out, first.err, asked)
    if _ON_MGS not in answer.values:
        if not (answer.values or answer.missing):
            raise ToolError("read what the MGS knows", ("lctl",), first.rc, first.out, first.err)
        raise NotOnMgs()
    _check(first, ["params"])
    names = lctl_params.filesystems(answer.values[_ON_MGS])
    records: list[llog.Record] = []
    if names:
        logs = [f"{name}-client" for name in names]
        second = lctl.run_batch(run, [("device", "MGS"), *(("llog_print", log) for log in logs)])
        _check(second, logs)
        records = llog.parse_mixed(second.out)
    return site_of(names, llog.parse_mixed(first.out), records, own_nids(first.out), connected_of(answer.values))


def _check(result: Result, logs: Sequence[str]) -> None:
    """A log that is not there is empty; one that cannot be read makes everything unknown."""
    failed = {log: why for log, why in llog.failures(result.err).items() if log in logs and why != _ABSENT}
    if failed:
        raise ToolError(
            f"read the configuration log {', '.join(failed)}", ("lctl", "llog_print"), result.rc, "", result.err
        )


def own_nids(out: str) -> list[str]:
    """Lines of a batch's output that are NIDs and nothing else (``list_nids``)."""
    return [
        line.strip()
        for line in out.splitlines()
        if re.fullmatch(r"[0-9A-Fa-f.:]+@[a-z0-9]+", line.strip()) and not line.strip().endswith("@lo")
    ]


def connected_of(values: Mapping[str, str]) -> list[str]:
    """NIDs with a connection to the MGS: servers and clients alike."""
    found = []
    for name, text in values.items():
        match = _EXPORT.match(name)
        if match and text.strip():
            found.append(match["nid"])
    return sorted(found)


def site_of(
    names: Sequence[str],
    stored: Sequence[llog.Record],
    records: Sequence[llog.Record],
    nids: Sequence[str],
    connected: Sequence[str],
) -> dict[str, Any]:
    """Everything in the names of ``lustre_filesystems``."""
    targets = llog.targets(list(records))
    params = [
        {"name": name, "value": record.fields["value"], "scope": "persistent"}
        for name, record in llog.stored_params(list(stored)).items()
    ]
    filesystems = [
        _filesystem(name, [target for target in targets if target.fsname == name], params, names, nids)
        for name in names
    ]
    servers = {nid for target in targets for node in target.service_nids for nid in node} | set(nids) | {"0@lo"}
    clients = [nid for nid in connected if _normal(nid) not in servers]
    return {
        "mgs_nids": list(nids),
        "filesystems": filesystems,
        "params": params,
        "general_params": [param for param in params if not _about(param, names)],
        "conf_params": [
            {
                "device": record.fields.get("device", ""),
                "name": record.fields["parameter"],
                "value": record.fields["value"],
            }
            for record in records
            if record.event == "conf_param"
        ],
        "connected_nids": list(connected),
        "client_nids": clients,
        "clients": len(clients),
    }


def _filesystem(
    name: str,
    targets: Iterable[llog.TargetRecord],
    params: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    nids: Sequence[str],
) -> dict[str, Any]:
    kinds: dict[str, list[dict[str, Any]]] = {"mdt": [], "ost": []}
    for target in targets:
        kinds[target.kind].append({"index": target.index, "label": target.label, "service_nids": target.service_nids})
    return {
        "name": name,
        "mgs": {"nids": [list(nids)] if nids else []},
        "mdts": sorted(kinds["mdt"], key=lambda entry: int(entry["index"])),
        "osts": sorted(kinds["ost"], key=lambda entry: int(entry["index"])),
        "params": [dict(param) for param in params if name in _about(param, names)],
    }


def _about(param: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """File systems whose name stands in a parameter's name as a part of its own (``osc.fs1-*.active``)."""
    return [name for name in names if re.search(rf"(?:^|[.-]){re.escape(name)}(?=[-.*?]|$)", str(param["name"]))]


def _normal(nid: str) -> str:
    try:
        return normal_nid(nid)
    except ValueError:
        return nid
