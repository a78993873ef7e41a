# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the simulation lies, and nodes of it in this very process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lustre_sim.node import Clock, Node

REHEARSAL = Path(__file__).parents[2] / "rehearsal"
TOOLS = REHEARSAL / "lustre_sim" / "bin"


def make_node(
    folder: Path, name: str, interfaces: Mapping[str, str | None], clock: Clock | None = None, **settings: Any
) -> Node:
    """A node whose state lives under ``folder/name``."""
    home = folder / name
    return Node(
        name,
        str(home / "persistent"),
        str(home / "run"),
        str(folder / "site"),
        clock=clock,
        settings={
            "interfaces": dict(interfaces),
            "modprobe_dir": str(home / "modprobe.d"),
            "router_check_interval": 0.0,
            "routing_delay": 0.0,
            "lnet_connect_timeout": 2.0,
            **settings,
        },
    )
