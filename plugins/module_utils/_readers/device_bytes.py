# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ciphertext on the servers' devices, the server's part: what lies there of files whose marker is known.

Only a look that finds the marker of the file in clear proves anything by not finding the other.  What cannot be looked at is
told and counts as nothing: no check is made of it.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import debugfs, lctl, lctl_params
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

DEVICES = "osd-*.*.mntdev"
_OSD = re.compile(r"osd-(?P<backend>[a-z]+)\.(?P<label>[^.]+)\.mntdev\Z")
#: A server writes what a client's fsync waited for before it answers; its device may still be read from an old copy for a moment.
TIMEOUT, PAUSE = 20.0, 2.0
_NUMBERS, _TEXTS = ("ost", "size"), ("directory", "fsname", "fid", "marker", "control_fid", "control_marker")


def content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


@dataclass
class DeviceBytes:
    """Looks at the objects of those OSTs that run here; ``objects`` as MarkedFiles returns them."""

    run: Runner
    objects: Sequence[Mapping[str, Any]] = ()
    timeout: float = TIMEOUT
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    content: Callable[[str], bytes] = content
    folder: str = "/run"
    checks: list[Check] = field(default_factory=list, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    looked: list[str] = field(default_factory=list, init=False)

    @classmethod
    def from_options(cls, run: Runner, options: Mapping[str, Any], **more: Any) -> DeviceBytes:
        """BadValue names the entry."""
        for number, one in enumerate(options.get("objects") or ()):
            for key in (*_NUMBERS, *_TEXTS):
                if not isinstance(one.get(key), int if key in _NUMBERS else str) or (not one[key] and key != "ost"):
                    raise BadValue(
                        f"objects[{number}].{key}",
                        f"{one.get(key)!r} cannot be used",
                        "Give what the action write returned.",
                    )
        return cls(run, options.get("objects") or (), **more)

    def look(self) -> dict[str, Any]:
        devices = self._devices() if self.objects else {}
        for one in self.objects:
            label = f"{one['fsname']}-OST{one['ost']:04x}"
            if label not in devices:
                continue
            self.looked.append(f"{one['fsname']} {one['fid']}")
            backend, device = devices[label]
            if backend != "ldiskfs":
                self.notes.append(
                    f"{one['directory']}: its bytes were not looked at, since {label} is on {backend}, of which nothing here reads objects."
                )
                continue
            try:
                problem = self._judge(one, label, device)
            except LustreError as error:
                problem = f"{one['directory']}: nothing is proven by the device of {label}. {error}"
            found = "not as wanted" if problem else "ciphertext"
            self.checks.append(Check("ciphertext", f"{one['directory']} on {label}", "ciphertext", found, problem))
        return {
            "healthy": all(check.ok for check in self.checks),
            "checks": [check.public() for check in self.checks],
            "problems": [check.problem for check in self.checks if check.problem],
            "notes": self.notes,
            "files": [],
            "objects": [],
            "looked": self.looked,
        }

    def _devices(self) -> dict[str, tuple[str, str]]:
        """By label the backend and the device of each target that runs here."""
        result = lctl.run_batch(self.run, [("get_param", DEVICES)])
        answer = lctl_params.parse(result.out, result.err, [DEVICES])
        if not (answer.values or answer.missing):
            raise ToolError(
                "see which targets run here", ("lctl", "get_param", DEVICES), result.rc, result.out, result.err
            )
        matches = ((_OSD.match(name), device.strip()) for name, device in answer.values.items())
        return {match["label"]: (match["backend"], device) for match, device in matches if match}

    def _judge(self, one: Mapping[str, Any], label: str, device: str) -> str:
        """What is wrong; empty when it is proven that the file's text is not there."""
        where = f"the device of {label} ({device})"
        data = self._control(one, device)
        if data is None or str(one["control_marker"]).encode() not in data:
            found = (
                "it has no such object"
                if data is None
                else f"what was read of it ({len(data)} bytes) is not what was written"
            )
            return (
                f"{one['directory']}: nothing is proven by {where}: the file in clear beside it was looked for as object {one['control_fid']}, and "
                f"{found}. See `lfs getstripe` of a file there, and `debugfs -c` on this node."
            )
        data = self._bytes(device, str(one["fid"]))
        size = int(one["size"])
        if data is None or len(data) != size or not data.strip(b"\0"):
            found = (
                "is not there"
                if data is None
                else f"has {len(data)} bytes"
                if len(data) != size
                else "holds zeros alone"
            )
            return f"{one['directory']}: nothing is proven by {where}: its object {one['fid']} {found}, and {size} bytes were written."
        if str(one["marker"]).encode() in data:
            return (
                f"{one['directory']} is not encrypted on {where}: what a client wrote into it lies there in clear, in object {one['fid']}. Write nothing "
                "more into it; see its policy (the module encryption_policy), and the release of the client that wrote."
            )
        return ""

    def _control(self, one: Mapping[str, Any], device: str) -> bytes | None:
        """The object of the file in clear, when its marker is there, or the bound is over."""
        began = self.clock()
        while True:
            data = self._bytes(device, str(one["control_fid"]))
            if (
                data is not None and str(one["control_marker"]).encode() in data
            ) or self.clock() - began >= self.timeout:
                return data
            self.sleep(PAUSE)

    def _bytes(self, device: str, fid: str) -> bytes | None:
        """Of one object, by way of a private folder in memory; None when there is no such object."""
        with tempfile.TemporaryDirectory(prefix=".lustre-object-", dir=self.folder) as private:
            copy = os.path.join(private, "object")
            if not debugfs.dump(self.run, device, debugfs.object_path(fid), copy):
                return None
            try:
                return self.content(copy)
            except OSError as error:
                raise ToolError(f"read object {fid}", ("debugfs", device), 0, "", str(error)) from None
