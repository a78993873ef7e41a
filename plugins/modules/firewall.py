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
  description: The steps taken, or in check mode those that would be taken, in order. Those that were carried out say in C(seconds) how long they took.
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
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [open firewalld]
busy:
  description: Who is at work on this node at the moment, and on what. What was planned may then be out of date.
  returned: check mode, while another run of this collection is at work on the node
  type: str
  sample: 'The module lustre.core.node (process 4711) began on 2025-11-23 at 10:31:02, and for 62 s it has been at: format fs1-OST0003.'
held_by:
  description: Who kept this node for longer than this run waited. Nothing was changed.
  returned: failure, when another run of this collection is at work on the node
  type: dict
  contains:
    pid: {description: Process that took the node. It may be gone., type: int}
    module: {description: Its module., type: str}
    since: {description: 'When it began, in seconds since 1970.', type: float}
    step: {description: What it is doing., type: str}
    step_since: {description: 'Since when, in seconds since 1970.', type: float}
    processes: {description: 'Processes that keep the node now, each with C(pid) and C(program).', type: list, elements: dict}
processes_left:
  description: Programs that gave no answer in time and cannot be killed, so that they are still on the node.
  returned: failure, when a program did not answer in time
  type: list
  elements: str
  sample: [mount.lustre (process 4711)]
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
