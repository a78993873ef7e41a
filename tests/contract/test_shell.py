# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The little shell of the contract tests: what it does as a shell would, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.host import Host, simulated_host
from tests.contract.shell import Done, NotUnderstood


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with simulated_host({"interfaces": {"eth0": "10.0.2.15/24"}}) as made:
        yield made


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("echo a  'b  c' \"d $? e\"", Done(0, "a b  c d 0 e\n", "")),
        (
            "lctl nonsense; echo rc=$?",
            Done(0, "rc=1\n", "lctl: 'nonsense' is not a valid command. See 'lctl --list-commands'.\n"),
        ),
        ("lctl nonsense 2>/dev/null && echo no || echo yes", Done(0, "yes\n", "")),
        ("lctl nonsense >/dev/null 2>&1; exit $?", Done(1, "", "")),
        ("for i in $(seq 1 3); do echo n=$((600+i)); done | tail -2", Done(0, "n=602\nn=603\n", "")),
        ("printf 'a\\nb\\n' > /tmp/x; wc -l < /tmp/x; ls /tmp/*", Done(0, "2\n/tmp/x\n", "")),
        ("(echo one; echo two) | grep w; x=5; echo ${x}$x", Done(0, "two\n55\n", "")),
        ("LC_ALL=C echo 'a|b;c'", Done(0, "a|b;c\n", "")),
    ],
)
def test_as_a_shell_would(host: Host, line: str, done: Done) -> None:
    assert host.run(line) == done


@pytest.mark.parametrize(
    "line",
    [
        "reboot",
        "rm -rf /usr",
        "dd if=/dev/zero of=/dev/sda",
        "umount /",
        "echo x > /etc/passwd",
        "sed -i s/a/b/ /etc/hosts",
        "sleep 1 & echo",
        "while true; do echo; done",
        "(echo",
    ],
)
def test_refused(host: Host, line: str) -> None:
    with pytest.raises(NotUnderstood):
        host.run(line)
