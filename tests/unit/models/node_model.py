"""A whole server or client of the small models: LNet, units, disks, mounts and firewall behind one runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._node import Part
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.lnet_model import LnetModel
from tests.unit.models.disk_model import DiskModel
from tests.unit.models.firewall_model import FirewallModel
from tests.unit.models.mount_node import FSTAB, MountModel
from tests.unit.models.unit_model import UnitModel

_READING = ("show", "list_nids", "dl", "ping", "--dryrun", "export", "status", "--state", "list", "-n", "-p", "-J")


@dataclass
class NodeModel:
    lnet: LnetModel
    units: UnitModel
    disks: DiskModel
    mounts: MountModel
    firewall: FirewallModel
    #: Everything that changed something, in order.
    log: list[str] = field(default_factory=list)

    def equip(self, parts: Sequence[Part]) -> Sequence[Part]:
        """Let the parts look at this node instead of the machine."""
        for part in parts:
            for made in (part.resource, part.tentative):
                self._equip(made)
        return parts

    def _equip(self, made: Any) -> None:
        kind = getattr(made, "kind", "")
        if kind == "mount":
            made.local = self.mounts.local()
        elif kind in ("target", "zpool"):
            made.files = self.disks
        elif kind == "lnet":
            made.reader = self.lnet.reader()
        elif kind == "service":
            made.exists = lambda path: self.lnet.loaded
        elif kind == "firewall":
            made.read = self.firewall.read

    def write(self, change: FileWrite) -> None:
        self.log.append(f"write {change.path}")
        if change.path == FSTAB:
            self.mounts.write(change)
        elif change.path.startswith("/etc/nftables"):
            self.firewall.write(change)
        else:
            self.lnet.write(change)
            if "lnet.service.d" in change.path and "lnet.service" in self.units.units:
                self.units.units["lnet.service"].drop_ins = change.path

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        words = list(argv)
        if not any(word in _READING for word in words[1:3]) and words[0] not in (
            "ip",
            "lsblk",
            "wipefs",
            "blkid",
            "e2mmpstatus",
            "debugfs",
        ):
            self.log.append(" ".join(words))
        return self._owner(words)(argv, stdin, timeout)

    def _owner(self, words: list[str]) -> Any:
        if words[0] == "systemctl":
            if words[1] == "daemon-reload":
                self.lnet.reload_needed = False
                return self.mounts
            if words[1] == "show":
                return self.units if "--" in words else self.lnet
            return self.units if "--" in words else self.mounts
        if words[0] in ("lnetctl", "ip", "modprobe"):
            return self.lnet
        if words[0] in ("firewall-cmd", "ufw", "nft"):
            return self.firewall
        if words[0] == "lctl":
            self.mounts.lnet = bool(self.lnet.nis)
            return self.mounts
        return self.mounts if words[0] in ("mount", "umount", "mkdir") else self.disks
