#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_tenants: does a tenant's host get nothing but its own directory?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_tenants
short_description: Check that a tenant's host gets at no directory but its own
version_added: 0.1.0
description:
  - Tries, on a host of a tenant, to mount the whole file system and directories of other tenants, read-only, at a new folder below C(/run).
    Each must be refused, or show the tenant's own directory. What was mounted is taken down again at once.
  - A mount that fails for another reason (no server answers, say) proves nothing, and is a problem, too.
  - Nothing in the file system is changed, in check mode neither. Each check is in RV(checks), what is wrong in RV(problems).
options:
  want:
    description:
      - Of what P(lustre.core.node_state#filter) returns, C(mounts), those of tenants with C(tenant), and C(apart), the directories of other
        tenants by mount point.
    type: dict
    required: true
  limit:
    description: At most so many directories of others are tried for each mount.
    type: int
    default: 16
  timeout:
    description: Seconds that one attempt may take.
    type: int
    default: 60
  fail:
    description: Fail when there is a problem; V(false) only returns it.
    type: bool
    default: true
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.nodemap
  - module: lustre.core.verify
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: This host of a tenant gets nothing but its own directory
  lustre.core.verify_tenants:
    want:
      mounts:
        - kind: client
          path: /mnt/bio
          fsname: fs1
          subdir: /tenants/bio
          mgs_nids: [[10.0.0.1@tcp]]
          tenant: bio
      apart:
        /mnt/bio: [/tenants/chem]
"""

RETURN = r"""
checks:
  description: Each attempt and what came of it.
  returned: always, unless an option is unusable
  type: list
  elements: dict
  sample:
    - {name: apart, object: fs1/tenants/chem, ok: true, wanted: nothing but its own, found: refused}
problems:
  description: What is wrong, as sentences.
  returned: always, unless an option is unusable
  type: list
  elements: str
  sample: []
healthy:
  description: Whether nothing is wrong.
  returned: always, unless an option is unusable
  type: bool
  sample: true
left_off:
  description: How many directories of other tenants were not tried, because of O(limit).
  returned: always, unless an option is unusable
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_tenants import TenantVerifier
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "want": {"type": "dict", "required": True},
    "limit": {"type": "int", "default": 16},
    "timeout": {"type": "int", "default": 60},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        run = CommandRunner(module)
        found = TenantVerifier.from_options(run, options["want"], options["limit"], options["timeout"]).verify()
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(["Tenants are not kept apart as described:", *found["problems"]]), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
