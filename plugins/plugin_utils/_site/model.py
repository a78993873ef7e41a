# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The description in the form the rules and the slice work on: ranges expanded, defaults filled in, NIDs in normal form.

``path`` of each object is where the user wrote it, for messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Kerberos, Security


@dataclass(frozen=True)
class Vdev:
    type: str
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """A zpool that a target asks for."""

    path: str
    name: str
    vdevs: tuple[Vdev, ...]
    properties: dict[str, str] = field(hash=False)
    filesystem_properties: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class Luks:
    """The container below a target: on ``device``, opened as ``name``."""

    path: str
    device: str
    name: str
    key_file: str
    key: str = ""

    @property
    def mapping(self) -> str:
        return f"/dev/mapper/{self.name}"


@dataclass(frozen=True)
class Target:
    """One MGT, MDT or OST.  ``device`` is what is mounted: in a container the opened one, ``luks.device`` is then the raw one."""

    path: str
    kind: str
    fsname: str
    index: int | None
    servers: tuple[str, ...]
    backend: str
    device: str
    format: bool
    tune: bool
    mgs: bool
    mount_path: str
    mount_options: tuple[str, ...]
    mkfs_options: str
    mount_fs_options: str
    params: dict[str, str] = field(hash=False)
    networks: tuple[str, ...] = ()
    managed_by: str = "site"
    pool: Pool | None = None
    replace: bool = False
    luks: Luks | None = None

    @property
    def label(self) -> str:
        """``fs1-OST000a``; ``MGS`` for a stand-alone MGT."""
        return label(self.fsname, self.kind, self.index)

    @property
    def raw(self) -> str:
        """The device that the description names."""
        return self.luks.device if self.luks is not None else self.device


def label(fsname: str, kind: str, index: int | None) -> str:
    return "MGS" if index is None else f"{fsname}-{kind.upper()}{index:04x}"


@dataclass(frozen=True)
class Mgs:
    """Where a file system's MGS is.  ``way``: device, combined, of, nids, or "" when the description does not say."""

    path: str
    way: str
    servers: tuple[str, ...] = ()
    of: str = ""
    nids: tuple[tuple[str, ...], ...] = ()
    target: Target | None = None
    #: Flavor of connections to it, empty for none asked for.
    flavor: str = ""


@dataclass(frozen=True)
class Param:
    path: str
    name: str
    value: str | None
    scope: str
    hosts: tuple[str, ...]
    state: str
    allow_unknown: bool


@dataclass(frozen=True)
class ClientMount:
    path: str
    hosts: tuple[str, ...]
    mount_path: str
    subdir: str
    options: tuple[str, ...]
    automount: bool
    boot: bool
    state: str
    networks: tuple[str, ...]
    timeout: int
    #: The tenant that it follows from, empty for one of ``clients``.
    tenant: str = ""

    @property
    def hosts_path(self) -> str:
        """Where its hosts are written."""
        return f"{self.path.rpartition('.')[0] if self.tenant else self.path}.hosts"

    @property
    def whole(self) -> bool:
        """Whether its hosts see the file system from its top, and can make directories for the others."""
        return self.state == "mounted" and not self.subdir


@dataclass(frozen=True)
class Directory:
    """A directory that must be there before it is mounted by itself."""

    where: str
    path: str
    owner: str
    group: str
    mode: str
    project: int | None = None
    #: The tenant that it follows from, empty for one of ``directories``.
    tenant: str = ""

    @property
    def path_at(self) -> str:
        """Where its path is written."""
        return f"{self.where}.{'subdir' if self.tenant else 'path'}"


@dataclass(frozen=True)
class ChangelogUser:
    """Who reads the changelogs of all MDTs of a file system; ``mask`` as it was written."""

    where: str
    name: str
    mask: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class FileSystem:
    path: str
    name: str
    mgs: Mgs
    mdts: tuple[Target, ...]
    osts: tuple[Target, ...]
    clients: tuple[ClientMount, ...]
    params: tuple[Param, ...]
    purge_params: tuple[str, ...]
    directories: tuple[Directory, ...] = ()
    security: Security = field(default_factory=Security)
    changelog_users: tuple[ChangelogUser, ...] = ()

    @property
    def named(self) -> bool:
        """Whether its name can be used; a file system without one is only there to be checked further."""
        return not self.name.startswith("?")

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets in the order in which they start."""
        own = (self.mgs.target,) if self.mgs.target is not None else ()
        return own + self.mdts + self.osts


@dataclass(frozen=True)
class Network:
    path: str
    net: str
    hosts: tuple[str, ...]
    interfaces: tuple[str, ...]
    tunables: dict[str, int] = field(hash=False)
    lnd_tunables: dict[str, Any] = field(hash=False)
    cpts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Route:
    path: str
    hosts: tuple[str, ...]
    net: str
    gateway: str
    hop: int | None
    priority: int | None


@dataclass(frozen=True)
class Lnet:
    networks: tuple[Network, ...] = ()
    routers: tuple[str, ...] = ()
    #: None: derived.
    routes: tuple[Route, ...] | None = None
    routing: dict[str, int] = field(default_factory=dict, hash=False)
    discovery: bool | None = None
    settings: dict[str, int] = field(default_factory=dict, hash=False)
    module_options: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    peers: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    udsp: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    purge: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    filesystems: tuple[FileSystem, ...]
    lnet: Lnet
    kerberos: Kerberos | None = None
