#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.nodemap_info: the nodemaps that a server has, and whether they are those of the MGS."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nodemap_info
short_description: Tell the nodemaps of a server, and wait for those of the MGS
version_added: 0.1.0
description:
  - Returns the nodemaps of a server in the names of M(lustre.core.nodemap), with the clients that are connected to its targets.
  - The MGS hands changed nodemaps to the other servers some seconds later. With O(digest), the one that M(lustre.core.nodemap)
    or this module returned on the MGS, it waits until this server has got the same.
  - Works on any server with a target mounted. Clients have no nodemaps.
options:
  names:
    description: The nodemaps to return; all when empty.
    type: list
    elements: str
    default: []
  digest:
    description:
      - What RV(digest) must be. The module looks once a second until it is. Of several, one; as where a server's MGS is one of several.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds it waits for O(digest) before it fails.
    type: float
    default: 60
extends_documentation_fragment:
  - lustre.core.attributes.info
notes:
  - Servers of different releases show different properties. Of one with another release than the MGS, what every release shows must be the
    same (ranges, id maps, the file set, squashed ids, O(ignore:admin), O(ignore:trusted), O(ignore:deny_unknown)).
seealso:
  - module: lustre.core.nodemap
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Who is in which nodemap
  lustre.core.nodemap_info:
  register: seen

- name: Every server has what was applied on the MGS
  lustre.core.nodemap_info:
    digest: "{{ applied.state.digest }}"
    timeout: 120
"""

RETURN = r"""
active:
  description: Whether nodemaps are in force on this server.
  returned: success
  type: bool
  sample: true
mgs:
  description: Whether the MGS runs on this node.
  returned: success
  type: bool
  sample: false
nodemaps:
  description: Each nodemap in the names of the options of M(lustre.core.nodemap), with the NIDs connected to targets of this node.
  returned: success
  type: dict
  sample:
    tenant_a:
      admin: false
      trusted: false
      deny_unknown: true
      ranges: [10.1.0.1-10.1.0.254@tcp]
      idmap: {uid: ['500:1000'], gid: ['500:1000'], projid: []}
      filesets: [{path: /tenants/a, alternate: false, read_only: false}]
      clients: [10.1.0.7@tcp]
digest:
  description: A digest of all nodemaps but the dynamic ones. Two servers of one release with the same digest enforce the same.
  returned: success
  type: str
  sample: 9f2c4b0e6a5b2f8f0e2a9c3d4e5f60718293a4b5c6d7e8f9aabbccddeeff0011
waited:
  description: How many seconds it took until O(digest) was seen.
  returned: success
  type: float
  sample: 4.0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.nodemap_seen import seen
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "digest": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        found = seen(CommandRunner(module), options["names"], list(filter(None, options["digest"])), options["timeout"])
    except LustreError as error:
        fail(module, error)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
