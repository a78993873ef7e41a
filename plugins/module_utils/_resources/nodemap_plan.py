# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The changes of one nodemap: what it is, what it shall be, and which of the differences restrict and which allow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import nodemap_words as words
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import (
    ID_TYPES,
    NEW_FLAGS,
    NEW_NUMBERS,
    Features,
    Fileset,
    Nodemap,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap_words import Words
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, common, names_of, without, written
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_change import Change, Phase, listed
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import DEFAULT, ROLES, NodemapWant

#: Flags that give something away when they are set; the others take something.
_GIVING = ("admin", "trusted")
#: What users of a mounted client notice at once.
_NOTICED = ("admin", "trusted", "deny_unknown", "deny_mount")


def roles_of(features: Features) -> frozenset[str]:
    """All roles of this release, told by properties that came with them."""
    count = 3 if "gssonly_identification" in features.properties else 2 if "deny_mount" in features.properties else 1
    return frozenset().union(*ROLES[:count])


def new_nodemap(want: NodemapWant, features: Features, parent: Nodemap | None) -> Nodemap:
    """What nodemap_add makes; a dynamic one begins as its parent is."""
    if parent is not None:
        return replace(parent, name=want.name, ranges=(), banlist=(), clients=(), parent=parent.name)
    sets = {"map_mode": frozenset(ID_TYPES), "rbac": roles_of(features), "child_raise_privileges": frozenset[str]()}
    known = features.properties
    return Nodemap(
        want.name,
        {name: value for name, value in NEW_FLAGS.items() if name in known},
        dict(NEW_NUMBERS),
        {name: value for name, value in sets.items() if name in known},
    )


@dataclass
class Differ:
    """Collects the changes of one nodemap.

    ``new``: it is made now, so nobody is in it before its ranges come.  ``late``: it is the default one, and servers
    leave it in this very run: it is restricted once they have.
    """

    want: NodemapWant
    have: Nodemap
    features: Features
    active: bool
    new: bool = False
    late: bool = False
    changes: list[Change] = field(default_factory=list)

    def differences(self) -> list[Change]:
        if self.new:
            made = words.add(self.want.name, self.want.parent, self.want.dynamic)
            self._add(Phase.CREATE, "create", self._called, "not there", [made])
        self._flags()
        self._numbers()
        self._sets()
        self._ids()
        self._filesets()
        self._policy()
        self._ranges()
        return self.changes

    @property
    def _called(self) -> str:
        return f"nodemap {self.want.name}"

    def _add(
        self, phase: Phase, action: str, thing: str, reason: str, commands: Iterable[Words], noticed: bool = False
    ) -> None:
        if phase in (Phase.TIGHTEN, Phase.SWAP, Phase.LOOSEN):
            if self.new:
                phase = Phase.CREATE
            elif (self.want.name == DEFAULT and phase == Phase.SWAP) or (self.late and phase == Phase.TIGHTEN):
                phase = Phase.TIGHTEN_DEFAULT
            elif self.want.name == DEFAULT and phase == Phase.LOOSEN:
                phase = Phase.LOOSEN_DEFAULT
        disruptive = noticed and self.active and not self.new
        self.changes.append(Change(phase, action, thing, reason, tuple(commands), disruptive))

    def _modify(self, phase: Phase, key: str, value: str, found: str, noticed: bool = False) -> None:
        command = words.modify(self.want.name, key, value)
        self._add(phase, "set", f"{key} of {self._called}", f"is {found}, wanted {value}", [command], noticed)

    # Properties

    def _flags(self) -> None:
        for key, value in self.want.flags.items():
            found = self.have.flags.get(key, False)
            if found == value or (key == "deny_mount" and not value and self.must_close):
                continue
            phase = Phase.LOOSEN if value == (key in _GIVING) else Phase.TIGHTEN
            if key == "gssonly_identification":  # refused while there are ranges, and refuses them
                phase = Phase.BAN if value else Phase.TIGHTEN
            self._modify(phase, key, str(int(value)), str(int(found)), key in _NOTICED)

    def _numbers(self) -> None:
        for key, number in self.want.numbers.items():
            found = self.have.numbers.get(key, 0)
            if found != number:
                self._modify(Phase.TIGHTEN, key, str(number), str(found), True)

    def _sets(self) -> None:
        """First what both have (for map_mode: either, since an id that is not mapped passes as it is), then the rest."""
        for key, value in self.want.sets.items():
            found = self.have.sets.get(key, frozenset())
            if key == "rbac" and value == {"all"}:
                if not found >= roles_of(self.features):
                    self._modify(Phase.LOOSEN, key, "all", _text(found))
                continue
            between = found | value if key == "map_mode" else found & value
            if between != found:
                self._modify(Phase.TIGHTEN, key, _text(between), _text(found), True)
            if between != value:
                self._modify(Phase.LOOSEN, key, _text(value), _text(between))

    # Identities

    def _ids(self) -> None:
        want, have = self.want, self.have
        if want.offset is not None and want.offset != (have.offset or (0, 0)):
            if have.offset:
                self._add(
                    Phase.TIGHTEN,
                    "unmap",
                    f"offset of {self._called}",
                    f"is {have.offset[0]} for {have.offset[1]} ids",
                    [words.del_offset(want.name)],
                    True,
                )
            if want.offset[1]:
                start, limit = want.offset
                reason = f"wanted {start} for {limit} ids"
                self._add(
                    Phase.LOOSEN,
                    "map",
                    f"offset of {self._called}",
                    reason,
                    [words.add_offset(want.name, start, limit)],
                )
        for kind in ID_TYPES if want.idmap is not None else ():
            self._id_kind(kind, (want.idmap or {}).get(kind), have.idmap.get(kind, {}))

    def _id_kind(self, kind: str, want: Mapping[int, int] | None, have: Mapping[int, int]) -> None:
        """An entry is never replaced: nodemap_add_idmap does so without a word, and for a moment nobody knows who is whom."""
        purge, wanted = "idmap" in self.want.purge, want or {}
        gone = {client: fs for client, fs in have.items() if wanted.get(client) != fs and (client in wanted or purge)}
        made = {client: fs for client, fs in wanted.items() if have.get(client) != fs}
        name = self.want.name
        if gone:
            shown = listed(words.idmap_texts(gone))
            self._add(
                Phase.TIGHTEN,
                "unmap",
                f"{kind}s of {self._called}",
                f"{len(gone)} not wanted: {shown}",
                words.del_idmaps(name, kind, gone),
                True,
            )
        if made:
            shown = listed(words.idmap_texts(made))
            commands = words.add_idmaps(name, kind, made, self.features.offset)
            self._add(Phase.LOOSEN, "map", f"{kind}s of {self._called}", f"{len(made)} not mapped: {shown}", commands)

    # File sets

    def _filesets(self) -> None:
        if self.want.filesets is None:
            return
        if self.features.filesets:
            self._fileset_list()
        else:
            self._fileset_plain()

    def _fileset_plain(self) -> None:
        """Before 2.17: one, stored, so that it is there after a restart, and then set live.

        What is read is what is live: the other way round, a run that ended between the two would leave a wall that the
        next restart takes away, and no later run would see that.
        """
        found = self.have.filesets[0].path if self.have.filesets else ""
        path = self.want.primary.path if self.want.primary else ""
        if path == found or (not path and "filesets" not in self.want.purge):
            return
        name = self.want.name
        commands = [words.store(name, "fileset", path), words.set_fileset(name, path)]
        reason = f"is {found or 'the whole file system'}, wanted {path or 'the whole file system'}"
        phase = Phase.LOOSEN if not path else Phase.SWAP if found else Phase.TIGHTEN
        self._add(phase, "confine", self._called, reason, commands, True)

    def _fileset_list(self) -> None:
        name, wanted = self.want.name, {one.path: one for one in self.want.filesets or ()}
        now = {one.path: one for one in self.have.filesets}
        root = next((one for one in self.have.filesets if not one.alternate), None)
        primary = self.want.primary
        swapped = primary is not None and root is not None and root.path != primary.path
        # An alternate that becomes the root is taken away first: the root is then renamed in one go, never absent.
        gone = [
            path
            for path, one in now.items()
            if one.alternate
            and ((path not in wanted and "filesets" in self.want.purge) or (primary and path == primary.path))
        ]
        tighten = [words.del_fileset(name, path) for path in gone]
        swap: list[Words] = []
        loosen: list[Words] = []
        if primary is not None and root is None:
            tighten.append(words.add_fileset(name, primary))
        elif primary is not None and root is not None:
            if primary.read_only and not root.read_only:
                tighten.append(words.fileset_mode(name, root.path, True))
            if swapped:
                swap.append(words.rename_fileset(name, root.path, primary.path))
            if root.read_only and not primary.read_only:
                loosen.append(words.fileset_mode(name, primary.path, False))
        elif root is not None and not wanted and "filesets" in self.want.purge:
            loosen.append(words.del_fileset(name, root.path))
        for path, one in wanted.items():
            found = now.get(path)
            if not one.alternate:
                continue
            if found is None or not found.alternate:
                loosen.append(words.add_fileset(name, one))
            elif found.read_only != one.read_only:
                (tighten if one.read_only else loosen).append(words.fileset_mode(name, path, one.read_only))
        reason = f"is {_places(self.have.filesets)}, wanted {_places(self.want.filesets or ())}"
        if tighten:
            self._add(Phase.TIGHTEN, "confine", self._called, reason, tighten, True)
        if swap:
            self._add(Phase.SWAP, "move", self._called, reason, swap, True)
        if loosen:
            self._add(Phase.LOOSEN, "open", self._called, reason, loosen)

    # SELinux policy and capabilities

    def _policy(self) -> None:
        want, name = self.want, self.want.name
        if want.sepol is not None and want.sepol != self.have.sepol:
            commands = [words.set_sepol(name, want.sepol)]
            if not self.features.filesets:
                commands.insert(0, words.store(name, "sepol", want.sepol))
            reason = f"is {self.have.sepol or 'none'}, wanted {want.sepol or 'none'}"
            phase = Phase.LOOSEN if not want.sepol else Phase.SWAP if self.have.sepol else Phase.TIGHTEN
            self._add(phase, "set", f"SELinux policy of {self._called}", reason, commands, True)
        if want.caps is not None and want.caps != self.have.caps:
            (kind, names), (old_kind, old) = want.caps, self.have.caps
            fewer = (kind == "mask" and (old_kind != "mask" or names <= old)) or (kind, old_kind) == ("off", "set")
            phase = Phase.TIGHTEN if fewer else Phase.LOOSEN
            reason = f"is {old_kind} {_text(old)}, wanted {kind} {_text(names)}"
            command = words.set_caps(name, kind, names)
            self._add(phase, "set", f"capabilities of {self._called}", reason, [command], True)

    # Who is in it

    @property
    def left(self) -> list[Span]:
        """Stored ranges that are not wanted as they are (only with purge)."""
        if self.want.ranges is None or "ranges" not in self.want.purge:
            return []
        return [span for span in self.have.ranges if not any(one.covers(span) for one in self.want.ranges)]

    @property
    def entered(self) -> list[Span]:
        """What is added: also the rest of a range that is cut, for a range can only be removed as a whole."""
        left = self.left
        kept = [span for span in self.have.ranges if span not in left]
        return without(self.want.ranges or (), kept)

    @property
    def left_bans(self) -> list[Span]:
        """Stored bans that are not wanted as they are (only with purge)."""
        if self.want.banlist is None or "banlist" not in self.want.purge:
            return []
        return [span for span in self.have.banlist if not any(one.covers(span) for one in self.want.banlist)]

    @property
    def dropped_bans(self) -> list[Span]:
        """Bans within a range that goes: the kernel takes them away with it (nodemap_del_range, Lustre 2.17).

        Taken away before it, they would let in for a moment who is banned.
        """
        return [span for span in self.have.banlist if any(one.covers(span) for one in self.left)]

    @property
    def renewed_bans(self) -> list[Span]:
        """Stored bans that are taken away and put back in another extent. A ban is removed as a whole, too."""
        dropped, gone = self.dropped_bans, self.left_bans
        stay = [span for span in self.have.banlist if span not in dropped]
        moved = [span for span in stay if any(span.meets(one) for one in self.left)]
        return moved + [
            span for span in stay if span in gone and span not in moved and common([span], self.want.banlist or ())
        ]

    def _new_bans(self) -> tuple[list[Span], list[Span]]:
        """Bans of who is in the nodemap already, and of who is not, or not banned, for a moment."""
        gone, renewed = self.left_bans, [*self.renewed_bans, *self.dropped_bans]
        ends = [*self.entered, *(span for span in self.have.ranges if span not in self.left)]
        kept = [span for span in self.have.banlist if span not in gone and span not in renewed]
        again = common([span for span in renewed if span not in gone], ends)
        made = without([*(self.want.banlist or ()), *again], kept)
        open_ones = [*self.entered, *renewed]
        return without(made, open_ones), common(made, open_ones)

    @property
    def must_close(self) -> bool:
        """A NID can be banned only once it is in a range: until then nobody may mount."""
        return bool(self._new_bans()[1])

    def _ranges(self) -> None:
        name = self.want.name
        known, entering = self._new_bans()
        shut = bool(entering) and not self.have.flags.get("deny_mount") and not self.want.flags.get("deny_mount")
        if shut:
            closed = words.modify(name, "deny_mount", "1")
            reason = "closed until those who are banned are in its banlist"
            self._add(Phase.TIGHTEN, "close", self._called, reason, [closed], True)
        if known:
            self._ban(Phase.TIGHTEN, known)
        renewed = self.renewed_bans
        lifted = [span for span in self.left_bans if span not in renewed and span not in self.dropped_bans]
        if renewed:
            commands = [words.unban(name, text) for span in renewed for text in names_of(span)]
            reason = f"to be banned anew: {listed([span.text for span in renewed])}"
            self._add(Phase.LEAVE, "unban", self._called, reason, commands)
        if self.left:
            commands = [words.del_range(name, text) for span in self.left for text in names_of(span)]
            reason = f"not wanted: {listed([span.text for span in self.left])}"
            self._add(Phase.LEAVE, "remove", f"ranges of {self._called}", reason, commands, True)
        if self.entered:
            texts = written(self.entered)
            commands = [words.add_range(name, text) for text in texts]
            self._add(Phase.ENTER, "add", f"ranges to {self._called}", f"not in it: {listed(texts)}", commands)
        if entering:
            self._ban(Phase.BAN, entering)
            if not self.want.flags.get("deny_mount", False):
                reason = "those who are banned are in its banlist"
                self._add(Phase.BAN, "reopen", self._called, reason, [words.modify(name, "deny_mount", "0")])
        if lifted:
            commands = [words.unban(name, text) for span in lifted for text in names_of(span)]
            reason = f"not wanted: {listed([span.text for span in lifted])}"
            self._add(Phase.LOOSEN, "unban", self._called, reason, commands)

    def _ban(self, phase: Phase, spans: Sequence[Span]) -> None:
        texts = written(spans)
        commands = [words.ban(self.want.name, text) for text in texts]
        self._add(phase, "ban", self._called, f"not banned: {listed(texts)}", commands, True)


def _text(names: Iterable[str]) -> str:
    order = [kind for kind in ID_TYPES if kind in set(names)]
    return ",".join(order or sorted(names)) or "none"


def _places(filesets: Sequence[Fileset]) -> str:
    shown = [f"{one.path}{' read-only' if one.read_only else ''}" for one in filesets]
    return ", ".join(shown) or "the whole file system"
