# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of an address as this host's resolver gives it, and where that comes from.

Both ends of a Kerberos connection ask so for the address of the other's NID and compare the answer with the host in its
principal (Lustre 2.17.0, observed). Of a line of /etc/hosts the first name counts.
"""

from __future__ import annotations

from typing import Callable

from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

HOSTS = "/etc/hosts"
#: A name server that does not answer is asked three times for five seconds, and there may be three of them.
TIMEOUT = 50.0
_NOT_FOUND = 2


def name_of(run: Runner, address: str) -> str:
    """The first name of an address; empty when it has none."""
    argv = ("getent", "hosts", address)
    rc, out, err = run(argv, None, TIMEOUT)
    if rc == _NOT_FOUND and not out.strip():
        return ""
    if rc != 0:
        raise ToolError(f"look up the name of {address}", argv, rc, out, err)
    return parse_getent(out)


def parse_getent(text: str) -> str:
    words = text.split("\n", 1)[0].split()
    if len(words) < 2:
        raise UnknownOutput("getent", "the name of an address", text)
    return words[1]


def origin(address: str, name: str, read: Callable[[str], str] = text_or_empty) -> str:
    """Where the name comes from, in words for a message."""
    for number, line in enumerate(read(HOSTS).splitlines(), 1):
        words = line.partition("#")[0].split()
        if words[:1] == [address] and name in words[1:2]:
            return f"line {number} of {HOSTS}, of which the first name counts: {' '.join(words)!r}"
    return f"the name service, as {HOSTS} has no line for it"
