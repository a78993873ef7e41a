# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wanted state of one ZFS pool, checked whole before anything on the node is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import stable_path

#: What every pool under Lustre has unless told otherwise: guarded against a second importer, and imported by nobody on its own.
PROPERTIES = {"multihost": "on", "cachefile": "none"}
OPTIONS = {"canmount": "off"}
#: Given once, at creation; a difference later is only shown.
CREATE_ONLY = ("ashift", "encryption", "keyformat", "keylocation")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_RESERVED = re.compile(r"(mirror|raidz|draid|spare).*|log|c\d.*|special|dedup|cache")
_KEY = re.compile(r"[a-z][a-z0-9_@:.-]*")
_VALUE = re.compile(r"[A-Za-z0-9_./:@+=,%-]+")
_TYPE = re.compile(
    r"(?P<class>stripe|(?P<redundant>mirror|raidz[123]?|draid[123]?(?::\d+[dcs])*)|spare|cache|(?:special|dedup|log)(?: mirror)?)"
)
_KNOWN = ("name", "vdevs", "properties", "filesystem_properties", "create", "import")


@dataclass(frozen=True)
class Vdev:
    """Some devices together; ``type`` as in zpool-create(8), ``stripe`` for devices on their own, ``log mirror`` and the like."""

    type: str
    devices: tuple[str, ...]

    @property
    def words(self) -> str:
        return "" if self.type == "stripe" else self.type

    @property
    def rank(self) -> int:
        """Where it comes on the command line: a class word counts for all devices after it."""
        order = ("stripe", "mirror", "raidz", "draid", "special", "dedup", "log", "spare", "cache")
        return next(place for place, start in enumerate(order) if self.type.startswith(start))


@dataclass(frozen=True)
class PoolWant:
    """One pool as described; ``properties`` and ``options`` (of its root dataset) hold the defaults, too.

    Without ``vdevs`` the pool must be there: imported, or ready to be.
    """

    name: str
    vdevs: tuple[Vdev, ...]
    properties: Mapping[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    options: Mapping[str, str] = field(default_factory=lambda: dict(OPTIONS))
    create: bool = False
    bring_in: bool = True

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(device for vdev in self.vdevs for device in vdev.devices)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of its devices: where ``zpool import`` is to look, so that members keep their stable names.

        None without devices: zpool then looks where it always does.
        """
        return tuple(dict.fromkeys(device.rpartition("/")[0] for device in self.devices))

    @property
    def guarded(self) -> bool:
        return self.properties["multihost"] == "on"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> PoolWant:
        """Check one entry of ``pools``; BadValue names the entry and field, as in ``pools[0].vdevs[1].devices[2]``."""
        require_known(options, _KNOWN, path)
        name = options.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            raise BadValue(
                f"{path}.name",
                f"{name!r} is no name of a pool",
                "Begin with a letter; zpool reserves mirror, raidz, draid, spare, log.",
            )
        vdevs = options.get("vdevs") or ()
        if not isinstance(vdevs, (list, tuple)):
            raise BadValue(f"{path}.vdevs", f"{vdevs!r} is not a list", "List its vdevs, each with type and devices.")
        want = cls(
            name=name,
            vdevs=tuple(_vdev(vdev, f"{path}.vdevs[{number}]") for number, vdev in enumerate(vdevs)),
            properties={**PROPERTIES, **_settings(options.get("properties"), f"{path}.properties")},
            options={**OPTIONS, **_settings(options.get("filesystem_properties"), f"{path}.filesystem_properties")},
            create=boolean(options, "create", path),
            bring_in=boolean(options, "import", path, default=True),
        )
        twice = next((device for device in want.devices if want.devices.count(device) > 1), None)
        if twice:
            raise BadValue(f"{path}.vdevs", f"{twice} comes twice", "A device belongs to one vdev.")
        if want.create and not want.vdevs:
            raise BadValue(
                f"{path}.create", "there is nothing to make the pool of", "List its vdevs, each with type and devices."
            )
        if want.vdevs and all(vdev.rank > 3 for vdev in want.vdevs):
            raise BadValue(f"{path}.vdevs", "there is no vdev for data", "Add a mirror, raidz, draid or stripe.")
        return want


def _vdev(value: Any, path: str) -> Vdev:
    if not isinstance(value, Mapping) or set(value) - {"type", "devices"}:
        raise BadValue(path, f"{value!r} is no vdev", "Write {type: mirror, devices: [...]}.")
    kind = value.get("type") or "stripe"
    match = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if match is None:
        raise BadValue(
            f"{path}.type",
            f"{kind!r} is no type of a vdev",
            "It is stripe, mirror, raidz, raidz2, raidz3, draid..., special, dedup, log (each also as `log mirror`), spare or cache.",
        )
    devices = value.get("devices")
    if not isinstance(devices, (list, tuple)) or not devices:
        raise BadValue(f"{path}.devices", "a vdev without devices", "List their stable paths.")
    paths = tuple(stable_path(device, f"{path}.devices[{number}]") for number, device in enumerate(devices))
    least = _least(kind)
    if len(paths) < least:
        raise BadValue(f"{path}.devices", f"{kind} of {len(paths)} device(s)", f"It needs at least {least}.")
    return Vdev(kind, paths)


def _least(kind: str) -> int:
    if kind.endswith("mirror"):
        return 2
    parity = re.match(r"(?:raidz|draid)([123]?)", kind)
    return int(parity[1] or 1) + 1 if parity else 1


def _settings(value: Any, path: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadValue(path, f"{value!r} is not a mapping", "Write NAME: VALUE.")
    return {str(key): _setting(key, given, f"{path}.{key}") for key, given in value.items()}


def _setting(key: Any, value: Any, path: str) -> str:
    """YAML reads ``on`` and ``off`` as booleans; ZFS wants the words."""
    text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadValue(path, "is no name of a property", "See zpoolprops(7) and zfsprops(7).")
    if not isinstance(value, (str, int, float)) or not _VALUE.fullmatch(text):
        raise BadValue(path, f"{value!r} is not usable as a value", "Write a number or one word.")
    return text
