#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.mount: mount Lustre targets and clients, now and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mount
short_description: Mount Lustre targets and Lustre clients, now and at boot
version_added: 0.1.0
description:
  - Takes all Lustre mounts of one node as a list - targets (MGT, MDT, OST) of a server and file systems of a client - and brings each
    to its state, live and in C(/etc/fstab).
  - Before anything is mounted the MGS must be proven to answer by C(lctl ping). With the MGS down a real mount hangs for minutes and
    cannot be killed. When no NID of the MGS answers, the module fails and says what each one said. Every mount also has a time limit.
  - Mounts in the order MGT, MDT0000, other MDTs, OSTs, clients, and unmounts the other way round.
  - A live mount is compared by what it is - a target by its device, a client by file system, subdirectory and the set of MGS nodes - not
    by the text of its source. Both C(lustre) and C(lustre_tgt) are target mounts. Options are compared as sets, and only those that the
    kernel shows.
  - Never unmounts by force and never lazily. An unmount of something that is in use fails and says who holds it.
  - In C(/etc/fstab) only lines with the mount points given here are touched. All others stay as they are, byte for byte.
  - A mount gets its line in C(/etc/fstab) when it is seen to work, so that no node boots into a mount that nobody has proven. One that is
    mounted already and has none gets it. The order at boot among mounts that other calls declared is kept.
options:
  mounts:
    description: The mounts of this node.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: What is mounted - a target that this server serves, or a file system that this client uses.
        type: str
        choices: [target, client]
        required: true
      path:
        description: The mount point, an absolute path. It is made if it is missing. It identifies the mount.
        type: path
        required: true
      device:
        description: The target's device by a stable path, or C(POOL/DATASET) for ZFS. Required for O(mounts[].kind=target).
        type: str
      label:
        description: Name of the target, such as C(fs1-OST0003), or C(MGS). Required for O(mounts[].kind=target).
        type: str
      fsname:
        description: Name of the file system. Required for O(mounts[].kind=client).
        type: str
      mgs_nids:
        description:
          - Per MGS node the list of its NIDs, in order of preference. Required for O(mounts[].kind=client).
          - For a target, the MGS that must answer before it is mounted. Empty for a target that carries the MGS itself.
        type: list
        elements: list
        default: []
      subdir:
        description: Mount only this directory of the file system, for O(mounts[].kind=client).
        type: str
        default: ''
      options:
        description:
          - Mount options, one per entry, beside those that the module adds for boot (see the notes).
          - C(noauto) and C(x-systemd.automount) are decided by O(mounts[].boot) and O(mounts[].automount).
        type: list
        elements: str
        default: []
      state:
        description:
          - V(mounted) - mounted now, and in C(/etc/fstab).
          - V(unmounted) - not mounted now, but in C(/etc/fstab).
          - V(present) - in C(/etc/fstab). What is mounted now stays as it is.
          - V(absent) - not mounted and not in C(/etc/fstab). Only O(mounts[].kind) and O(mounts[].path) are needed.
        type: str
        choices: [mounted, unmounted, present, absent]
        default: mounted
      boot:
        description: Mount at boot. V(false) writes C(noauto), for targets that an HA manager mounts, or that the partner normally has.
        type: bool
        default: true
      automount:
        description: Mount on first use, by C(x-systemd.automount). Only for O(mounts[].kind=client).
        type: bool
        default: false
      remount:
        description:
          - Consent to repair a live mount whose source or options differ. Without it the difference is returned in RV(drift).
          - A client whose only difference is C(ro) or C(rw), or an option that the kernel keeps for any file system (such as C(noatime)),
            is remounted in place. Every other difference takes an unmount and a new mount.
        type: bool
        default: false
      unmount:
        description: Consent to unmount, for O(mounts[].state=unmounted) and O(mounts[].state=absent).
        type: bool
        default: false
      timeout:
        description: Seconds that one mount may take.
        type: int
        default: 300
      tenant:
        description:
          - The tenant whose directory a client mounts. It changes nothing here; M(lustre.core.node) mounts these in a phase of their own,
            C(client_tenant), since the MGS must know the tenant first.
        type: str
        default: ''
notes:
  - Every line in C(/etc/fstab) gets C(_netdev), C(nofail) and C(x-systemd.requires=lnet.service). C(nofail) is there for targets, too -
    a server whose disk or MGS is away must still come up, be reachable and serve its other targets.
  - At boot nodes come up in any order. C(retry=12) makes mount.lustre try again when its MGS is not there yet, and
    C(x-systemd.mount-timeout=1800) gives it the time. Give C(retry=...) or C(x-systemd.mount-timeout=...) in O(mounts[].options) for other
    values. On one node targets are ordered after its MGS, and clients after all its targets (C(x-systemd.after=)).
  - A converged run starts no process at all.
seealso:
  - module: lustre.core.target
  - module: lustre.core.lnet
  - module: lustre.core.node
author:
  - lustre.core contributors (@lustre-core)
extends_documentation_fragment:
  - lustre.core.attributes
"""

EXAMPLES = r"""
- name: A client with a file system, and one directory of another, mounted on first use
  lustre.core.mount:
    mounts:
      - kind: client
        path: /mnt/fs1
        fsname: fs1
        mgs_nids: [[10.0.0.1@tcp], [10.0.0.2@tcp]]
        options: [flock]
      - kind: client
        path: /mnt/projects
        fsname: fs2
        subdir: /projects
        mgs_nids: [[10.0.0.1@tcp], [10.0.0.2@tcp]]
        automount: true

- name: The targets of an object server; one of them is normally served by its partner
  lustre.core.mount:
    mounts:
      - kind: target
        path: /lustre/fs1/ost0000
        label: fs1-OST0000
        device: /dev/disk/by-id/wwn-0x5000c500a1b2c3d4
        mgs_nids: [[10.0.0.1@tcp], [10.0.0.2@tcp]]
      - kind: target
        path: /lustre/fs1/ost0001
        label: fs1-OST0001
        device: /dev/disk/by-id/wwn-0x5000c500a1b2c3d5
        mgs_nids: [[10.0.0.1@tcp], [10.0.0.2@tcp]]
        state: present
        boot: false

- name: Take a client's mount away
  lustre.core.mount:
    mounts:
      - kind: client
        path: /mnt/fs1
        state: absent
        unmount: true
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: mount
      action: mount
      object: fs1 on /mnt/fs1
      reason: it is not mounted
      command: mount -t lustre -o flock 10.0.0.1@tcp:10.0.0.2@tcp:/fs1 /mnt/fs1
      disruptive: false
      destructive: false
    - kind: mount
      action: persist
      object: /etc/fstab
      reason: add /mnt/fs1
      file: /etc/fstab
      disruptive: false
      destructive: false
    - kind: mount
      action: reload
      object: systemd
      reason: systemd makes its mount units from fstab
      command: systemctl daemon-reload
      disruptive: false
      destructive: false
drift:
  description: Differences that are shown and not repaired, each with what repairs it.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: mount
      object: fs1 on /mnt/fs1
      found: localflock
      wanted: flock
      remedy: 'It takes an unmount and a new mount; consent by remount: true for /mnt/fs1.'
state:
  description: The mounts after the run (in check mode, as they are).
  returned: success
  type: dict
  contains:
    mounts:
      description: One entry per declared mount, in the order of mounting.
      type: list
      elements: dict
      contains:
        kind: {description: V(target) or V(client)., type: str}
        path: {description: The mount point., type: str}
        name: {description: The target's label or the file system (and subdirectory)., type: str}
        state: {description: 'V(mounted), V(unmounted), or V(automount) when it waits for its first use.', type: str}
        source: {description: What is mounted there., type: str}
        type: {description: Its file system type., type: str}
        options: {description: The options that the kernel shows., type: list, elements: str}
        fstab: {description: The line in C(/etc/fstab)., type: str}
  sample:
    mounts:
      - kind: client
        path: /mnt/fs1
        name: fs1
        state: mounted
        source: 10.0.0.1@tcp:10.0.0.2@tcp:/fs1
        type: lustre
        options: [checksum, encrypt, flock, lazystatfs, rw]
        fstab: >-
          10.0.0.1@tcp:10.0.0.2@tcp:/fs1 /mnt/fs1 lustre
          flock,_netdev,nofail,x-systemd.requires=lnet.service,retry=12,x-systemd.mount-timeout=1800 0 0
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [mount fs1 on /mnt/fs1]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource

MOUNT_OPTIONS: dict[str, dict[str, Any]] = {
    "kind": {"type": "str", "required": True, "choices": ["target", "client"]},
    "path": {"type": "path", "required": True},
    "device": {"type": "str"},
    "label": {"type": "str"},
    "fsname": {"type": "str"},
    "mgs_nids": {"type": "list", "elements": "list", "default": []},
    "subdir": {"type": "str", "default": ""},
    "options": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "default": "mounted", "choices": ["mounted", "unmounted", "present", "absent"]},
    "boot": {"type": "bool", "default": True},
    "automount": {"type": "bool", "default": False},
    "remount": {"type": "bool", "default": False},
    "unmount": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
    "tenant": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"mounts": {"type": "list", "elements": "dict", "required": True, "options": MOUNT_OPTIONS}},
        supports_check_mode=True,
    )
    run_resource(module, lambda options: MountResource.from_options(options["mounts"]))


if __name__ == "__main__":
    main()
