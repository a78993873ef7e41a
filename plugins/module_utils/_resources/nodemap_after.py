# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the nodemaps will be once all is done, and what must hold then: no overlap, no server or administrator locked out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import Nodemap, State
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, common, merged, without
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import DEFAULT, Wanted


@dataclass(frozen=True)
class End:
    """One nodemap at the end, as far as who may mount depends on it."""

    ranges: tuple[Span, ...] = ()
    banlist: tuple[Span, ...] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)
    offset: tuple[int, int] | None = None
    parent: str = ""

    def lacks(self, nid: Span) -> str:
        """Why a server or an administrator behind this NID could not work; empty when they can."""
        if not self.flags.get("admin"):
            return "which has not admin"
        if not self.flags.get("trusted"):
            return "which has not trusted"
        if self.flags.get("deny_mount"):
            return "which denies mounts"
        return "which has banned it" if any(span.meets(nid) for span in self.banlist) else ""


def as_is(nodemap: Nodemap) -> End:
    return End(nodemap.ranges, nodemap.banlist, nodemap.flags, nodemap.offset, nodemap.parent)


def at_end(have: State, wanted: Wanted) -> dict[str, End]:
    """Every nodemap that there will be."""
    ends = {name: as_is(nodemap) for name, nodemap in have.maps.items() if not (wanted.purge and name != DEFAULT)}
    for want in wanted.maps:
        if not want.present:
            ends.pop(want.name, None)
            continue
        now = have.maps.get(want.name) or Nodemap(want.name, parent=want.parent)
        offset = now.offset if want.offset is None else (want.offset if want.offset[1] else None)
        ends[want.name] = End(
            tuple(spans_at_end(want.ranges, now.ranges, "ranges" in want.purge)),
            tuple(spans_at_end(want.banlist, now.banlist, "banlist" in want.purge)),
            {**now.flags, **want.flags},
            offset,
            now.parent,
        )
    return ends


def spans_at_end(want: Sequence[Span] | None, have: Sequence[Span], purge: bool) -> list[Span]:
    if want is None:
        return merged(have)
    return list(want) if purge else merged([*want, *have])


def owner(ends: Mapping[str, End], nid: Span) -> str:
    """The nodemap of one NID; a dynamic one lies within its parent and comes first."""
    found = [name for name, end in ends.items() if any(span.covers(nid) for span in end.ranges)]
    return sorted(found, key=lambda name: not ends[name].parent)[0] if found else DEFAULT


def check_overlaps(ends: Mapping[str, End], wanted: Wanted) -> None:
    """The MGS refuses what overlaps, in the middle of the work: it is found here, before anything is done."""
    paths = {want.name: f"{want.path}.ranges" for want in wanted.maps}
    owned = sorted((span, name) for name, end in ends.items() for span in end.ranges)
    for (span, name), (other, second) in zip(owned, owned[1:]):
        related = name in (second, ends[second].parent) or second == ends[name].parent
        if span.meets(other) and not related:
            mine, theirs = (second, name) if second in paths else (name, second)
            raise Refused(
                f"apply {paths.get(mine, mine)}",
                f"{common([span], [other])[0].text} would be in {mine} and in {theirs}",
                f"Describe {theirs} as well, with its ranges and purge: [ranges], so that it gives them up; or cut the range.",
            )
    placed = sorted((*end.offset, name) for name, end in ends.items() if end.offset and not end.parent)
    for (start, limit, name), (second_start, _limit, other_name) in zip(placed, placed[1:]):
        if second_start < start + limit:
            raise Refused(
                f"apply the offset of {other_name}",
                f"{second_start} lies in the ids {start} to {start + limit - 1} of {name}",
                "Give each nodemap ids of its own.",
            )


def check_bans(ends: Mapping[str, End], wanted: Wanted) -> None:
    for want in wanted.maps:
        outside = without(ends[want.name].banlist, ends[want.name].ranges) if want.banlist else []
        if outside:
            raise Refused(
                f"apply {want.path}.banlist",
                f"{outside[0].text} is in no range of {want.name}, and Lustre bans only members",
                "Add it to the ranges, or leave it out.",
            )


def check_protected(have: State, wanted: Wanted, ends: Mapping[str, End], active_now: bool) -> None:
    """Once nodemaps are active, servers and administrators must be in a nodemap with admin and trusted."""
    active = have.active if wanted.active is None else wanted.active
    if not active:
        return
    found = [text for text in _endangered(have, wanted, ends, active_now) if text]
    if found:
        raise Refused(
            "change the nodemaps" if have.active else "activate the nodemaps",
            "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else ""),
            "The server nodemap first: put these NIDs into a nodemap with admin: true and trusted: true.",
        )


def _range_of(end: End, nid: Span) -> Span:
    """The range of a nodemap that a NID is in."""
    return next(span for span in end.ranges if span.covers(nid))


def _endangered(have: State, wanted: Wanted, ends: Mapping[str, End], active_now: bool) -> Iterator[str]:
    now = {name: as_is(nodemap) for name, nodemap in have.maps.items()}
    for text, nid in wanted.protect.items():
        name = owner(ends, nid)
        lacks = ends[name].lacks(nid) if name in ends else "which is not there"
        if lacks:
            yield f"{text} would be in the nodemap {name}, {lacks}"
            continue
        before = owner(now, nid)
        if not active_now or before == DEFAULT or before not in now or now[before].lacks(nid):
            continue
        whole = _range_of(now[before], nid)
        kept = any(span.covers(whole) for span in ends[name].ranges)
        if before != name or not kept:
            yield (
                f"{text} would be in the nodemap default while its range {whole.text} is taken from {before} and given to "
                f"{name} anew (add the new ranges beside it, or deactivate the nodemaps first)"
            )
