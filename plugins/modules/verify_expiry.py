#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_expiry: how long do the keys, principals and tickets of this node last?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_expiry
short_description: Tell how long keys, principals and tickets last
version_added: 0.1.0
description:
  - On a node, looks at the keytab, at root's ticket, and at files of shared keys. With each key of the keytab that is asked for a ticket is got,
    into a private folder in memory that is gone afterwards. That finds a principal that has expired, wherever its database is.
  - On a KDC (or with the keytab of an administrator anywhere), looks principals up in the database, which has two dates of an end for each. By
    default neither is set. What has expired is a problem, always; what expires within O(days), too.
  - Keys have no end, and nothing tells when one was made. A keytab has the time at which each key was written into one, a file of
    C(lgss_sk) has no date but its own, which moves when it is copied or made a client's key. So C(days_old) is the least age.
  - Nothing is changed, and no key is shown.
options:
  principals:
    description: Principals of which the keytab must have a key that the KDC takes.
    type: list
    elements: str
    default: []
  keytab:
    description: The keytab.
    type: path
    default: /etc/krb5.keytab
  ticket_cache:
    description: Root's ticket cache. Its end is shown and no problem, since Lustre gets a new ticket with the keytab by itself.
    type: path
    default: /tmp/krb5cc_0
  tickets:
    description: Get a ticket with each key. Needs C(kinit).
    type: bool
    default: true
  shared_keys:
    description: Files of shared keys.
    type: list
    elements: str
    default: []
  database:
    description: Principals to look up in the database of O(realm), with or without the realm.
    type: list
    elements: str
    default: []
  realm:
    description: The realm; needed with O(database).
    type: str
  admin:
    description: An administrator with whom the database is read by C(kadmin). Without, C(kadmin.local) reads it on the KDC.
    type: str
  admin_keytab:
    description: The keytab of O(admin).
    type: path
  server:
    description: The host of the admin server, where krb5.conf does not name it.
    type: str
  days:
    description: What ends within so many days is a problem; with V(0) only what has ended.
    type: float
    default: 14
  max_age:
    description: Keys that are at least so many days old are a problem; V(0) for none.
    type: float
    default: 0
  fail:
    description: Fail when there is a problem; V(false) only returns it.
    type: bool
    default: true
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.kerberos_check
  - module: lustre.core.verify_security
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Keys of a client
  lustre.core.verify_expiry:
    principals: [lustre_root/client1.example.com@EXAMPLE.COM]
    shared_keys: [/etc/lustre/keys/fs1.client.default.key]
    max_age: 180

- name: Principals on the KDC
  lustre.core.verify_expiry:
    realm: EXAMPLE.COM
    database: [lustre_mds/mds1.example.com, lustre_root/client1.example.com]
    days: 30
"""

RETURN = r"""
checks:
  description: Each question and its answer. C(name) is V(keytab), V(ticket), V(shared key), V(principal) or V(key of a principal).
  returned: always, unless an option is unusable
  type: list
  elements: dict
  sample:
    - {name: principal, object: lustre_mds/mds1.example.com@EXAMPLE.COM, ok: true, wanted: not ended, found: never ends}
ends:
  description: What ends, and what has an age.
  returned: always, unless an option is unusable
  type: list
  elements: dict
  contains:
    kind: {description: As the names of the checks., type: str}
    object: {description: Principal or path., type: str}
    ends: {description: In seconds since 1970; 0 for what has no end., type: int}
    days_left: {description: 'Days until its end, or for keys until O(max_age); null where there is neither.', type: float}
    days_old: {description: The least age of a key; null where it is not known., type: float}
  sample:
    - {kind: ticket, object: lustre_root/client1.example.com@EXAMPLE.COM, ends: 1796118791, days_left: 0.4, days_old: null}
principals:
  description: The O(principals).
  returned: always, unless an option is unusable
  type: list
  elements: str
  sample: [lustre_root/client1.example.com@EXAMPLE.COM]
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_expiry import CACHE, DAYS, KEYTAB, Expiry
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "principals": {"type": "list", "elements": "str", "default": []},
    "keytab": {"type": "path", "default": KEYTAB, "no_log": False},
    "ticket_cache": {"type": "path", "default": CACHE},
    "tickets": {"type": "bool", "default": True},
    "shared_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "database": {"type": "list", "elements": "str", "default": []},
    "realm": {"type": "str"},
    "admin": {"type": "str"},
    "admin_keytab": {"type": "path", "no_log": False},
    "server": {"type": "str"},
    "days": {"type": "float", "default": DAYS},
    "max_age": {"type": "float", "default": 0},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = Expiry.from_options(CommandRunner(module), module.params).verify()
    except LustreError as error:
        fail(module, error)
    if found["problems"] and module.params["fail"]:
        module.fail_json(msg="\n".join(["Not everything lasts as long as it should:", *found["problems"]]), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
