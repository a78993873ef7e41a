# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lnetctl import``: what it reads, what it does with half of a file, and that a backup can be read again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lustre_sim.tools import _yaml_in as yaml_in
from lustre_sim.tools import lnetctl

from tests.rehearsal_sim.fakes import DeadWire
from tests.rehearsal_sim.support import make_node

INTERFACES = {"eth0": "10.0.2.15/24", "dummy0": "10.0.3.15/24"}
TCP9 = "net:\n    - net type: tcp9\n      local NI(s):\n        - interfaces:\n              0: eth0\n"
KINDS = {
    "MappingStartEvent": "{",
    "MappingEndEvent": "}",
    "SequenceStartEvent": "[",
    "SequenceEndEvent": "]",
    "ScalarEvent": "=",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Any]:
    made = make_node(tmp_path, "host", INTERFACES)
    made.lnet.messages.wire = DeadWire()
    made.load("lnet")
    made.call("lnet.configure")
    yield made
    made.lnet.unload()


def run(node: Any, *argv: str, stdin: str = "") -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return lnetctl.main(list(argv), io.StringIO(stdin), out, err, node), out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "rest",
    [
        "  bad\n",
        "   - [oops\n",
        "    broken: [\n",
        "- a\n",
        "route:\n    - net: [tcp\n",
    ],
)
def test_a_malformed_rest_does_not_undo_what_came_before(node: Any, rest: str) -> None:
    rc, out, err = run(node, "import", stdin=TCP9 + rest)
    assert (rc, out) == (234, "")
    assert err.startswith(("Parser error: ", "Scanner error: "))
    assert node.lnet.nids()[0] == "10.0.2.15@tcp9"


def test_a_backup_makes_the_same_again(node: Any, tmp_path: Path) -> None:
    run(node, "net", "add", "--net", "tcp", "--if", "eth0", "--peer-credits", "16", "--conns-per-peer", "4")
    run(node, "net", "add", "--net", "tcp1", "--if", "dummy0", "--cpt", "[0,1]")
    run(node, "route", "add", "--net", "o2ib", "--gateway", "10.0.2.[2-3]@tcp", "--hop", "2", "--priority", "1")
    run(node, "set", "retry_count", "4")
    run(node, "set", "routing", "1")
    node.tick()
    run(node, "set", "tiny_buffers", "4096")
    backup = run(node, "export", "--backup")[1]
    again = make_node(tmp_path, "again", INTERFACES)
    again.lnet.messages.wire = DeadWire()
    again.load("lnet")
    again.call("lnet.configure")
    assert run(again, "import", stdin=backup) == (0, "", "")
    again.tick()
    wanted, found = yaml.safe_load(backup), yaml.safe_load(run(again, "export", "--backup")[1])
    for value in (wanted, found):
        value.pop("peer")  # a peer entered by an import is multi-rail, whatever the file says (as recorded of peer add)
    assert found == wanted
    assert wanted["routing"] == {"enable": 1}
    assert run(again, "import", stdin=backup)[0] == 234  # not idempotent


def test_delete_by_import(node: Any) -> None:
    run(node, "import", stdin=TCP9)
    assert run(node, "import", "--del", stdin=TCP9) == (0, "", "")
    assert node.lnet.nids() == []


def test_sections(node: Any) -> None:
    text = TCP9 + (
        "route:\n    - net: o2ib\n      gateway: 10.0.2.2@tcp9\n      hop: -1\n      priority: 0\n"
        "peer:\n    - primary nid: 10.0.2.9@tcp9\n      Multi-Rail: True\n      peer ni:\n        - nid: 10.0.2.9@tcp9\n"
        "routing:\n    enable: 1\nbuffers:\n    tiny: 4096\n    small: 32768\n    large: 2048\nnuma:\n    range: 7\n"
        "global:\n    discovery: 0\n    transaction_timeout: 90\n    lnd_timeout: 1\nudsp:\n    - src: tcp9\n      priority: 1\n"
    )
    assert run(node, "import", stdin=text) == (0, "", "")
    assert [route["gateway"] for route in node.call("lnet.route_show")] == ["10.0.2.2@tcp9"]
    assert [pool["nbuffers"] for pool in node.call("lnet.routing_show")["pools"]] == [4096, 32768, 2048]
    shown = node.call("lnet.global_show")
    assert (shown["discovery"], shown["transaction_timeout"], shown["numa_range"]) == (0, 90, 7)
    assert node.call("lnet.udsp_show") == [{"idx": 0, "src": "tcp9", "priority": 1}]
    assert "10.0.2.9@tcp9" in node.call("lnet.peer_list")


@pytest.mark.parametrize(
    ("text", "rc", "message"),
    [
        ("global:\n    nonsense: 1\n", 234, "invalid key 'nonsense'"),
        ("global:\n    discovery:\n", 234, "no value specified for key 'discovery'"),
        ("global:\n    discovery: maybe\n", 234, "invalid value 'maybe' for key 'discovery'"),
        (
            "net:\n    - local NI(s):\n        - interfaces:\n              0: eth0\n",
            234,
            "Malformed input. Expect 'net type' found 'local NI(s)'",
        ),
        ("ip2nets:\n    - net-spec: tcp\n      interfaces:\n          0: eth9\n", 234, "No ip2nets rules applied"),
        (
            "net:\n    - net type: tcp\n      local NI(s):\n        - interfaces:\n              0: eth9\n",
            214,
            "No interface matching 'eth9'",
        ),
        (
            "route:\n    - net: o2ib\n      gateway: 10.0.2.2@tcp\n",
            234,
            "No interface configured on the same net as gateway",
        ),
    ],
)
def test_errors(node: Any, text: str, rc: int, message: str) -> None:
    found, out, err = run(node, "import", stdin=text)
    assert (found, out) == (rc, "")
    assert f'descr: ! "{message}"' in err


def test_an_entry_that_exists_ends_the_import(node: Any) -> None:
    run(node, "import", stdin=TCP9)
    other = TCP9.replace("tcp9", "tcp8").replace("net:\n", "", 1)
    assert run(node, "import", stdin=TCP9 + other)[0] == 234
    assert node.lnet.nids() == ["10.0.2.15@tcp9"]
    assert run(node, "import", stdin="net:\n" + other + TCP9.replace("net:\n", "", 1))[0] == 234
    assert node.lnet.nids() == ["10.0.2.15@tcp9", "10.0.2.15@tcp8"]


@pytest.mark.parametrize(
    "text",
    [
        TCP9,
        "a: 1\nb:\n- c\n- d: e\n  f: g\n",
        "# only\n# comments\n",
        "a:\n    b:\n        c: 'x: y' # z\n",
        "- - 1\n  - 2\n- 3\n",
        'CPT: "[0,1]"\nx: [1, 2]\n',
        "a:\n\nb: 2\n",
        "a:\n  - b:\n    c: 1\n  -\n    d: 2\n",
        "---\na: b\n...\n",
        TCP9 + "  bad\n",
        TCP9 + "    broken: 1\n",
        TCP9 + "x: y: z\n",
        "a: 1\n  b: 2\n",
    ],
)
def test_the_reader_agrees_with_libyaml(text: str) -> None:
    """Events up to the error, and whether there is one."""
    assert _ours(text) == _theirs(text)


def _ours(text: str) -> str:
    found: list[tuple[str, str]] = []
    try:
        for event in yaml_in.events(text):
            found.append((event.kind, event.value))  # noted one by one: what came before an error counts
    except yaml_in.YamlError:
        return "".join(kind for kind, _value in found) + "!"
    return repr(found)


def _theirs(text: str) -> str:
    found: list[tuple[str, str]] = []
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            kind = KINDS.get(type(event).__name__)
            if kind:
                found.append((kind, getattr(event, "value", None) or ""))
    except yaml.YAMLError:
        return "".join(kind for kind, _value in found) + "!"
    return repr(found)
