# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wanted state of one target, checked whole before anything on the node is looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mountdata
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid
from ansible_collections.lustre.core.plugins.module_utils._options import boolean, require_known
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import stable_path

Nodes = tuple[tuple[str, ...], ...]

KINDS = ("mgt", "mdt", "ost")
BACKENDS = ("ldiskfs", "zfs")
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)+")
_PARAM_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*\.[A-Za-z0-9_.-]+")
#: mkfs.lustre hands its format options to a shell; these characters would mean something there.
_SHELL = re.compile(r"[;&|<>$`\\(){}!#'*?~\[\]\n\r]")
_OWN_OPTIONS = {"mgsnode": "mgs_nids", "failover.node": "service_nids", "network": "networks"}
_KNOWN = (
    "label", "kind", "fsname", "index", "mgs", "backend", "device", "mgs_nids", "service_nids", "networks",
    "mkfs_options", "mount_fs_options", "params", "format", "tune", "replace",
)  # fmt: skip


@dataclass(frozen=True)
class TargetWant:
    """One target as described; NIDs and nets in their normal form, ``fsname`` empty and ``index`` None for an MGT."""

    label: str
    kind: str
    fsname: str
    index: int | None
    mgs: bool
    backend: str
    device: str
    mgs_nids: Nodes = ()
    service_nids: Nodes = ()
    networks: tuple[str, ...] = ()
    mkfs_options: str = ""
    mount_fs_options: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    format: bool = False
    tune: bool = False
    replace: bool = False

    @property
    def object(self) -> str:
        """What an administrator calls it: ``fs1-OST0003 on /dev/disk/by-id/x``."""
        return f"{self.label} on {self.device}"

    @property
    def pool(self) -> str:
        return self.device.partition("/")[0]

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> TargetWant:
        """Check one entry of ``targets``; BadValue names the entry and field, as in ``targets[2].index``."""
        require_known(options, _KNOWN, path)
        kind = _choice(options.get("kind"), KINDS, f"{path}.kind")
        backend = _choice(options.get("backend") or "ldiskfs", BACKENDS, f"{path}.backend")
        fsname, index = _identity(kind, options, path)
        mgs = kind == "mgt" or boolean(options, "mgs", path)
        if mgs and kind != "mgt" and (kind, index) != ("mdt", 0):
            raise BadValue(
                f"{path}.mgs",
                f"the MGS cannot live on {kind} {index}",
                "Only MDT0000 may carry it (kind mdt, index 0).",
            )
        want = cls(
            label=_label(options.get("label"), kind, fsname, index, path),
            kind=kind,
            fsname=fsname,
            index=index,
            mgs=mgs,
            backend=backend,
            device=_device(options.get("device"), backend, f"{path}.device"),
            mgs_nids=_nodes(options.get("mgs_nids"), f"{path}.mgs_nids"),
            service_nids=_nodes(options.get("service_nids"), f"{path}.service_nids"),
            networks=_networks(options.get("networks"), f"{path}.networks"),
            mkfs_options=_mkfs_options(options.get("mkfs_options"), f"{path}.mkfs_options"),
            mount_fs_options=_mount_options(options.get("mount_fs_options"), f"{path}.mount_fs_options"),
            params=_params(options.get("params"), f"{path}.params"),
            format=boolean(options, "format", path),
            tune=boolean(options, "tune", path),
            replace=boolean(options, "replace", path),
        )
        want._check_together(path)
        return want

    def _check_together(self, path: str) -> None:
        if not self.mgs and not self.mgs_nids:
            raise BadValue(
                f"{path}.mgs_nids",
                "a target without its own MGS must know where the MGS is",
                "List the NIDs of each MGS node.",
            )
        if self.replace and self.mgs:
            raise BadValue(
                f"{path}.replace",
                "a new MGS knows no target that could be replaced",
                "Leave it out: what carries the MGS is formatted as new.",
            )
        if self.kind == "mgt" and self.mgs_nids:
            raise BadValue(
                f"{path}.mgs_nids",
                "a stand-alone MGT is the MGS itself",
                "Leave it empty; its nodes go to service_nids.",
            )
        if self.kind == "mgt" and self.networks:
            raise BadValue(
                f"{path}.networks", "only MDTs and OSTs can be restricted to networks", "Leave it empty for an MGT."
            )


def _identity(kind: str, options: Mapping[str, Any], path: str) -> tuple[str, int | None]:
    fsname, index = options.get("fsname"), options.get("index")
    if kind == "mgt":
        if fsname:
            raise BadValue(
                f"{path}.fsname",
                "a stand-alone MGT serves several file systems and has no name of one",
                "Leave it out.",
            )
        if index is not None:
            raise BadValue(
                f"{path}.index",
                "a stand-alone MGT has no index",
                "Leave it out (mkfs.lustre would format nothing and report success).",
            )
        return "", None
    if not isinstance(fsname, str) or not mountdata.FSNAME.fullmatch(fsname):
        raise BadValue(
            f"{path}.fsname",
            f"{fsname!r} is no name of a file system",
            "It has 1 to 8 characters of A-Z a-z 0-9 _ and -.",
        )
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= mountdata.MAX_INDEX:
        raise BadValue(
            f"{path}.index", f"{index!r} is no index of a target", f"Give a number from 0 to {mountdata.MAX_INDEX}."
        )
    return fsname, index


def _label(given: Any, kind: str, fsname: str, index: int | None, path: str) -> str:
    """The normal label; a given one must mean the same (any separator)."""
    label = mountdata.label_of(kind, fsname, index)
    if given and mountdata.parse_label(str(given)) != mountdata.parse_label(label):
        raise BadValue(
            f"{path}.label",
            f"{given!r} contradicts kind, fsname and index",
            f"It is {label} (the index is hexadecimal) or left out.",
        )
    return label


def _choice(value: Any, known: Sequence[str], path: str) -> str:
    if value not in known:
        raise BadValue(path, f"{value!r} is not known", f"It is one of {', '.join(known)}.")
    return str(value)


def _device(value: Any, backend: str, path: str) -> str:
    if backend == "ldiskfs":
        device = stable_path(value, path)
        if "\\" in device:
            raise BadValue(
                path,
                f"{device} has a backslash in its name, which the shell that mkfs.lustre starts would drop: it would format another path",
                "Name the device by another of its links (`ls -l /dev/disk/by-id /dev/disk/by-path`).",
            )
        return device
    text = str(value or "")
    if not _DATASET.fullmatch(text):
        raise BadValue(
            path, f"{text!r} is not a ZFS dataset", "Write POOL/DATASET, such as ost3pool/ost3; the pool is made first."
        )
    return text


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise BadValue(path, f"{value!r} is not a list", "Write a list.")
    return list(value)


def _nodes(value: Any, path: str) -> Nodes:
    """A list of nodes, each a list of its NIDs; no NID may come twice."""
    nodes: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for number, node in enumerate(_list(value, path)):
        where = f"{path}[{number}]"
        nids = _list(node, where)
        if not nids:
            raise BadValue(where, "a node without a NID", "Write the list of its NIDs, such as [10.0.0.1@tcp].")
        nodes.append(tuple(_nid(nid, f"{where}[{place}]", seen) for place, nid in enumerate(nids)))
    return tuple(nodes)


def _nid(value: Any, path: str, seen: set[str]) -> str:
    try:
        nid = normal_nid(value)
    except ValueError as problem:
        raise BadValue(path, str(problem), "Write ADDRESS@NETWORK.") from None
    if nid in seen:
        raise BadValue(path, f"{nid} comes twice", "A NID belongs to one node: list it once.")
    seen.add(nid)
    return nid


def _networks(value: Any, path: str) -> tuple[str, ...]:
    nets = []
    for number, net in enumerate(_list(value, path)):
        try:
            nets.append(normal_net(net))
        except ValueError as problem:
            raise BadValue(f"{path}[{number}]", str(problem), "Write the name of an LNet network.") from None
    return tuple(nets)


def _mkfs_options(value: Any, path: str) -> str:
    text = str(value or "").strip()
    bad = _SHELL.search(text)
    if bad:
        raise BadValue(
            path,
            f"the character {bad[0]!r} is not allowed",
            "mkfs.lustre hands these options to a shell: plain words only.",
        )
    return text


def _mount_options(value: Any, path: str) -> str:
    text = str(value or "").strip()
    if re.search(r"\s", text) or _SHELL.search(text):
        raise BadValue(path, f"{text!r} is no list of mount options", "Write them with commas and without spaces.")
    return text


def _params(value: Any, path: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadValue(path, f"{value!r} is not a mapping", "Write NAME: VALUE.")
    params = {}
    for key, given in value.items():
        where = f"{path}.{key}"
        if key in _OWN_OPTIONS:
            raise BadValue(where, "this one has an option of its own", f"Use {_OWN_OPTIONS[key]}.")
        if not isinstance(key, str) or not _PARAM_KEY.fullmatch(key):
            raise BadValue(where, "is no name of a parameter", "Write it with dots, such as ost.quota_type.")
        if (
            isinstance(given, bool)
            or not isinstance(given, (str, int, float))
            or not re.fullmatch(r"[^\s'\"]+", str(given))
        ):
            raise BadValue(
                where, f"{given!r} is not usable as a value", "Write a number, or text without spaces and quotes."
            )
        params[key] = str(given)
    return params
