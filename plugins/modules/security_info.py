#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.security_info: how the connections of a node are protected."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_info
short_description: Tell which security flavors are in force on a node, and wait for them
version_added: 0.1.0
description:
  - Returns the flavor that each connection of the node uses, the rules if an MGS runs here, security contexts of both ends with the time they
    have left, GSS parameters, which shared keys are loaded (never what is in them), and the entries of the keytab.
  - With O(wait), asks until every connection that the rules speak of uses the flavor that they give it, with a context that both ends agreed
    on, or O(timeout) is over, and tells in RV(missing) which has what. Live connections switch one by one, 20 to 45 seconds after a rule
    was set (seen on Lustre 2.17.0).
  - Connections inside a node (C(0@lo)) never use a flavor, and idle ones negotiate when they are used. Nothing is waited for on them.
  - Does not fail because a flavor is not in force. Look at RV(in_force).
options:
  gather:
    description: The parts to return.
    type: list
    elements: str
    choices: [rules, imports, contexts, server_contexts, gss, keys, keytab]
    default: [rules, imports, contexts, server_contexts, gss, keys, keytab]
  wait:
    description: Rules that must be in force, in the form of O(lustre.core.flavor#module:rules).
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds to wait for them; 0 for one look.
    type: int
    default: 120
  keytab:
    description: The keytab to list.
    type: path
    default: /etc/krb5.keytab
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.flavor
  - module: lustre.core.ssk_key
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Every connection of this client to fs1 uses Kerberos with privacy
  lustre.core.security_info:
    gather: [imports, contexts]
    wait:
      - {target: fs1, flavor: krb5p}
    timeout: 120
  register: security
  failed_when: not security.in_force
"""

RETURN = r"""
release:
  description: Release of the loaded modules; empty when none are loaded.
  returned: success
  type: str
  sample: 2.17.0
in_force:
  description: Whether every connection that O(wait) speaks of uses the flavor it is to use.
  returned: success
  type: bool
  sample: true
missing:
  description: Those that do not, as sentences.
  returned: success
  type: list
  elements: str
  sample: ['osc.fs1-OST0000-osc-ff3d526c8886a800 uses null, not skpi, after 120 s (it is FULL, connected to 10.77.0.21@tcp).']
waited:
  description: Seconds waited.
  returned: success
  type: float
  sample: 26.1
rules:
  description: Rules that the MGS of this node keeps; empty when none runs here.
  returned: when O(gather) has V(rules)
  type: list
  elements: dict
  sample: [{target: fs1, flavor: skpi, network: default, direction: ''}]
imports:
  description: Connections of this node. RV(imports[].in_force) is null where nothing is wanted of one.
  returned: when O(gather) has V(imports)
  type: list
  elements: dict
  contains:
    name: {description: Name of the device., type: str}
    type: {description: 'V(mdc), V(osc), V(osp), V(lwp) or V(mgc).', type: str}
    target: {description: Label of the target., type: str}
    fsname: {description: Name of the file system; null for the MGS., type: str}
    owner: {description: 'Whose it is, V(client) or a target such as V(MDT0001).', type: str}
    direction: {description: Direction as rules call it; empty where no rule speaks of it with certainty., type: str}
    state: {description: State of the connection., type: str}
    nid: {description: NID that it is connected to., type: str}
    local: {description: Whether it stays inside the node., type: bool}
    flavor: {description: Flavor in use for RPCs., type: str}
    bulk: {description: Flavor in use for bulk data., type: str}
    wanted: {description: Flavor that O(wait) gives it., type: str}
    context:
      description: Whether root has a valid security context on it. Null unless it is to use this flavor and the flavor needs one.
      type: bool
    in_force: {description: Whether it uses that., type: bool}
  sample:
    - name: mdc.fs1-MDT0000-mdc-ff3d526c8886a800
      type: mdc
      target: fs1-MDT0000
      fsname: fs1
      owner: client
      direction: cli2mdt
      state: FULL
      nid: 10.77.0.11@tcp
      local: false
      flavor: skpi
      bulk: skpi
      wanted: skpi
      context: true
      in_force: true
contexts:
  description: Security contexts of this node's connections.
  returned: when O(gather) has V(contexts)
  type: list
  elements: dict
  contains:
    name: {description: The connection., type: str}
    uid: {description: User of the context., type: int}
    expires: {description: 'When it ends, in seconds since 1970.', type: int}
    left: {description: Seconds left., type: int}
    days: {description: The same in days., type: float}
    valid: {description: Whether both ends agreed on it and it has not ended., type: bool}
    mechanism: {description: 'V(sk), V(krb5) with its cipher, or V(N/A).', type: str}
    peer: {description: NID of the peer; empty here., type: str}
  sample:
    - {name: mdc.fs1-MDT0000-mdc-ff3d526c8886a800, uid: 0, expires: 1795980830, left: 604775, valid: true, mechanism: sk, peer: '', days: 7.0}
server_contexts:
  description: Contexts that peers have with the targets of this node, in the same form with their NIDs.
  returned: when O(gather) has V(server_contexts)
  type: list
  elements: dict
  sample:
    - {name: mdt.fs1-MDT0000, uid: 0, expires: 1795980830, left: 604775, valid: true, mechanism: sk, peer: 10.77.0.41@tcp, days: 7.0}
gss:
  description: GSS parameters of the kernel that can be read; empty when its module is not loaded.
  returned: when O(gather) has V(gss)
  type: dict
  sample: {sptlrpc.gss.rsi_upcall: /usr/sbin/l_getauth, sptlrpc.gss.rsi_entry_expire: '600'}
loaded_keys:
  description: Descriptions of Lustre's shared keys that root has loaded.
  returned: when O(gather) has V(keys)
  type: list
  elements: str
  sample: ['lustre:fs1:default', 'lustre:fs1']
keytab:
  description: Entries of the keytab without their keys; C(enctype) by its number, C(time) in seconds since 1970.
  returned: when O(gather) has V(keytab)
  type: list
  elements: dict
  sample: [{principal: lustre_mds/mds1.example.com@EXAMPLE.COM, kvno: 2, enctype: 20, time: 1795377465}]
problems:
  description: What could not be found out, as sentences.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.security_info import SecurityInspector
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

SECTIONS = ["rules", "imports", "contexts", "server_contexts", "gss", "keys", "keytab"]
ARGUMENTS = {
    "gather": {"type": "list", "elements": "str", "choices": SECTIONS, "default": SECTIONS},
    "wait": {"type": "list", "elements": "dict", "default": []},
    "timeout": {"type": "int", "default": 120},
    "keytab": {"type": "path", "default": "/etc/krb5.keytab", "no_log": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = [module.params[name] for name in ("gather", "wait", "timeout", "keytab")]
    try:
        found = SecurityInspector.from_options(CommandRunner(module), *options).inspect()
    except LustreError as error:
        fail(module, error)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
