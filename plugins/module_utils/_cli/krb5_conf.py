# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few settings of krb5.conf that decide here, with the files that it includes (a crypto policy is one of these)."""

from __future__ import annotations

import os
import re
from typing import Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import ENCTYPES
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty

PATH = "/etc/krb5.conf"
_SECTION = re.compile(r"\[(?P<name>[A-Za-z0-9_]+)\]\*?\Z")
_SETTING = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*=\s*(?P<value>[^{}]*)\Z")
_INCLUDE = re.compile(r"include(?P<folder>dir)?\s+(?P<path>/\S.*)\Z")
#: Files of an included folder that MIT's library reads.
_INCLUDED = re.compile(r"[A-Za-z0-9_-]+\Z|.*\.conf\Z")
#: Short names of families, as in a list of encryption types.
_FAMILIES = {
    "aes": (18, 17, 20, 19),
    "aes-sha1": (18, 17),
    "aes-sha2": (20, 19),
    "des3": (16,),
    "rc4": (23,),
    "camellia": (26, 25),
}
_ALIASES = {
    "aes128-cts": 17, "aes256-cts": 18, "aes128-sha1": 17, "aes256-sha1": 18, "aes128-sha2": 19, "aes256-sha2": 20,
    "arcfour-hmac-md5": 23, "rc4-hmac": 23, "des3-hmac-sha1": 16, "camellia128-cts": 25, "camellia256-cts": 26,
}  # fmt: skip
#: What MIT 1.18 and newer permit when nothing is said.
_DEFAULT = (18, 17, 20, 19, 26, 25)
_DEPTH = 4


def libdefaults(
    read: Callable[[str], str] = text_or_empty, listed: Callable[[str], Sequence[str]] | None = None
) -> dict[str, str]:
    """The settings of [libdefaults]; the first of a name counts, as in MIT's library."""
    found: dict[str, str] = {}
    for section, name, value in parse_settings(read(PATH), read, listed or _files):
        if section == "libdefaults":
            found.setdefault(name, value)
    return found


def _files(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if _INCLUDED.match(name))
    except OSError:
        return []


def parse_settings(
    text: str, read: Callable[[str], str], listed: Callable[[str], Sequence[str]], depth: int = 0
) -> list[tuple[str, str, str]]:
    """Every plain setting as (section, name, value), in the order in which it is read; those inside braces are left out."""
    found, section, inside = [], "", 0
    for line in (raw.strip() for raw in text.splitlines()):
        if not line or line[0] in "#;":
            continue
        include, head, setting = _INCLUDE.match(line), _SECTION.match(line), _SETTING.match(line)
        if include is not None and depth < _DEPTH:
            paths = listed(include["path"]) if include["folder"] else [include["path"]]
            for path in paths:
                found += parse_settings(read(path), read, listed, depth + 1)
        elif head is not None:
            section, inside = head["name"], 0
        elif line.endswith("{"):
            inside += 1
        elif line.startswith("}"):
            inside = max(0, inside - 1)
        elif setting is not None and not inside:
            found.append((section, setting["name"], setting["value"].strip().strip('"')))
    return found


def permitted(settings: dict[str, str]) -> tuple[int, ...]:
    """The encryption types that this node uses at all, by number."""
    words = re.split(r"[\s,]+", settings.get("permitted_enctypes", "").strip())
    if words == [""]:
        return _DEFAULT
    numbers = {name: number for number, name in ENCTYPES.items()}
    found: list[int] = []
    for word in (word.lower() for word in words):
        plain = word.lstrip("+-")
        kinds = _DEFAULT if plain == "default" else _FAMILIES.get(plain, ())
        one = numbers.get(plain, _ALIASES.get(plain))
        chosen = [*kinds, *([one] if one is not None else [])]
        if word.startswith("-"):
            found = [kind for kind in found if kind not in chosen]
        else:
            found += [kind for kind in chosen if kind not in found]
    return tuple(found)
