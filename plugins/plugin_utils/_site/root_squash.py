# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root squash of a file system as the two parameters that its metadata servers read.

The same for the check of the whole site and for the slice of the host with the MGS.
"""

from __future__ import annotations

from typing import Any, Iterable

from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, merged, span_of_nid, written
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import RootSquash
from ansible_collections.lustre.core.plugins.plugin_utils._site.nodemaps import readable

#: Last part of the parameters' names. The list comes first: the moment in which root is squashed and nobody excepted must not be. For
#: the same reason it comes last when root squash goes, whose list is shorter then.
KEYS = ("nosquash_nids", "root_squash")
#: Lustre takes 4096 bytes for the list, a line feed included (lprocfs_wr_nosquash_nids).
LONGEST = 4095
#: What a client on a metadata server itself has towards it (seen on 2.17.0: by its other NIDs alone its root was squashed).
OWN = "0@lo"


def spared(squash: RootSquash, nids: Iterable[str]) -> list[Span]:
    """Whose root stays root: servers towards themselves, the NIDs of hosts, and the written ranges that can be read."""
    return merged([*(span_of_nid(nid) for nid in (OWN, *nids)), *readable(squash.ranges)])


def spares(spans: Iterable[Span], nids: Iterable[str]) -> bool:
    """Whether a host is excepted by each of its NIDs; nobody can say it of one whose NIDs are not known."""
    known, places = list(nids), list(spans)
    return bool(known) and all(any(span.covers(span_of_nid(nid)) for span in places) for nid in known)


def name_of(fsname: str, key: str) -> str:
    return f"mdt.{fsname}-*.{key}"


def values(squash: RootSquash, nids: Iterable[str]) -> dict[str, str]:
    """What is stored, by the last part of its name."""
    return {
        "nosquash_nids": " ".join(written(spared(squash, nids))) or "NONE",
        "root_squash": f"{squash.uid}:{squash.gid}",
    }


def params(fsname: str, squash: RootSquash, nids: Iterable[str]) -> list[dict[str, Any]]:
    """The options of ``lustre.core.param``, in the order in which they are to be set."""
    stored = values(squash, nids)
    common = {"scope": "persistent", "state": "present", "allow_unknown": False, "fsname": fsname}
    order = KEYS if squash.on else KEYS[::-1]
    return [{"name": name_of(fsname, key), "value": stored[key], **common} for key in order]
