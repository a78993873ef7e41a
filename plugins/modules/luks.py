#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.luks: the LUKS containers under Lustre targets."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: luks
short_description: Make and open the LUKS containers under Lustre targets
version_added: 0.1.0
description:
  - Takes all containers of one node as a list. A container that is open is compared, one that is closed is opened, and where there is none
    it is made with the consent O(containers[].format).
  - B(Who loses the key or the header of a container has lost all data in it.) The key must be in a file that outlasts a boot before
    anything is made, and the header of each container is copied to C(/etc/lustre/luks) on each server. Back that folder up.
  - A container is made only on a device that is proven blank, by all the probes that M(lustre.core.target) describes, when planning
    and once more right before. Nothing is ever written over - a container with another label is refused, a key file and a copy of a header
    are never replaced.
  - A new container (LUKS2) is labelled as its target. Both its ends are filled with zeros, since it would else read as noise and M(lustre.core.target)
    would refuse to format in it. It is marked for that time, so that this never happens to one that was used.
  - C(/etc/crypttab) gets a line for each container (options C(luks,nofail)), by which systemd opens it at boot before it is mounted. Other lines, and
    further options of these, are kept.
  - It closes no container and removes none.
options:
  containers:
    description: The containers of this node.
    type: list
    elements: dict
    required: true
    suboptions:
      label:
        description: Label of the target, such as V(fs1-OST0003); it is the container's, too.
        type: str
        required: true
      device:
        description: The raw device, by a name that stays with it (see O(ignore:targets[].device) of M(lustre.core.target)).
        type: str
        required: true
      name:
        description: What it is opened as, below C(/dev/mapper). Unless given, O(containers[].label).
        type: str
      key_file:
        description:
          - Where this node keeps the key, and reads it at boot. It must be a regular file of root's with mode C(0600) on the node's own disk, with
            32 to 8192 random bytes, all of which are the key (a line end as well).
        type: path
        required: true
      key:
        description:
          - The key in base64, kept in O(containers[].key_file) where there is no file. A file with another key is refused.
        type: str
      key_name:
        description:
          - Name of a key that somebody else will give. In check mode, it counts as to be kept; else a container that needs it is refused.
        type: str
      format:
        description: Consent to make the container on exactly this device if there is none and it is proven blank.
        type: bool
        default: false
      standby:
        description:
          - Another node makes this container, on a device that they share. It is opened here once it is there; until then it is drift.
        type: bool
        default: false
extends_documentation_fragment:
  - lustre.core.attributes
requirements:
  - cryptsetup 2.1 or newer, and dm-crypt in the kernel
  - util-linux 2.37 or newer (blkid, wipefs, lsblk)
seealso:
  - module: lustre.core.target
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: A container for an OST, made on its first server
  lustre.core.luks:
    containers:
      - label: fs1-OST0003
        device: /dev/disk/by-id/wwn-0x5000c5003
        key_file: /etc/lustre/keys/luks/fs1-OST0003
        key: "{{ lustre_luks_keys['fs1-OST0003'] }}"
        format: true

- name: The same on its partner, after that
  lustre.core.luks:
    containers:
      - label: fs1-OST0003
        device: /dev/disk/by-id/wwn-0x5000c5003
        key_file: /etc/lustre/keys/luks/fs1-OST0003
        key: "{{ lustre_luks_keys['fs1-OST0003'] }}"
        standby: true
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(luks).", type: str}
    action:
      description:
        - V(keep) a key, V(format), V(open), V(zero the end of), V(zero the start of), V(mark), V(create), V(back up the header of), V(try) a key,
          V(boot) or V(reload).
      type: str
    object: {description: "Label and device of the container, or path of a file.", type: str}
    reason: {description: "Why the step is needed.", type: str}
    command: {description: "The command, quoted as for a shell.", type: str}
    destructive: {description: "True when something is formatted or filled with zeros.", type: bool}
    disruptive: {description: "True when somebody notices.", type: bool}
    seconds: {description: How long it took; only of steps that were carried out., type: float}
  sample:
    - kind: luks
      action: open
      object: fs1-OST0003 on /dev/disk/by-id/wwn-0x5000c5003
      reason: /dev/mapper/fs1-OST0003 is not there
      command: >-
        cryptsetup open --type luks2 --key-file /etc/lustre/keys/luks/fs1-OST0003
        /dev/disk/by-id/wwn-0x5000c5003 fs1-OST0003
      destructive: false
      disruptive: false
drift:
  description: Differences that this run does not repair (a key file that is missing, a container that another node has yet to make).
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(luks).", type: str}
    object: {description: "Label and device of the container.", type: str}
    found: {description: "What is there.", type: str}
    wanted: {description: "What is described.", type: str}
    remedy: {description: "What to do.", type: str}
  sample:
    - kind: luks
      object: fs1-OST0003 on /dev/disk/by-id/wwn-0x5000c5003
      found: no key file
      wanted: /etc/lustre/keys/luks/fs1-OST0003
      remedy: Put it back from where it is kept, before this node boots again.
state:
  description: The containers at the end.
  returned: success
  type: dict
  contains:
    containers:
      description: One entry for each container, in the order given.
      type: list
      elements: dict
      contains:
        label: {description: "Label of the target.", type: str}
        device: {description: "The raw device.", type: str}
        name: {description: "Its name below /dev/mapper.", type: str}
        formatted: {description: "Whether there is a container.", type: bool}
        uuid: {description: "UUID of the container.", type: str}
        open: {description: "Whether it is open.", type: bool}
        key_file: {description: "Where its key is kept.", type: str}
        header_backup: {description: "Where the copy of its header is, null where there is none.", type: str}
  sample:
    containers:
      - label: fs1-OST0003
        device: /dev/disk/by-id/wwn-0x5000c5003
        name: fs1-OST0003
        formatted: true
        uuid: 8c1b7a52-6a5e-4f7e-9f0b-3f2b77c9a001
        open: true
        key_file: /etc/lustre/keys/luks/fs1-OST0003
        header_backup: /etc/lustre/luks/fs1-OST0003.header
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [keep /etc/lustre/keys/luks/fs1-OST0003]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource

OPTIONS: dict[str, dict[str, Any]] = {
    "label": {"type": "str", "required": True},
    "device": {"type": "str", "required": True},
    "name": {"type": "str"},
    # where it lies is no secret
    "key_file": {"type": "path", "required": True, "no_log": False},
    "key": {"type": "str", "no_log": True},
    "key_name": {"type": "str", "no_log": False},
    "format": {"type": "bool", "default": False},
    "standby": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"containers": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS}},
        supports_check_mode=True,
    )
    run_resource(module, lambda params: LuksResource.from_options(params["containers"], coming=module.check_mode))


if __name__ == "__main__":
    main()
