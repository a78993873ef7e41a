# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about nodemaps: whose NIDs are in them, and that nobody who must keep access loses it."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, span_of_nid, spans_of
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import want_from_options
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    ADMINS,
    DEFAULT,
    SERVERS,
    Nodemap,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.nodemaps import (
    MgsNodemaps,
    gathered,
    options_of,
    readable,
)

RULES = (
    Rule("nodemaps-owner", "Nodemaps are described under the file system that has the MGS."),
    Rule("nodemap-default", "With active nodemaps it is said what clients may that are in none (default)."),
    Rule("nodemap-admins", "With active nodemaps some host stays an administrator's."),
    Rule(
        "nodemap-name",
        "A nodemap's name has 1 to 16 letters, digits or _, is used once per MGS and is none of Lustre's own.",
    ),
    Rule("nodemap-range", "Ranges of NIDs can be read."),
    Rule("nodemap-overlap", "A NID belongs to one nodemap."),
    Rule("nodemap-nid", "The NIDs of hosts that nodemaps name are known."),
    Rule(
        "nodemap-lockout",
        "Servers, administrators' nodes and protected hosts are in no nodemap that squashes, denies or bans them.",
    ),
    Rule("nodemap-value", "Values of a nodemap are ones that its module would accept."),
)
_RESERVED = (SERVERS, ADMINS)


class Owned(NamedTuple):
    """Addresses of a nodemap, and the host or range that they are of."""

    span: Span
    nodemap: Nodemap
    where: str
    of: str


def groups(context: Context) -> Iterator[tuple[FileSystem, MgsNodemaps]]:
    """The nodemaps of each MGS of this inventory, with the file system that the MGS is described under."""
    for filesystem in context.site.filesystems:
        if filesystem.mgs.way not in ("device", "combined"):
            continue
        sharers = [filesystem, *(one for one in context.sharers(filesystem) if one is not filesystem)]
        mgs = context.mgs_of(filesystem)
        servers = [*(mgs.servers if mgs is not None else ())]
        servers += [server for one in sharers for target in one.targets for server in target.servers]
        found = gathered((one.security for one in sharers), (host for host in servers if context.hosts.knows(host)))
        if found.maps:
            yield filesystem, found


def owners(context: Context) -> None:
    for filesystem in context.site.filesystems:
        settings = filesystem.security.nodemaps
        if settings is not None and filesystem.mgs.way == "of":
            what = f"nodemaps are kept by the MGS, and that is described under {filesystem.mgs.of}"
            context.add(settings.where, what, "Move them there: they hold for both.", "nodemaps-owner")


def settings(context: Context) -> None:
    for _filesystem, found in groups(context):
        given = found.settings
        if given is None or not given.active or context.broken(given.where):
            continue
        if given.default is None:
            what = "it is not said what clients may that are in no nodemap; Lustre makes root and every user of them nobody"
            fix = "Add default: {deny_mount: true} to shut them out, {} to leave them squashed, or {admin: true, trusted: true}."
            context.add(f"{given.where}.default", what, fix, "nodemap-default")
        if not any(nodemap.trusts for nodemap in found.present if nodemap.name != SERVERS) and not _trusts(
            given.default
        ):
            what = "no host but the servers would be root in the file system, so that nobody could administer it from a client"
            fix = "Name administrators' nodes, backup, monitoring and gateways in admins."
            context.add(f"{given.where}.admins", what, fix, "nodemap-admins")


def _trusts(options: dict[str, object] | None) -> bool:
    return bool(options and options.get("admin") and options.get("trusted"))


def names(context: Context) -> None:
    for _filesystem, found in groups(context):
        seen: dict[str, str] = {}
        for nodemap in found.maps:
            if nodemap.auto:
                continue
            where = f"{nodemap.where}.name"
            if re.fullmatch(r"[A-Za-z0-9_]{1,16}", nodemap.name) is None:
                long = len(nodemap.name) > 16
                what = f'"{nodemap.name}" ' + (
                    f"has {len(nodemap.name)} characters" if long else "cannot be a nodemap's name"
                )
                context.add(where, what, "Use 1 to 16 letters, digits or _.", "nodemap-name")
            elif nodemap.name == DEFAULT:
                what = "the nodemap default is always there and has no hosts or ranges: it holds who is in no other one"
                context.add(where, what, "Write its properties into nodemaps.default.", "nodemap-name")
            elif nodemap.name in _RESERVED:
                what = f'the nodemap "{nodemap.name}" makes itself, of the {"servers" if nodemap.name == SERVERS else "hosts in admins"}'
                fix = (
                    "Use another name." if nodemap.name == SERVERS else "Add the hosts to admins, or use another name."
                )
                context.add(where, what, fix, "nodemap-name")
            elif nodemap.name == "active":
                context.add(where, "active is a parameter of all nodemaps", "Use another name.", "nodemap-name")
            else:
                other = seen.setdefault(nodemap.name, nodemap.where)
                if other != nodemap.where:
                    what = f'"{nodemap.name}" is also the name of {other}, and both are nodemaps of the same MGS'
                    fix = "Rename one. One nodemap holds for all file systems of its MGS."
                    context.add(where, what, fix, "nodemap-name")


def ranges(context: Context) -> None:
    for _filesystem, found in groups(context):
        lists = [(f"{nodemap.where}.ranges", nodemap.ranges) for nodemap in found.maps]
        for where, texts in lists:
            for number, text in enumerate(texts):
                try:
                    spans_of(text)
                except ValueError as error:
                    fix = "Write it such as 10.0.0.[1-20]@tcp or 10.0.0.0/24@tcp."
                    context.add(f"{where}[{number}]", str(error), fix, "nodemap-range")


def values(context: Context) -> None:
    """The module's own check, key by key, so that every wrong value of a nodemap is told."""
    for _filesystem, found in groups(context):
        entries = [(nodemap, nodemap.where) for nodemap in found.maps if not nodemap.auto]
        if found.settings is not None and found.settings.default:
            entries.append(
                (
                    Nodemap(found.settings.where, DEFAULT, options=found.settings.default),
                    f"{found.settings.where}.default",
                )
            )
        tenants = {tenant.where for tenant in found.tenants}
        for nodemap, where in entries:
            if nodemap.state == "absent":
                continue
            wanted = options_of(nodemap, [])
            name = DEFAULT if nodemap.name == DEFAULT else "x"
            whole = {**wanted, "name": name, "ranges": list(nodemap.ranges)} if name == "x" else wanted
            ids = {key: value for key, value in whole.items() if key != "ranges"}
            singles = [{key: value} for key, value in ids.items() if key not in ("name", "state", "idmap")]
            singles += [{"idmap": {kind: pairs}} for kind, pairs in (ids.get("idmap") or {}).items()]
            before = len(context.findings.problems)
            for single in singles:
                _value(context, {"name": name, **single}, where, where in tenants)
            if len(context.findings.problems) == before and not context.broken(f"{where}.ranges"):
                _value(context, whole, where, where in tenants)


def _value(context: Context, options: dict[str, object], where: str, tenant: bool) -> None:
    try:
        want_from_options(options, where)
    except BadValue as error:
        path = error.path
        if tenant and ".filesets" in path:
            path = f"{where}.subdir"
        # A value that the shape refused, or another rule, has its message.
        key = re.match(r"\.(?:idmap\.)?\w+", path[len(where) :])
        if key is not None and context.broken(f"{where}{key[0]}"):
            return
        context.add(path, error.problem, error.remedy, "nodemap-value")


def owned(context: Context, found: MgsNodemaps) -> list[Owned]:
    """All addresses of all nodemaps; hosts whose NIDs are not known are left out."""
    taken: list[Owned] = []
    servers = set(found.maps[0].hosts)
    for nodemap in found.present:
        hosts = context.expanded(nodemap.hosts)
        for host in sorted(hosts - servers if nodemap.auto and nodemap.name == ADMINS else hosts):
            at = nodemap.where if nodemap.auto else f"{nodemap.where}.hosts"
            taken += [Owned(span_of_nid(nid), nodemap, at, f"{host} ({nid})") for nid in context.nids(host)]
        for number, text in enumerate(nodemap.ranges):
            taken += [Owned(span, nodemap, f"{nodemap.where}.ranges[{number}]", text) for span in readable([text])]
    return taken


def nids(context: Context) -> None:
    if not context.complete:
        return
    for _filesystem, found in groups(context):
        for nodemap in found.present:
            if nodemap.auto and nodemap.name == SERVERS:
                continue
            missing = sorted(host for host in context.expanded(nodemap.hosts) if not context.nids(host))
            where = nodemap.where if nodemap.auto else f"{nodemap.where}.hosts"
            if missing and not context.broken(where):
                what = f"the NIDs of {listed(missing)} are not known, and the nodemap is made of them"
                fix = "Give them lustre_nids, or an IP address in ansible_host and a place on exactly one network; or write ranges."
                context.add(where, what, fix, "nodemap-nid")


def overlaps(context: Context) -> None:
    if not context.complete:
        return
    for _filesystem, found in groups(context):
        said: set[frozenset[str]] = set()
        open_: list[Owned] = []
        for one in sorted(owned(context, found), key=lambda item: (item.span.space, item.span.low, item.span.high)):
            open_ = [other for other in open_ if other.span.meets(one.span)]
            for other in open_:
                pair = frozenset((other.nodemap.where, one.nodemap.where))
                if len(pair) == 2 and pair not in said:
                    said.add(pair)
                    _overlap(context, found, other, one)
            open_.append(one)


def _overlap(context: Context, found: MgsNodemaps, first: Owned, second: Owned) -> None:
    # Told at the one that can be changed: a server is where it is.
    order = [nodemap.where for nodemap in found.maps]
    one, other = sorted((first, second), key=lambda item: order.index(item.nodemap.where))
    if one.nodemap.auto:
        noun = "a server" if one.nodemap.name == SERVERS else "an administrator's node"
        what = f"{other.of} holds {one.of}, which is {noun}: it would lose root's rights in {other.nodemap.name}"
        if other.of == one.of:
            what = f"{one.of} is {noun}, and would lose root's rights in {other.nodemap.name}"
        context.add(other.where, what, f"Take it out of {other.nodemap.name}.", "nodemap-lockout")
        return
    what = f"{other.of} is in {other.nodemap.name} and in {one.nodemap.name} ({one.where})"
    if other.of != one.of:
        what = f"{other.of} overlaps {one.of} of {one.nodemap.name} ({one.where})"
    context.add(other.where, what, "A NID belongs to one nodemap: take it out of one of the two.", "nodemap-overlap")


def protected(context: Context) -> None:
    """Hosts that must stay root keep it, and nobody bans a server."""
    if not context.complete:
        return
    for _filesystem, found in groups(context):
        _bans(context, found)
        given = found.settings
        if given is None or given.active is False:
            continue
        for number, pattern in enumerate(given.protect):
            for host in sorted(context.expanded([pattern])):
                nodemap = found.of_host(host, context.hosts, context.nids(host))
                if (nodemap is not None and nodemap.trusts) or (nodemap is None and _trusts(given.default)):
                    continue
                place = (
                    f"in the nodemap {nodemap.name} ({nodemap.where})" if nodemap else "in no nodemap, so in default"
                )
                what = (
                    f"{host} is to keep root's rights, but is {place}, without admin and trusted: it would be squashed"
                )
                context.add(f"{given.where}.protect[{number}]", what, "Add it to admins.", "nodemap-lockout")


def _bans(context: Context, found: MgsNodemaps) -> None:
    hosts = context.expanded(found.protect)
    must = [(host, nid) for host in sorted(hosts) for nid in context.nids(host)]
    for nodemap in found.present:
        for number, text in enumerate(nodemap.options.get("banlist", ())):
            for span in readable([text]):
                hit = next(((host, nid) for host, nid in must if span.covers(span_of_nid(nid))), None)
                if hit is not None:
                    what = f"{text} bans {hit[1]} of {hit[0]}, a server or a host that must keep its rights"
                    context.add(
                        f"{nodemap.where}.banlist[{number}]", what, "Leave it out of the ban.", "nodemap-lockout"
                    )
                    break


CHECKS: tuple[Checker, ...] = (owners, settings, names, ranges, values, nids, overlaps, protected)
