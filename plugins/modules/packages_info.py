#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.packages_info: which packages a node has and lacks, and whether they fit its kernel."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages_info
short_description: Which of Lustre's packages a node has and lacks, and whether they fit its kernel
version_added: 0.1.0
description:
  - Compares what is installed with what a node needs, in two to four processes. Nothing is changed.
  - Says what is wrong as sentences with a code each, and what would make it right as steps, so that a role needs no facts of the host
    and a converged host costs no more than this one call.
  - Whether kernel modules fit is asked of C(modinfo), whether e2fsprogs knows Lustre's features of C(mke2fs) in a dry run on a scratch
    file, the state of DKMS of C(dkms); never concluded from version numbers.
options:
  families:
    description:
      - What is wanted, by the node's family, since packages have other names on each. Its keys are V(debian), V(redhat) and V(suse).
      - The values are mappings of lists. C(packages) are Lustre's own packages, bound to O(version). C(requires) must be installed in any
        version. C(e2fsprogs) are those that bring C(mke2fs); given, they are installed and C(mke2fs) must know Lustre's features.
        C(opposite) are shell patterns of packages that must not be installed. C(kernel) are shell patterns of the kernel's packages that
        must be held at their version; on the Red Hat family only those of the running kernel count.
      - C({kernel}) in a name stands for the release of O(kernel).
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
    description: Of O(basics) those that somebody repairs who acts on the findings. What of them is not met is in RV(basics) as C(repair), with a step each.
    type: list
    elements: str
    choices: [time, updatedb, hostid]
    default: []
seealso:
  - module: lustre.core.node_info
author:
  - lustre.core contributors (@lustre-core)
extends_documentation_fragment:
  - lustre.core.attributes.info
"""

EXAMPLES = r"""
- name: Does this client have what it needs
  lustre.core.packages_info:
    families:
      debian:
        packages: ["lustre-client-modules-{kernel}", lustre-client-utils]
        opposite: [lustre-server-utils, "lustre-server-modules-*"]
      redhat:
        packages: [kmod-lustre-client, lustre-client]
        opposite: [lustre, kmod-lustre]
    version: 2.17.0
    modules: [lnet, lustre]
  register: found

- name: Stop where it does not
  ansible.builtin.assert:
    that: found.todo | length == 0
    fail_msg: "{{ found.problems | map(attribute='text') | join(' ') }}"
"""

RETURN = r"""
os:
  description:
    - The system - C(family) (V(debian), V(redhat) or V(suse)), C(id), C(version), C(name), and what stands for C({distribution}) and
      C({distribution_major}).
  returned: success
  type: dict
  sample:
    {family: redhat, id: almalinux, version: '9.7', name: AlmaLinux 9.7 (Moss Jungle Cat), distribution: el9.7, distribution_major: el9}
kernel:
  description: Release of the running kernel.
  returned: success
  type: str
  sample: 6.1.0-18-amd64
manager:
  description: The package manager, V(apt), V(dnf) or V(zypper).
  returned: success
  type: str
  sample: apt
problems:
  description: What is not as it must be.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - V(unavailable), V(repository), V(opposite), V(missing), V(broken), V(version), V(e2fsprogs), V(kernel), V(modules), V(dkms) or
          V(held).
      type: str
    text: {description: What is wrong and what to do., type: str}
  sample:
    - code: missing
      text: 'Packages are not installed: lustre-client-utils.'
todo:
  description: The codes of RV(problems), each once. Empty when all is as it must be.
  returned: success
  type: list
  elements: str
  sample: [missing]
plan:
  description: What would make it right, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: 'Always V(package).', type: str}
    action: {description: 'V(configure), V(remove), V(install), V(upgrade), V(boot), V(hold) or V(repair).', type: str}
    object: {description: Name of the package or source or of the check of O(basics)., type: str}
    reason: {description: Why., type: str}
    disruptive: {description: Whether somebody who uses it notices., type: bool}
    destructive: {description: 'Always V(false).', type: bool}
  sample:
    - kind: package
      action: install
      object: lustre-client-utils 2.17.0
      reason: it is not installed
      disruptive: false
      destructive: false
wanted:
  description: Names of all packages wanted on this family, in the order in which they are to be installed.
  returned: success
  type: list
  elements: str
  sample: [lustre-client-modules-6.1.0-18-amd64, lustre-client-utils]
installed:
  description: Versions of the installed packages that the options name or match.
  returned: success
  type: dict
  sample: {e2fsprogs: 1.47.3-wc1}
missing:
  description: Wanted packages that are not installed.
  returned: success
  type: list
  elements: str
  sample: [lustre-client-utils]
broken:
  description: Wanted packages that are only half installed.
  returned: success
  type: list
  elements: str
  sample: []
wrong_version:
  description: Lustre's packages of another version than O(version).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: lustre-client-utils, installed: 2.16.1-1, wanted: 2.17.0}
opposite:
  description: Installed packages that must not be.
  returned: success
  type: list
  elements: str
  sample: [lustre-server-utils]
held:
  description: Packages of the kernel that are held.
  returned: success
  type: list
  elements: str
  sample: [linux-image-6.1.0-18-amd64]
unheld:
  description: Packages of the kernel that are not held and should be.
  returned: success
  type: list
  elements: str
  sample: []
kernel_packages:
  description: Versions of the kernel's packages that are to be held.
  returned: success
  type: dict
  sample: {linux-image-6.1.0-18-amd64: 6.1.76-1}
candidates:
  description: Versions that the package manager would install now, for wanted packages that any source has.
  returned: success
  type: dict
  sample: {lustre-client-utils: 2.17.0-1}
files:
  description: Files in O(directory) that carry wanted packages, the highest version that fits.
  returned: success
  type: dict
  sample: {lustre-client-utils: /srv/packages/lustre-client-utils_2.17.0-1_amd64.deb}
repositories:
  description: The package sources, with what stood for the placeholders, their C(file) and whether it names them (C(current)).
  returned: success
  type: list
  elements: dict
  sample:
    - {uri: 'https://mirror.example.com/lustre', file: /etc/apt/sources.list.d/lustre.sources, current: true}
e2fsprogs:
  description:
    - Whether C(mke2fs) knows Lustre's features (null where it was not asked), and its version.
    - C(library) is the C(libext2fs) that Lustre's own tools load, which must know them, too (null where they are not installed yet).
  returned: success
  type: dict
  sample:
    lustre_aware: true
    version: 1.47.3-wc1
    library: {path: /lib/x86_64-linux-gnu/libext2fs.so.2, version: 1.47.3-wc1, lustre_aware: true}
modules:
  description:
    - Whether all O(modules) C(fit) the running kernel (null where none was asked for), which are C(missing) for it, their C(version), and,
      where some are missing, the kernels that all of them are there for (C(built_for)) and which of these could be booted (C(bootable)).
  returned: success
  type: dict
  sample: {fit: false, missing: [lnet, lustre], version: '', built_for: [6.1.0-17-amd64], bootable: [6.1.0-17-amd64]}
boot:
  description: The kernel that a reboot should bring, because it is the one wanted or the modules fit it; empty when there is none.
  returned: success
  type: str
  sample: 6.1.0-17-amd64
dkms:
  description: Lustre's modules known to DKMS, with their state for the running kernel, and C(log) and C(log_tail) of a build that failed.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: lustre-client-modules, version: 2.17.0, state: installed, log: '', log_tail: []}
mounts:
  description: Paths at which anything of Lustre is mounted.
  returned: success
  type: list
  elements: str
  sample: [/mnt/fs1]
basics:
  description: What the checks of O(basics) found, their C(warnings), in C(todo) the names of those not met, and of these in C(repair) the O(managed).
  returned: success
  type: dict
  sample:
    time: {services: [chronyd]}
    updatedb: {configured: true, prunefs: [NFS, nfs, lustre, lustre_tgt]}
    hostid: {hostid: 0fd0cfdb}
    todo: []
    repair: []
    warnings: []
processes:
  description: How many programs were started on the node.
  returned: success
  type: int
  sample: 2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_info import Inspector
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_want import OPTIONS
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    run = CommandRunner(module)
    try:
        found = Inspector(run, module.params).inspect()
    except LustreError as error:
        fail(module, error)
    for warning in found["basics"].get("warnings", ()):
        module.warn(warning)
    module.exit_json(changed=False, **found, processes=run.count)


if __name__ == "__main__":
    main()
