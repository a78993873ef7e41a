# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of addresses as this host's resolver gives them, and where these come from.

Both ends of a Kerberos connection ask so for the address of the other's NID and compare the answer with the host in its
principal (Lustre 2.17.0, observed). Of a line of /etc/hosts the first name counts.
"""

from __future__ import annotations

from typing import Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

HOSTS = "/etc/hosts"
#: A name server that does not answer is asked three times for five seconds, and there may be three of them.
TIMEOUT = 50.0
PER_PROCESS = 200
_NOT_FOUND = 2


def names_of(run: Runner, addresses: Sequence[str]) -> dict[str, str]:
    """The first name of each address that has one, some hundred addresses by a process."""
    found: dict[str, str] = {}
    for start in range(0, len(addresses), PER_PROCESS):
        part = addresses[start : start + PER_PROCESS]
        argv = ("getent", "hosts", *part)
        rc, out, err = run(argv, None, TIMEOUT + len(part))
        # With one address that has no name it ends so, and says the others all the same.
        if rc not in (0, _NOT_FOUND):
            raise ToolError(f"look up the names of {', '.join(part)}", argv, rc, out, err)
        found.update(parse_getent(out))
    return found


def parse_getent(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        words = line.split()
        if len(words) < 2:
            raise UnknownOutput("getent", "the names of addresses", line)
        found.setdefault(words[0], words[1])
    return found


def origin(address: str, name: str, read: Callable[[str], str] = text_or_empty) -> str:
    """Where the name comes from, in words for a message."""
    for number, line in enumerate(read(HOSTS).splitlines(), 1):
        words = line.partition("#")[0].split()
        if words[:1] == [address] and name in words[1:2]:
            return f"line {number} of {HOSTS}, of which the first name counts: {' '.join(words)!r}"
    return f"the name service, as {HOSTS} has no line for it"
