#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_encrypted: encrypted directories are closed without the key, and usable with it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_encrypted
short_description: Prove that encrypted directories are closed without their key
version_added: 0.1.0
description:
  - Looks at encrypted directories of a client. Where the key is, a test file is written, read past the page cache, and removed. Where it
    is not, a new file and the reading of an old one must both fail for want of the key.
  - Touches only files called C(.lustre-verify-) and 16 hexadecimal digits, inside mounted Lustre file systems.
options:
  paths:
    description: Directories, by their absolute paths on this client, that may be locked or unlocked here.
    type: list
    elements: str
    default: []
  unlocked:
    description: Directories that are to be unlocked on this client.
    type: list
    elements: str
    default: []
  locked:
    description: Directories that are to be locked on this client.
    type: list
    elements: str
    default: []
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
  - module: lustre.core.encryption_policy
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: A client that has no key gets nothing
  lustre.core.verify_encrypted:
    locked: [/mnt/fs1/vault]

- name: The directories of the description
  lustre.core.verify_encrypted:
    paths: "{{ node.encryption | selectattr('state', 'eq', 'encrypted') | map(attribute='path') }}"
    unlocked: "{{ node.encryption | selectattr('state', 'eq', 'unlocked') | map(attribute='path') }}"
    locked: "{{ node.encryption | selectattr('state', 'eq', 'locked') | map(attribute='path') }}"
"""

RETURN = r"""
healthy:
  description: Whether all is as it should be.
  returned: unless an option is unusable
  type: bool
problems:
  description: A sentence for each thing that is not.
  returned: unless an option is unusable
  type: list
  elements: str
checks:
  description: The checks, as M(lustre.core.verify) returns them.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - name: closed
      object: /mnt/fs1/vault
      ok: true
      wanted: Required key not available
      found: Required key not available
usable:
  description: The directories that could be written to and read, each with its path, and with its file system and path in that.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - {path: /mnt/fs1/vault, fsname: fs1, inside: /vault}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.ciphertext import EXPECTED, Ciphertext
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    **{name: {"type": "list", "elements": "str", "default": []} for name in EXPECTED},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        reader = Ciphertext.from_options(CommandRunner(module), options)
        found = reader.inspect(try_out=not module.check_mode)
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(found["problems"]), **found)
    # A test file comes and goes; nothing of the node is changed by it.
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
