# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``lustre.core.node_backends``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_backends
short_description: The backends of the targets that one host serves
version_added: 0.1.0
author:
  - lustre.core contributors (@lustre-core)
description:
  - Returns which of V(ldiskfs) and V(zfs) the targets have that a host is a server of, as first server or as fail-over partner.
  - Empty for a host that serves no target, a client or router.
  - Reads the description only and no variables of hosts, so that it costs next to nothing.
positional: inventory_hostname
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
"""

EXAMPLES = r"""
- name: Only where a target is on ZFS
  ansible.builtin.debug:
    msg: This host needs ZFS.
  when: "'zfs' in lustre_filesystems | lustre.core.node_backends(inventory_hostname)"
"""

RETURN = r"""
_value:
  description: The backends, in alphabetical order.
  type: list
  elements: str
  sample: [ldiskfs]
"""

from typing import Any, Callable

from ansible_collections.lustre.core.plugins.plugin_utils._site.backends import node_backends


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_backends": node_backends}
