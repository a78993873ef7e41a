#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.gss: what a node needs before any GSS flavor can work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gss
short_description: Prepare a Lustre node for Kerberos and shared keys
version_added: 0.1.0
description:
  - Sets up who makes security contexts (C(/etc/request-key.d/lgssc.conf)), loads the kernel module C(ptlrpc_gss), now and after LNet at each
    boot, and on servers runs the daemon C(lsvcgssd) by its unit with the right arguments.
  - Sets no flavor. Do this on all nodes before M(lustre.core.flavor) sets a rule that needs it.
  - The arguments are kept in C(/etc/sysconfig/lsvcgss), also on Debian. Without them the daemon takes null security as well, and so does the
    one that the kernel starts when nobody answers it.
  - That the daemon runs with these arguments is read from the process, that Kerberos is on from what the daemon logged when it started. Its
    exit code tells neither. With a missing entry in the keytab it would run on without Kerberos, so the module refuses to start it then.
  - A daemon that was started by hand is ended, for it keeps the unit from running its own. Live connections go on meanwhile.
options:
  kerberos:
    description: Kerberos flavors are to work.
    type: bool
    default: false
  ssk:
    description: Flavors with shared keys are to work.
    type: bool
    default: false
  services:
    description: Kinds of targets that this node may run. Empty on clients, which need no daemon.
    type: list
    elements: str
    choices: [mgs, mds, oss]
    default: []
  realm:
    description: The realm. It must be the C(default_realm) of the node's C(krb5.conf), which is the one that Lustre uses. Not checked unless given.
    type: str
  fqdn:
    description: The host in the principals of this server. Unless given, a key for any host counts.
    type: str
  keytab:
    description: Where to look for the keys. Lustre itself reads no other file than the default.
    type: path
    default: /etc/krb5.keytab
extends_documentation_fragment:
  - lustre.core.attributes
notes:
  - Works with the unit of Lustre 2.16 and newer, and with the SysV script of 2.15, which systemd shows as a unit. The upcall
    C(sptlrpc.gss.rsi_upcall) is set where the release has it.
  - The module is not loaded through C(modules-load.d). That happens before LNet is configured, and C(ptlrpc), which comes along, would then
    configure LNet by itself on the first interface. A drop-in of C(lnet.service) loads it instead.
seealso:
  - module: lustre.core.keytab
  - module: lustre.core.kerberos_check
  - module: lustre.core.flavor
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: A server with an MGT and an MDT
  lustre.core.gss:
    kerberos: true
    services: [mgs, mds]
    realm: EXAMPLE.COM
    fqdn: mds1.example.com

- name: A client
  lustre.core.gss:
    kerberos: true
    realm: EXAMPLE.COM

- name: An OSS with shared keys alone
  lustre.core.gss:
    ssk: true
    services: [oss]
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: gss
      action: restart
      object: lsvcgss.service
      reason: lsvcgssd runs with `-k -s -z`, wanted `-k -g -m -v`
      command: systemctl restart -- lsvcgss.service
      destructive: false
      disruptive: false
drift:
  description: What is not as wanted and is left to the administrator, with the remedy.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: GSS of the node. The keys from C(upcall) on are there on servers only. C(told) is whether the journal still has the daemon's start.
  returned: success
  type: dict
  sample:
    loaded: true
    contexts_made: true
    upcall: /usr/sbin/l_getauth
    enabled: true
    daemons:
      - {pid: 834, arguments: -k -g -m -v, of_unit: true}
    kerberos: {ready: [mds, mgs], realm: EXAMPLE.COM, 'off': '', told: true}
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
from ansible_collections.lustre.core.plugins.module_utils._resources.gss import GssResource

ARGUMENTS = {
    "kerberos": {"type": "bool", "default": False},
    "ssk": {"type": "bool", "default": False},
    "services": {"type": "list", "elements": "str", "choices": ["mgs", "mds", "oss"], "default": []},
    "realm": {"type": "str"},
    "fqdn": {"type": "str"},
    "keytab": {"type": "path", "default": "/etc/krb5.keytab", "no_log": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_resource(module, GssResource.from_options)


if __name__ == "__main__":
    main()
