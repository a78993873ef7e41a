# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of nodes in Kerberos: their FQDN, and the principals that their parts in Lustre ask for."""

from __future__ import annotations

from typing import Iterable

from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts, is_address
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Kerberos

#: The part of a node in Lustre, and what its principal begins with.  A node with several parts has several.
KIND_OF = {"mgs": "lustre_mgs", "mds": "lustre_mds", "oss": "lustre_oss", "client": "lustre_root"}
#: Also accepted as the credential of a client's root: its own, with or without host, and that of the machine (Lustre 2.16).
CLIENT_KINDS = ("lustre_root", "host")
KINDS = (*KIND_OF.values(), "host")
FQDN_VARIABLE = "lustre_fqdn"


def fqdn_of(hosts: Hosts, kerberos: Kerberos, host: str) -> str:
    """The name that reverse lookup of the host's NID must give; empty when the description does not tell."""
    given = hosts.variable(host, FQDN_VARIABLE)
    if given:
        return str(given)
    if "." in host and not is_address(host):
        return host
    return f"{host}.{kerberos.domain}" if kerberos.domain and not is_address(host) else ""


def principals_of(kerberos: Kerberos, host: str, fqdn: str, parts: Iterable[str]) -> list[str]:
    """Principals with realm, in the order of the parts; those that the description names for the host win."""
    own = kerberos.principals.get(host)
    names = list(own) if own else [f"{KIND_OF[part]}/{fqdn}" for part in KIND_OF if part in set(parts)]
    return [name if "@" in name else f"{name}@{kerberos.realm}" for name in names]
