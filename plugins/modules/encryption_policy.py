#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.encryption_policy: encrypted directories of mounted file systems."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: encryption_policy
short_description: Encrypt, unlock and lock directories of mounted Lustre file systems
version_added: 0.1.0
description:
  - Encrypts directories on the client (fscrypt, policies of version 2), so that neither the servers nor the network ever see what is in them.
    The kernel's own calls are used; the program C(fscrypt) is not needed, and many releases of it refuse Lustre.
  - The node must have the file system mounted as a client. An encrypted directory stays so for ever; what is below it is encrypted by the
    same key. A key is given to a mount of one node and is gone after an unmount or a boot.
  - With O(directories[].protector) the program C(fscrypt) (0.3.4 or newer; older ones refuse Lustre) encrypts and unlocks the directory
    instead. It makes the key by itself and keeps it, wrapped, in C(.fscrypt) at the top of the mount. These files are copied to
    C(/etc/lustre/encryption/fscrypt/FSNAME) before a directory is opened for the first time, and put back from there where they are
    missing. Nothing is ever written over; a copy that is no longer the same is kept in C(replaced) beside it.
  - Never encrypts a directory that is not empty, and never with a key that could not be read back. A key file is never written over.
    Which key opens which directory is written down in C(/etc/lustre/encryption/IDENTIFIER.json) before anything is encrypted.
  - "B(Whoever loses the key loses the data.) Keep keys in a vault: neither this collection nor Lustre has a second way in."
options:
  directories:
    description: Encrypted directories. Directories that are not listed are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the directory, below the mount point of a client mount.
        type: str
        required: true
      state:
        description:
          - V(encrypted), the directory is there and has the policy. Whether it is unlocked is left as it is; after it was just encrypted,
            the key is there.
          - V(unlocked), the same, and this mount has the key.
          - V(locked), this mount does not have the key. All directories that this key opens are locked then. Refused while files
            in the directory are open. What is not encrypted cannot be locked.
        type: str
        choices: [encrypted, unlocked, locked]
        default: encrypted
      fsname:
        description: The file system that the path must lie in. When it is not given, any Lustre file system will do.
        type: str
      key:
        description:
          - The key, 64 random bytes in base64 or hexadecimal, from a vault. C(openssl rand -base64 64) makes one.
          - Together with O(directories[].key_file) it is kept in that file when that is missing.
          - With O(directories[].protector) it is the secret of that, 32 random bytes in base64 or hexadecimal, or a passphrase.
        type: str
      key_file:
        description:
          - A file on this node that has the key, as 64 bytes, in base64 or in hexadecimal. It must be a regular file of root's with mode
            0600, and lie in no Lustre file system.
          - Needed where a unit is to unlock at boot.
          - With O(directories[].protector) it has the 32 bytes as they are, or the passphrase on one line. It is needed to encrypt, and
            with V(raw_key) always.
        type: str
      identifier:
        description:
          - The kernel's name of the key (32 hexadecimal digits), as this module returns it. It is no secret.
          - Said beside a O(directories[].key) that no file of this node keeps, it proves that the key is the same at every run. Without
            such a proof nothing is encrypted.
        type: str
      protector:
        description:
          - Have the program C(fscrypt) encrypt and unlock the directory, with a protector of this kind. It sets up C(/etc/fscrypt.conf) and the
            file system where that was not done.
          - A new directory has the mode 0700 when O(directories[].mode) is not given. O(directories[].contents) must be what
            C(/etc/fscrypt.conf) says.
        type: str
        choices: [raw_key, custom_passphrase]
      protector_name:
        description:
          - Name of the protector. When it is not given, a new one is called by the directory's path inside of the file system, and of an
            encrypted directory the only one of the kind is taken. A protector of this name that is there already is used.
        type: str
      owner:
        description: Owner, by name or number. An existing directory keeps its own when this is not given; a new one belongs to root.
        type: str
      group:
        description: Group, by name or number, in the same way.
        type: str
      mode:
        description: Octal mode in quotes, such as V("0750"). A new directory has 0755 when this is not given.
        type: str
      contents:
        description: How file contents are encrypted. It cannot be changed later.
        type: str
        choices: [AES-256-XTS, AES-128-CBC, Adiantum]
        default: AES-256-XTS
      filenames:
        description: How names are encrypted. The kernel takes one for each O(directories[].contents), which is the default.
        type: str
        choices: [AES-256-CTS, AES-128-CTS, Adiantum]
notes:
  - Names are encrypted by clients that use the kernel's own fscrypt. Those with Lustre's embedded one (a parameter
    C(llite.*.enable_filename_encryption) exists there) encrypt names only in directories that got their policy while that was 1.
  - Every client that works in the directory needs the key. Backups and copies without it see nothing of use.
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.mount
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: An encrypted directory, its key kept on this node for the unlock at boot
  lustre.core.encryption_policy:
    directories:
      - path: /mnt/fs1/vault
        state: unlocked
        key: "{{ vault_fs1_key }}"
        key_file: /etc/lustre/keys/vault
        owner: alice
        group: staff
        mode: "0750"

- name: The key is on no node; its identifier proves that it is the one of the vault
  lustre.core.encryption_policy:
    directories:
      - path: /mnt/fs1/archive
        key: "{{ vault_archive_key }}"
        identifier: 002192fcf1fb22e1c930e8e87e32855a

- name: A directory that people open by a passphrase, too, with the program fscrypt
  lustre.core.encryption_policy:
    directories:
      - path: /mnt/fs1/shared
        state: unlocked
        protector: custom_passphrase
        key: "{{ vault_shared_passphrase }}"
        key_file: /etc/lustre/keys/shared
        mode: "2770"

- name: Lock it on this node
  lustre.core.encryption_policy:
    directories:
      - path: /mnt/fs1/vault
        state: locked
"""

RETURN = r"""
plan:
  description: The steps in order. Those that were carried out say in C(seconds) how long they took. No key is ever in them.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: encryption
      action: record
      object: /etc/lustre/encryption/002192fcf1fb22e1c930e8e87e32855a.json
      reason: it is to be written down what the key 002192fcf1fb22e1c930e8e87e32855a opens
      file: /etc/lustre/encryption/002192fcf1fb22e1c930e8e87e32855a.json
      disruptive: false
      destructive: false
    - kind: encryption
      action: encrypt
      object: /mnt/fs1/vault
      reason: it is empty and not encrypted; key 002192fcf1fb22e1c930e8e87e32855a
      command: /usr/bin/python3 -I - encrypt /mnt/fs1/vault
      disruptive: false
      destructive: false
drift:
  description: A key file that is missing or cannot be used, for a directory that needs it at the next boot only.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: Always V(encryption)., type: str}
    object: {description: Path of the directory., type: str}
    found: {description: What is., type: str}
    wanted: {description: What is described., type: str}
    remedy: {description: What to do., type: str}
  sample:
    - kind: encryption
      object: /mnt/fs1/vault
      found: no key file
      wanted: /etc/lustre/keys/vault
      remedy: Put it back from where it is kept, before this node boots again.
state:
  description: The directories at the end.
  returned: success
  type: dict
  contains:
    directories:
      description: One entry for each of O(directories), in the order given.
      type: list
      elements: dict
      contains:
        path: {description: Path., type: str}
        fsname: {description: 'The file system it lies in, or null.', type: str}
        unit: {description: The instance of C(lustre-unlock@.service) that the role P(lustre.core.lustre_encryption#role) sets up., type: str}
        exists: {description: Whether anything is there., type: bool}
        encrypted: {description: Whether it has a policy., type: bool}
        identifier: {description: 'The name of the key that opens it, or null.', type: str}
        key: {description: 'V(present), V(absent), V(incomplete) (removed while files were open), or null.', type: str}
        unlocked: {description: Whether this mount has its key., type: bool}
        contents: {description: How contents are encrypted (where it has a policy)., type: str}
        filenames: {description: How names are encrypted (where it has a policy)., type: str}
        mode: {description: Octal mode (where it exists)., type: str}
        owner: {description: Number of the owner (where it exists)., type: int}
        group: {description: Number of the group (where it exists)., type: int}
        protector: {description: 'With a protector, its C(kind), and its C(descriptor) or null.', type: dict}
        backup: {description: 'With a protector, the folder that has copies of its metadata, or null.', type: str}
        key_file: {description: 'The key file with C(path), C(exists), C(identifier) (where one is described).', type: dict}
  sample:
    directories:
      - path: /mnt/fs1/vault
        fsname: fs1
        unit: lustre-unlock@mnt-fs1-vault.service
        exists: true
        encrypted: true
        identifier: 002192fcf1fb22e1c930e8e87e32855a
        key: present
        unlocked: true
        contents: AES-256-XTS
        filenames: AES-256-CTS
        mode: '0750'
        owner: 1000
        group: 50
        key_file: {path: /etc/lustre/keys/vault, exists: true, identifier: 002192fcf1fb22e1c930e8e87e32855a}
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [unlock /mnt/fs1/vault]
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
  sample: [python3 (process 4711)]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._resources import encryption_directories

DIRECTORY_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "default": "encrypted", "choices": ["encrypted", "unlocked", "locked"]},
    "fsname": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "key_file": {"type": "str", "no_log": False},
    "identifier": {"type": "str"},
    "protector": {"type": "str", "choices": ["raw_key", "custom_passphrase"]},
    "protector_name": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "contents": {"type": "str", "default": "AES-256-XTS", "choices": ["AES-256-XTS", "AES-128-CBC", "Adiantum"]},
    "filenames": {"type": "str", "choices": ["AES-256-CTS", "AES-128-CTS", "Adiantum"]},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "dict", "required": True, "options": DIRECTORY_OPTIONS},
        },
        supports_check_mode=True,
    )
    run_resource(module, lambda params: encryption_directories.from_options(params["directories"]))


if __name__ == "__main__":
    main()
