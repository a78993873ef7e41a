#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.verify_shared: test files that one client writes and others read."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_shared
short_description: Write, read or remove test files that clients share
version_added: 0.1.0
description:
  - One client writes test files, others read them past their page caches, the first one removes them. The playbook C(verify) uses it to
    prove that clients see the same file system.
  - Touches only files called C(.lustre-verify-) and 16 hexadecimal digits, inside mounted Lustre file systems, and never writes over an
    existing one.
options:
  action:
    description: What to do with the files.
    type: str
    choices: [write, read, remove]
    required: true
  files:
    description:
      - The files, each with C(path) on this node, C(content), C(writer), the name of the client that writes it, and C(owner), the
        C(UID:GID) that does it here, in place of root.
      - The filters P(lustre.core.shared_files#filter) and P(lustre.core.shared_reads#filter) make this list.
    type: list
    elements: dict
    required: true
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
  - module: lustre.core.verify
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Write a test file on one client
  lustre.core.verify_shared:
    action: write
    files:
      - path: /mnt/fs1/.lustre-verify-0123456789abcdef
        content: anything
"""

RETURN = r"""
healthy:
  description: Whether all went well.
  returned: unless an option is unusable
  type: bool
problems:
  description: A sentence for each file that is not as wanted.
  returned: unless an option is unusable
  type: list
  elements: str
checks:
  description: One check per file, as M(lustre.core.verify) returns them.
  returned: unless an option is unusable
  type: list
  elements: dict
  sample:
    - name: shared read
      object: /mnt/fs1/.lustre-verify-0123456789abcdef
      ok: true
      wanted: the content that was written
      found: the content that was written
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._module import fail
from ansible_collections.lustre.core.plugins.module_utils._readers.shared_files import ACTIONS, SharedFile, SharedFiles
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner

ARGUMENTS = {
    "action": {"type": "str", "choices": list(ACTIONS), "required": True},
    "files": {"type": "list", "elements": "dict", "required": True},
    "fail": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    try:
        files = [SharedFile.from_options(file, f"files[{number}]") for number, file in enumerate(options["files"])]
        found = SharedFiles(CommandRunner(module), [] if module.check_mode else files).act(options["action"])
    except LustreError as error:
        fail(module, error)
    if found["problems"] and options["fail"]:
        module.fail_json(msg="\n".join(found["problems"]), **found)
    # A test file comes and goes; nothing of the node is changed by it.
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
