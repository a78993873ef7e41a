# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the MGS answer?  Asked before every mount that needs it.

With its MGS down a real mount hangs for minutes and cannot be killed (Lustre 2.17.0,
observed), while ``lctl ping`` answers or fails within seconds.  A ping proves LNet on
the other node; that its MGS runs can only be seen on the node itself, so a NID of this
node counts only when an MGS device is up here.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError, ToolTimeout, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net, normal_nid
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Seconds that `lctl ping` itself waits, and the bound on its process (connecting comes on top).
PING_SECONDS = 10
PING_BOUND = 45.0
#: The first message to a peer starts its discovery and may be lost: ask twice.
ROUNDS = 2
ROUND_PAUSE = 3.0
_MGS_UP = re.compile(r"^ *\d+ UP mgs MGS ", re.M)


@dataclass(frozen=True)
class Answer:
    """What one NID said; ``said`` is empty when it answered."""

    nid: str
    said: str = ""

    @property
    def ok(self) -> bool:
        return not self.said


def own_nids(run: Runner) -> tuple[str, ...]:
    """This node's NIDs; none when LNet is not configured (`lctl list_nids` then fails or prints nothing)."""
    argv = ("lctl", "list_nids")
    rc, out, _err = run(argv, None, 30.0)
    try:
        return tuple(normal_nid(word) for word in out.split() if "@" in word) if rc == 0 else ()
    except ValueError:
        raise UnknownOutput("lctl list_nids", "this node's NIDs", out) from None


def require_lnet(run: Runner, wanted: str) -> tuple[str, ...]:
    """This node's NIDs; Refused without any, since a mount would then make up an LNet of its own (default tcp, any interface)."""
    own = own_nids(run)
    if not own:
        raise Refused(
            wanted,
            "LNet is not configured on this node (`lctl list_nids` names no NID), and Lustre would configure a default one by itself",
            "Configure LNet first (the module lustre.core.lnet, or `systemctl start lnet`).",
        )
    return own


def mgs_runs_here(run: Runner) -> bool:
    argv = ("lctl", "dl")
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        raise ToolError("list this node's Lustre devices", argv, rc, out, err)
    return _MGS_UP.search(out) is not None


def ping(run: Runner, nid: str, seconds: int = PING_SECONDS, bound: float = PING_BOUND) -> Answer:
    """Ask one NID; an exit code of lctl is an errno."""
    try:
        rc, out, err = run(("lctl", "ping", nid, str(seconds)), None, bound)
    except ToolTimeout as error:
        return Answer(nid, f"no answer within {error.seconds:g} s")
    if rc == 0:
        return Answer(nid)
    said = " ".join((err or out).split()) or os.strerror(rc)
    return Answer(nid, f"{said} (exit code {rc})")


def prove(
    run: Runner, nodes: Sequence[Sequence[str]], wanted: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return when one NID of the MGS nodes answers; Refused, naming all that were tried, when none does."""
    own = require_lnet(run, wanted)
    answers: list[Answer] = []
    for number in range(ROUNDS):
        if number:
            sleep(ROUND_PAUSE)
        answers = []
        for nid in (nid for node in nodes for nid in node):
            answer = _ask(run, nid, own)
            if answer.ok:
                return
            answers.append(answer)
    nets = sorted({nid_net(nid) for nid in own})
    raise Refused(
        wanted,
        "the MGS was not proven to answer, and a mount without it hangs for minutes and cannot be killed. Tried: "
        + "; ".join(f"{answer.nid}: {answer.said}" for answer in answers),
        f"This node has {', '.join(own)} (networks {', '.join(nets)}). Check that the MGT is mounted, that LNet is up on both "
        "nodes (`lnetctl net show`), that TCP port 988 is open in both directions, and the routes between the networks "
        "(`lnetctl route show`).",
    )


def _ask(run: Runner, nid: str, own: Sequence[str]) -> Answer:
    if normal_nid(nid) in own:
        return Answer(nid) if mgs_runs_here(run) else Answer(nid, "this is the node itself, and no MGS runs here")
    return ping(run, nid)
