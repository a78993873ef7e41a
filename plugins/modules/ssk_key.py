#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.ssk_key: files with shared keys, and which of them are loaded."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssk_key
short_description: Make, install, load and remove shared keys (SSK) of Lustre
version_added: 0.1.0
description:
  - Makes key files with C(lgss_sk), installs them from O(keys[].content), turns them into keys of a client, and loads them for root.
  - Files are compared by their attributes and by whether the key in them is the same, never as such. A client of Lustre 2.17 that mounts with
    the key of a server rewrites the file.
  - A key is made in the folder C(.lustre-new) beside its place, which only root can enter, and then moved. A mount with C(skpath=) reads the
    files of a folder, not the folders in it, so it never meets half a key.
  - A client's key needs a prime, which takes from seconds to minutes to make, and is made on the client. An interrupted call is repeated.
  - A key file is root's alone (mode 0600, or 0400 as C(lgss_sk) leaves it). One that others could read is repaired, with a warning.
  - The key itself is in no result, no diff, no message and no argument of a program. Lustre's C(lgss_sk -r) prints it; that is read in memory.
options:
  keys:
    description: The key files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the file. Its folder must be root's, and nobody else may write it. It is made with mode 0700 if it is missing.
        type: path
        required: true
      state:
        description:
          - V(present) has the file, V(loaded) the same and the key in root's user keyring.
          - V(staged) has the key ready in the folder C(.lustre-next) beside, untouched by mounts. V(present) and V(loaded) with the same
            O(keys[].content) take it from there, so that a client needs no time for its prime then.
          - V(unloaded) takes the key out of the keyring and leaves the file. V(absent) removes both. They need O(consent).
        type: str
        choices: [present, loaded, unloaded, staged, absent]
        default: present
      types:
        description: What kind of node uses the key. Servers that connect to other servers need V(client), too. Needed unless the key is to go.
        type: list
        elements: str
        choices: [mgs, server, client]
        default: []
      fsname:
        description: File system of the key.
        type: str
      mgs_nids:
        description: NIDs of the MGS, for connections to it (C(mgssec)).
        type: list
        elements: str
      nodemap:
        description: Nodemap of the clients that use the key. A new key has V(default).
        type: str
      crypt:
        description: Cipher. A new key has V(AES-256-CTR).
        type: str
        choices: [AES-256-CTR]
      hmac:
        description: Hash. A new key has V(SHA256).
        type: str
        choices: [SHA256, SHA512]
      key_bits:
        description: Length of the key. A new key has 256.
        type: int
      prime_bits:
        description: Length of the prime. A new key has 2048. Compared on keys of clients.
        type: int
      lifetime:
        description: Seconds that a security context made with the key lives. A new key has 604800 (7 days). Shorter if a key must be revoked soon.
        type: int
      content:
        description:
          - A whole key file in base64, as C(ansible.builtin.slurp) reads it on the server that has made it.
          - Attributes that are given beside must be those of this file. Its type may be another; it is made that of O(keys[].types).
        type: str
  consent:
    description: Paths of key files that may be removed, unloaded, or replaced by another key.
    type: list
    elements: path
    default: []
  prime_timeout:
    description: Seconds that the prime of a client may take.
    type: int
    default: 3600
extends_documentation_fragment:
  - lustre.core.attributes
notes:
  - Which keys are loaded is told by their descriptions. Whether a loaded key is that of the file cannot be seen without reading it, so it is not
    asked. This module loads a key before it moves its file into place.
seealso:
  - module: lustre.core.flavor
  - module: lustre.core.security_info
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: One server makes the key of a file system
  lustre.core.ssk_key:
    keys:
      - path: /etc/lustre/keys/fs1.server.default.key
        types: [server, client]
        fsname: fs1
        state: loaded

- name: Read it
  ansible.builtin.slurp:
    src: /etc/lustre/keys/fs1.server.default.key
  register: key
  no_log: true

- name: A client gets it as a key of a client
  lustre.core.ssk_key:
    keys:
      - path: /etc/lustre/keys/fs1.client.default.key
        types: [client]
        fsname: fs1
        content: "{{ key.content }}"

- name: Revoke
  lustre.core.ssk_key:
    keys:
      - path: /etc/lustre/keys/fs1.client.default.key
        fsname: fs1
        types: [client]
        state: absent
    consent: [/etc/lustre/keys/fs1.client.default.key]
"""

RETURN = r"""
plan:
  description: The steps. Those that were carried out say in C(seconds) how long they took.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: ssk_key
      action: generate
      object: /etc/lustre/keys/fs1.server.default.key
      reason: there is no key yet
      command: lgss_sk -t server -f fs1 -n default -c AES-256-CTR -i SHA256 -k 256 -p 2048 -e 604800 -w
        /etc/lustre/keys/.lustre-new/fs1.server.default.key
      disruptive: false
      destructive: false
drift:
  description: Always empty.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The key files afterwards, without the keys.
  returned: success
  type: dict
  contains:
    files:
      description: The files in the order of O(keys).
      type: list
      elements: dict
      contains:
        path: {description: The file., type: str}
        state: {description: The state that was asked for., type: str}
        exists: {description: Whether something is at the path., type: bool}
        mode: {description: Its mode., type: str}
        owner: {description: Number of its owner., type: int}
        staged: {description: Whether a key waits beside it., type: bool}
        types: {description: 'Its types. This and all below only for a file that is a key.', type: list, elements: str}
        fsname: {description: Its file system., type: str}
        mgs_nids: {description: NIDs of its MGS., type: list, elements: str}
        nodemap: {description: Its nodemap., type: str}
        crypt: {description: Its cipher as Lustre calls it., type: str}
        hmac: {description: Its hash as Lustre calls it., type: str}
        key_bits: {description: Length of the key., type: int}
        prime_bits: {description: Length of the prime., type: int}
        lifetime: {description: Seconds that contexts made with it live., type: int}
        prime: {description: 'Whether it has a prime, so that a client can use it.', type: bool}
        loaded: {description: Descriptions under which a key of it is loaded., type: list, elements: str}
        same_key: {description: 'Whether it holds the key of O(keys[].content), when that was given.', type: bool}
    notes: {description: What somebody should know although it is repaired; shown as warnings as well., type: list, elements: str}
  sample:
    files:
      - path: /etc/lustre/keys/fs1.server.default.key
        state: loaded
        exists: true
        mode: '0600'
        owner: 0
        staged: false
        types: [client, server]
        fsname: fs1
        mgs_nids: []
        nodemap: default
        crypt: ctr(aes)
        hmac: sha256
        key_bits: 256
        prime_bits: 2048
        lifetime: 604800
        prime: true
        loaded: ['lustre:fs1:default', 'lustre:fs1']
    notes: []
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [generate /etc/lustre/keys/fs1.server.default.key]
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
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key import SskKeyResource

KEY: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {
        "type": "str",
        "default": "present",
        "choices": ["present", "loaded", "unloaded", "staged", "absent"],
    },
    "types": {"type": "list", "elements": "str", "default": [], "choices": ["mgs", "server", "client"]},
    "fsname": {"type": "str"},
    "mgs_nids": {"type": "list", "elements": "str"},
    "nodemap": {"type": "str"},
    "crypt": {"type": "str", "choices": ["AES-256-CTR"]},
    "hmac": {"type": "str", "choices": ["SHA256", "SHA512"]},
    # Lengths of keys, not keys
    "key_bits": {"type": "int", "no_log": False},
    "prime_bits": {"type": "int"},
    "lifetime": {"type": "int"},
    "content": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "keys": {"type": "list", "elements": "dict", "default": [], "options": KEY, "no_log": False},
            "consent": {"type": "list", "elements": "path", "default": []},
            "prime_timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )

    def warned(outcome: Outcome) -> dict[str, Any]:
        # What the file was like before the repair is what others may have seen.
        for note in outcome.before["notes"]:
            module.warn(note)
        return {}

    run_resource(
        module,
        lambda params: SskKeyResource.from_options(params["keys"], params["consent"], params["prime_timeout"]),
        extra=warned,
    )


if __name__ == "__main__":
    main()
