# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the user wrote to the model.  Each part can be read alone, so that a host's slice reads its own parts only."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid
from ansible_collections.lustre.core.plugins.plugin_utils._site import schema
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, did_you_mean
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import (
    ChangelogUser,
    ClientMount,
    Directory,
    FileSystem,
    Lnet,
    Luks,
    Mgs,
    Network,
    Param,
    Pool,
    Route,
    Site,
    Target,
    Vdev,
    label,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Tenant
from ansible_collections.lustre.core.plugins.plugin_utils._site.parse_security import build_kerberos, build_security
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import UNUSABLE, WHERE, below, check

FILESYSTEMS, LNET = "lustre_filesystems", "lustre_lnet"
#: The only parts of a pattern in braces.
PATTERNS = ("index", "host", "fsname")
_PATTERN = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


class Head(NamedTuple):
    """What the targets of a file system inherit."""

    path: str
    name: str
    backend: str
    format: bool


def site(filesystems: Any, lnet: Any, findings: Findings, kerberos: Any = None) -> Site:
    """The whole description; what has the wrong shape is reported and left out."""
    clean = check(schema.FILESYSTEMS, [] if filesystems is None else filesystems, FILESYSTEMS, findings)
    found = [] if clean is UNUSABLE else clean
    made = tuple(filesystem(item, findings) for item in found)
    return Site(made, parse_lnet(lnet, findings), build_kerberos(kerberos, findings))


def filesystem(clean: dict[str, Any], findings: Findings) -> FileSystem:
    head = Head(
        clean[WHERE],
        clean["name"] or "?" + clean[WHERE].rpartition("[")[2].rstrip("]"),
        clean["backend"],
        clean["format"],
    )
    mgs = build_mgs(clean["mgs"], head, findings)
    combined = mgs.way == "combined"
    security = build_security(clean, head.path, findings)
    return FileSystem(
        head.path,
        head.name,
        mgs,
        tuple(target for item in clean["mdts"] for target in build_targets(item, "mdt", head, combined, findings)),
        tuple(target for item in clean["osts"] for target in build_targets(item, "ost", head, False, findings)),
        (*(build_client(item, findings) for item in clean["clients"]), *tenant_mounts(security.tenants)),
        build_params(clean["params"], f"{head.path}.params"),
        tuple(clean["purge_params"]),
        build_directories(clean["directories"], security.tenants),
        security,
        build_changelog_users(clean["changelog_users"]),
    )


def build_mgs(clean: dict[str, Any] | None, head: Head, findings: Findings) -> Mgs:
    if clean is None:
        return Mgs(f"{head.path}.mgs", "")
    where = clean[WHERE]
    given = [way for way in ("device", "combined", "of", "nids") if clean[way]]
    if len(given) != 1:
        what = (
            "says where the MGS is in more than one way: " + " and ".join(given)
            if given
            else "does not say where the MGS is"
        )
        fix = "Give exactly one of: device (a stand-alone MGT), combined: true (on MDT0000), of (another file system's), nids (outside)."
        if set(given) == {"device", "combined"}:
            fix = "Remove device: a combined MGS lives on MDT0000 and has no device of its own. Or remove combined."
        findings.add(where, what, fix, "mgs-way")
    way = given[0] if given else ""
    if way and "device" not in given:
        _needless(clean, findings)
    target = _target(clean, None, "mgt", head, False, findings) if way == "device" else None
    nids = tuple(
        tuple(_each(node, normal_nid, f"{where}.nids[{number}]", findings, "bad-nid"))
        for number, node in enumerate(clean["nids"])
    )
    return Mgs(where, way, tuple(clean["servers"]), clean["of"] or "", nids, target, clean["flavor"] or "")


def _needless(clean: dict[str, Any], findings: Findings) -> None:
    """Keys of a stand-alone MGT would do nothing where there is none."""
    for name, key in schema.MGT_KEYS.items():
        if clean[name] != key.default:
            what = "has no effect: the MGS has no device of its own here"
            findings.add(f"{clean[WHERE]}.{name}", what, "Remove it.", "mgs-needless")


def build_targets(clean: dict[str, Any], kind: str, head: Head, combined: bool, findings: Findings) -> list[Target]:
    """One target per index; none when index, servers or device are unusable (that was reported)."""
    if clean["replace"] and len(clean["index"] or ()) > 1:
        what = f"stands for {len(clean['index'])} targets at once, and each is one whose data is given up"
        findings.add(
            f"{clean[WHERE]}.replace",
            what,
            "Write the lost target as an entry of its own, with its one index.",
            "replace-one",
        )
    made = (_target(clean, index, kind, head, combined and index == 0, findings) for index in clean["index"] or ())
    return [target for target in made if target is not None]


def _target(
    clean: dict[str, Any], index: int | None, kind: str, head: Head, mgs: bool, findings: Findings
) -> Target | None:
    where, servers, device = clean[WHERE], clean["servers"] or [], clean["device"]
    if not servers or not device:
        return None

    def fill(text: str, key: str) -> str:
        return _filled(text, {"index": index, "host": servers[0], "fsname": head.name}, f"{where}.{key}", findings)

    backend = clean["backend"] or head.backend
    device = fill(device, "device")
    luks = _luks(clean["luks"], device, label(head.name, kind, index), fill) if clean["luks"] else None
    opened = luks is not None and backend == "ldiskfs" and bool(luks.name)
    default = "/lustre/mgs" if index is None else f"/lustre/{head.name}/{kind}{index:04x}"
    return Target(
        path=where,
        kind=kind,
        fsname=head.name,
        index=index,
        servers=tuple(servers),
        backend=backend,
        device=luks.mapping if luks is not None and opened else device,
        format=head.format if clean["format"] is None else clean["format"],
        tune=clean["tune"],
        mgs=mgs,
        mount_path=fill(clean["path"], "path") if clean["path"] else default,
        mount_options=tuple(clean["mount_options"]),
        mkfs_options=clean["mkfs_options"],
        mount_fs_options=clean["mount_fs_options"],
        params=dict(clean["params"]),
        networks=tuple(_each(clean.get("networks") or [], normal_net, f"{where}.networks", findings, "bad-net")),
        managed_by=clean["managed_by"],
        pool=_pool(clean["zpool"], device, fill) if clean["zpool"] else None,
        replace=clean.get("replace", False),
        luks=luks,
    )


def _luks(clean: dict[str, Any], device: str, name: str, fill: Callable[[str, str], str]) -> Luks:
    given = {key: fill(clean[key], f"luks.{key}") if clean[key] else "" for key in ("name", "key_file", "key")}
    return Luks(clean[WHERE], device, given["name"] or name, given["key_file"], given["key"])


def _pool(clean: dict[str, Any], device: str, fill: Callable[[str, str], str]) -> Pool:
    vdevs = tuple(
        Vdev(vdev["type"], tuple(fill(path, f"zpool.vdevs[{number}].devices") for path in vdev["devices"] or []))
        for number, vdev in enumerate(clean["vdevs"])
    )
    name = fill(clean["name"], "zpool.name") if clean["name"] else device.partition("/")[0]
    return Pool(clean[WHERE], name, vdevs, dict(clean["properties"]), dict(clean["filesystem_properties"]))


def _filled(text: str, values: dict[str, Any], path: str, findings: Findings) -> str:
    def replace(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        value = values.get(name)
        if value is None or (form is not None and (name != "index" or re.fullmatch(r"0?\d{0,2}[dxX]?", form) is None)):
            fix = did_you_mean(name, PATTERNS) if name not in PATTERNS else ""
            fix = fix or "Use {index}, {index:04x}, {host} or {fsname}; an MGT has no index."
            findings.add(path, f'the pattern "{match[0]}" cannot be filled in', fix, "bad-pattern")
            return match[0]
        return format(value, form or "")

    return _PATTERN.sub(replace, text)


def build_client(clean: dict[str, Any], findings: Findings) -> ClientMount:
    where = clean[WHERE]
    return ClientMount(
        where,
        tuple(clean["hosts"] or ()),
        clean["path"] or "",
        clean["subdir"] or "",
        tuple(clean["options"]),
        clean["automount"],
        clean["boot"],
        clean["state"],
        tuple(_each(clean["networks"], normal_net, f"{where}.networks", findings, "bad-net")),
        clean["timeout"],
    )


def tenant_mounts(tenants: Iterable[Tenant]) -> tuple[ClientMount, ...]:
    """The mounts that follow from tenants: each its directory, by name, so that it is never more than that."""
    return tuple(
        ClientMount(
            tenant.mount.where,
            tenant.nodemap.hosts,
            tenant.mount.path,
            tenant.subdir,
            tenant.mount.options,
            tenant.mount.automount,
            tenant.mount.boot,
            "mounted" if tenant.present else "absent",
            (),
            tenant.mount.timeout,
            tenant.name,
        )
        for tenant in tenants
        if tenant.mount is not None and tenant.nodemap.hosts
    )


def build_directories(clean: list[dict[str, Any]], tenants: Iterable[Tenant] = ()) -> tuple[Directory, ...]:
    """Those with a path, and those of tenants; a directory comes after the one it lies in."""
    found = [
        Directory(item[WHERE], item["path"], item["owner"], item["group"], item["mode"], item["project"])
        for item in clean
        if item["path"]
    ]
    found += [
        Directory(one.where, one.subdir, one.owner, one.group, one.mode, one.project, one.name)
        for one in tenants
        if one.present
    ]
    return tuple(sorted(found, key=lambda directory: directory.path))


def build_changelog_users(clean: list[dict[str, Any]]) -> tuple[ChangelogUser, ...]:
    return tuple(
        ChangelogUser(item[WHERE], item["name"], tuple(item["mask"]), item["state"]) for item in clean if item["name"]
    )


def build_params(clean: Any, path: str) -> tuple[Param, ...]:
    """Both forms: a list of mappings, or names to values (persistent)."""
    if isinstance(clean, dict):
        return tuple(
            Param(below(path, name), name, value, "persistent", (), "present", False) for name, value in clean.items()
        )
    return tuple(
        Param(
            item[WHERE],
            item["name"],
            item["value"],
            item["scope"],
            tuple(item["hosts"]),
            item["state"],
            item["allow_unknown"],
        )
        for item in clean
        if item["name"]
    )


def parse_lnet(raw: Any, findings: Findings) -> Lnet:
    clean = check(schema.LNET, {} if raw is None else raw, LNET, findings)
    if clean is UNUSABLE:
        return Lnet()
    networks = [_network(item, findings) for item in clean["networks"]]
    routes = clean["routes"]
    return Lnet(
        networks=tuple(network for network in networks if network is not None),
        routers=tuple(clean["routers"]),
        routes=None
        if isinstance(routes, str)
        else tuple(r for r in (_route(item, findings) for item in routes) if r is not None),
        routing=_given(clean["routing"]),
        discovery=clean["discovery"],
        settings=_given(clean["global"]),
        module_options=clean["module_options"],
        peers=tuple(_peer(item, findings) for item in clean["peers"]),
        udsp=tuple(clean["udsp"]),
        purge=tuple(clean["purge"]),
    )


def _given(clean: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in clean.items() if value is not None and key != WHERE}


def _network(clean: dict[str, Any], findings: Findings) -> Network | None:
    where = clean[WHERE]
    nets = _each([clean["net"]] if clean["net"] else [], normal_net, f"{where}.net", findings, "bad-net", single=True)
    if not nets:
        return None
    return Network(
        where,
        nets[0],
        tuple(clean["hosts"]),
        tuple(clean["interfaces"]),
        _given(clean["tunables"]),
        clean["lnd_tunables"],
        tuple(clean["cpts"]),
    )


def _route(clean: dict[str, Any], findings: Findings) -> Route | None:
    where = clean[WHERE]
    nets = _each([clean["net"]] if clean["net"] else [], normal_net, f"{where}.net", findings, "bad-net", single=True)
    gateways = _each(
        [clean["gateway"]] if clean["gateway"] else [], normal_nid, f"{where}.gateway", findings, "bad-nid", single=True
    )
    if not nets or not gateways:
        return None
    return Route(where, tuple(clean["hosts"] or ()), nets[0], gateways[0], clean["hop"], clean["priority"])


def _peer(clean: dict[str, Any], findings: Findings) -> dict[str, Any]:
    where = clean[WHERE]
    primary = _each(
        [clean["primary"]] if clean["primary"] else [], normal_nid, f"{where}.primary", findings, "bad-nid", single=True
    )
    nids = _each(clean["nids"], normal_nid, f"{where}.nids", findings, "bad-nid")
    return {**clean, "primary": primary[0] if primary else "", "nids": nids or primary}


def _each(
    items: Iterable[str], normal: Callable[[str], str], path: str, findings: Findings, rule: str, single: bool = False
) -> list[str]:
    """Items in their normal form; those that have none are reported and left out."""
    found: list[str] = []
    for number, item in enumerate(items):
        try:
            found.append(normal(item))
        except ValueError as error:
            fix = "Write the NID of the node itself." if rule == "bad-nid" else "Write its name as lnetctl(8) does."
            findings.add(path if single else f"{path}[{number}]", str(error), fix, rule)
    return found
