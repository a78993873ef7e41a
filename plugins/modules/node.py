#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.node: everything one Lustre node needs, in one remote process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node
short_description: Bring a whole Lustre node to its described state in one remote process
version_added: 0.1.0
description:
  - Takes all that one node needs - LNet and its port in the firewall, service units, targets, mounts and parameters - and brings each
    part to its state, in the right order, in one remote process. The single modules stay for those who need only one of them.
  - All options are checked before anything on the node is looked at, and all that are unusable are named at once.
  - The first part that fails ends the run. What was done until then is returned in RV(results), the place in RV(failed_at).
  - It installs nothing. With O(packages) it also says which packages are missing, so that one call answers what is to be done on a node.
  - In check mode the whole plan is returned. Parts that depend on steps which are only planned count on them (a target that would be
    formatted is planned to be mounted). A part that cannot be looked at before earlier steps are done (its programs are not installed
    yet) is returned as C(unplanned), which counts as a change.
  - Usually its input is made by the filter P(lustre.core.node_state#filter) from the description of the site.
options:
  firewall:
    description:
      - LNet's port in the firewall that runs on this node, with the options of M(lustre.core.firewall) as keys. Without it the firewall is
        left alone.
    type: dict
  lnet:
    description: This node's LNet, with the options of M(lustre.core.lnet) as keys. Without it LNet is left alone.
    type: dict
  targets:
    description: This node's targets, each with the options of C(targets) of M(lustre.core.target).
    type: list
    elements: dict
  mounts:
    description: This node's mounts of targets and of file systems, each with the options of C(mounts) of M(lustre.core.mount).
    type: list
    elements: dict
  changelogs:
    description: Changelog users of MDTs of this node, each with the options of C(users) of M(lustre.core.changelog_user).
    type: list
    elements: dict
  directories:
    description:
      - Directories that must exist inside file systems mounted here before others mount them as C(subdir), each with C(fsname), C(path)
        (on this node), C(owner), C(group) (both V(root) unless given) and C(mode) (V("0755") unless given).
      - C(project), if given, is the project id of the directory, inherited by what is made in it.
    type: list
    elements: dict
  zpools:
    description: This node's ZFS pools under targets, each with the options of C(pools) of M(lustre.core.zpool).
    type: list
    elements: dict
  luks:
    description:
      - LUKS containers below targets of this node, each with the options of C(containers) of M(lustre.core.luks), but with C(key_name) in the
        place of C(key).
      - A key is never among the options of a node. In check mode, what the role C(lustre_storage) would do with it is planned, and what is in
        a container that is not open yet is returned as C(unplanned); else a node that needs a key which no key file has is refused.
    type: list
    elements: dict
  packages:
    description:
      - What the node needs of packages, with the options of M(lustre.core.packages_info) as keys. What was found is returned in
        RV(packages), in check mode also as part of RV(plan). Nothing is done about it.
    type: dict
    suboptions:
      families:
        description:
          - What is wanted, by the node's family, since packages have other names on each. Its keys are V(debian), V(redhat) and V(suse).
          - The values are mappings of lists. C(packages) are Lustre's own packages, bound to O(packages.version). C(requires) must be installed in any
            version. C(e2fsprogs) are those that bring C(mke2fs); given, they are installed and C(mke2fs) must know Lustre's features.
            C(opposite) are shell patterns of packages that must not be installed. C(kernel) are shell patterns of the kernel's packages that
            must be held at their version; on the Red Hat family only those of the running kernel count.
          - C({kernel}) in a name stands for the release of O(packages.kernel).
          - C(unavailable) is a sentence instead, for what does not exist on a family.
        type: dict
        required: true
      version:
        description:
          - Version that C(packages) must have. V(2.17.0) stands for any build of that release, V(2.17.0-1) for exactly one; C(*) and C(?) match
            as in a shell.
        type: str
        default: ""
      modules:
        description: Kernel modules that must fit the running kernel.
        type: list
        elements: str
        default: []
      dkms:
        description: Ask DKMS whether it built Lustre's modules for the running kernel.
        type: bool
        default: false
      candidates:
        description: Ask the package manager, too, which versions it would install now. It costs another process, with C(dnf) a slow one.
        type: bool
        default: false
      kernel:
        description: Release of the kernel that is to run, as C(uname -r) prints it. Without it, the one that runs.
        type: str
        default: ""
      repositories:
        description:
          - Locations of package sources that must be configured. C({distribution}) stands for the name that Lustre's download site gives the
            system (such as C(el9.7) or C(ubuntu2404)), C({distribution_major}) for the one without minor release (C(el9)).
        type: list
        elements: str
        default: []
      repository_file:
        description: Name, without folder and ending, of the file that configures them.
        type: str
        default: lustre
      directory:
        description: Folder on the node in which to look for package files.
        type: str
        default: ""
      basics:
        description:
          - Checks of the host beside packages. V(time) is a service that keeps the clock, V(updatedb) that it stays out of Lustre, V(hostid)
            that there is a host id.
        type: list
        elements: str
        choices: [time, updatedb, hostid]
        default: []
      managed:
        description:
          - Of O(packages.basics) those that somebody repairs who acts on the findings. What of them is not met is in C(basics) as C(repair),
            with a step each.
        type: list
        elements: str
        choices: [time, updatedb, hostid]
        default: []
  only_paths:
    description: Of O(mounts) act on those at these paths only; the others count for the order at boot. All unless given.
    type: list
    elements: str
  params:
    description: Parameters, each with the options of C(params) of M(lustre.core.param).
    type: list
    elements: dict
  purge_params:
    description: Prefixes of persistent parameters; stored ones that begin so and are not declared are deleted.
    type: list
    elements: str
  services:
    description:
      - systemd units, each with C(name), C(enabled) and C(started) (both V(true) unless given; null leaves that side alone).
      - C(lnet.service) is never stopped or restarted by this module.
    type: list
    elements: dict
  kerberos:
    description:
      - Kerberos of this node, with C(realm), C(principals) and C(fqdn). The realm must be that of C(krb5.conf), and the keytab must have the
        principals. It is only looked at; the role C(lustre_kerberos) brings it.
    type: dict
  ssk_keys:
    description:
      - Shared keys of this node, with the options of C(keys) of M(lustre.core.ssk_key) (without C(content)). Their files must be there. They are
        only looked at; the role C(lustre_ssk) brings them.
    type: list
    elements: dict
  gss:
    description:
      - What the node needs to make and take security contexts, with the options of M(lustre.core.gss) as keys.
    type: dict
  encryption:
    description:
      - Encrypted directories of this node, each with the options of C(directories) of M(lustre.core.encryption_policy), but with C(key_name) in
        the place of C(key), with C(at_boot), and with C(tenant) where the mount of a tenant holds it.
      - A key is never among the options of a node. In check mode, what the role C(lustre_encryption) would do with it is planned; else a node
        that needs one which no key file has is refused.
    type: list
    elements: dict
  phases:
    description:
      - Act on these parts only. They are done in the order listed here, whatever the order of the list. What is to be unmounted or
        absent comes before everything else, clients first.
      - C(credentials) stands for O(kerberos) and O(ssk_keys). In check mode keys that are missing count as to be brought; else a node
        without them is refused, before anything is mounted that would wait for them.
      - C(mgt), C(mdt0), C(mdt) and C(ost) stand for targets of that kind (C(mdt0) is MDT0000) and their mounts, C(changelogs) for changelog
        users of MDTs, C(client) for client mounts of whole file systems, C(client_subdir) for those of a subdirectory, C(client_tenant) for
        those with a C(tenant), which need its nodemap, C(encryption) for encrypted directories and the units that unlock them at boot,
        C(encryption_tenant) for those on a tenant's mount, C(params_mount) for parameters of scope C(mount), C(params) for all others.
    type: list
    elements: str
    choices:
      [firewall, lnet, services, credentials, gss, zpools, luks, params_mount, mgt, mdt0,
       mdt, ost, changelogs, client, directories, client_subdir, client_tenant, encryption, encryption_tenant, params]
  want:
    description:
      - All of the above as one value, as P(lustre.core.node_state#filter) returns it, instead of the single options.
      - Its keys C(roles), C(filesystems), C(backends), C(expected), C(mgs_users) and C(cluster_managed) say something about the host and
        are not acted on.
    type: dict
seealso:
  - module: lustre.core.firewall
  - module: lustre.core.lnet
  - module: lustre.core.packages_info
  - module: lustre.core.gss
  - module: lustre.core.zpool
  - module: lustre.core.luks
  - module: lustre.core.target
  - module: lustre.core.mount
  - module: lustre.core.changelog_user
  - module: lustre.core.encryption_policy
  - module: lustre.core.param
author:
  - lustre.core contributors (@lustre-core)
extends_documentation_fragment:
  - lustre.core.attributes
"""

EXAMPLES = r"""
- name: Everything this node needs, out of the description of the site
  lustre.core.node:
    want: "{{ lustre_filesystems | lustre.core.node_state(inventory_hostname, hostvars, groups, lustre_lnet) }}"

- name: A client, written out
  lustre.core.node:
    lnet:
      networks:
        - net: tcp
          interfaces: [eth0]
      nids: [10.77.0.41@tcp]
    services:
      - name: lnet.service
    mounts:
      - kind: client
        path: /mnt/fs1
        fsname: fs1
        mgs_nids: [[10.77.0.11@tcp], [10.77.0.12@tcp]]

- name: Is anything to be done on this node? Asked in one process, packages included
  lustre.core.node:
    want: "{{ lustre_node }}"
    packages:
      families:
        debian:
          packages: ["lustre-client-modules-{kernel}", lustre-client-utils]
      modules: [lnet, lustre]
  check_mode: true
  register: look

- name: Only LNet, before the servers start
  lustre.core.node:
    want: "{{ lustre_node }}"
    phases: [firewall, lnet, services]
"""

RETURN = r"""
results:
  description: What each part did or would do, in the order in which they were done.
  returned: always, unless an option is unusable
  type: list
  elements: dict
  contains:
    phase: {description: The phase it belongs to., type: str}
    kind:
      description: The resource - C(firewall), C(lnet), C(service), C(credentials), C(gss), C(zpool), C(luks), C(target), C(mount),
        C(changelog_user), C(directory), C(encryption) or C(param).
      type: str
    changed: {description: Whether it changed something., type: bool}
    plan: {description: Its steps., type: list, elements: dict}
    drift: {description: Its differences that are not repaired., type: list, elements: dict}
    state: {description: Its state afterwards., type: dict}
    unplanned: {description: Why it could not be looked at yet (check mode only)., type: str}
  sample:
    - phase: client
      kind: mount
      changed: true
      plan:
        - kind: mount
          action: mount
          object: fs1 on /mnt/fs1
          reason: it is not mounted
          command: mount -t lustre 10.77.0.11@tcp:10.77.0.12@tcp:/fs1 /mnt/fs1
          disruptive: false
          destructive: false
      drift: []
      state:
        mounts:
          - kind: client
            path: /mnt/fs1
            name: fs1
            state: mounted
plan:
  description: The steps of all parts in order. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: target
      action: format
      object: fs1-OST0003 on /dev/disk/by-id/scsi-ost3
      reason: the device is blank and its format is consented to
      command: mkfs.lustre --ost --fsname=fs1 --index=3 --mgsnode=10.77.0.11@tcp /dev/disk/by-id/scsi-ost3
      disruptive: false
      destructive: true
drift:
  description: Differences of all parts that are shown and not repaired, each with what repairs it.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description:
    - The state of all parts - C(firewall), C(lnet), C(services), C(targets), C(mounts), C(parameters), as the single modules return them.
  returned: success
  type: dict
  sample:
    lnet:
      nids: [10.77.0.41@tcp]
    services:
      - name: lnet.service
        exists: true
        enabled: true
        started: true
        active: active
    mounts:
      - kind: client
        path: /mnt/fs1
        name: fs1
        state: mounted
packages:
  description: What was found of O(packages), with the return values of M(lustre.core.packages_info) as keys.
  returned: when O(packages) is given
  type: dict
  sample:
    todo: [missing]
    missing: [lustre-client-utils]
    problems:
      - code: missing
        text: 'Packages are not installed: lustre-client-utils.'
summary:
  description: How many steps there are, how many of them somebody notices (C(disruptive)) or cost data (C(destructive)), and
    how many parts could not be planned yet.
  returned: success
  type: dict
  sample: {steps: 4, disruptive: 0, destructive: 1, unplanned: 0}
failed_at:
  description: Where it failed.
  returned: failure, unless an option is unusable
  type: dict
  sample: {phase: client, kind: mount, action: mount, object: fs1 on /mnt/fs1}
processes:
  description: How many programs were started on the node.
  returned: always
  type: int
  sample: 6
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, unless an option is unusable
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

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail, node_held
from ansible_collections.lustre.core.plugins.module_utils._node import (
    PHASES,
    converge_node,
    options_of,
    parts_of,
    programs_coming,
)
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_info import Inspector
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_want import OPTIONS as PACKAGES
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS: dict[str, dict[str, Any]] = {
    "firewall": {"type": "dict"},
    "lnet": {"type": "dict"},
    "targets": {"type": "list", "elements": "dict"},
    "mounts": {"type": "list", "elements": "dict"},
    "changelogs": {"type": "list", "elements": "dict"},
    "directories": {"type": "list", "elements": "dict"},
    "only_paths": {"type": "list", "elements": "str"},
    "params": {"type": "list", "elements": "dict"},
    "purge_params": {"type": "list", "elements": "str"},
    "services": {"type": "list", "elements": "dict"},
    "kerberos": {"type": "dict"},
    # paths and attributes: a key itself is never among the options of a node
    "ssk_keys": {"type": "list", "elements": "dict", "no_log": False},
    "gss": {"type": "dict"},
    # names of keys, and paths of files that hold them
    "encryption": {"type": "list", "elements": "dict"},
    "luks": {"type": "list", "elements": "dict"},
    "zpools": {"type": "list", "elements": "dict"},
    "packages": {"type": "dict", "options": PACKAGES},
    "phases": {"type": "list", "elements": "str", "choices": list(PHASES)},
    "want": {"type": "dict"},
}
SINGLE = [name for name in ARGUMENTS if name not in ("packages", "phases", "want")]


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("want", name) for name in SINGLE],
        supports_check_mode=True,
    )
    run = CommandRunner(module)
    found: dict[str, Any] = {}
    try:
        parts = parts_of(options_of(module.params))
        if module.params["packages"] is not None:
            found = {"packages": Inspector(run, module.params["packages"]).inspect()}
        coming = programs_coming(found.get("packages", {}))
        with node_held(module, run) as held:
            results = converge_node(parts, run, check_mode=module.check_mode, coming=coming, watch=held.watch)
    except LustreError as error:
        fail(module, error, processes=run.count, **found)
    warnings = [text for result in results for text in result.outcome.warnings]
    for warning in warnings + (found["packages"]["basics"]["warnings"] if found else []):
        module.warn(warning)
    planned = found.get("packages") if module.check_mode else None
    module.exit_json(**node_values(results, run.count, module._diff, planned), **found, **held.told)


if __name__ == "__main__":
    main()
