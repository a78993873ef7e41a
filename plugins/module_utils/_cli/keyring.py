# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""keyctl: which keys root's user keyring has, by their descriptions; what is in them is never asked for.

Lustre's shared keys are there (recorded on 2.17.0): ``lustre:FSNAME`` of a client,
``lustre:FSNAME:NODEMAP`` of a server, ``lustre:MGC<NID>`` and ``lustre:MGS:NODEMAP`` for
connections to an MGS.
"""

from __future__ import annotations

import re
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

PREFIX = "lustre:"
_SHOW = ("keyctl", "show", "@u")
_HEADING = re.compile(r"(?:Session )?Keyring\Z")
_KEY = re.compile(
    r" *-?\d{1,11} [a-z-]{8} +\d{1,10} +\d{1,10} +(?P<tree>(?:\\_ )?)(?P<type>[\w.-]+): (?P<description>.*)\Z"
)
_GONE = re.compile(r" *-?\d{1,11}:? .*(?:key inaccessible|Required key not available).*\Z")


def parse_show(text: str) -> list[str]:
    """Descriptions of the keys of Lustre (type ``user``) in what ``keyctl show`` prints."""
    found = []
    for line in text.splitlines():
        key = _KEY.match(line)
        if key is not None:
            if key["type"] == "user" and key["description"].startswith(PREFIX):
                found.append(key["description"])
        elif line.strip() and not _HEADING.match(line.strip()) and not _GONE.match(line):
            raise UnknownOutput("keyctl show", "the keys of root", line)
    return found


def loaded(run: Runner) -> list[str]:
    """The keys of Lustre that are loaded for root; none when root has no such keyring yet."""
    rc, out, err = run(_SHOW, None, 30.0)
    if rc != 0:
        if "Required key not available" in err:
            return []
        raise ToolError("see which keys root has", _SHOW, rc, out, err)
    return parse_show(out)


def purge_words(description: str) -> tuple[str, ...]:
    """Take a key out of root's keyrings; success also when it is not there."""
    return ("keyctl", "purge", "user", description)


def descriptions(types: Sequence[str], fsname: str, mgs_nids: Sequence[str], nodemap: str) -> list[str]:
    """What a key file is called once it is loaded."""
    names = []
    if "mgs" in types:
        names.append(f"{PREFIX}MGS:{nodemap}")
    if "server" in types and fsname:
        names.append(f"{PREFIX}{fsname}:{nodemap}")
    if "client" in types:
        names += [f"{PREFIX}{fsname}"] if fsname else []
        names += [f"{PREFIX}MGC{nid}" for nid in mgs_nids]
    return names
