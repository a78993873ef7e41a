# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the user wrote about security and tenants to the model.  Used for the whole site, and for one host's slice."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    TENANT_ROLES,
    Encrypted,
    FlavorRule,
    Kerberos,
    Nodemap,
    Nodemaps,
    RootSquash,
    Security,
    Ssk,
    Tenant,
    TenantMount,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_nodemaps import KINDS, PROPERTIES
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_security import (
    ASKS,
    DIRECTIONS,
    KERBEROS,
    SECURITY,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import UNUSABLE, WHERE, below, check

KERBEROS_VARIABLE = "lustre_kerberos"


def asks(raw: Mapping[str, Any]) -> bool:
    """Whether a file system, as the user wrote it, says anything of security."""
    mgs = raw.get("mgs")
    return any(raw.get(key) is not None for key in ASKS) or (isinstance(mgs, Mapping) and bool(mgs.get("flavor")))


def security_of(raw: Mapping[str, Any], path: str, findings: Findings) -> Security:
    """The same as :func:`build_security`, of a file system that was not checked as a whole."""
    clean = {}
    for name, key in SECURITY.items():
        given = raw.get(name)
        found = key.default if given is None else check(key.type, given, f"{path}.{name}", findings)
        clean[name] = key.default if found is UNUSABLE else found
    return build_security(clean, path, findings)


def build_security(clean: Mapping[str, Any], path: str, findings: Findings) -> Security:
    flavors = clean["flavors"]
    return Security(
        flavors=build_flavors(flavors, f"{path}.flavors", findings),
        allow_ineffective=isinstance(flavors, dict) and bool(flavors.get("allow_ineffective")),
        purge_flavors=clean["purge_flavors"],
        ssk=_ssk(clean["ssk"]) if clean["ssk"] else None,
        nodemaps=_nodemaps(clean["nodemaps"]) if clean["nodemaps"] else None,
        tenants=tuple(_tenant(item) for item in clean["tenants"] if item["name"]),
        encrypted=tuple(_encrypted(item) for item in clean["encrypted"] if item["path"]),
        root_squash=_root_squash(clean["root_squash"]) if clean["root_squash"] else None,
    )


def build_flavors(clean: Any, path: str, findings: Findings) -> tuple[FlavorRule, ...]:
    """One rule per flavor that was given, those of all networks first."""
    if isinstance(clean, str):
        return (FlavorRule(path, clean),)
    found = _by_direction(clean, path, "default")
    for name, flavors in (clean.get("networks") or {}).items():
        where = below(f"{path}.networks", name)
        try:
            network = normal_net(name)
        except ValueError as error:
            findings.add(where, str(error), "Write its name as lnetctl(8) does.", "bad-net")
            continue
        if isinstance(flavors, str):
            found.append(FlavorRule(where, flavors, network))
        else:
            found += _by_direction(flavors, where, network)
    return tuple(found)


def _by_direction(clean: Mapping[str, Any], path: str, network: str) -> list[FlavorRule]:
    return [
        FlavorRule(f"{path}.{name}", clean[name], network, "" if name == "default" else name)
        for name in ("default", *DIRECTIONS)
        if clean.get(name)
    ]


def _ssk(clean: Mapping[str, Any]) -> Ssk:
    return Ssk(where=clean[WHERE], **{name: value for name, value in clean.items() if name != WHERE})


def _nodemaps(clean: Mapping[str, Any]) -> Nodemaps:
    return Nodemaps(
        clean[WHERE],
        clean["active"],
        tuple(clean["admins"]),
        tuple(clean["protect"]),
        None if clean["default"] is None else _options(clean["default"]),
        tuple(_nodemap(item) for item in clean["maps"] if item["name"]),
        clean["purge"],
    )


def _nodemap(clean: Mapping[str, Any]) -> Nodemap:
    options = {**_options(clean), **_ids(clean)}
    options.update({"purge": clean["purge"]} if clean["purge"] else {})
    return Nodemap(clean[WHERE], clean["name"], tuple(clean["hosts"]), tuple(clean["ranges"]), options, clean["state"])


def _options(clean: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that were given, in the words of the module."""
    given = {key: clean[key] for key in PROPERTIES if clean.get(key) is not None and clean[key] != []}
    if "filesets" in given:
        given["filesets"] = [bare(item) for item in given["filesets"] if item["path"]]
    if "capabilities" in given:
        given["capabilities"] = bare(given["capabilities"])
    return given


def _ids(clean: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if clean["idmap"]:
        found["idmap"] = {kind: clean["idmap"][kind] for kind in KINDS if clean["idmap"][kind]}
    if clean["offset"] and clean["offset"]["offset"]:
        found["offset"] = bare(clean["offset"])
    return found


def bare(clean: Mapping[str, Any]) -> dict[str, Any]:
    """A clean mapping without the path it was written at."""
    return {key: value for key, value in clean.items() if key != WHERE}


def _tenant(clean: Mapping[str, Any]) -> Tenant:
    name, subdir = clean["name"], clean["subdir"] or f"/{clean['name']}"
    ids = _ids(clean)
    root = str(ids["offset"]["offset"]) if "offset" in ids else "root"
    options = {
        "admin": False,
        "trusted": clean["trusted"],
        "readonly_mount": clean["read_only"],
        "forbid_encryption": not clean["encryption"],
        "rbac": [*TENANT_ROLES, *(["fscrypt_admin"] if clean["encryption"] else [])],
        "filesets": [{"path": subdir, "alternate": False, "read_only": False}],
        **_options(clean),
        **ids,
        # What belongs to a tenant is said here and nowhere else, so that a way in that is not declared is closed.
        "purge": ["ranges", "idmap", "filesets", "banlist"],
    }
    return Tenant(
        clean[WHERE],
        name,
        subdir,
        clean["owner"] or root,
        clean["group"] or root,
        clean["mode"],
        clean["project"],
        _tenant_mount(clean["mount"]) if clean["mount"] and clean["mount"]["path"] else None,
        clean["encryption"],
        clean["trusted"],
        Nodemap(clean[WHERE], name, tuple(clean["hosts"]), tuple(clean["ranges"]), options, clean["state"]),
        clean["flavor"] or "",
    )


def _tenant_mount(clean: Mapping[str, Any]) -> TenantMount:
    return TenantMount(
        clean[WHERE], clean["path"], tuple(clean["options"]), clean["automount"], clean["boot"], clean["timeout"]
    )


def _root_squash(clean: Mapping[str, Any]) -> RootSquash:
    return RootSquash(clean[WHERE], clean["uid"], clean["gid"], tuple(clean["nosquash"]), tuple(clean["nosquash_nids"]))


def _encrypted(clean: Mapping[str, Any]) -> Encrypted:
    return Encrypted(
        clean[WHERE],
        clean["path"],
        tuple(clean["hosts"] or ()),
        clean["state"],
        clean["key"] or "",
        clean["key_file"] or "",
        clean["identifier"] or "",
        {key: clean[key] for key in ("owner", "group", "mode", "contents", "filenames", "protector")},
    )


def build_kerberos(raw: Any, findings: Findings) -> Kerberos | None:
    """``lustre_kerberos``; None when the site has none, or none that can be used."""
    if not raw:
        return None
    clean = check(KERBEROS, raw, KERBEROS_VARIABLE, findings)
    if clean is UNUSABLE or not clean["realm"]:
        return None
    kdcs = tuple(clean["kdcs"] or ())
    return Kerberos(
        KERBEROS_VARIABLE,
        clean["realm"],
        kdcs,
        clean["admin_server"] or (kdcs[0] if kdcs else ""),
        clean["source"],
        clean["files"] or "",
        tuple(clean["enctypes"]),
        clean["domain"] or "",
        {host: tuple(names) for host, names in clean["principals"].items()},
    )
