# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NIDs that leave a nodemap fall into ``default`` at once: what that would open, and for whom a consent is needed.

A range can only be removed as a whole, and two ranges never overlap.  So a NID that moves from one nodemap to another,
or whose range is cut, is in ``default`` for a moment.  With active nodemaps that moment counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import Fileset, Nodemap, State
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, common, without
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_after import End
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import DEFAULT, NodemapWant, Wanted

_TAKING = ("deny_unknown", "forbid_encryption", "readonly_mount")


def allows_no_more(one: Nodemap, other: Nodemap) -> bool:
    """Is a NID in ``one`` allowed nothing that it is not allowed in ``other``?  In doubt: no."""
    if one.flags.get("deny_mount"):
        return True
    taking = all(one.flags.get(flag, False) or not other.flags.get(flag, False) for flag in _TAKING)
    giving = all(not one.flags.get(flag, False) or other.flags.get(flag, False) for flag in ("admin", "trusted"))
    if not taking or not giving or other.flags.get("deny_mount"):
        return False
    same_root = not other.filesets or set(one.filesets) == set(other.filesets)
    mapped = one.sets.get("map_mode", frozenset()) >= other.sets.get("map_mode", frozenset())
    # What cannot be read of default (rbac before 2.18) is taken for everything.
    roles = "rbac" not in other.sets or one.sets.get("rbac", frozenset({"?"})) <= other.sets["rbac"]
    if "rbac" not in one.sets and "rbac" in other.sets:
        roles = False
    return (
        same_root
        and mapped
        and roles
        and other.sepol in ("", one.sepol)
        and other.caps in (("off", frozenset()), one.caps)
    )


def with_want(nodemap: Nodemap, want: NodemapWant | None) -> Nodemap:
    """A nodemap with the wanted properties (not its ranges and ids)."""
    if want is None:
        return nodemap
    filesets: tuple[Fileset, ...] = nodemap.filesets
    if want.filesets is not None:
        kept = () if "filesets" in want.purge or not want.filesets else tuple(f for f in filesets if f.alternate)
        filesets = (*want.filesets, *(one for one in kept if all(one.path != new.path for new in want.filesets or ())))
    return replace(
        nodemap,
        flags={**nodemap.flags, **want.flags},
        sets={**nodemap.sets, **{key: value for key, value in want.sets.items() if value != {"all"}}},
        filesets=filesets,
        sepol=nodemap.sepol if want.sepol is None else want.sepol,
        caps=nodemap.caps if want.caps is None else want.caps,
    )


def check_leaving(
    have: State,
    wanted: Wanted,
    leaving: Mapping[str, Sequence[Span]],
    ends: Mapping[str, End],
    made: Mapping[str, Nodemap],
    late: bool,
) -> None:
    """``leaving``: ranges that are taken out while nodemaps are active, by nodemap; ``made``: those at the end."""
    default = have.maps.get(DEFAULT, Nodemap(DEFAULT))
    between = default if late else _tighter(default, made.get(DEFAULT, default))
    told = []
    for name, spans in leaving.items():
        if name in wanted.consent or not spans:
            continue
        text = _fate(have.maps[name], spans, ends, made, between)
        if text:
            told.append(f"{name}: {text}")
    if told:
        names = ", ".join(text.partition(":")[0] for text in told)
        raise Refused(
            "take ranges out of active nodemaps",
            "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else ""),
            f"Name them in consent ({names}) if that is meant; or restrict the nodemap default first (deny_mount: true).",
        )


def _fate(
    before: Nodemap, spans: Sequence[Span], ends: Mapping[str, End], made: Mapping[str, Nodemap], between: Nodemap
) -> str:
    staying = without(spans, [span for end in ends.values() for span in end.ranges])
    if staying:
        return f"{staying[0].text} would fall into the nodemap default"
    for name, end in ends.items():
        moved = common(spans, end.ranges)
        if moved and not allows_no_more(between, before) and not allows_no_more(between, made.get(name, before)):
            return f"{moved[0].text} would be in the nodemap default for a moment, which allows more"
    return ""


def _tighter(one: Nodemap, other: Nodemap) -> Nodemap:
    """The restrictions of both: those that a run adds come before anybody leaves, those that it lifts after."""
    flags = {flag: one.flags.get(flag, False) or other.flags.get(flag, False) for flag in (*_TAKING, "deny_mount")}
    flags |= {flag: one.flags.get(flag, False) and other.flags.get(flag, False) for flag in ("admin", "trusted")}
    return replace(one, flags={**one.flags, **flags}, filesets=one.filesets if one.filesets else other.filesets)
