# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security and tenants in the form the rules and the slice work on.  ``where`` is the place the user wrote it at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable

#: Nodemaps that make themselves, and the one that always is there.
SERVERS, ADMINS, DEFAULT = "servers", "admins", "default"
#: What a tenant may do beyond files, unless the description says otherwise.
TENANT_ROLES = ("dne_ops", "file_perms")


@dataclass(frozen=True)
class FlavorRule:
    """One rule of a file system; ``network`` is ``default`` for all, ``direction`` empty for all."""

    where: str
    flavor: str
    network: str = "default"
    direction: str = ""


@dataclass(frozen=True)
class Ssk:
    """How shared keys are made and where they lie."""

    where: str
    directory: str
    nodemap: str
    crypt: str
    hmac: str
    key_bits: int
    prime_bits: int
    lifetime: int


@dataclass(frozen=True)
class Nodemap:
    """One nodemap: whose NIDs, and ``options`` of the module beside name, state and ranges (only those that were given)."""

    where: str
    name: str
    hosts: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    state: str = "present"
    #: It makes itself, of the servers or the administrators' nodes.
    auto: bool = False

    @property
    def trusts(self) -> bool:
        """Whether root and users of its hosts are who they are in the file system."""
        return bool(self.options.get("admin")) and bool(self.options.get("trusted"))


@dataclass(frozen=True)
class Nodemaps:
    where: str
    active: bool | None
    admins: tuple[str, ...]
    protect: tuple[str, ...]
    #: None when the description says nothing of it.
    default: dict[str, Any] | None = field(hash=False)
    maps: tuple[Nodemap, ...] = ()
    purge: bool = False


@dataclass(frozen=True)
class TenantMount:
    where: str
    path: str
    options: tuple[str, ...]
    automount: bool
    boot: bool
    timeout: int


@dataclass(frozen=True)
class Tenant:
    where: str
    name: str
    subdir: str
    owner: str
    group: str
    mode: str
    project: int | None
    mount: TenantMount | None
    encryption: bool
    trusted: bool
    nodemap: Nodemap
    flavor: str = ""

    @property
    def present(self) -> bool:
        return self.nodemap.state == "present"


@dataclass(frozen=True)
class Encrypted:
    where: str
    path: str
    hosts: tuple[str, ...]
    state: str
    key: str
    key_file: str
    identifier: str
    #: What is handed on as it stands: owner, group, mode, contents, filenames, protector.
    options: dict[str, str] = field(hash=False)


@dataclass(frozen=True)
class RootSquash:
    where: str
    uid: int
    gid: int
    nosquash: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        """A user 0 is how Lustre says that nobody is squashed, whatever the group."""
        return self.uid != 0


@dataclass(frozen=True)
class Kerberos:
    where: str
    realm: str
    kdcs: tuple[str, ...]
    admin_server: str
    source: str
    files: str
    enctypes: tuple[str, ...]
    domain: str
    principals: dict[str, tuple[str, ...]] = field(hash=False)


@dataclass(frozen=True)
class Security:
    """What one file system asks for; empty for most."""

    flavors: tuple[FlavorRule, ...] = ()
    allow_ineffective: bool = False
    purge_flavors: bool = False
    ssk: Ssk | None = None
    nodemaps: Nodemaps | None = None
    tenants: tuple[Tenant, ...] = ()
    encrypted: tuple[Encrypted, ...] = ()
    root_squash: RootSquash | None = None

    @property
    def maps(self) -> bool:
        """Whether it says anything of nodemaps."""
        return self.nodemaps is not None or bool(self.tenants)


def effective(rules: Iterable[FlavorRule], network: str, direction: str) -> FlavorRule | None:
    """The rule that wins for connections on a network in a direction."""
    by_place = {(rule.network, rule.direction): rule for rule in rules}
    places = [(network, direction), (network, ""), ("default", direction), ("default", "")]
    return next((by_place[place] for place in places if place in by_place), None)


def is_kerberos(flavor: str) -> bool:
    return flavor.startswith("krb5")


def is_ssk(flavor: str) -> bool:
    return flavor.startswith("sk")
