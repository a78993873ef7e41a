# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is called what in Kerberos, and which keys a host still lacks."""

from __future__ import annotations

import ipaddress
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue


def kerberos_names(
    hosts: Sequence[str], hostvars: Mapping[str, Any], kerberos: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Address and full name of each host, for each of its NIDs that has an IP address; hosts without either are left out."""
    found = []
    for host in dict.fromkeys(hosts):
        variables = _variables(hostvars, host)
        fqdn = _fqdn(host, variables, kerberos)
        for address in _addresses(host, variables):
            if fqdn:
                found.append({"address": address, "fqdn": fqdn})
    return found


def _variables(hostvars: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    """Ansible's own mapping answers for a host that is not there, too, with something undefined."""
    if host not in hostvars:
        return {}
    found: Mapping[str, Any] = hostvars[host]
    return found


def _fqdn(host: str, variables: Mapping[str, Any], kerberos: Mapping[str, Any]) -> str:
    given = str(variables.get("lustre_fqdn") or "")
    if given or _is_address(host):
        return given
    domain = str(kerberos.get("domain") or "")
    return host if "." in host else f"{host}.{domain}" if domain else ""


def _addresses(host: str, variables: Mapping[str, Any]) -> list[str]:
    nids = variables.get("lustre_nids") or []
    given = [nids] if isinstance(nids, str) else list(nids)
    addresses = [str(nid).partition("@")[0] for nid in given] or [str(variables.get("ansible_host") or host)]
    return [address for address in dict.fromkeys(addresses) if _is_address(address)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def kerberos_kdcs(kdcs: Sequence[str] | str, hostvars: Mapping[str, Any]) -> list[str]:
    """KDCs as krb5.conf names them: hosts of the inventory by their address, so that no name service is needed."""
    listed = [kdcs] if isinstance(kdcs, str) else list(kdcs)
    return [str(_variables(hostvars, name).get("ansible_host") or name) for name in listed]


def keys_lacking(principals: Sequence[str], kdc: Mapping[str, Any], keytab: Mapping[str, Any]) -> list[str]:
    """Principals of which the keytab lacks a key of the version that the KDC uses.

    ``kdc`` and ``keytab`` are the ``state`` that the modules kdc_principal and keytab return. BadValue for a principal that
    the KDC does not have.
    """
    there = {(entry["principal"], entry["kvno"], entry["enctype"]) for entry in keytab.get("entries") or ()}
    known = {one["name"]: one for one in kdc.get("principals") or ()}
    lacking = []
    for name in principals:
        if name not in known:
            raise BadValue(name, "the KDC has no such principal", "Make it with lustre.core.kdc_principal first.")
        one = known[name]
        if any((name, one["kvno"], kind) not in there for kind in one["enctypes"]):
            lacking.append(name)
    return lacking


def keys_alone(principals: Sequence[str], keytab: Mapping[str, Any]) -> list[str]:
    """Principals of which the keytab has keys of one version and no other; ``keytab`` as for :func:`keys_lacking`."""
    versions: dict[str, set[int]] = {}
    for entry in keytab.get("entries") or ():
        versions.setdefault(entry["principal"], set()).add(entry["kvno"])
    return [name for name in principals if len(versions.get(name, ())) == 1]
