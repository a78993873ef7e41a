# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The recordings of real Lustre under ``contract/transcripts``: one command line each, with what it answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TRANSCRIPTS = Path(__file__).parent / "contract" / "transcripts"
_SHAPE = re.compile(r"\A\$ (?P<cmd>.*)\n--- rc: (?P<rc>.*)\n--- stdout\n(?P<out>.*)--- stderr\n(?P<err>.*)\Z", re.S)


@dataclass(frozen=True)
class Recording:
    """``rc`` is a number, or ``timeout after ...`` of a command that had to be ended."""

    command: str
    rc: str
    out: str
    err: str


def recording(name: str) -> Recording:
    """``recording("mkfs/tunefs-dryrun-mdt")``: the file below ``transcripts``, without its ending."""
    match = _SHAPE.match((TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8"))
    if match is None:
        raise AssertionError(f"the transcript {name} does not have the shape of one")
    return Recording(match["cmd"], match["rc"], match["out"], match["err"])
