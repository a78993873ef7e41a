#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.wipe: empty the devices of targets that are given up."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wipe
short_description: Wipe devices of Lustre targets that are given up
version_added: 0.1.0
description:
  - Destroys the data on the named devices. Each must be the device of one of the node's own targets, and carry exactly that target and
    nothing else, or be empty already.
  - Refuses a device that is mounted or used in any other way, here or (by multi-mount protection) on another node, that carries another
    target, another file system or a further signature, or about which a probe gave no answer.
  - Writes zeros over the first and the last MiB, then runs C(wipefs). After that M(lustre.core.target) takes the device for blank.
  - Works on ldiskfs. Datasets and pools of ZFS are refused.
options:
  targets:
    description: The targets of this node, each with the options of C(targets) of M(lustre.core.target).
    type: list
    elements: dict
    required: true
  devices:
    description: The devices to wipe, each written exactly as in O(targets). This list is the consent.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.target
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Give up one OST of this node
  lustre.core.wipe:
    targets: "{{ node.targets }}"
    devices:
      - /dev/disk/by-id/scsi-ost3

- name: See what would be destroyed
  lustre.core.wipe:
    targets: "{{ node.targets }}"
    devices:
      - /dev/disk/by-id/scsi-ost3
  check_mode: true
"""

RETURN = r"""
plan:
  description: The steps, all of them destructive. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: wipe
      action: zero end
      object: fs1-OST0003 on /dev/disk/by-id/scsi-ost3
      reason: the consent names this device, and it carries fs1-OST0003
      command: dd if=/dev/zero of=/dev/disk/by-id/scsi-ost3 bs=1048576 count=1 conv=notrunc,fsync status=none seek=1072693248 oflag=seek_bytes
      disruptive: false
      destructive: true
drift:
  description: Always empty.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The named devices afterwards.
  returned: success
  type: dict
  contains:
    devices:
      description: The devices.
      type: list
      elements: dict
      contains:
        label: {description: Label of the target that the description puts there., type: str}
        device: {description: The device., type: str}
        wiped: {description: Whether nothing is on it., type: bool}
        found_label: {description: Name of the target found on it., type: str}
  sample:
    devices:
      - {label: fs1-OST0003, device: /dev/disk/by-id/scsi-ost3, wiped: true, found_label: null}
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [zero end fs1-OST0003 on /dev/disk/by-id/scsi-ost3]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.wipe import WipeResource

ARGUMENTS = {
    "targets": {"type": "list", "elements": "dict", "required": True},
    "devices": {"type": "list", "elements": "str", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_resource(module, lambda params: WipeResource.from_options(params["targets"], params["devices"]))


if __name__ == "__main__":
    main()
