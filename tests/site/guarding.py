# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host full of disks that are not to be formatted: how it is described, filled and compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from . import signatures
from .rehearsed import SMALL, Case, Rehearsed

HOST = "box1"
SIZE = 64 * signatures.MIB


def device(case: Case) -> str:
    return f"/dev/disk/by-id/scsi-{case['says']}"


def inventory(folder: Path, devices: Sequence[str]) -> Path:
    """One host with blank disks for MGT and MDT0000, and each of ``devices`` as an OST, all with consent."""
    (folder / "group_vars").mkdir(parents=True)
    variables = yaml.safe_load((SMALL / "group_vars" / "all.yml").read_text())
    sizes = {"mgt": "64M", "mdt": "128M", "ost": str(SIZE)}
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({**variables, "rehearsal_device_sizes": sizes}))
    filesystem: dict[str, Any] = {
        "name": "guarded",
        "format": True,
        "mgs": {"servers": [HOST], "device": "/dev/disk/by-id/scsi-blank-mgt"},
        "mdts": [{"index": 0, "servers": [HOST], "device": "/dev/disk/by-id/scsi-blank-mdt0"}],
        "osts": [{"index": n, "servers": [HOST], "device": path} for n, path in enumerate(devices)],
    }
    site = {
        "plugin": "lustre.core.site",
        "hosts": {HOST: {"ansible_host": "10.76.0.11", "nids": "10.77.0.11@tcp"}},
        "lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]},
        "filesystems": [filesystem],
    }
    (folder / "site.lustre.yml").write_text(yaml.safe_dump(site, sort_keys=False))
    return folder


def target(number: int, path: str) -> dict[str, Any]:
    """The same OST as the module ``target`` takes it."""
    return {
        "label": f"guarded-OST{number:04x}",
        "kind": "ost",
        "fsname": "guarded",
        "index": number,
        "device": path,
        "mgs_nids": [["10.77.0.11@tcp"]],
        "format": True,
    }


def image(site: Rehearsed, path: str) -> Path:
    """The file behind a disk: what is really on it, whatever its host can read just now."""
    return site.layout.top / "devices" / f"{path.rpartition('/')[2]}.img"


def hashes(site: Rehearsed, devices: Sequence[str]) -> dict[str, str]:
    """What is on the disks, once all that was written to them has arrived there."""
    site.sh(HOST, "sync; for disk in /dev/loop*; do [ ! -b $disk ] || blockdev --flushbufs $disk; done", code=None)
    return {path: digest(image(site, path)) for path in devices}


def digest(path: Path, block: int = 64 * signatures.KIB) -> str:
    """Size, and place and bytes of every block that is not zero: the holes of a sparse file cost no time."""
    told = hashlib.sha256(str(path.stat().st_size).encode())
    with path.open("rb") as stream:
        start = 0
        while (start := _next_data(stream.fileno(), start)) >= 0:
            start -= start % block
            content = os.pread(stream.fileno(), block, start)
            if content.strip(b"\0"):
                told.update(b"%d:" % start + content)
            start += block
    return told.hexdigest()


def _next_data(handle: int, start: int) -> int:
    try:
        return os.lseek(handle, start, os.SEEK_DATA)
    except OSError:  # nothing but a hole from here on
        return -1
