# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything about one node, in few processes, in the names of the site description.

What cannot be found out (a program that is missing, a tool that hangs) is a sentence in
``problems``; the rest is returned all the same: whoever asks a node what is wrong with it
wants to know the more, the more is wrong.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import (
    lctl,
    lctl_params,
    lfs,
    llog,
    lnetctl,
    modules,
    mounts,
)
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid, split_nodes
from ansible_collections.lustre.core.plugins.module_utils._param_names import glob, normal
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

SECTIONS = ("release", "lnet", "devices", "targets", "imports", "mounts", "usage", "packages")
#: Usage asks the file system itself, which waits while an MDT is down; packages cost a process.
DEFAULT = ("release", "lnet", "devices", "targets", "imports", "mounts")
READY = ("COMPLETE", "INACTIVE")
CONNECTED = ("FULL", "IDLE")
_TARGET_NAMES = (
    "health_check",
    "mgs.MGS.filesystems",
    "mgs.MGS.num_exports",
    "mdt.*.recovery_status",
    "obdfilter.*.recovery_status",
    "mdt.*.num_exports",
    "obdfilter.*.num_exports",
    "osd-*.*.kbytestotal",
    "osd-*.*.kbytesfree",
    "osd-*.*.kbytesavail",
    "osd-*.*.filestotal",
    "osd-*.*.filesfree",
)
_DEVICE_NAMES = ("osd-*.*.mntdev", "mgs.MGS.osd.mntdev")
_IMPORT_NAMES = ("mgc.*.import", "mdc.*.import", "osc.*.import", "osp.*.import")
_IMPORT = re.compile(r"(?P<type>mgc|mdc|osc|osp)\.(?P<name>.+)\.import\Z")
_OSD = re.compile(r"osd-(?P<backend>[a-z]+)\.(?P<label>[^.]+)\.mntdev\Z")
_PACKAGES = ("*lustre*", "*lnet*", "e2fsprogs*", "zfs*", "kmod-zfs*", "kmod-lustre*")


@dataclass
class Inspector:
    """Asks one node; ``kernel`` and ``read`` stand for the system so that tests can say what is there."""

    run: Runner
    gather: Sequence[str] = DEFAULT
    parameters: Sequence[str] = ()
    read: Callable[[str], str] = text_or_empty
    kernel: str = field(default_factory=lambda: os.uname().release)
    hostname: str = field(default_factory=lambda: os.uname().nodename)
    problems: list[str] = field(default_factory=list, init=False)

    def node(self) -> dict[str, Any]:
        """All sections that were asked for, and what could not be found out."""
        answer, devices = self._lctl()
        table = self._tried(lambda: mounts.parse_mounts(self.read(mounts.TABLE)), ())
        targets = targets_of(devices, table, answer.values)
        mounted = mounts_of(table, {str(target["path"]): str(target["label"]) for target in targets})
        found: dict[str, Any] = {
            "hostname": self.hostname,
            "kernel": self.kernel,
            "os": os_release(self.read("/etc/os-release")),
        }
        ask: dict[str, Callable[[], dict[str, Any]]] = {
            "release": lambda: {"lustre": self._release(answer)},
            "lnet": lambda: {"lnet": self._lnet()},
            "devices": lambda: {"devices": [asdict(device) for device in devices]},
            "targets": lambda: {
                "health": answer.values.get("health_check", ""),
                "mgs": mgs_of(answer.values),
                "targets": targets,
            },
            "imports": lambda: {"imports": imports_of(answer.values)},
            "mounts": lambda: {"mounts": mounted},
            "usage": lambda: {"usage": self._usage([entry["path"] for entry in mounted if entry["kind"] == "client"])},
            "packages": lambda: {"packages": self._packages()},
        }
        for section, answered in ask.items():
            if section in self.gather:
                found.update(answered())
        if self.parameters:
            found["parameters"] = parameters_of(answer, self.parameters)
        found["roles"] = roles_of(devices, found.get("lnet", {}), table)
        found["filesystems"] = filesystems_of(targets, mounted)
        # One cause (a program that is missing) may be met by several sections.
        found["problems"] = list(dict.fromkeys(self.problems))
        return found

    def _tried(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return ask()
        except LustreError as error:
            self.problems.append(str(error))
            return otherwise

    def _lctl(self) -> tuple[lctl_params.Answer, list[lctl.Device]]:
        """One batch for devices and all values."""
        names = ["version", *_DEVICE_NAMES]
        names += _TARGET_NAMES if "targets" in self.gather else ()
        names += _IMPORT_NAMES if "imports" in self.gather else ()
        names += [normal(name) for name in self.parameters]
        asked = list(dict.fromkeys(names))

        def ask() -> tuple[lctl_params.Answer, list[lctl.Device]]:
            result = lctl.run_batch(self.run, [("dl",), *lctl.chunked(("get_param",), asked)])
            answer = lctl_params.parse(result.out, result.err, asked)
            if not (answer.values or answer.missing):
                raise UnknownOutput("lctl", "the state of this node", result.out + result.err)
            return answer, lctl.parse_devices(devices_part(result.out))

        found: tuple[lctl_params.Answer, list[lctl.Device]] = self._tried(ask, (lctl_params.Answer(), []))
        return found

    def _release(self, answer: lctl_params.Answer) -> dict[str, Any]:
        files: list[modules.ModuleFile] | None = self._tried(lambda: modules.installed(self.run), None)
        shown = [{**asdict(module), "fits": module.fits(self.kernel)} for module in files or []]
        missing = [
            name for name in modules.CLIENT if files is not None and name not in {module.name for module in files}
        ]
        return {
            "tools": self._tried(lambda: lctl.version(self.run), ""),
            "loaded": answer.values.get("version", "").partition("\n")[0].strip(),
            "modules": shown,
            "modules_missing": missing,
            "modules_fit": None if files is None else not missing and all(entry["fits"] for entry in shown),
        }

    def _lnet(self) -> dict[str, Any]:
        state = self._tried(lambda: lnetctl.read(self.run, ("routing",)), None)
        if state is None or not state.up:
            return {"loaded": bool(state and state.loaded), "up": False, "nids": [], "networks": [], "routing": False}
        local = [face for face in state.interfaces if face.net != "lo"]
        return {
            "loaded": True,
            "up": True,
            "nids": [face.nid for face in local],
            "networks": [
                {"net": face.net, "nid": face.nid, "status": face.status, "interfaces": list(face.interfaces)}
                for face in local
            ],
            "routing": bool(state.routing and state.routing.state),
        }

    def _usage(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        shown = []
        for path in paths:
            try:
                shown.append(asdict(lfs.df(self.run, path)))
            except LustreError as error:
                self.problems.append(str(error))
        return shown

    def _packages(self) -> dict[str, str]:
        def ask() -> dict[str, str]:
            if self.read("/var/lib/dpkg/status"):
                result = self.run(
                    ("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Abbrev}\n", *_PACKAGES), None, 60.0
                )
                rows = [line.split("\t") for line in result.out.splitlines()]
                return {row[0]: row[1] for row in rows if len(row) == 3 and row[2].startswith(("ii", "hi"))}
            result = self.run(("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n", *_PACKAGES), None, 60.0)
            return dict(row for row in (line.split("\t") for line in result.out.splitlines()) if len(row) == 2)

        found: dict[str, str] = self._tried(ask, {})
        return dict(sorted(found.items()))


def devices_part(out: str) -> str:
    """The lines of ``lctl dl`` at the head of a batch's output."""
    return "".join(line + "\n" for line in out.splitlines() if re.match(r" *\d+ [A-Z]{2} \S+ \S+ \S+ \d+", line))


def os_release(text: str) -> dict[str, str]:
    """``/etc/os-release`` as far as it matters here."""
    pairs = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.lower(): pairs.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID", "PRETTY_NAME")}


def mgs_of(values: Mapping[str, str]) -> dict[str, Any]:
    """The MGS of this node."""
    served = values.get("mgs.MGS.filesystems")
    exports = values.get("mgs.MGS.num_exports", "")
    return {
        "running": served is not None,
        "filesystems": lctl_params.filesystems(served or ""),
        "exports": _whole(exports) or 0,
    }


def targets_of(
    devices: Sequence[lctl.Device], table: Sequence[mounts.MountEntry], values: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Targets that run or are mounted here; a target that is mounted and whose device is not there has the state ``missing``."""
    states = {device.name: device.state for device in devices if device.type in ("mgs", "mdt", "obdfilter")}
    on_device = {
        m["label"]: (m["backend"], text) for m, text in ((_OSD.match(name), text) for name, text in values.items()) if m
    }
    mounted = {_mounted_label(entry, on_device): entry for entry in table if entry.target}
    mgs_device = values.get("mgs.MGS.osd.mntdev", "")
    with_mgs = {label for label, entry in mounted.items() if "mgs" in entry.options and label != "MGS"}
    with_mgs |= {label for label, (_backend, device) in on_device.items() if device == mgs_device and label != "MGS"}
    recovery = lctl_params.recovery(values)
    found = []
    for label in list(dict.fromkeys([*states, *mounted])):
        if label == "MGS" and with_mgs:
            continue
        entry = mounted.get(label)
        target = llog.target_of(label)
        status = recovery.get(label, {})
        found.append(
            {
                "label": label,
                "kind": target.kind if target else "mgt" if label == "MGS" else "",
                "fsname": target.fsname if target else None,
                "index": target.index if target else None,
                "mgs": label in with_mgs or label == "MGS",
                "backend": on_device[label][0]
                if label in on_device
                else ((entry.option("osd") or "") if entry else "").rpartition("-")[2],
                "device": entry.source if entry else on_device.get(label, ("", ""))[1],
                "path": entry.path if entry else "",
                "state": states.get(label, "missing"),
                "recovery": status,
                "ready": states.get(label) == "UP" and status.get("status", "INACTIVE") in READY,
                "exports": _number(values, "num_exports", label),
                "capacity": {
                    key: _number(values, name, label)
                    for key, name in (
                        ("total_kb", "kbytestotal"),
                        ("free_kb", "kbytesfree"),
                        ("available_kb", "kbytesavail"),
                        ("files_total", "filestotal"),
                        ("files_free", "filesfree"),
                    )
                },
            }
        )
    return found


def _mounted_label(entry: mounts.MountEntry, on_device: Mapping[str, tuple[str, str]]) -> str:
    """A mounted target's label: the kernel's ``svname=``, else that of the target which runs on the device."""
    shown = entry.option("svname")
    if shown:
        return shown
    source = os.path.realpath(entry.source) if entry.source.startswith("/") else entry.source
    for label, (_backend, device) in on_device.items():
        if source == (os.path.realpath(device) if device.startswith("/") else device):
            return label
    return entry.source


def _number(values: Mapping[str, str], name: str, label: str) -> int | None:
    """``osd-ldiskfs.LABEL.name`` and the like."""
    for full, text in values.items():
        if full.endswith(f".{label}.{name}") and _whole(text) is not None:
            return _whole(text)
    return None


def _whole(text: str) -> int | None:
    """A number of the kernel's; None for anything else (``isdigit`` alone takes signs that ``int`` does not)."""
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else None


def imports_of(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Connections to targets; on a metadata server ``osc.X`` and ``osp.X`` are one and the same."""
    found: dict[str, dict[str, Any]] = {}
    for full, text in values.items():
        match = _IMPORT.match(full)
        if match is None or (match["type"] == "osc" and match["name"] in found):
            continue
        keys = lctl_params.keys(text)
        target = keys.get("target", "").removesuffix("_UUID")
        known = llog.target_of(target)
        found[match["name"]] = {
            "name": match["name"],
            "type": match["type"],
            "target": target,
            "fsname": known.fsname if known else None,
            "state": keys.get("state", ""),
            "connected": keys.get("state", "") in CONNECTED,
            "nid": _nids(keys.get("current_connection", ""))[:1],
            "service_nids": _nids(keys.get("failover_nids", "")),
        }
    return [{**entry, "nid": entry["nid"][0] if entry["nid"] else None} for entry in found.values()]


def _nids(text: str) -> list[str]:
    nids = []
    for word in re.split(r"[\s,\[\]\"]+", text):
        try:
            nids.append(normal_nid(word))
        except ValueError:
            continue
    return nids


def mounts_of(table: Sequence[mounts.MountEntry], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Lustre's mounts, in the names of a node's wanted ``mounts``; ``labels`` are those of target mounts by path."""
    found: list[dict[str, Any]] = []
    for entry in table:
        client = entry.client
        if client is not None:
            nodes = [list(node) for node in client.nodes] if client.nodes is not None else []
            found.append(
                {
                    "kind": "client",
                    "path": entry.path,
                    "source": entry.source,
                    "fsname": client.fsname,
                    "subdir": client.subdir,
                    "mgs_nids": nodes,
                    "options": list(entry.options),
                }
            )
        elif entry.target:
            label = labels.get(entry.path, "")
            target = llog.target_of(label)
            found.append(
                {
                    "kind": "target",
                    "path": entry.path,
                    "device": entry.source,
                    "label": label,
                    "fsname": target.fsname if target else None,
                    "mgs_nids": _nodes(entry.option("mgsnode") or ""),
                    "options": list(entry.options),
                }
            )
    return found


def _nodes(text: str) -> list[list[str]]:
    try:
        return split_nodes(text)
    except ValueError:
        return []


def parameters_of(answer: lctl_params.Answer, asked: Sequence[str]) -> list[dict[str, Any]]:
    """Per name that was asked for: its values, and why there is none."""
    found = []
    for name in asked:
        pattern = glob(normal(name))
        found.append(
            {
                "name": name,
                "live": {full: text for full, text in answer.values.items() if pattern.match(full)},
                "unreadable": {full: why for full, why in answer.unreadable.items() if pattern.match(full)},
            }
        )
    return found


def roles_of(devices: Sequence[lctl.Device], lnet: Mapping[str, Any], table: Sequence[mounts.MountEntry]) -> list[str]:
    """What the node does now: mgs, mds, oss, router, client."""
    types = {device.type for device in devices}
    facts = {
        "mgs": "mgs" in types,
        "mds": "mdt" in types,
        "oss": "obdfilter" in types,
        "router": bool(lnet.get("routing")),
        "client": any(entry.client for entry in table),
    }
    return [role for role, there in facts.items() if there]


def filesystems_of(targets: Sequence[Mapping[str, Any]], mounted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per file system that this node has to do with: the indexes of its targets here, and where it is mounted."""
    names = sorted({str(entry["fsname"]) for entry in [*targets, *mounted] if entry["fsname"]})
    return [
        {
            "name": name,
            "mdts": sorted(t["index"] for t in targets if (t["fsname"], t["kind"]) == (name, "mdt")),
            "osts": sorted(t["index"] for t in targets if (t["fsname"], t["kind"]) == (name, "ost")),
            "clients": [m["path"] for m in mounted if (m["fsname"], m["kind"]) == (name, "client")],
        }
        for name in names
    ]
