#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_security: is the security that the description asks for in force on this node?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_security
short_description: Check that the security of the description is in force on a node
version_added: 0.1.0
description:
  - Checks each connection of the node for the flavor that the rules give it, and for a security context that both ends agreed on. On servers it
    also looks for clients and servers that are connected without one to a target or to the MGS, where the rules ask for it.
  - Flavors come into force one connection after the other, so they are waited for, up to O(timeout).
  - Where users need tickets of Kerberos, those without one are told in RV(remarks), with their processes that wait inside the kernel for ever.
    That is no problem of the site, and does not fail.
  - Nothing is changed. Each check is in RV(checks), what is wrong in RV(problems).
options:
  rules:
    description:
      - The rules of the file systems that the node has a part in, in the form of O(lustre.core.flavor#module:rules). The filter
        P(lustre.core.node_state#filter) returns them as C(secured).
    type: list
    elements: dict
    default: []
  controller_time:
    description: The time of the controller in seconds since 1970, to compare clocks with. Without it clocks are not compared.
    type: float
  max_skew:
    description: By how many seconds the clock may differ. Kerberos allows 300.
    type: int
    default: 150
  days:
    description: Contexts of root that end within so many days are a problem; V(0) for none. They are made anew by themselves while keys are good.
    type: float
    default: 0
  timeout:
    description: Seconds to wait for flavors that are not in force yet.
    type: int
    default: 120
  fail:
    description: Fail when there is a problem; V(false) only returns it.
    type: bool
    default: true
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.security_info
  - module: lustre.core.verify
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Every connection of this node is protected as described
  lustre.core.verify_security:
    rules:
      - {target: fs1, flavor: krb5p}
    controller_time: "{{ now().timestamp() }}"
"""

RETURN = r"""
checks:
  description: Each question and its answer. C(name) is V(clock), V(flavor), V(context), V(anonymous) or V(expiry).
  returned: always, unless an option is unusable
  type: list
  elements: dict
  sample:
    - {name: flavor, object: mdc.fs1-MDT0000-mdc-ff3d526c8886a800, ok: true, wanted: krb5p, found: krb5p}
problems:
  description: What is wrong, as sentences.
  returned: always, unless an option is unusable
  type: list
  elements: str
  sample: []
ends:
  description: Until when the contexts of root are valid, in the shape of RV(lustre.core.verify_expiry#module:ends).
  returned: always, unless an option is unusable
  type: list
  elements: dict
  sample:
    - {kind: context, object: mdc.fs1-MDT0000-mdc-ff3d526c8886a800, ends: 1796118791, days_left: 0.4, days_old: null}
remarks:
  description:
    - What is no fault of the node and harms it all the same, as sentences. Users who work on a mount with a flavor of Kerberos and have no ticket,
      or had none when their processes asked, with these processes and what ends them.
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
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_security import SecurityVerifier
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "rules": {"type": "list", "elements": "dict", "default": []},
    "controller_time": {"type": "float"},
    "max_skew": {"type": "int", "default": 150},
    "days": {"type": "float", "default": 0},
    "timeout": {"type": "int", "default": 120},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        verifier = SecurityVerifier.from_options(
            CommandRunner(module),
            options["rules"],
            controller_time=options["controller_time"],
            max_skew=options["max_skew"],
            days=options["days"],
            timeout=options["timeout"],
        )
        found = verifier.verify()
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(["Security is not as described:", *found["problems"]]), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
