# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is connected to the targets of a node, as the nodemaps show it: one read for all targets (``nodemap.*.exports``).

The MGS is in none of these lists.  It has a folder for each NID that is connected (``mgs.MGS.exports.NID.uuid``), as every target has.
How many are connected to a target (``num_exports``) tells that there is one, whose list must be there, too.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput

PARAMETER = "nodemap.*.exports"
PARAMETERS = (PARAMETER, "mgs.MGS.exports.*.uuid", "mdt.*.num_exports", "obdfilter.*.num_exports")
MGS = "MGS"
_OF_MGS = re.compile(r"mgs\.MGS\.exports\.(?P<nid>\S+@[a-z0-9]+)\.uuid\Z")
_COUNT = re.compile(r"(?:mdt|obdfilter)\.(?P<device>[^.]+)\.num_exports\Z")
#: A server's connections: those of an MDT to its object and metadata servers, and those for small services.
_OF_MDT = re.compile(r"(?P<fsname>\S+)-(?P<owner>MDT[0-9a-f]{4})-mdtlov_UUID\Z")
_SMALL = re.compile(r"\S+-lwp-(?:MDT|OST)[0-9a-f]{4}_UUID\Z")
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

    @property
    def source(self) -> str:
        """As rules call the end that connected: ``cli``, ``mdt``; empty for what no rule speaks of with certainty.

        What has a name that is not known must say who it is as a client must.
        """
        return "" if _SMALL.match(self.uuid) else "mdt" if _OF_MDT.match(self.uuid) else "cli"

    @property
    def owner(self) -> str:
        """Who connected, for a sentence: ``MDT0001``, or a client."""
        match = _OF_MDT.match(self.uuid)
        return match["owner"] if match else "a client"


def of_node(values: Mapping[str, str]) -> list[Export]:
    """All of a node's, of the values of ``PARAMETERS``; UnknownOutput when there is a target and no list."""
    found = [row for name, text in values.items() if name.endswith(".exports") for row in parse(text)]
    targets = [name for name in values if _COUNT.match(name)]
    if targets and not any(name.endswith(".exports") for name in values):
        raise UnknownOutput("lctl get_param", "who is connected (nodemap.*.exports): there are targets and no list", "")
    for name, text in values.items():
        mgs = _OF_MGS.match(name)
        found += [Export(mgs["nid"], line.strip(), MGS) for line in text.splitlines() if line.strip()] if mgs else []
    return list(dict.fromkeys(found))


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
