#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.kerberos_check: will Kerberos work on this node?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kerberos_check
short_description: Check names, clock, keys and encryption types before Lustre depends on Kerberos
version_added: 0.1.0
description:
  - Asks on a node what makes Lustre's Kerberos fail without a message that names it.
  - Does the reverse lookup of each address give the name that is in its principals? If not, mounts try for ever.
  - Are the clocks of the node, the controller and the KDC close enough? MIT's library takes over the KDC's clock without a word; how far it is
    off is read from the ticket cache.
  - Has the keytab a key of each principal, of a type that the node, its crypto policy and this Lustre release know, and of the version for
    which the KDC makes tickets?
  - Every problem is found, not only the first; each is one sentence that says what to do. Nothing is changed. Tickets are got into a private
    folder in memory that is gone afterwards.
options:
  names:
    description: Addresses (or NIDs) of Lustre nodes, with the name that each is to have on this node.
    type: list
    elements: dict
    default: []
    suboptions:
      address: {description: IP address or NID., type: str, required: true}
      fqdn: {description: The host name in lower case., type: str, required: true}
  principals:
    description: Principals of which the keytab must have a key.
    type: list
    elements: str
    default: []
  services:
    description: Principals of other hosts for which the KDC must give tickets, such as V(lustre_mds/mds1.example.com).
    type: list
    elements: str
    default: []
  tickets:
    description: Get a ticket with each of O(principals), and with the last of them those for O(services). Needs C(kinit) and C(kvno).
    type: bool
    default: true
  keytab:
    description: The keytab.
    type: path
    default: /etc/krb5.keytab
  controller_time:
    description: Seconds since 1970 on the controller, to compare clocks with. The time that it takes to reach the node counts as a difference.
    type: float
  max_skew:
    description: By how many seconds clocks may differ. Kerberos itself allows 300.
    type: int
    default: 150
  fail:
    description: Whether a problem fails the task. With V(false) it is only returned.
    type: bool
    default: true
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.keytab
  - module: lustre.core.gss
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Kerberos will work here
  lustre.core.kerberos_check:
    names:
      - {address: 10.77.0.11@tcp, fqdn: mds1.example.com}
      - {address: 10.77.0.21@tcp, fqdn: client1.example.com}
    principals: [lustre_root/client1.example.com@EXAMPLE.COM]
    services: [lustre_mds/mds1.example.com@EXAMPLE.COM]
    controller_time: "{{ now().timestamp() }}"
"""

RETURN = r"""
healthy:
  description: Whether every check is ok.
  returned: unless an option is unusable
  type: bool
  sample: false
problems:
  description: A sentence for each check that is not ok.
  returned: unless an option is unusable
  type: list
  elements: str
  sample: ["On this node 10.77.0.11 is mds1 (line 3 of /etc/hosts, ...), and its principals are of mds1.example.com: ..."]
checks:
  description: All checks.
  returned: unless an option is unusable
  type: list
  elements: dict
  contains:
    name:
      description: What was checked - C(name), C(clock of the controller), C(clock of the KDC), C(mode), C(key), C(enctypes), C(ticket), C(version)
        or C(service ticket).
      type: str
    object: {description: Of which object., type: str}
    ok: {description: Whether it is as wanted., type: bool}
    wanted: {description: What was wanted., type: str}
    found: {description: What was found., type: str}
  sample:
    - {name: name, object: 10.77.0.11, ok: true, wanted: mds1.example.com, found: mds1.example.com}
entries:
  description: The keys of the keytab, never the keys themselves.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - {principal: lustre_root/client1.example.com@EXAMPLE.COM, kvno: 1, enctype: aes256-cts-hmac-sha384-192, time: 1795377465}
kdc_offset:
  description: Seconds that have to be added to the node's clock to get the KDC's. Null when no ticket was got.
  returned: unless an option is unusable
  type: float
  sample: 0.0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.kerberos_check import MAX_SKEW, Checker
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "names": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"address": {"type": "str", "required": True}, "fqdn": {"type": "str", "required": True}},
    },
    "principals": {"type": "list", "elements": "str", "default": []},
    "services": {"type": "list", "elements": "str", "default": []},
    "tickets": {"type": "bool", "default": True},
    "keytab": {"type": "path", "default": "/etc/krb5.keytab", "no_log": False},
    "controller_time": {"type": "float"},
    "max_skew": {"type": "int", "default": MAX_SKEW},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = Checker(CommandRunner(module), module.params).check()
    except LustreError as error:
        fail(module, error)
    if found["problems"] and module.params["fail"]:
        module.fail_json(msg="\n".join(["Kerberos will not work on this node:", *found["problems"]]), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
