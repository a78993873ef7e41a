#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.site_info: what an MGS knows of its whole site."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: site_info
short_description: Tell what an MGS knows of its whole site
version_added: 0.1.0
description:
  - Reads, on the node where the MGT is mounted, the MGS's configuration logs, and returns the file systems with their targets and NIDs, the
    stored parameters, and which nodes are connected, in the names of the site description (C(lustre_filesystems)).
  - An MGS knows neither host names nor devices, so these are missing in what is returned.
  - Starts two programs.
options: {}
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.node_info
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: What does the MGS know?
  lustre.core.site_info:
  register: site

- name: A file system that nobody described (a conf_param with a mistyped name makes one)
  ansible.builtin.debug:
    msg: "{{ site.filesystems | map(attribute='name') | difference(lustre_filesystems | map(attribute='name')) }}"
"""

RETURN = r"""
mgs_nids:
  description: NIDs of the node whose MGS answered.
  returned: success
  type: list
  elements: str
  sample: [10.77.0.11@tcp]
filesystems:
  description: The file systems that the MGS knows. One without targets was never started, or is the trace of a mistyped C(conf_param).
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the file system., type: str}
    mgs: {description: 'This MGS, as the description of an MGS outside of an inventory.', type: dict}
    mdts: {description: 'Registered MDTs, each with index, label and the NIDs per service node.', type: list, elements: dict}
    osts: {description: Registered OSTs likewise., type: list, elements: dict}
    params: {description: Stored parameters whose name has the file system's name in it., type: list, elements: dict}
  sample:
    - name: fs1
      mgs: {nids: [[10.77.0.11@tcp]]}
      mdts:
        - {index: 0, label: fs1-MDT0000, service_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]}
      osts:
        - {index: 0, label: fs1-OST0000, service_nids: [[10.77.0.21@tcp], [10.77.0.22@tcp]]}
      params:
        - {name: osc.fs1-*.max_dirty_mb, value: 512M, scope: persistent}
params:
  description: All parameters stored with C(lctl set_param -P).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: osc.fs1-*.max_dirty_mb, value: 512M, scope: persistent}
    - {name: jobid_var, value: SLURM_JOB_ID, scope: persistent}
general_params:
  description: Those of RV(params) whose name has no file system in it. They are applied for all file systems of this MGS.
  returned: success
  type: list
  elements: dict
  sample: [{name: jobid_var, value: SLURM_JOB_ID, scope: persistent}]
conf_params:
  description: Old settings of C(lctl conf_param) in the logs that clients read. They are applied at each mount beside RV(params).
  returned: success
  type: list
  elements: dict
  sample: [{device: fs1-client, name: llite.max_read_ahead_mb, value: '32'}]
connected_nids:
  description: NIDs with a connection to the MGS, servers and clients alike.
  returned: success
  type: list
  elements: str
  sample: [10.77.0.21@tcp, 10.77.0.41@tcp]
client_nids:
  description: Those of RV(connected_nids) that belong to no server the MGS knows.
  returned: success
  type: list
  elements: str
  sample: [10.77.0.41@tcp]
clients:
  description: The number of RV(client_nids).
  returned: success
  type: int
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.site_info import site
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        found = site(CommandRunner(module))
    except LustreError as error:
        fail(module, error)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
