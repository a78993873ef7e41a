# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node of one family of systems is to have, and which family it is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import require_known
from ansible_collections.lustre.core.plugins.module_utils._readers.basics import CHECKS

#: What may be asked about a node's packages, as options of a module: ``packages_info`` takes them, ``node`` below ``packages``.
OPTIONS: dict[str, dict[str, Any]] = {
    "families": {"type": "dict", "required": True},
    "version": {"type": "str", "default": ""},
    "modules": {"type": "list", "elements": "str", "default": []},
    "dkms": {"type": "bool", "default": False},
    "candidates": {"type": "bool", "default": False},
    "kernel": {"type": "str", "default": ""},
    "repositories": {"type": "list", "elements": "str", "default": []},
    "repository_file": {"type": "str", "default": "lustre"},
    "directory": {"type": "str", "default": ""},
    "basics": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": []},
    "managed": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": []},
}

_LIKE = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "fedora": "redhat",
    "centos": "redhat",
    "suse": "suse",
    "sles": "suse",
}
_NAMES = ("packages", "requires", "e2fsprogs", "opposite", "kernel")


@dataclass(frozen=True)
class Want:
    """What a node of one family is to have; ``{kernel}`` in a name stands for the running kernel's release.

    ``packages`` are Lustre's own, bound to ``version``; ``requires`` may have any version.
    ``e2fsprogs`` are upgraded until mke2fs knows Lustre's features.  ``opposite`` and
    ``kernel`` are shell patterns: what must not be there, and what is to be held.
    """

    packages: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    e2fsprogs: tuple[str, ...] = ()
    opposite: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    unavailable: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any], family: str, kernel: str) -> Want:
        """The entry of ``families`` for this family; BadValue names an unusable one."""
        path = f"families.{family}"
        chosen = options.get(family)
        if not isinstance(chosen, Mapping):
            raise BadValue(
                path,
                "nothing is said about this node's family of systems",
                f"Known are: {', '.join(options) or 'none'}.",
            )
        require_known(chosen, (*_NAMES, "unavailable"), path)
        lists = {name: _names(chosen.get(name), f"{path}.{name}", kernel) for name in _NAMES}
        return cls(**lists, unavailable=str(chosen.get("unavailable") or ""))

    @property
    def patterns(self) -> tuple[str, ...]:
        """All that the package manager is asked for, in one go."""
        return tuple(dict.fromkeys((*self.packages, *self.requires, *self.e2fsprogs, *self.opposite, *self.kernel)))


def _names(value: Any, path: str, kernel: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
        raise BadValue(path, f"{value!r} is not a list of names", "List names of packages.")
    return tuple(dict.fromkeys(name.replace("{kernel}", kernel) for name in value))


def distribution(text: str) -> dict[str, str]:
    """``/etc/os-release``: the family whose packages it takes (empty when unknown), id, version and the name people use.

    ``distribution`` and ``distribution_major`` are the names that Lustre's download folders use (``el9.7`` and ``el9``,
    ``ubuntu2404``, ``sles15sp7``).
    """
    pairs = {
        key: value.strip().strip("\"'") for key, _sign, value in (line.partition("=") for line in text.splitlines())
    }
    ident, version = pairs.get("ID", ""), pairs.get("VERSION_ID", "")
    names = [name.partition("-")[0] for name in (ident, *pairs.get("ID_LIKE", "").split())]
    family = next((_LIKE[name] for name in names if name in _LIKE), "")
    major, _dot, minor = version.partition(".")
    if family == "redhat":
        folders = (f"el{version}", f"el{major}")
    elif family == "suse":
        folders = (f"sles{major}sp{minor}" if minor else f"sles{major}", f"sles{major}")
    else:
        folders = (f"{ident}{version.replace('.', '')}",) * 2
    shown = {"family": family, "id": ident, "version": version, "name": pairs.get("PRETTY_NAME", "")}
    return {**shown, "distribution": folders[0], "distribution_major": folders[1]}
