#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.keytab: keys of Kerberos merged into the keytab of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: keytab
short_description: Merge Kerberos keys into a node's keytab
version_added: 0.1.0
description:
  - Adds the keys of supplied keytabs to a keytab file. What is there of other principals stays, byte for byte.
  - Older versions of a key stay, too, until O(keep_old=false). A server that lacks the version a ticket was made for lets its clients
    retry for ever.
  - The file is root's with mode C(0600) afterwards, even if it was readable by others, and from its first byte. No key is ever a word
    of a command, part of a result, of a difference or of a message.
  - Keys are compared by principal, version, encryption type and a hash of the key.
options:
  path:
    description: The keytab. Lustre reads no other one than the default.
    type: path
    default: /etc/krb5.keytab
  contents:
    description:
      - Keytab files whose keys are to be there, each in base64, as M(lustre.core.kdc_principal) exports them.
      - Only the format 0x0502 of MIT Kerberos is read, which Heimdal, FreeIPA and Active Directory write as well.
    type: list
    elements: str
    default: []
  principals:
    description:
      - Principals of which a key must be there in the end, with or without their realm. If one is missing, nothing is written and the
        message says which principals there are.
    type: list
    elements: str
    default: []
  keep_old:
    description:
      - Keep older versions of the keys. With V(false), they are dropped for the principals of O(contents) and O(principals) once the
        newest one has been in the file for O(old_keys_age). One that came later than that stays, as after a KDC was made anew and counts
        from 1 again.
    type: bool
    default: true
  old_keys_age:
    description:
      - For how many seconds the newest key must have been there before older ones are dropped; at least the life of a ticket of the
        KDC. V(0) consents to drop them at once. Clients that still have a ticket for an older key are then turned away until it expires.
    type: int
    default: 604800
  replace:
    description:
      - Principals of which a key may be replaced by the supplied one of the same version and type. Needed after a KDC was made anew.
    type: list
    elements: str
    default: []
  remove:
    description: Principals whose keys are removed.
    type: list
    elements: str
    default: []
  ticket_cache:
    description: Root's ticket cache on this node. C(lgss_keyring) fills it from the keytab, and uses it for as long as its tickets are valid.
    type: path
    default: /tmp/krb5cc_0
  remove_ticket_cache:
    description:
      - Remove that cache when keys change, or when its tickets are of a C(lustre_*) principal of which there is no key. Tickets in it hide
        that the keytab does not work. With V(false), C(drift) tells of it.
      - A cache of somebody else's principal is left alone.
    type: bool
    default: false
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.kdc_principal
  - module: lustre.core.kerberos_check
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: The keys that the vault has for this node
  lustre.core.keytab:
    contents: ["{{ vault_keytab }}"]
    principals: ["lustre_oss/{{ fqdn }}@EXAMPLE.COM"]

- name: Drop older keys a week after the newest came
  lustre.core.keytab:
    principals: ["lustre_oss/{{ fqdn }}@EXAMPLE.COM"]
    keep_old: false

- name: After the KDC of the laboratory was made anew
  lustre.core.keytab:
    contents: ["{{ exported.keytabs[inventory_hostname] }}"]
    replace: ["lustre_oss/{{ fqdn }}@LAB.EXAMPLE"]
    remove_ticket_cache: true
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: keytab
      action: write
      object: /etc/krb5.keytab
      reason: lustre_oss/oss1.example.com@EXAMPLE.COM (version 2, aes256-cts-hmac-sha384-192) is missing
      file: /etc/krb5.keytab
      destructive: false
      disruptive: false
drift:
  description: What is not as wanted and is left to the administrator, with the remedy. A ticket cache that hides the keytab is told here.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The keytab. C(time) is when a key was exported, in seconds since 1970.
  returned: success
  type: dict
  sample:
    path: /etc/krb5.keytab
    exists: true
    mode: "0600"
    entries:
      - {principal: lustre_oss/oss1.example.com@EXAMPLE.COM, kvno: 2, enctype: aes256-cts-hmac-sha384-192, time: 1795377465}
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
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab import KeytabResource
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab_want import DEFAULT, OLD_KEYS_AGE

ARGUMENTS = {
    "path": {"type": "path", "default": DEFAULT},
    "contents": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "principals": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "keep_old": {"type": "bool", "default": True, "no_log": False},
    "old_keys_age": {"type": "int", "default": OLD_KEYS_AGE, "no_log": False},
    "replace": {"type": "list", "elements": "str", "default": []},
    "remove": {"type": "list", "elements": "str", "default": []},
    "ticket_cache": {"type": "path", "default": "/tmp/krb5cc_0"},
    "remove_ticket_cache": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_resource(module, KeytabResource.from_options)


if __name__ == "__main__":
    main()
