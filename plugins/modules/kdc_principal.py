#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.kdc_principal: principals of an MIT KDC, and their keys."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kdc_principal
short_description: Make principals on a KDC, give them new keys, export their keys
version_added: 0.1.0
description:
  - Makes principals with random keys in the database of an MIT KDC, gives them new keys when these are too old, and exports keys as
    keytabs for M(lustre.core.keytab).
  - Runs on the KDC as root (C(kadmin.local)), or anywhere with the keytab of an administrator (C(kadmin)).
  - All principals of a call are read, made and exported by one process each. What was wanted is read back, since kadmin ends with
    exit code 0 whatever it refused.
options:
  principals:
    description: The principals, with or without their realm.
    type: list
    elements: str
    required: true
  realm:
    description: The realm. All O(principals) are of it.
    type: str
    required: true
  enctypes:
    description:
      - Encryption types of new keys. Lustre 2.15 and 2.16 know those with C(sha1) only, 2.17 and newer those with C(sha256) and
        C(sha384) as well.
      - Principals that have keys of other types are told in C(drift); their keys change only by O(rotate_older_than).
    type: list
    elements: str
    default: [aes256-cts-hmac-sha384-192, aes256-cts-hmac-sha1-96]
  state:
    description: With V(absent), the principals are removed. Each needs O(consent).
    type: str
    choices: [present, absent]
    default: present
  consent:
    description: Principals that may be removed. A removed one cannot be had back.
    type: list
    elements: str
    default: []
  rotate_older_than:
    description:
      - Give new keys to principals whose keys were made more than so many seconds ago. The older keys stay in the database, so that both
        are exported. Without it keys stay as they are.
      - From that moment on the KDC makes tickets for the new key. Bring it to the host at once; until then a server turns new clients away,
        and these try again.
    type: int
  purge_old:
    description: Remove all but the newest version of the keys from the database.
    type: bool
    default: false
  export:
    description:
      - Principals whose keys are returned in C(keytabs). The task must say C(no_log=true), else the module refuses.
      - Not done in check mode.
    type: list
    elements: str
    default: []
  admin:
    description: Principal of an administrator. Without it C(kadmin.local) is used, on the KDC itself.
    type: str
  admin_keytab:
    description: Keytab on this host with the key of O(admin).
    type: path
  server:
    description: The admin server, as C(kadmin -s) takes it. Without it that of C(krb5.conf).
    type: str
extends_documentation_fragment:
  - lustre.core.attributes
notes:
  - "How keys travel: they are read from a folder in memory that only root of the KDC can enter, returned over SSH to the controller, kept
    there in the memory of the running playbook (a registered variable is in no fact cache), and handed over SSH to M(lustre.core.keytab),
    where the option hides them by itself. With C(no_log) neither callbacks nor the logs of both hosts get them. Do not put them into
    C(set_fact) with C(cacheable), and do not run with C(ANSIBLE_DEBUG) or C(ANSIBLE_KEEP_REMOTE_FILES)."
  - To export over the network an administrator needs the privilege C(e) in C(kadm5.acl), which C(*) does not hold.
seealso:
  - module: lustre.core.keytab
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Principals of an OSS
  lustre.core.kdc_principal:
    realm: EXAMPLE.COM
    principals: ["lustre_oss/oss1.example.com", "lustre_oss/oss2.example.com"]
  delegate_to: kdc1

- name: Their keys
  lustre.core.kdc_principal:
    realm: EXAMPLE.COM
    principals: ["lustre_oss/oss1.example.com"]
    export: ["lustre_oss/oss1.example.com"]
  delegate_to: kdc1
  no_log: true
  register: exported

- name: Bring them to the node
  lustre.core.keytab:
    contents: "{{ exported.keytabs.values() | list }}"

- name: New keys beside those that are older than 90 days
  lustre.core.kdc_principal:
    realm: EXAMPLE.COM
    principals: ["lustre_oss/oss1.example.com"]
    rotate_older_than: 7776000
  delegate_to: kdc1
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: kdc_principal
      action: create
      object: lustre_oss/oss1.example.com@EXAMPLE.COM
      reason: not in the database
      command: kadmin.local -r EXAMPLE.COM
      destructive: false
      disruptive: false
drift:
  description: What is not as wanted and is left to the administrator, with the remedy. Principals with keys of other types are told here.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The principals that there are. C(changed) is when their newest key was made, in seconds since 1970, C(max_life) the longest life
    of a ticket in seconds.
  returned: success
  type: dict
  sample:
    realm: EXAMPLE.COM
    principals:
      - name: lustre_oss/oss1.example.com@EXAMPLE.COM
        kvno: 2
        kvnos: [1, 2]
        enctypes: [aes256-cts-hmac-sha384-192, aes256-cts-hmac-sha1-96]
        changed: 1795377465
        max_life: 36000
keytabs:
  description: By principal with realm, a keytab with its keys in base64.
  returned: with O(export), not in check mode
  type: dict
  sample: {}
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

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._resources.kdc_principal import ENCTYPES, PrincipalsResource
from ansible_collections.lustre.core.plugins.module_utils._resources.kdc_principal_export import export
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "principals": {"type": "list", "elements": "str", "required": True},
    "realm": {"type": "str", "required": True},
    "enctypes": {"type": "list", "elements": "str", "default": list(ENCTYPES)},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "consent": {"type": "list", "elements": "str", "default": []},
    "rotate_older_than": {"type": "int"},
    "purge_old": {"type": "bool", "default": False},
    "export": {"type": "list", "elements": "str", "default": []},
    "admin": {"type": "str"},
    "admin_keytab": {"type": "path", "no_log": False},
    "server": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = dict(module.params)
    wanted = options.pop("export")
    run = CommandRunner(module)
    made: list[PrincipalsResource] = []

    def build(_params: dict[str, object]) -> PrincipalsResource:
        if wanted and not module.no_log:
            raise BadValue("export", "the keys would be shown and logged", "Say `no_log: true` at this task.")
        made.append(PrincipalsResource.from_options(options, wanted))
        return made[0]

    def keytabs(_outcome: object) -> dict[str, object]:
        if module.check_mode or not wanted:
            return {}
        return {"keytabs": export(run, made[0].want.kadmin, made[0].want.export)}

    run_resource(module, build, run, extra=keytabs)


if __name__ == "__main__":
    main()
