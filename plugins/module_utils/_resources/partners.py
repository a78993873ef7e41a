# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether another node has a device in use: what its multi-mount protection tells, and when that is not enough."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli import blockdev
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._run import Runner


def require_unused(run: Runner, device: str, nodes: int, what: str) -> None:
    """Refused to do ``what`` while a node uses the device, or may use it unseen; ``nodes``: how many may mount it."""
    state = blockdev.mmp_state(run, device)
    if state == "busy":
        raise Refused(what, "its multi-mount protection says that a node uses it", "Unmount it on its partner first.")
    if state == "off" and nodes > 1:
        raise Refused(
            what,
            f"{nodes} nodes may mount it and multi-mount protection is off, so nobody can tell whether one of them does",
            f"Unmount it everywhere and turn it on (`tune2fs -O mmp {device}`), then run again.",
        )
