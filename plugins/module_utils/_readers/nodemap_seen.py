# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodemaps that a server has got from the MGS, and waiting until they are those that the MGS has.

The MGS hands nodemaps to the other servers some seconds after a change.  Until then these judge clients by the old
ones, and nothing tells: so what a server shows is compared with what the MGS showed.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import nodemap as tool
from ansible_collections.lustre.core.plugins.module_utils._cli import nodemap_data
from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import State
from ansible_collections.lustre.core.plugins.module_utils._errors import NotConverged, Refused
from ansible_collections.lustre.core.plugins.module_utils._run import Runner


def seen(
    run: Runner,
    names: Sequence[str] = (),
    digest: Sequence[str] = (),
    timeout: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """The node's nodemaps (all, or those named); with ``digest`` not before they have one of these: NotConverged after ``timeout``."""
    began = clock()
    while True:
        state = tool.read(run)
        _require(state)
        found = nodemap_data.digest(state)
        if not digest or any(nodemap_data.same(found, one) for one in digest):
            return told(state, names, found, clock() - began)
        if clock() - began >= timeout:
            raise NotConverged(
                "The nodemaps of this node",
                [f"take over what the MGS has (digest {' or '.join(map(_short, digest))}; here it is {_short(found)})"],
                timeout,
            )
        sleep(1.0)


def _short(digest: str) -> str:
    """Both ends: its parts are of different things."""
    return f"{digest[:8]}..{digest[-8:]}"


def _require(state: State) -> None:
    if not state.here:
        raise Refused(
            "tell the nodemaps of this node",
            "it shows none, for neither an MGS nor a target runs here",
            "Run this on a server with a target mounted.",
        )


def told(state: State, names: Sequence[str], digest: str, waited: float) -> dict[str, Any]:
    """As plain data, each with the NIDs that are connected to targets of this node."""
    chosen = [name for name in state.maps if not names or name in names]
    return {
        "active": state.active,
        "mgs": state.mgs,
        "nodemaps": {
            name: {**nodemap_data.shown(state.maps[name]), "clients": sorted(state.maps[name].clients)}
            for name in sorted(chosen)
        },
        "digest": digest,
        "waited": round(waited, 1),
    }
