#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify: is one node what its description says, and does it work?"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify
short_description: Check that a Lustre node is as described and works
version_added: 0.1.0
description:
  - Checks health, targets, recovery, LNet, connections and client mounts of one node against its description.
  - Every problem is found, not only the first; each is one sentence that says what to look at.
  - Changes nothing but a hidden test file on each client mount, which it removes again. In check mode it writes none.
options:
  want:
    description:
      - What the node must be, as P(lustre.core.node_state#filter) returns it. Used are C(mounts), C(lnet.nids), C(expected),
        C(changelogs) and C(cluster_managed).
    type: dict
    required: true
  checks:
    description:
      - What is checked.
      - V(health), C(health_check) of the node.
      - V(targets), every declared target is mounted where it should be and runs, and none runs on a node that is only its standby.
        Of targets that a cluster manages only the state is checked.
      - V(recovery), no target is in recovery.
      - V(lnet), the node has its NIDs, those it must reach answer, those it must not reach do not.
      - V(imports), the connections to the targets of its file systems stand.
      - V(changelogs), the changelog users of MDTs that run here are registered as described, and none with unread records has been idle for
        more than half of the time after which Lustre drops it.
      - V(mounts), client mounts are what they should be.
      - V(files), on each client mount that is not read-only a file is written, read back past the page cache, compared and removed.
        On the mount of a tenant, where root may be squashed, by the owner of the directory.
    type: list
    elements: str
    choices: [health, targets, recovery, lnet, imports, changelogs, mounts, files]
    default: [health, targets, recovery, lnet, imports, changelogs, mounts, files]
  timeout:
    description: How many seconds recovery, and up to a minute of them connections, are waited for. V(0) does not wait.
    type: int
    default: 300
  size:
    description: Bytes of the test file; at least 2, at most 64 MiB.
    type: int
    default: 1048576
  directory:
    description: Directory below each mount for the test file, where the top is not writable for root of this node.
    type: str
    default: ""
  fail:
    description: Whether a problem fails the task. With V(false) it is only returned.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode, and then writes no test file.
    support: full
extends_documentation_fragment:
  - lustre.core.attributes.probe
seealso:
  - module: lustre.core.node_info
  - module: lustre.core.verify_shared
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: This node is as described and works
  lustre.core.verify:
    want: "{{ lustre_filesystems | lustre.core.node_state(inventory_hostname, hostvars, groups, lustre_lnet) }}"

- name: Recovery is over
  lustre.core.verify:
    want: "{{ node }}"
    checks: [targets, recovery]
    timeout: 1350
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
  sample: ["10.77.0.11@tcp does not answer this node (Input/output error (exit code 5)): check LNet there, ..."]
checks:
  description: All checks.
  returned: unless an option is unusable
  type: list
  elements: dict
  contains:
    name:
      description: What was checked - C(node), C(health), C(target), C(recovery), C(nid), C(ping), C(no ping), C(import),
        C(changelog user), C(mount) or C(file).
      type: str
    object: {description: Of which object., type: str}
    ok: {description: Whether it is as wanted., type: bool}
    wanted: {description: What was wanted., type: str}
    found: {description: What was found., type: str}
  sample:
    - {name: target, object: fs1-OST0003, ok: true, wanted: UP at /lustre/fs1/ost0003, found: UP at /lustre/fs1/ost0003}
targets:
  description: The targets that run or are mounted on the node.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample: [{label: fs1-OST0003, state: UP, path: /lustre/fs1/ost0003}]
mounts:
  description:
    - The declared client mounts that are there and not read-only; C(writable) where the test file was written and read back; C(owner),
      the C(UID:GID) that did it, where that was not root.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample: [{fsname: fs1, subdir: "", path: /mnt/fs1, writable: true, owner: ""}]
waited:
  description: Seconds that recovery and connections took.
  returned: unless an option is unusable
  type: float
  sample: 0.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import CHECKS, Verifier, VerifyWant
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "want": {"type": "dict", "required": True},
    "checks": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": list(CHECKS)},
    "timeout": {"type": "int", "default": 300},
    "size": {"type": "int", "default": 1 << 20},
    "directory": {"type": "str", "default": ""},
    "fail": {"type": "bool", "default": True},
}
MOST = 64 << 20


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        if not 2 <= options["size"] <= MOST:
            raise BadValue("size", f"{options['size']} bytes are not a small file", f"Give a number from 2 to {MOST}.")
        want = VerifyWant.from_want(options["want"])
        verifier = Verifier(
            CommandRunner(module), want, options["checks"], options["timeout"], options["size"], options["directory"]
        )
        verifier.write = not module.check_mode
        found = verifier.verify()
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(["This node is not as described:", *found["problems"]]), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
