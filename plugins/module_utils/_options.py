# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions that every list of options is asked; each raises BadValue with the path of what cannot be used."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue


def require_known(options: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    """No option but those: a mistyped one would silently be its default. ``path``: that of the mapping."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise BadValue(f"{path}.{unknown[0]}", "there is no such option", f"Known are: {', '.join(known)}.")


def boolean(options: Mapping[str, Any], name: str, path: str, default: bool = False) -> bool:
    """A real boolean, as a consent must be: the string ``"false"`` is true in Python. Null is the default."""
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadValue(f"{path}.{name}", f"{value!r} is neither true nor false", "Write true or false without quotes.")
    return value


def require_distinct(wants: Sequence[Any], names: Iterable[str], path: str, remedy: str) -> None:
    """No two entries of the list at ``path`` share a value of one of these attributes; what is not given is not shared."""
    for name in names:
        seen: dict[Any, int] = {}
        for number, want in enumerate(wants):
            value = getattr(want, name)
            if value and value in seen:
                raise BadValue(f"{path}[{number}].{name}", f"{value} is that of {path}[{seen[value]}], too", remedy)
            seen[value] = number
