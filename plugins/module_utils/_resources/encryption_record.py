# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which key opens which directory, written down on the node before a directory is encrypted.

One small file per key, named by its identifier: no secret, and worth a backup. Whoever has
a key and doubts what it is for, or a directory and no key, finds the other half here.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_ioctl
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused

FOLDER = fscrypt_ioctl.RECORDS
_ABOUT = "Kept by lustre.core.encryption_policy: the directories that the key of this identifier opens. No secret."


def path(identifier: str) -> str:
    return f"{FOLDER}/{identifier}.json"


def entry(policy: str, mounted_at: str, key_file: str) -> dict[str, str]:
    return {"policy": policy, "mounted_at": mounted_at, "key_file": key_file}


def merged(text: str, identifier: str, entries: Mapping[str, Mapping[str, str]]) -> str:
    """The record with these directories (``fs1:/vault``) in it; those that it has beside them stay."""
    known = _directories(text, identifier) if text else {}
    for name, new in entries.items():
        old = known.get(name, {})
        # a run that was not told a key file does not know better than one that was
        known[name] = {**new, "key_file": new["key_file"] or str(old.get("key_file", ""))}
    record = {"about": _ABOUT, "identifier": identifier, "directories": dict(sorted(known.items()))}
    return json.dumps(record, indent=2, ensure_ascii=True) + "\n"


def _directories(text: str, identifier: str) -> dict[str, dict[str, Any]]:
    try:
        record = json.loads(text)
        directories = dict(record["directories"])
        fits = record["identifier"] == identifier and all(isinstance(each, dict) for each in directories.values())
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise Refused(
            f"write {path(identifier)}",
            "what is in it is not a record of this key",
            "Move the file away; it is written anew.",
        )
    return directories
