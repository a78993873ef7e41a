# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``/etc/lustre/mount.client.params`` and ``mount.FSNAME.params``: tunables that a client sets at each mount.

Lustre 2.17 and newer.  One ``name=value`` a line, ``#`` begins a comment; the general file
is applied first, then that of the file system.  Written here and not by ``set_param -C``:
that finds a name by substring (``at_max`` is found in ``osc.*.at_max=600``) and refuses
what is not mounted yet.
"""

from __future__ import annotations

from typing import Protocol, Sequence, TypeVar


class Wanted(Protocol):
    """What this file needs of a want."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def value(self) -> str: ...

    @property
    def setting(self) -> str: ...

    def is_met_by(self, found: str) -> bool: ...


W = TypeVar("W", bound=Wanted)


def is_supported(usage: str) -> bool:
    """Does ``lctl help set_param`` know ``--client|-C``?"""
    return "--client" in usage


def _split(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("#")[0].strip().partition("=")
    return (name.strip().replace("/", "."), value.strip()) if equals else ("", "")


def value_in(text: str, name: str) -> str | None:
    """The value that counts (the last one), or None."""
    values = [value for key, value in map(_split, text.splitlines()) if key == name]
    return values[-1] if values else None


def changed(text: str, wants: Sequence[W]) -> tuple[str | None, list[tuple[W, str]]]:
    """The file's new content and, per want that is not met, the reason; a file that holds nothing any more is None."""
    lines = text.splitlines()
    changes = []
    for want in wants:
        places = [place for place, line in enumerate(lines) if _split(line)[0] == want.name]
        found = _split(lines[places[-1]])[1] if places else None
        if want.state == "absent":
            if found is None:
                continue
            changes.append((want, f"stored as {found}, declared absent; the live value stays until the next mount"))
            lines = [line for place, line in enumerate(lines) if place not in places]
        elif found is None or not want.is_met_by(found):
            reason = "not stored" if found is None else f"stored as {found}"
            changes.append((want, f"{reason}, wanted {want.value} (counts from the next mount on)"))
            if places:
                lines[places[-1]] = want.setting
            else:
                lines.append(want.setting)
    return ("\n".join(lines) + "\n" if lines else None), changes
