# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``lustre.core.node_state``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_state
short_description: What one host must become, taken from the description of the site
version_added: 0.1.0
author:
  - lustre.core contributors (@lustre-core)
description:
  - Takes the description of the file systems and returns the part that one host needs, as the options of the module
    M(lustre.core.node) and a few facts about the host.
  - Reads the variables of this host, of the MGS servers, of the host's fail-over partners and of the routers; never those of
    clients, except on the MGS those that nodemaps name. It gives the same for a host in a limited run as in a run of all hosts.
  - Checks only what it takes. Use the module M(lustre.core.site_check) once per run to check the whole description.
positional: inventory_hostname, hostvars, groups, lnet
options:
  _input:
    description: The description of the file systems, usually the variable C(lustre_filesystems).
    type: list
    elements: dict
    required: true
  inventory_hostname:
    description: Name of the host.
    type: str
    required: true
  hostvars:
    description: Ansible's C(hostvars). Used are C(lustre_nids), C(lustre_interfaces), C(ansible_host), C(group_names) and the
      variables C(lustre_consent_*).
    type: dict
    required: true
  groups:
    description:
      - Ansible's C(groups). Better left out - they are then read only if the description needs the members of a group, which spares
        ansible-core 2.16 a copy of every group's list (0.2 seconds per task and host in a site of 20,000 hosts).
    type: dict
  lnet:
    description: The description of LNet, usually the variable C(lustre_lnet).
    type: dict
    default: {}
  full:
    description: Let C(expected) name the NIDs of every server of the host's file systems, not only of those it needs to start.
    type: bool
    default: false
  consent:
    description:
      - What this run may do, as lists of names; C(unmount) and C(remount) hold paths of mounts, C(remove_networks) LNet networks,
        C(nodemaps) nodemaps, and C(changelog_users) users as C(FSNAME:USER).
      - For a missing key the host's variable C(lustre_consent_KEY) is used.
    type: dict
    default: {}
  kerberos:
    description: The description of the Kerberos realm, usually the variable C(lustre_kerberos).
    type: dict
    default: {}
  firewall_zone:
    description: The zone of firewalld that LNet's port is opened in, empty for its default zone.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: What this host must become
  ansible.builtin.set_fact:
    node: "{{ lustre_filesystems | lustre.core.node_state(inventory_hostname, hostvars, lnet=lustre_lnet | default({})) }}"
"""

RETURN = r"""
_value:
  description:
    - The keys C(firewall), C(lnet), C(targets), C(mounts), C(params), C(purge_params) and C(services) are the options of M(lustre.core.node).
    - C(roles) is the list of the host's roles (C(mgs), C(mds), C(oss), C(router), C(client)), C(filesystems) that of the
      file systems it has a part in, C(backends) that of the backends of its targets.
    - C(zpools) lists the pools that its targets ask for (C(primary) is true where the pool is to be created).
    - C(luks) lists the containers below its targets, where there are any.
    - Only where the description asks for security - C(flavors), C(ssk_keys), C(gss), C(nodemaps) and C(encryption) hold options of the
      modules of these names (C(ssk_keys) and C(nodemaps) of the singular), C(kerberos) the realm, the full name and the
      principals of the host, C(ssk_keys_gone) key files of nodemaps that are to be absent.
    - C(expected) holds the NIDs that must answer this host (C(reachable)) and that must not (C(unreachable)).
  type: dict
"""

from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._filters import told
from ansible_collections.lustre.core.plugins.plugin_utils._site import slice as site_slice
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain


@told
def node_state(
    filesystems: Any,
    inventory_hostname: str,
    hostvars: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]] | None = None,
    lnet: Any = None,
    full: bool = False,
    consent: Mapping[str, Any] | None = None,
    firewall_zone: str = "",
    kerberos: Any = None,
) -> dict[str, Any]:
    """One host's wanted state; see DOCUMENTATION."""
    state = site_slice.node_state(filesystems, inventory_hostname, hostvars, groups, lnet, full, consent, kerberos)
    if firewall_zone:
        state["firewall"]["zone"] = plain(firewall_zone)
    return state


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_state": node_state}
