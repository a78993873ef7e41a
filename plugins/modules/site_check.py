#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action lustre.core.site_check, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_check
short_description: Checks the description of a Lustre site, before any host is touched
version_added: 0.1.0
author:
  - lustre.core contributors (@lustre-core)
description:
  - Checks C(lustre_filesystems), C(lustre_lnet) and C(lustre_kerberos) on the controller, against the hosts, groups and variables of the inventory.
  - All that is wrong is listed at once, each with its path, what is wrong, and the fix. The page about the site description
    lists the rules.
  - No connection to any host is made. Read are the variables of servers and routers, and of one host of each C(lustre_) group
    to see that all were given the same description; those of clients only where Kerberos or nodemaps need their names and NIDs.
options:
  filesystems:
    description:
      - The description of the file systems.
      - By default the variable C(lustre_filesystems) of the host of the task, or of the first host of a C(lustre_) group that has it.
    type: list
    elements: dict
  lnet:
    description:
      - The description of LNet.
      - By default the variable C(lustre_lnet), found in the same way.
    type: dict
  kerberos:
    description:
      - The description of the Kerberos realm.
      - By default the variable C(lustre_kerberos), found in the same way.
    type: dict
notes:
  - Run it once per play with O(ignore:run_once=true), in a play of its own.
extends_documentation_fragment:
  - lustre.core.attributes.action
"""

EXAMPLES = r"""
- name: Check the description of the site
  hosts: lustre_all
  gather_facts: false
  tasks:
    - name: The description is complete and free of contradictions
      lustre.core.site_check:
      run_once: true
"""

RETURN = r"""
errors:
  description: Everything that is wrong, one sentence or two each.
  returned: always
  type: list
  elements: str
  sample:
    - "lustre_filesystems[0].osts[3].servers[1]: the host \"os2\" is not in the inventory. Did you mean \"oss2\"?"
site_warnings:
  description: What is unusual, but not refused.
  returned: always
  type: list
  elements: str
  sample: []
summary:
  description: Size of what was checked.
  returned: always
  type: dict
  sample:
    filesystems: 2
    targets: 9
    servers: 4
    routers: 1
"""
