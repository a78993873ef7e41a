# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a keytab must hold: keys that are supplied, principals that must be there, what may go."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import keytab_file, krb5
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import Entry
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known

DEFAULT = "/etc/krb5.keytab"
#: Longer than any usual life of a ticket: until then somebody may come with one that was made for the older key.
OLD_KEYS_AGE = 7 * 86400
_KNOWN = (
    "path", "contents", "principals", "keep_old", "old_keys_age", "replace", "remove", "ticket_cache", "remove_ticket_cache"
)  # fmt: skip


@dataclass(frozen=True)
class KeytabWant:
    """``supplied`` are the keys of ``contents``; ``replace`` and ``remove`` are consents that name principals."""

    path: str = DEFAULT
    supplied: tuple[Entry, ...] = ()
    principals: tuple[str, ...] = ()
    keep_old: bool = True
    old_keys_age: int = OLD_KEYS_AGE
    replace: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    ticket_cache: str = "/tmp/krb5cc_0"
    remove_ticket_cache: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str = "") -> KeytabWant:
        """BadValue names the option; nothing of ``contents`` is ever part of a message."""
        at = f"{path}." if path else ""
        require_known(options, _KNOWN, path or "options")
        file = options.get("path") or DEFAULT
        age = options.get("old_keys_age")
        age = OLD_KEYS_AGE if age is None else age
        if not isinstance(age, int) or age < 0:
            raise BadValue(f"{at}old_keys_age", f"{age!r} is no number of seconds", "Write one such as 86400.")
        names = {
            key: tuple(krb5.check_principal(name, f"{at}{key}[{n}]") for n, name in enumerate(options.get(key) or ()))
            for key in ("principals", "replace", "remove")
        }
        both = [name for name in names["remove"] if name in names["principals"]]
        if both:
            raise BadValue(f"{at}remove", f"{both[0]} is wanted by principals, too", "Name it in one of them.")
        return cls(
            _path(file, f"{at}path"),
            _supplied(options.get("contents") or (), f"{at}contents"),
            names["principals"],
            boolean(options, "keep_old", path, default=True),
            age,
            names["replace"],
            names["remove"],
            _path(options.get("ticket_cache") or cls.ticket_cache, f"{at}ticket_cache"),
            boolean(options, "remove_ticket_cache", path),
        )


def _path(value: object, path: str) -> str:
    text = str(value)
    if not re.match(r"/[^/\x00-\x1f\x7f]", text) or posixpath.normpath(text) != text:
        raise BadValue(path, f"{text!r} is not a plain absolute path", f"Give one such as {DEFAULT}.")
    return text


def _supplied(contents: Any, path: str) -> tuple[Entry, ...]:
    """The keys of all contents, each once; two different keys under one name and version cannot both be right."""
    found: dict[tuple[str, int, int], Entry] = {}
    for number, content in enumerate(contents):
        where = f"{path}[{number}]"
        for entry in _decoded(content, where):
            other = found.setdefault(entry.identity, entry)
            if other.key_hash != entry.key_hash:
                told = f"{entry.principal}, version {entry.kvno}, {entry.enctype_name}"
                raise BadValue(
                    where, f"another content has a different key for {told}", "Give the one that the KDC has."
                )
    return tuple(found.values())


def _decoded(content: object, where: str) -> list[Entry]:
    try:
        data = base64.b64decode("".join(str(content).split()), validate=True)
    except (ValueError, binascii.Error):
        raise BadValue(where, "it is not base64", "Give the keytab as `base64 FILE` prints it.") from None
    try:
        return keytab_file.parse_keytab(data, where)
    except UnknownOutput as error:
        raise BadValue(where, f"it is no keytab of the format 0x0502 ({error.text})", "Export it again.") from None
