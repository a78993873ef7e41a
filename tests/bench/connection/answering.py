# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connection ``answering``: no host and no process, only the answer that a converged host would give to a module."""

from __future__ import annotations

DOCUMENTATION = """
name: answering
short_description: Answers module calls at once with a recorded result
description:
  - What a run of Ansible then takes is the controller's own cost. A module without a recorded answer is an error, never a success.
  - Modules come by pipelining, as they do with the collection's C(ansible.cfg).
options:
  answer:
    description: Which of the recorded answers in the folder C(answers) beside this plugin this host gives.
    type: str
    required: true
    vars:
      - name: bench_answer
extends_documentation_fragment:
  - connection_pipelining
"""

import functools
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

ANSWERS = Path(__file__).resolve().parent.parent / "answers"
#: The one module whose answers are recorded, as its name stands in what is sent to a host.
MODULE = b"ansible_collections.lustre.core.plugins.modules.node"


@functools.cache
def recorded(name: str) -> bytes:
    return (ANSWERS / f"{name}.json").read_bytes()


class Connection(ConnectionBase):
    transport = "answering"
    has_pipelining = True
    always_pipeline_modules = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if not in_data or MODULE not in in_data:
            raise AnsibleConnectionFailure(f"bench: there is no recorded answer for {cmd!r}")
        return 0, recorded(self.get_option("answer")), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        raise AnsibleConnectionFailure(f"bench: {in_path} was to be copied; with pipelining nothing is")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        raise AnsibleConnectionFailure(f"bench: {in_path} was to be fetched; there is no host")

    def close(self) -> None:
        self._connected = False
