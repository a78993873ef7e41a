#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.zpool: the ZFS pools under Lustre targets."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zpool
short_description: Make, import and guard the ZFS pools under Lustre targets
version_added: 0.1.0
description:
  - Takes all pools of one node as a list. An imported pool is compared, one that can be imported cleanly is imported, one that is
    nowhere is made with the consent O(pools[].create).
  - Nothing is ever forced. A pool that another node used last, and was not exported there, makes the module fail and say so.
  - A pool is made only of devices that are proven blank, each by all the probes that M(lustre.core.target) describes, when planning
    and once more right before the pool is made.
  - Pools get C(multihost=on), C(cachefile=none) and C(canmount=off) unless declared otherwise, so that ZFS itself keeps two nodes from
    importing one pool. A host id (C(/etc/hostid)) is made where there is none.
  - Members of an existing pool are never changed, a difference is returned as drift.
options:
  pools:
    description: The pools of this node.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the pool.
        type: str
        required: true
      vdevs:
        description: The devices of the pool, in groups. Without any, the pool must exist, imported or ready to be.
        type: list
        elements: dict
        default: []
        suboptions:
          type:
            description:
              - V(stripe), V(mirror), V(raidz), V(raidz2), V(raidz3), V(draid) with its parameters (such as V(draid2:8d:1s)), V(special),
                V(dedup), V(log) (each of the three also as V(log mirror)), V(spare) or V(cache), as in zpool-create(8).
            type: str
            default: stripe
          devices:
            description: Paths of the devices, by names that stay with them (see O(ignore:targets[].device) of M(lustre.core.target)).
            type: list
            elements: str
            required: true
      properties:
        description:
          - Properties of the pool, added to C(multihost=on) and C(cachefile=none). C(ashift) is used when the pool is made only.
        type: dict
        default: {}
      filesystem_properties:
        description: Properties of the pool's root dataset, added to C(canmount=off).
        type: dict
        default: {}
      create:
        description: Consent to make the pool of exactly these devices if it does not exist and they are proven blank.
        type: bool
        default: false
      import:
        description: Import the pool when it is exported and nobody uses it.
        type: bool
        default: true
extends_documentation_fragment:
  - lustre.core.attributes
requirements:
  - zpool, zfs and zgenhostid of OpenZFS 2.1 or newer
  - util-linux 2.37 or newer (blkid, wipefs, lsblk)
seealso:
  - module: lustre.core.target
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: The pool of an OST, and one of an MDT with a mirrored log
  lustre.core.zpool:
    pools:
      - name: ost4pool
        vdevs:
          - type: raidz2
            devices:
              - /dev/disk/by-id/wwn-0x5000c5001
              - /dev/disk/by-id/wwn-0x5000c5002
              - /dev/disk/by-id/wwn-0x5000c5003
              - /dev/disk/by-id/wwn-0x5000c5004
        properties:
          ashift: 12
        create: true
      - name: mdt0pool
        vdevs:
          - {type: mirror, devices: [/dev/disk/by-id/nvme-a, /dev/disk/by-id/nvme-b]}
          - {type: log mirror, devices: [/dev/disk/by-id/nvme-c, /dev/disk/by-id/nvme-d]}
        create: true
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(zpool).", type: str}
    action: {description: "V(hostid), V(create), V(import) or V(set).", type: str}
    object: {description: "Name of the pool (and property).", type: str}
    reason: {description: "Why the step is needed.", type: str}
    command: {description: "The command, quoted as for a shell.", type: str}
    destructive: {description: "True when a pool is made.", type: bool}
    disruptive: {description: "True when somebody using the pool notices.", type: bool}
    seconds: {description: How long it took; only of steps that were carried out., type: float}
  sample:
    - kind: zpool
      action: create
      object: ost4pool
      reason: there is no such pool, its 2 devices are proven blank, and the description consents
      command: >-
        zpool create -o multihost=on -o cachefile=none -o ashift=12 -O canmount=off ost4pool
        mirror /dev/disk/by-id/wwn-0x5000c5001 /dev/disk/by-id/wwn-0x5000c5002
      destructive: true
      disruptive: false
drift:
  description: Differences that this run does not repair (members, health, what is fixed at creation).
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(zpool).", type: str}
    object: {description: "Name of the pool and what differs.", type: str}
    found: {description: "What is there.", type: str}
    wanted: {description: "What is described.", type: str}
    remedy: {description: "What to do.", type: str}
  sample:
    - {kind: zpool, object: 'ost4pool: health', found: DEGRADED, wanted: ONLINE, remedy: See `zpool status -x ost4pool`.}
state:
  description: The pools at the end.
  returned: success
  type: dict
  contains:
    hostid: {description: "Host id of this node, hexadecimal.", type: str}
    pools:
      description: One entry for each pool, in the order given.
      type: list
      elements: dict
      contains:
        name: {description: "Name of the pool.", type: str}
        imported: {description: "Whether it is imported on this node.", type: bool}
        importable: {description: "Whether it could be imported without force.", type: bool}
        health: {description: "State as zpool shows it.", type: str}
        properties: {description: "The declared properties as found.", type: dict}
        filesystem_properties: {description: "The declared properties of the root dataset as found.", type: dict}
        devices: {description: "Paths of the members as zpool shows them.", type: list, elements: str}
  sample:
    hostid: 0fd0cfdb
    pools:
      - name: ost4pool
        imported: true
        importable: false
        health: ONLINE
        properties: {multihost: 'on', cachefile: none, ashift: '12'}
        filesystem_properties: {canmount: 'off'}
        devices: [/dev/disk/by-id/wwn-0x5000c5001-part1, /dev/disk/by-id/wwn-0x5000c5002-part1]
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [create ost3pool]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource

POOL_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "vdevs": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "type": {"type": "str", "default": "stripe"},
            "devices": {"type": "list", "elements": "str", "required": True},
        },
    },
    "properties": {"type": "dict", "default": {}},
    "filesystem_properties": {"type": "dict", "default": {}},
    "create": {"type": "bool", "default": False},
    "import": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"pools": {"type": "list", "elements": "dict", "required": True, "options": POOL_OPTIONS}},
        supports_check_mode=True,
    )
    run_resource(module, lambda params: ZpoolResource.from_options(params["pools"]))


if __name__ == "__main__":
    main()
