#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.target: format and describe Lustre targets."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: target
short_description: Format, compare and describe Lustre targets (MGT, MDT, OST)
version_added: 0.1.0
description:
  - Takes all targets of one node as a list and brings each to what is described, on ldiskfs or ZFS.
  - A device that already carries the described target (same file system name, type and index) is never formatted again,
    whatever the separator in its label (C(:), C(=), C(+) or C(-)). What differs is returned as O(ignore:drift) and
    repaired only where that is safe and O(targets[].tune) consents.
  - A device that carries another Lustre target makes the module fail and say which target it is.
  - A device without a target is formatted only with the consent O(targets[].format) and when it is proven blank. For that, every
    one of these probes must answer, and answer "nothing" - the path (a block device with a stable name), the mount table, swap
    space, software RAID, C(blkid -p), C(wipefs -n), udev's record (multipath), C(lsblk) (partitions, holders, read-only, size),
    sysfs (the same once more), an exclusive open, and a read of the first and the last MiB, which must be zero. A probe that
    fails, times out or prints something unknown stops the module. The whole proof is made when planning and once more right
    before the format.
  - mkfs.lustre is never told to reformat or to force, and its exit code is not trusted. The device is read again afterwards.
options:
  targets:
    description: The targets of this node.
    type: list
    elements: dict
    required: true
    suboptions:
      label:
        description:
          - Name of the target as Lustre shows it, such as C(fs1-OST0003) (hexadecimal index), or C(MGS) for a stand-alone MGT.
          - It follows from the other options. When given, it must agree with them.
        type: str
      kind:
        description: What the target is - a stand-alone MGT, an MDT or an OST.
        type: str
        choices: [mgt, mdt, ost]
        required: true
      fsname:
        description: Name of the file system, 1 to 8 characters. Required for an MDT and an OST, forbidden for an MGT.
        type: str
      index:
        description: Index of the target, decimal. Required for an MDT and an OST, forbidden for an MGT.
        type: int
      mgs:
        description: The MGS lives on this target, too. Only for MDT0000.
        type: bool
        default: false
      backend:
        description: What the target is made of.
        type: str
        choices: [ldiskfs, zfs]
        default: ldiskfs
      device:
        description:
          - For V(ldiskfs) the path of the block device by a name that stays with it, over reboots and over a format - below
            C(/dev/disk/by-id), C(/dev/disk/by-path), C(/dev/disk/by-partuuid), C(/dev/disk/by-vdev), C(/dev/mapper),
            C(/dev/md), C(/dev/zvol), C(/dev/drbd/by-res) or C(/dev/VG/LV). Names given in the order of discovery (C(/dev/sdb)) and
            names made of the content (C(/dev/disk/by-uuid), C(/dev/disk/by-label)) are refused.
          - For V(zfs) C(POOL/DATASET). The pool must exist and be imported (see M(lustre.core.zpool)).
        type: str
        required: true
      mgs_nids:
        description:
          - Per MGS node the list of its NIDs. Required unless the target carries the MGS itself. IP addresses only, since mkfs.lustre
            freezes a host name into its address of that moment.
        type: list
        elements: list
        default: []
      service_nids:
        description:
          - Per node that may serve the target the list of its NIDs. With at least one, ldiskfs gets multi-mount protection.
          - An empty list declares nothing - service nodes found on the target stay.
        type: list
        elements: list
        default: []
      networks:
        description: LNet networks to which the target is restricted. Empty means undeclared.
        type: list
        elements: str
        default: []
      mkfs_options:
        description: Options for mke2fs or C(zfs create), used when formatting only.
        type: str
        default: ''
      mount_fs_options:
        description:
          - Persistent mount options, with commas. They replace Lustre's default. A difference on an existing target is
            reported, not repaired.
        type: str
        default: ''
      params:
        description:
          - Parameters stored on the target, such as C(failover.mode). Parameters found but not declared stay.
          - Values without spaces. What C(lctl conf_param) or C(lctl set_param -P) set is not stored here, see M(lustre.core.param).
        type: dict
        default: {}
      format:
        description: Consent to format this very device if it carries no target and is proven blank.
        type: bool
        default: false
      tune:
        description:
          - Consent to repair MGS nodes, service nodes and parameters of the existing target with one complete
            C(tunefs.lustre --erase-params ...) while it is unmounted, here and (by multi-mount protection) on its partners.
        type: bool
        default: false
      replace:
        description:
          - With O(targets[].format), the target is formatted as the one that the MGS knows by this index already (C(mkfs.lustre --replace)).
            Its device was lost, or wiped; whatever it held is given up, and files with a part on it are damaged. Without it the mount of a
            target that was wiped and formatted anew fails, because the index is in use.
          - Only for an index that is registered. The mount of a target made so whose index the MGS never knew fails, and the index then
            counts as used.
          - Read when a device is formatted, and never else. Take it out of the description afterwards.
        type: bool
        default: false
extends_documentation_fragment:
  - lustre.core.attributes
requirements:
  - mkfs.lustre and tunefs.lustre of Lustre 2.15 or newer
  - util-linux 2.37 or newer (blkid, wipefs, lsblk)
  - for ldiskfs a Lustre-aware e2fsprogs, with e2mmpstatus
seealso:
  - module: lustre.core.zpool
  - module: lustre.core.mount
  - module: lustre.core.node
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: A stand-alone MGT and an OST, formatted if their devices are blank
  lustre.core.target:
    targets:
      - kind: mgt
        device: /dev/disk/by-id/scsi-mgt
        service_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]
        format: true
      - label: fs1-OST0003
        kind: ost
        fsname: fs1
        index: 3
        device: /dev/disk/by-id/scsi-ost3
        mgs_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]
        service_nids: [[10.77.0.21@tcp], [10.77.0.22@tcp]]
        params:
          failover.mode: failout
        format: true

- name: What is on the device, and how does it differ from the description?
  lustre.core.target:
    targets:
      - {kind: ost, fsname: fs1, index: 3, device: /dev/disk/by-id/scsi-ost3, mgs_nids: [[10.77.0.11@tcp]]}
  check_mode: true
  register: ost3

- name: A second MGS node was added; rewrite what the unmounted target knows of it
  lustre.core.target:
    targets:
      - kind: ost
        fsname: fs1
        index: 3
        device: /dev/disk/by-id/scsi-ost3
        mgs_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]
        tune: true

- name: An OST on ZFS with compression
  lustre.core.target:
    targets:
      - kind: ost
        fsname: fs1
        index: 4
        backend: zfs
        device: ost4pool/ost4
        mgs_nids: [[10.77.0.11@tcp]]
        mkfs_options: -o compression=lz4
        format: true
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(target).", type: str}
    action: {description: "V(format) or V(tune).", type: str}
    object: {description: "Label and device.", type: str}
    reason: {description: "Why the step is needed.", type: str}
    command: {description: "The command, quoted as for a shell.", type: str}
    destructive: {description: "True for a format.", type: bool}
    disruptive: {description: "True when somebody using the target notices.", type: bool}
    seconds: {description: How long it took; only of steps that were carried out., type: float}
  sample:
    - kind: target
      action: format
      object: fs1-OST0003 on /dev/disk/by-id/scsi-ost3
      reason: no Lustre target there yet, the device is proven blank, and the description consents
      command: >-
        mkfs.lustre --ost --fsname=fs1 --index=3 --mgsnode=10.77.0.11@tcp --backfstype=ldiskfs /dev/disk/by-id/scsi-ost3
      destructive: true
      disruptive: false
drift:
  description: Differences between description and target that this run does not repair, each with who repairs it.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: "Always V(target).", type: str}
    object: {description: "Label, device and the aspect that differs.", type: str}
    found: {description: "What is on the target.", type: str}
    wanted: {description: "What is described.", type: str}
    remedy: {description: "What to do.", type: str}
  sample:
    - kind: target
      object: 'fs1-OST0003 on /dev/disk/by-id/scsi-ost3: service nodes'
      found: 10.77.0.21@tcp
      wanted: 10.77.0.21@tcp:10.77.0.22@tcp
      remedy: 'Write `tune: true` for fs1-OST0003 to have it rewritten while it is unmounted.'
state:
  description: What is on the devices at the end, in the names of the description.
  returned: success
  type: dict
  contains:
    targets:
      description: One entry for each target, in the order given. From RV(ignore:found_label) on only when there is a target.
      type: list
      elements: dict
      contains:
        label: {description: "Label as described.", type: str}
        device: {description: "Device as described.", type: str}
        backend: {description: "Backend as described.", type: str}
        formatted: {description: "Whether a Lustre target is on the device.", type: bool}
        mounted_at: {description: "Where it is mounted on this node.", type: list, elements: str}
        found_label: {description: "Label in its normal form.", type: str}
        kind: {description: "V(mgt), V(mdt) or V(ost).", type: str}
        fsname: {description: "Name of the file system.", type: str}
        index: {description: "Index, decimal.", type: int}
        mgs: {description: "Whether the MGS lives on it.", type: bool}
        registered: {description: "Whether the MGS knows it (not new, no writeconf pending).", type: bool}
        flags: {description: "Lustre's flags, hexadecimal.", type: str}
        mgs_nids: {description: "NIDs per MGS node.", type: list, elements: list}
        service_nids: {description: "NIDs per service or failover node.", type: list, elements: list}
        networks: {description: "Networks it is restricted to.", type: list, elements: str}
        mount_fs_options: {description: "Persistent mount options.", type: str}
        params: {description: "Parameters stored on the target.", type: dict}
  sample:
    targets:
      - label: fs1-OST0003
        device: /dev/disk/by-id/scsi-ost3
        backend: ldiskfs
        formatted: true
        mounted_at: [/lustre/fs1/ost0003]
        found_label: fs1-OST0003
        kind: ost
        fsname: fs1
        index: 3
        mgs: false
        registered: true
        flags: '0x1002'
        mgs_nids: [[10.77.0.11@tcp]]
        service_nids: [[10.77.0.21@tcp], [10.77.0.22@tcp]]
        networks: []
        mount_fs_options: errors=remount-ro
        params: {}
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [format fs1-OST0003 on /dev/disk/by-id/scsi-ost3]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource

TARGET_OPTIONS: dict[str, dict[str, Any]] = {
    "label": {"type": "str"},
    "kind": {"type": "str", "required": True, "choices": ["mgt", "mdt", "ost"]},
    "fsname": {"type": "str"},
    "index": {"type": "int"},
    "mgs": {"type": "bool", "default": False},
    "backend": {"type": "str", "default": "ldiskfs", "choices": ["ldiskfs", "zfs"]},
    "device": {"type": "str", "required": True},
    "mgs_nids": {"type": "list", "elements": "list", "default": []},
    "service_nids": {"type": "list", "elements": "list", "default": []},
    "networks": {"type": "list", "elements": "str", "default": []},
    "mkfs_options": {"type": "str", "default": ""},
    "mount_fs_options": {"type": "str", "default": ""},
    "params": {"type": "dict", "default": {}},
    "format": {"type": "bool", "default": False},
    "tune": {"type": "bool", "default": False},
    "replace": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"targets": {"type": "list", "elements": "dict", "required": True, "options": TARGET_OPTIONS}},
        supports_check_mode=True,
    )
    run_resource(module, lambda params: TargetResource.from_options(params["targets"]))


if __name__ == "__main__":
    main()
