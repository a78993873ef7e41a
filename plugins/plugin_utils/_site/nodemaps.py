# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All nodemaps of one MGS: those described, those of tenants, and the two that make themselves.

The same for the check of the whole site and for one host's slice.  Who is in a nodemap is
known by name (``hosts``) without reading a variable; ranges need NIDs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, merged, span_of_nid, spans_of, written
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    ADMINS,
    DEFAULT,
    SERVERS,
    Nodemap,
    Nodemaps,
    Security,
    Tenant,
)

#: NIDs of a host in their normal form.
NidsOf = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class MgsNodemaps:
    """``settings`` None: nobody describes nodemaps of this MGS. ``maps``: servers first, then admins, then the others."""

    settings: Nodemaps | None
    maps: tuple[Nodemap, ...]
    tenants: tuple[Tenant, ...]

    @property
    def present(self) -> list[Nodemap]:
        return [nodemap for nodemap in self.maps if nodemap.state == "present"]

    @property
    def protect(self) -> tuple[str, ...]:
        """Hosts that must never lose their rights, as the description names them."""
        named = [nodemap.hosts for nodemap in self.maps if nodemap.auto]
        return tuple(host for hosts in named for host in hosts) + (self.settings.protect if self.settings else ())

    def by_name(self, host: str, hosts: Hosts) -> Nodemap | None:
        """The nodemap that names the host; no variable of anybody is read."""
        return next((nodemap for nodemap in self.present if hosts.named(host, nodemap.hosts)), None)

    def of_nid(self, nid: str) -> Nodemap | None:
        """The nodemap whose written ranges hold a NID."""
        own = span_of_nid(nid)
        return next(
            (nodemap for nodemap in self.present for span in readable(nodemap.ranges) if span.covers(own)), None
        )

    def of_host(self, host: str, hosts: Hosts, nids: Iterable[str]) -> Nodemap | None:
        """The nodemap that a host's connections come to, None for ``default``."""
        return self.by_name(host, hosts) or next((found for nid in nids if (found := self.of_nid(nid))), None)

    def allows(self, nodemap: Nodemap | None, key: str) -> Any:
        """A property of a nodemap, or of ``default``; None when nothing is said."""
        options = nodemap.options if nodemap is not None else (self.settings.default or {}) if self.settings else {}
        return options.get(key)


def gathered(securities: Iterable[Security], servers: Iterable[str]) -> MgsNodemaps:
    """From the file systems of one MGS and all their servers."""
    known = list(securities)
    settings = next((one.nodemaps for one in known if one.nodemaps is not None), None)
    tenants = tuple(tenant for one in known for tenant in one.tenants)
    if settings is None and not tenants:
        return MgsNodemaps(None, (), ())
    where = settings.where if settings is not None else tenants[0].where.rpartition(".")[0] + ".nodemaps"
    # Who is no server or administrator any more must not keep root's rights because nobody took the NID out.
    trusted = {"admin": True, "trusted": True, "purge": ["ranges"]}
    maps = [Nodemap(where, SERVERS, tuple(dict.fromkeys(servers)), (), trusted, auto=True)]
    if settings is not None and settings.admins:
        maps.append(Nodemap(f"{where}.admins", ADMINS, settings.admins, (), trusted, auto=True))
    maps += settings.maps if settings is not None else ()
    return MgsNodemaps(settings, (*maps, *(tenant.nodemap for tenant in tenants)), tenants)


def readable(ranges: Iterable[str]) -> Iterator[Span]:
    """Ranges that can be read; a rule reports the others."""
    for text in ranges:
        try:
            yield from spans_of(text)
        except ValueError:
            continue


def ranges_of(nodemap: Nodemap, hosts: Iterable[str], nids: NidsOf) -> list[str]:
    """The NIDs of hosts and the written ranges, in as few ranges as hold exactly these."""
    own = [span_of_nid(nid) for host in hosts for nid in nids(host)]
    return written(merged([*own, *readable(nodemap.ranges)]))


def options_of(nodemap: Nodemap, ranges: Sequence[str]) -> dict[str, Any]:
    """A nodemap in the options of ``lustre.core.nodemap``."""
    if nodemap.state == "absent":
        return {"name": nodemap.name, "state": "absent"}
    given = {key: value for key, value in nodemap.options.items() if value not in ([], {})}
    if nodemap.name == DEFAULT:
        return {"name": nodemap.name, "state": "present", **given}
    return {"name": nodemap.name, "state": "present", "ranges": list(ranges), **given}
