#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.flavor: the security rules that an MGS keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: flavor
short_description: Set the security rules (flavors) of Lustre file systems
version_added: 0.1.0
description:
  - Brings the rules that an MGS keeps for its file systems, their targets and itself to those described, and reads them back from the MGS.
  - Runs on the node where the MGT is mounted. Rules are set by C(lctl conf_param) alone. C(set_param -P) takes them, too, but nothing
    follows from that (seen on Lustre 2.17.0).
  - The MGS takes a rule at once. Live connections switch some 20 to 45 seconds later, one by one; those without credentials for the
    new flavor are cut off. This module ends with the rules of the MGS. M(lustre.core.security_info) waits until they are in force.
  - Rules that speak of less are set before those that speak of more, and rules are removed after all others are set. So each connection
    changes its flavor at most once.
  - A file system or target that the MGS does not know is refused before anything is set, because Lustre would make an empty file system
    of that name.
  - A rule for a single network is refused on Lustre 2.17, where such rules are taken and never match, unless O(allow_ineffective=true).
  - Undeclared rules stay, unless O(purge) names their file system or target.
  - Connections inside one node (C(0@lo)) never use a flavor.
options:
  rules:
    description: The rules. Of several that match a connection the one that speaks of less counts - target before file system, network before
      all networks, direction before all directions.
    type: list
    elements: dict
    default: []
    suboptions:
      target:
        description: A file system (V(fs1)), one of its targets (V(fs1-OST0003)), or V(_mgs) for connections to the MGS itself.
        type: str
        required: true
      network:
        description: LNet network of the side that connects, or V(default) for all.
        type: str
        default: default
      direction:
        description: Who connects to whom. All directions unless given. Not for V(_mgs).
        type: str
        choices: ['', cli2mdt, cli2ost, mdt2mdt, mdt2ost]
        default: ''
      flavor:
        description:
          - The flavor. Write V(null) in quotes, else YAML reads it as nothing.
          - V(krb5n), V(krb5a), V(krb5i), V(krb5p) use Kerberos, V(skn), V(ska), V(ski), V(skpi) shared keys.
          - V(gssnull) and V(plain) authenticate nobody.
        type: str
        choices: ['null', gssnull, plain, krb5n, krb5a, krb5i, krb5p, skn, ska, ski, skpi]
        required: true
  purge:
    description: File systems (with all their targets), targets, or V(_mgs), whose rules are removed when they are not in O(rules); or the
      whole name of one rule (V(fs1.srpc.flavor.default.cli2mdt)). This list is the consent.
    type: list
    elements: str
    default: []
  allow_ineffective:
    description: Set rules for single networks even on a release that never matches them. They protect nothing there.
    type: bool
    default: false
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.security_info
  - module: lustre.core.ssk_key
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Servers talk to each other with shared keys
  lustre.core.flavor:
    rules:
      - {target: fs1, direction: mdt2mdt, flavor: skpi}
      - {target: fs1, direction: mdt2ost, flavor: skpi}

- name: All connections of fs1 by Kerberos, and no other rule of it stays
  lustre.core.flavor:
    rules:
      - {target: fs1, flavor: krb5p}
    purge: [fs1]

- name: Back to no security at all
  lustre.core.flavor:
    purge: [fs1, _mgs]
"""

RETURN = r"""
plan:
  description: The steps, all of them disruptive. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: flavor
      action: set
      object: fs1.srpc.flavor.default.mdt2mdt
      reason: is not set, wanted skpi; peers without credentials for it are cut off
      command: lctl conf_param fs1.srpc.flavor.default.mdt2mdt=skpi
      disruptive: true
      destructive: false
drift:
  description: Always empty.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The rules as the MGS keeps them afterwards.
  returned: success
  type: dict
  contains:
    rules:
      description: All rules of the file systems that the options speak of.
      type: list
      elements: dict
      contains:
        target: {description: File system or target, type: str}
        network: {description: LNet network; V(default) for all., type: str}
        direction: {description: Direction; empty for all., type: str}
        flavor: {description: The flavor., type: str}
    undeclared: {description: Names of those that O(rules) does not have., type: list, elements: str}
    notes: {description: What protects less than its author may think; shown as warnings as well., type: list, elements: str}
  sample:
    rules: [{target: fs1, network: default, direction: mdt2mdt, flavor: skpi}]
    undeclared: []
    notes: []
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [set fs1.srpc.flavor.default.mdt2mdt]
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor import FlavorResource

RULE: dict[str, Any] = {
    "target": {"type": "str", "required": True},
    "network": {"type": "str", "default": "default"},
    "direction": {"type": "str", "default": "", "choices": ["", "cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost"]},
    "flavor": {
        "type": "str",
        "required": True,
        "choices": ["null", "gssnull", "plain", "krb5n", "krb5a", "krb5i", "krb5p", "skn", "ska", "ski", "skpi"],
    },
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
            "purge": {"type": "list", "elements": "str", "default": []},
            "allow_ineffective": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )

    def warned(outcome: Outcome) -> dict[str, Any]:
        for note in outcome.after["notes"]:
            module.warn(note)
        return {}

    run_resource(
        module,
        lambda params: FlavorResource.from_options(params["rules"], params["purge"], params["allow_ineffective"]),
        extra=warned,
    )


if __name__ == "__main__":
    main()
