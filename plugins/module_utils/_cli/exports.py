# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is connected to the targets of a node, as the nodemaps show it: one read for all targets (``nodemap.*.exports``)."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

PARAMETER = "nodemap.*.exports"
_ROW = re.compile(r"\{ nid: (?P<nid>[^\s,]+@[a-z0-9]+), uuid: (?P<uuid>[^\s,]+), dev: (?P<device>[^\s,]+) \},?")
#: A client names itself by a random UUID, a server by what connects: fs1-MDT0000-mdtlov_UUID, fs1-MDT0000-lwp-OST0001_UUID.
_RANDOM = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")


class Export(NamedTuple):
    """One connection, seen from the target."""

    nid: str
    uuid: str
    device: str

    @property
    def of_client(self) -> bool:
        return _RANDOM.match(self.uuid) is not None


def parse(text: str) -> list[Export]:
    """The rows of one nodemap's list; UnknownOutput for a line that is none."""
    found = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped in ("", "[", "]", "[]"):
            continue
        row = _ROW.fullmatch(stripped)
        if row is None:
            raise UnknownOutput("lctl get_param", "who is connected (nodemap.*.exports)", line)
        found.append(Export(row["nid"], row["uuid"], row["device"]))
    return found
