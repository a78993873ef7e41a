# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security contexts and the texts in which they are shown, as recorded on 2.17.0."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable

from .srpc import NULL, mechanism

_NO_HANDLE = "0x" + "f" * 16
_GC = 3600
BROKEN_SECONDS = 300  # how long a context that never came up is kept


@dataclasses.dataclass
class Context:
    """One side's end of what client and server agreed on. ``mech`` is "N/A" for one that never came up."""

    uid: int
    expire: int
    mech: str
    ours: str
    theirs: str
    key: str = "00000000"
    peer_nid: str = ""  # on the server

    @property
    def up(self) -> bool:
        return self.mech != "N/A"

    def text(self, now: float) -> str:
        peer = f"peer_nid: {self.peer_nid}, " if self.peer_nid else ""
        flags, win = ("uptodate, cached", 2048) if self.up else ("cached", 0)
        refs = "ctxref: 1" if self.up else "ctxref: 3"
        return (
            f"- {{ {peer}uid: {self.uid}, {refs}, expire: {self.expire}, delta: {self.expire - int(now)}, "
            f"flags: [{flags}], seq: {int(self.up and not self.peer_nid)}, win: {win}, key: {self.key}, "
            f'keyref: {int(not self.up)}, hdl: "{self.ours}:{self.theirs}", mech: "{self.mech}" }}'
        )


def handle() -> str:
    return f"0x{secrets.randbits(63) | 1 << 62:016x}"


def broken(uid: int, now: float, key: str) -> Context:
    """What is left of an attempt that failed."""
    return Context(uid, int(now) + BROKEN_SECONDS, "N/A", _NO_HANDLE, _NO_HANDLE, key)


@dataclasses.dataclass
class Import:
    """The security of one connection of this node: its flavor in force and its contexts."""

    flavor: str = NULL
    identity: int = -1  # counts the changes of flavor on this node
    since: float = 0.0
    due: float | None = None  # when the next attempt or change is to be made
    stale: bool = False  # the server was away: it has forgotten
    contexts: list[Context] = dataclasses.field(default_factory=list)

    @property
    def root(self) -> Context | None:
        return next((context for context in self.contexts if context.uid == 0), None)

    def usable(self) -> bool:
        """Without a flavor always; else root's context must be there, or was flushed and comes with the next request."""
        if not mechanism(self.flavor):
            return True
        root = self.root
        return root is None or root.up

    def put(self, context: Context) -> None:
        """It takes the place of the user's other one; a user's that never came up is kept beside one that did, as recorded."""
        left = (one for one in self.contexts if one.uid != context.uid or (one.uid and context.up and not one.up))
        self.contexts = [context, *left]

    def info(self, kind: str, now: float, alike: int) -> str:
        """The parameter ``srpc_info``; ``alike`` counts the node's imports without a flavor, which share one."""
        mech = mechanism(self.flavor)
        flags = "-,"
        if mech == "sk":
            flags = "rootonly,bulk," if kind == "osc" else "rootonly,udesc,"
        left = _GC - int(now - self.since) % _GC if mech else 0
        return (
            f"rpc flavor:\t{self.flavor}\nbulk flavor:\t{self.flavor}\nflags:\t\t{flags}\n"
            f"id:\t\t{self.identity}\nrefcount:\t{3 if mech else 2 * alike + 1}\nnctx:\t{len(self.contexts) if mech else 1}\n"
            f"gc interval\t{_GC if mech else 0}\ngc next\t{left}"
        )

    def shown(self, now: float) -> str:
        return lines(self.contexts, now)


def lines(contexts: Iterable[Context], now: float) -> str:
    """One context stands beside the parameter's name, several each on a line of their own."""
    return "\n".join(context.text(now) for context in contexts)
