#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Open LNet's port in the firewall that runs on a node
version_added: 0.1.0
description:
  - Every Lustre node listens on TCP port 988, clients included, because servers connect back.
  - Opens that port, now and after a reboot, in the one firewall that decides on this node. That is firewalld where it
    runs, else ufw where it is active, else bare nftables rules, and of these only chains that block incoming packets.
  - A node without any of them needs nothing, and nothing is done.
options:
  port:
    description: The TCP port. It must equal the C(accept_port) of the C(lnet) kernel module on all nodes.
    type: int
    default: 988
  zone:
    description: The zone of firewalld. Without it, firewalld's default zone.
    type: str
    default: ""
notes:
  - With bare nftables a rule outlives a reboot only where the node's nftables configuration includes a folder. Where it
    does not, the rule is added for now, and C(drift) says which line to add by hand.
seealso:
  - module: lustre.core.node
author:
  - lustre.core contributors (@lustre-core)
extends_documentation_fragment:
  - lustre.core.attributes
"""

EXAMPLES = r"""
- name: Let LNet in
  lustre.core.firewall:

- name: Let LNet in where site policy moved its port and its interface has a zone of its own
  lustre.core.firewall:
    port: 6988
    zone: storage
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: firewall
      action: open
      object: TCP port 988 in firewalld
      reason: LNet must be reachable after a reboot
      command: firewall-cmd --permanent --add-port=988/tcp
      destructive: false
      disruptive: false
drift:
  description: What is not as wanted and is left to the administrator, with the remedy.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The firewall that decides and what it lets in.
  returned: success
  type: dict
  sample:
    firewall: firewalld
    port: 988
    open_now: true
    open_after_reboot: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource


def main() -> None:
    module = AnsibleModule(
        argument_spec={"port": {"type": "int", "default": 988}, "zone": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    run_resource(module, lambda options: FirewallResource.from_options(options["port"], options["zone"]))


if __name__ == "__main__":
    main()
