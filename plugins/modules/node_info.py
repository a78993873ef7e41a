#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.node_info: everything about one node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_info
short_description: Tell everything about Lustre on a node
version_added: 0.1.0
description:
  - Returns releases and whether the kernel modules fit the running kernel, LNet, devices, targets with recovery and capacity, connections
    (imports), mounts, and parameters that were asked for, in the names of the site description.
  - Starts at most five programs with the default O(gather), whatever the node is. Works on nodes without Lustre's modules, without
    LNet, and on clients.
  - Does not fail because something on the node is broken. What could not be found out is a sentence in RV(problems).
options:
  gather:
    description:
      - The parts to return.
      - V(usage) asks each client mount how full it is, which takes up to 30 seconds for one whose metadata server is down.
      - V(packages) lists the installed packages of Lustre, ZFS and e2fsprogs.
    type: list
    elements: str
    choices: [release, lnet, devices, targets, imports, mounts, usage, packages]
    default: [release, lnet, devices, targets, imports, mounts]
  parameters:
    description: Names of parameters to read, wildcards allowed.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - lustre.core.attributes.info
seealso:
  - module: lustre.core.site_info
  - module: lustre.core.param
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Look at the node
  lustre.core.node_info:
  register: lustre

- name: Every target that runs here has recovered
  ansible.builtin.assert:
    that: lustre.targets | rejectattr('ready') | length == 0

- name: Only the connections and one tunable
  lustre.core.node_info:
    gather: [imports]
    parameters: [osc.fs1-*.max_dirty_mb]
"""

RETURN = r"""
hostname:
  description: The kernel's name of the node.
  returned: success
  type: str
  sample: oss1
kernel:
  description: The running kernel.
  returned: success
  type: str
  sample: 6.1.0-56-amd64
os:
  description: The distribution, from C(/etc/os-release).
  returned: success
  type: dict
  sample: {id: debian, version_id: '12', pretty_name: Debian GNU/Linux 12 (bookworm)}
lustre:
  description: Releases and kernel modules.
  returned: when O(gather) has V(release)
  type: dict
  contains:
    tools: {description: Release of the installed tools; empty when there are none., type: str}
    loaded: {description: Release of the loaded modules; empty when none are loaded., type: str}
    modules: {description: Module files found for the running kernel., type: list, elements: dict}
    modules_missing: {description: Modules of a client that the running kernel does not have., type: list, elements: str}
    modules_fit:
      description: Whether the modules of a client are there and all module files fit the running kernel. Null when that is not known.
      type: bool
  sample:
    tools: 2.17.0
    loaded: 2.17.0
    modules:
      - name: lustre
        file: /lib/modules/6.1.0-56-amd64/updates/kernel/fs/lustre/lustre.ko
        version: 2.17.0
        vermagic: 6.1.0-56-amd64 SMP preempt mod_unload modversions
        fits: true
    modules_missing: []
    modules_fit: true
lnet:
  description: LNet as it is.
  returned: when O(gather) has V(lnet)
  type: dict
  contains:
    loaded: {description: Whether its module is loaded., type: bool}
    up: {description: Whether it is configured., type: bool}
    nids: {description: This node's NIDs without the loopback., type: list, elements: str}
    networks: {description: Network interfaces of LNet., type: list, elements: dict}
    routing: {description: Whether the node forwards., type: bool}
  sample:
    loaded: true
    up: true
    nids: [10.77.0.21@tcp]
    networks: [{net: tcp, nid: 10.77.0.21@tcp, status: up, interfaces: [eth0]}]
    routing: false
devices:
  description: Lustre's devices (C(lctl dl)).
  returned: when O(gather) has V(devices)
  type: list
  elements: dict
  sample: [{index: 22, state: UP, type: obdfilter, name: fs1-OST0000, uuid: fs1-OST0000_UUID, refs: 7, nid: ''}]
health:
  description: The node's C(health_check); empty when no module is loaded. V(healthy) on a node without targets says nothing.
  returned: when O(gather) has V(targets)
  type: str
  sample: healthy
mgs:
  description: The MGS of this node.
  returned: when O(gather) has V(targets)
  type: dict
  sample: {running: true, filesystems: [fs1, fs2], exports: 8}
targets:
  description: Targets that run or are mounted on this node.
  returned: when O(gather) has V(targets)
  type: list
  elements: dict
  contains:
    label: {description: Name of the target., type: str}
    kind: {description: 'V(mgt), V(mdt) or V(ost).', type: str}
    fsname: {description: Name of the file system; null for an MGT., type: str}
    index: {description: 'Index, decimal; null for an MGT.', type: int}
    mgs: {description: Whether the MGS runs on it., type: bool}
    backend: {description: V(ldiskfs) or V(zfs)., type: str}
    device: {description: Device or dataset., type: str}
    path: {description: Where it is mounted., type: str}
    state: {description: 'V(UP), another state of its device, or V(missing) when it is mounted and does not run.', type: str}
    recovery: {description: Its recovery status., type: dict}
    ready: {description: Whether it runs and is not in recovery., type: bool}
    exports: {description: Number of connected nodes., type: int}
    capacity: {description: Size in KiB and number of files., type: dict}
  sample:
    - label: fs1-OST0000
      kind: ost
      fsname: fs1
      index: 0
      mgs: false
      backend: ldiskfs
      device: /dev/disk/by-id/scsi-ost0
      path: /lustre/fs1/ost0000
      state: UP
      recovery: {status: COMPLETE, recovery_duration: '12', completed_clients: 3/3}
      ready: true
      exports: 5
      capacity: {total_kb: 1107872, free_kb: 1098152, available_kb: 1020328, files_total: 76800, files_free: 76432}
imports:
  description: Connections of this node to targets and to the MGS.
  returned: when O(gather) has V(imports)
  type: list
  elements: dict
  contains:
    name: {description: Name of the device., type: str}
    type: {description: 'V(mgc), V(mdc), V(osc) or V(osp).', type: str}
    target: {description: Label of the target., type: str}
    fsname: {description: Name of the file system; null for the MGS., type: str}
    state: {description: 'State as Lustre says it, such as V(FULL), V(IDLE), V(DISCONN), V(EVICTED).', type: str}
    connected: {description: Whether the state is V(FULL) or V(IDLE) (which reconnects when it is used)., type: bool}
    nid: {description: NID that it is connected to., type: str}
    service_nids: {description: NIDs that it may connect to., type: list, elements: str}
  sample:
    - name: fs1-OST0000-osc-ffff8f3a2c4d5000
      type: osc
      target: fs1-OST0000
      fsname: fs1
      state: FULL
      connected: true
      nid: 10.77.0.21@tcp
      service_nids: [10.77.0.21@tcp, 10.77.0.22@tcp]
mounts:
  description: Lustre's mounts.
  returned: when O(gather) has V(mounts)
  type: list
  elements: dict
  sample:
    - kind: client
      path: /mnt/fs1
      source: 10.77.0.11@tcp:10.77.0.12@tcp:/fs1
      fsname: fs1
      subdir: ''
      mgs_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]
      options: [rw, flock, lazystatfs]
usage:
  description: How full each client mount is, in KiB; targets that do not answer are in C(inactive) or not listed.
  returned: when O(gather) has V(usage)
  type: list
  elements: dict
  sample:
    - path: /mnt/fs1
      targets: [{label: fs1-OST0000, total_kb: 1107872, used_kb: 1528, available_kb: 1028520}]
      inactive: {}
      total_kb: 1107872
      used_kb: 1528
      available_kb: 1028520
packages:
  description: Installed packages with their versions.
  returned: when O(gather) has V(packages)
  type: dict
  sample: {lustre-client-utils: 2.17.0-1}
parameters:
  description: The parameters of O(parameters), in that order.
  returned: when O(parameters) names any
  type: list
  elements: dict
  contains:
    name: {description: The name as given., type: str}
    live: {description: Values by full name; empty when nothing matches., type: dict}
    unreadable: {description: 'Full names that exist and cannot be read, with the reason.', type: dict}
  sample:
    - name: osc.fs1-*.max_dirty_mb
      live: {osc.fs1-OST0000-osc-ffff8f3a2c4d5000.max_dirty_mb: '512'}
      unreadable: {}
roles:
  description: What the node does now, of V(mgs), V(mds), V(oss), V(router) (when O(gather) has V(lnet)) and V(client).
  returned: success
  type: list
  elements: str
  sample: [oss]
filesystems:
  description: File systems that the node has to do with.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the file system., type: str}
    mdts: {description: Indexes of its MDTs on this node., type: list, elements: int}
    osts: {description: Indexes of its OSTs on this node., type: list, elements: int}
    clients: {description: Where it is mounted as a client., type: list, elements: str}
  sample: [{name: fs1, mdts: [], osts: [0, 2], clients: []}]
problems:
  description: What could not be found out, as sentences.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._readers.node_info import DEFAULT, SECTIONS, Inspector
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather": {"type": "list", "elements": "str", "choices": list(SECTIONS), "default": list(DEFAULT)},
            "parameters": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    inspector = Inspector(CommandRunner(module), module.params["gather"], module.params["parameters"])
    module.exit_json(changed=False, **inspector.node())


if __name__ == "__main__":
    main()
