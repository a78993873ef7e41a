# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the things of a site are and what they are called: derived from its name, never searched for."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.hosts import spec as spec_module
from rehearsal.hosts.errors import RehearsalError

CGROUP_TOP = "lustre.core-rehearsal"
INTERFACE_PREFIX = "lcr-"


def state_root() -> Path:
    """Directory of all sites; on a disk, since the hosts' changes and devices are kept there."""
    return Path(os.environ.get("LUSTRE_CORE_STATE", "/var/lib/lustre.core-rehearsal"))


def cache_root() -> Path:
    return Path(os.environ.get("LUSTRE_CORE_CACHE", "/var/cache/lustre.core"))


@dataclass(frozen=True)
class Layout:
    """The paths and names of one site."""

    site: str

    def __post_init__(self) -> None:
        if not spec_module.SITE_NAME.fullmatch(self.site):
            raise RehearsalError(
                f"{self.site!r} cannot be the name of a site: use lower-case letters, digits and '-', at most 24."
            )

    @property
    def top(self) -> Path:
        return state_root() / self.site

    @property
    def plan_file(self) -> Path:
        return self.top / "site.json"

    @property
    def keeper_lock(self) -> Path:
        return self.top / "keeper.lock"

    @property
    def keeper_file(self) -> Path:
        return self.top / "keeper.json"

    @property
    def keeper_log(self) -> Path:
        return self.top / "keeper.log"

    @property
    def control_socket(self) -> Path:
        return self.top / "control"

    @property
    def ssh(self) -> Path:
        return self.top / "ssh"

    @property
    def ssh_config(self) -> Path:
        return self.top / "ssh_config"

    @property
    def inventory(self) -> Path:
        return self.top / "inventory" / "inventory_rehearsal.yml"

    @property
    def control_paths(self) -> Path:
        """Sockets of Ansible's shared SSH connections; short, as socket names are limited to 108 bytes."""
        return self.top / "cp"

    @property
    def shared(self) -> Path:
        return self.top / "shared"

    @property
    def devices(self) -> Path:
        return self.top / "devices"

    @property
    def cgroup(self) -> str:
        return f"{CGROUP_TOP}/{self.site}"

    @property
    def uplink(self) -> str:
        """The only interface in the machine's own network namespace (at most 15 characters)."""
        return INTERFACE_PREFIX + hashlib.sha256(self.site.encode()).hexdigest()[:8]

    def host(self, name: str) -> HostLayout:
        return HostLayout(self, name)


@dataclass(frozen=True)
class HostLayout:
    """The paths and names of one host."""

    site: Layout
    name: str

    @property
    def top(self) -> Path:
        return self.site.top / "hosts" / self.name

    @property
    def upper(self) -> Path:
        return self.top / "upper"

    @property
    def work(self) -> Path:
        return self.top / "work"

    @property
    def root(self) -> Path:
        """Mount point of the overlay; mounted in the keeper's namespace only."""
        return self.top / "root"

    @property
    def console(self) -> Path:
        return self.top / "console.log"

    @property
    def host_key(self) -> Path:
        return self.site.ssh / f"host_{self.name}"

    @property
    def cgroup(self) -> str:
        return f"{self.site.cgroup}/{self.name}"

    @property
    def machine_name(self) -> str:
        """Unique on the machine: nspawn names run-time directories after it."""
        return f"lcr-{hashlib.sha256(self.site.site.encode()).hexdigest()[:8]}-{self.name}"[:64].rstrip("-.")

    def identity(self, purpose: str, length: int) -> str:
        """Hexadecimal digits that stay the same over reboots and differ between hosts, sites and purposes."""
        return hashlib.sha256(f"{purpose}\0{self.site.site}\0{self.name}".encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Site:
    """What was decided for a site before anything was made: the spec and what was free on this machine."""

    layout: Layout
    spec: spec_module.Spec
    base: Path  # root of the base, shared by all hosts
    subnet: ipaddress.IPv4Network  # management
    addresses: dict[str, str]  # host -> management address

    @property
    def gateway(self) -> str:
        """The machine's own address on the management network."""
        return str(self.subnet[1])

    def save(self) -> None:
        data = {
            "spec": self.spec.to_dict(),
            "base": str(self.base),
            "subnet": str(self.subnet),
            "addresses": self.addresses,
        }
        write_atomically(self.layout.plan_file, json.dumps(data, indent=1) + "\n")

    @classmethod
    def load(cls, layout: Layout) -> Site:
        try:
            data: dict[str, Any] = json.loads(layout.plan_file.read_text())
        except FileNotFoundError as error:
            known = ", ".join(sites()) or "none"
            raise RehearsalError(
                f"There is no rehearsal site named {layout.site} (there are: {known}). Make it with `rehearse up`."
            ) from error
        except ValueError as error:
            raise RehearsalError(
                f"{layout.plan_file} is damaged ({error}). Remove the site with `rehearse down --site {layout.site}`."
            ) from error
        return cls(
            layout,
            spec_module.parse(data["spec"]),
            Path(data["base"]),
            ipaddress.IPv4Network(data["subnet"]),
            data["addresses"],
        )

    def host(self, name: str) -> spec_module.Host:
        for host in self.spec.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.spec.hosts)
        raise RehearsalError(f"The site {self.layout.site} has no host {name}. Its hosts: {known}.")


def sites() -> list[str]:
    """Names of all sites that have a state directory, also of half-made ones."""
    if not state_root().is_dir():
        return []
    return sorted(p.name for p in state_root().iterdir() if p.is_dir() and spec_module.SITE_NAME.fullmatch(p.name))


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """A reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def remove_tree(path: Path) -> None:
    """Remove a directory tree; what is already gone is fine."""
    shutil.rmtree(path, ignore_errors=False, onerror=_missing_is_fine)


def _missing_is_fine(function: Any, path: str, info: Any) -> None:
    if not isinstance(info[1], FileNotFoundError):
        raise info[1]
