# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A target found and a target wanted: is it the same one, and where do they differ?

Pure functions.  Undeclared is untouched: an empty list or a parameter that is not named
is never a difference, and ``complete_set`` carries it over unchanged.  What
``lctl conf_param`` and ``set_param -P`` set lives in the MGS's logs, not on the target,
and is not seen here.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mountdata, tunefs_lustre
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import TargetData
from ansible_collections.lustre.core.plugins.module_utils._nid import join_nodes, normal_net
from ansible_collections.lustre.core.plugins.module_utils._resources.target_want import TargetWant

#: Options that Lustre adds by itself to whatever was given at format time.
_IMPLIED = frozenset({"errors=remount-ro", "user_xattr"})
#: Parameters that Lustre's ZFS backend adds at every write; keeping them explicitly would double them.
_SELF_ADDED = {"zfs": frozenset({"autodegrade"}), "ldiskfs": frozenset[str]()}


class Difference(NamedTuple):
    """One aspect that differs; ``note`` is what to know about repairing it, ``remedy`` who does when we may not."""

    aspect: str
    found: str
    wanted: str
    repairable: bool
    note: str = ""
    remedy: str = ""


def stranger(want: TargetWant, found: TargetData) -> str:
    """What makes the target found another one than the wanted; empty when it is the same."""
    if (found.kind, found.fsname, found.index) != (want.kind, want.fsname, want.index):
        what = {"mgt": "a stand-alone MGT", "mdt": "an MDT", "ost": "an OST"}[found.kind]
        fs = f" of file system {found.fsname!r}" if found.kind != "mgt" else ""
        number = f" with index {found.index}" if found.index is not None else ""
        return f"it is {found.label}, {what}{number}{fs}"
    if found.backend != want.backend:
        return f"it is {found.label} with the backend {found.backend}, not {want.backend}"
    return ""


def elsewhere(want: TargetWant, found: TargetData) -> str:
    """Why a target of the same name is that of another site: none of the MGS NIDs on it is a wanted one; empty otherwise.

    Storage networks are shared, and ``fs1`` or ``lustre`` is a name that several sites choose.
    """
    there = {nid for node in found.nodes("mgsnode") for nid in node}
    wanted = {nid for node in want.mgs_nids for nid in node}
    if not there or not wanted or there & wanted:
        return ""
    return f"its MGS is {_show(found.nodes('mgsnode'))}, and none of these NIDs is one of the described {_show(want.mgs_nids)}"


def differences(want: TargetWant, found: TargetData) -> list[Difference]:
    """Every difference of a target that is the same one."""
    found_list = [*_nids(want, found), *_params(want, found), *_mount_options(want, found), *_networks(want, found)]
    if want.kind == "mdt" and want.mgs != found.mgs:
        found_list.append(
            Difference(
                "mgs",
                _with_mgs(found.mgs),
                _with_mgs(want.mgs),
                False,
                remedy="Moving the MGS needs the whole file system stopped and a writeconf of all its targets; nothing here does it.",
            )
        )
    return found_list


def _with_mgs(mgs: bool) -> str:
    return "with MGS" if mgs else "without MGS"


def _nids(want: TargetWant, found: TargetData) -> list[Difference]:
    result = []
    if want.mgs_nids and _same(want.mgs_nids) != _same(found.nodes("mgsnode")):
        result.append(
            Difference("MGS nodes", _show(found.nodes("mgsnode")), _show(want.mgs_nids), True, _mgs_note(found))
        )
    old = found.nodes("failover.node")
    if want.service_nids and _same(want.service_nids) != _same(old):
        result.append(
            Difference("service nodes", _show(old), _show(want.service_nids), True, _service_note(want, found))
        )
    return result


def _same(nodes: Sequence[Sequence[str]]) -> list[list[str]]:
    """Nodes in a form to compare: order means nothing, a node listed twice is not the same as once."""
    return sorted(sorted(node) for node in nodes)


def _show(nodes: Sequence[Sequence[str]]) -> str:
    return join_nodes(nodes) or "none"


def _mgs_note(found: TargetData) -> str:
    return "the target asks the new MGS nodes at its next mount" if found.registered else ""


def _service_note(want: TargetWant, found: TargetData) -> str:
    """What the MGS of a registered target learns by itself, and what it does not."""
    if not found.registered:
        return ""
    declared = {nid for node in want.service_nids for nid in node}
    gone = [nid for node in found.nodes("failover.node") for nid in node if nid not in declared]
    note = "the MGS learns of new ones at the target's next mount"
    if gone:
        note += f", but keeps {', '.join(gone)} in its logs until a writeconf or `lctl replace_nids`"
    return note


def _params(want: TargetWant, found: TargetData) -> list[Difference]:
    result = []
    for key, value in want.params.items():
        values = found.values(key)
        if values != [value]:
            note = "the MGS learns of it at the target's next mount" if found.registered else ""
            result.append(Difference(f"parameter {key}", " and ".join(values) or "not set", value, True, note))
    return result


def _mount_options(want: TargetWant, found: TargetData) -> list[Difference]:
    wanted = frozenset(word for word in want.mount_fs_options.split(",") if word)
    old = frozenset(found.mount_options)
    if not wanted or (wanted <= old and old - wanted <= _IMPLIED):
        return []
    remedy = (
        "A wrong option here keeps the target from mounting, so it is not changed by a run: unmount it and use "
        f"`tunefs.lustre --mountfsoptions={want.mount_fs_options} {want.device}`."
    )
    return [
        Difference(
            "mount options", ",".join(found.mount_options) or "none", want.mount_fs_options, False, remedy=remedy
        )
    ]


def _networks(want: TargetWant, found: TargetData) -> list[Difference]:
    old = _found_networks(found)
    if not want.networks or set(want.networks) == set(old):
        return []
    remedy = "Networks of a target are in the MGS's logs: stop the file system and do a writeconf of all its targets."
    return [Difference("networks", ",".join(old) or "all", ",".join(want.networks), False, remedy=remedy)]


def _found_networks(found: TargetData) -> list[str]:
    return [_net(net) for value in found.values("network") for net in value.split(",") if net]


def _net(text: str) -> str:
    try:
        return normal_net(text)
    except ValueError:
        return text


def complete_set(want: TargetWant, found: TargetData) -> list[str]:
    """The one tunefs.lustre command that gives a target all it should have, and keeps all that is not declared."""
    own = {"mgsnode", "failover.node", "network", *_SELF_ADDED[found.backend]}
    params: dict[str, list[str]] = {}
    for key, value in found.params:
        if key not in own and value not in params.setdefault(key, []):
            params[key].append(value)
    params.update({key: [value] for key, value in want.params.items()})
    old_partners = _once(found.nodes("failover.node"))
    old_style = bool(old_partners) and not want.service_nids and not found.flags & mountdata.NO_PRIMNODE
    return tunefs_lustre.rewrite_argv(
        want.device,
        want.mgs_nids or _once(found.nodes("mgsnode")),
        () if old_style else (want.service_nids or old_partners),
        old_partners if old_style else (),
        list(dict.fromkeys(_found_networks(found))),
        params,
    )


def _once(nodes: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Nodes without the repetitions that appending runs of tunefs.lustre leave."""
    return [node for place, node in enumerate(nodes) if node not in nodes[:place]]
