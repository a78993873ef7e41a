#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_ciphertext: what a client writes into an encrypted directory is ciphertext on the servers' devices."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_ciphertext
short_description: Read on the servers' devices what a client wrote into an encrypted directory
version_added: 0.1.0
description:
  - A client with the key writes a file of a random marker (1 MiB) into the directory, and another into the first unencrypted directory above it
    in the same mount, on the same OST. The server that has the OST mounted reads both objects from its device, without mounting it. The marker
    of the second file must be there, which proves the look; that of the first must not. Then the client removes both.
  - On a device of ldiskfs C(debugfs -c) reads, which changes nothing. What cannot be read, such as an OST on ZFS, is told in RV(notes) and proves
    nothing.
  - The playbook C(lustre.core.verify) does all three steps with C(lustre_verify_ciphertext=true).
  - Touches only files called C(.lustre-verify-) and 16 hexadecimal digits, inside mounted Lustre file systems.
options:
  action:
    description: On a client V(write) and V(remove), on each server V(read).
    type: str
    choices: [write, read, remove]
    required: true
  directories:
    description: Encrypted directories, by their absolute paths on this client, for the action V(write). Their key must be there.
    type: list
    elements: str
    default: []
  objects:
    description: What the action V(write) returned in RV(objects), of any number of clients, for the action V(read). Those of OSTs that do not run here
      are passed over.
    type: list
    elements: dict
    default: []
  files:
    description: What the action V(write) returned in RV(files), for the action V(remove).
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait until the device has what was written in clear.
    type: int
    default: 20
  fail:
    description: Whether a problem fails the task. With V(false) it is only returned.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode, and then does nothing.
    support: full
extends_documentation_fragment:
  - lustre.core.attributes.probe
seealso:
  - module: lustre.core.verify_encrypted
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Marked files
  lustre.core.verify_ciphertext:
    action: write
    directories: [/mnt/fs1/vault]
  register: marked
  delegate_to: client1

- name: Their bytes on the devices
  lustre.core.verify_ciphertext:
    action: read
    objects: "{{ marked.objects }}"

- name: They go
  lustre.core.verify_ciphertext:
    action: remove
    files: "{{ marked.files }}"
  delegate_to: client1
"""

RETURN = r"""
healthy:
  description: Whether nothing is wrong. What could not be looked at is not wrong, and not proven.
  returned: unless an option is unusable
  type: bool
problems:
  description: A sentence for each thing that is wrong.
  returned: unless an option is unusable
  type: list
  elements: str
notes:
  description: A sentence for each thing that could not be looked at.
  returned: unless an option is unusable
  type: list
  elements: str
checks:
  description: The checks, as M(lustre.core.verify) returns them.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - {name: ciphertext, object: /mnt/fs1/vault on fs1-OST0000, ok: true, wanted: ciphertext, found: ciphertext}
files:
  description: The files that were made, for the action V(remove), also where a problem came after.
  returned: unless an option is unusable
  type: list
  elements: str
  sample: [/mnt/fs1/vault/.lustre-verify-0123456789abcdef, /mnt/fs1/.lustre-verify-fedcba9876543210]
objects:
  description: Where their bytes lie, for the action V(read).
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - {directory: /mnt/fs1/vault, fsname: fs1, ost: 0, size: 1048576, fid: "0x240000400:0x3:0x0", marker: 1f..., control_fid: "0x240000400:0x4:0x0",
       control_marker: 7c...}
looked:
  description: File system and object of each file that was looked at, or that was told to be out of reach, on this server.
  returned: unless an option is unusable
  type: list
  elements: str
  sample: ["fs1 0x240000400:0x3:0x0"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.device_bytes import DeviceBytes
from ansible_collections.lustre.core.plugins.module_utils._readers.marked_files import MarkedFiles
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "action": {"type": "str", "choices": ["write", "read", "remove"], "required": True},
    "directories": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "dict", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 20},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options, run = module.params, CommandRunner(module)
    try:
        marked = MarkedFiles.from_options(run, options)
        device = DeviceBytes.from_options(run, options, timeout=options["timeout"])
        if module.check_mode:
            found = MarkedFiles(run).write()
        elif options["action"] == "read":
            found = device.look()
        else:
            found = marked.write() if options["action"] == "write" else marked.remove(options["files"])
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(found["problems"]), **found)
    # Test files come and go; nothing of the node is changed by them.
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
