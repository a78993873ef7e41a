"""What lnetctl prints, read from recordings of the real 2.17.0, and from recordings that were damaged."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_state, lnetctl_yaml
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    NeedsRelease,
    ToolError,
    ToolTimeout,
    UnknownOutput,
)
from tests.unit.fake_runner import TRANSCRIPTS, load_transcript
from tests.unit.hypotheses import examples

ALL = tuple(lnetctl.SECTIONS)
PEER_SHOW = ("lnetctl", "peer", "show", "-v", "3")
READABLE = sorted(
    f"lnet/{path.stem}"
    for pattern in (
        "*show*.txt",
        "export.txt",
        "export-unconfigured.txt",
        "export-to-file.txt",
        "udsp-*.txt",
        "route-*.txt",
        "import-*.txt",
    )
    for path in TRANSCRIPTS.glob(f"lnet/{pattern}")
    if not path.stem.startswith(("lctl-", "import-exist"))
)


def test_one_export_gives_everything_but_the_peers(fake, transcript) -> None:
    calls = [(("lnetctl", "export"), transcript("lnet/export")), (PEER_SHOW, transcript("lnet/peer-show-v4"))]
    state = lnetctl.read(fake(calls), ALL)
    assert state.up and state.loaded
    assert [(ni.nid, ni.interfaces, ni.status) for ni in state.interfaces] == [
        ("10.0.2.15@tcp", ("eth0",), "up"),
        ("10.0.3.15@tcp1", ("dummy0",), "up"),
        ("10.0.2.15@tcp2", ("eth0",), "up"),
        ("10.0.3.15@tcp3", ("dummy0",), "up"),
    ]
    assert state.interfaces[1].tunables == {
        "peer_timeout": 170,
        "peer_credits": 16,
        "peer_buffer_credits": 0,
        "credits": 512,
    }
    assert state.interfaces[1].lnd_tunables["conns_per_peer"] == 1 and state.interfaces[1].cpts == (0,)
    # Recorded right after `set routing 0`: 2 is "stopping", which is off.
    assert (
        state.routing == lnetctl_state.Routing(2, 1, {"tiny": 2048, "small": 16384, "large": 1024})
        and not state.routing.enabled
    )
    assert state.settings is not None and state.settings["transaction_timeout"] == 100
    assert state.peers is not None and [peer.primary for peer in state.peers if peer.configured] == [
        "10.0.3.1@tcp",
        "10.0.3.2@tcp",
        "10.0.3.3@tcp",
    ]
    assert state.routes == () and state.udsp == ()


def test_networks_alone_are_one_process(fake, transcript) -> None:
    state = lnetctl.read(fake([(("lnetctl", "net", "show", "-v"), transcript("lnet/net-show-v1"))]))
    assert len(state.interfaces) == 4 and state.routes is None and state.settings is None


@pytest.mark.parametrize(
    ("section", "name", "words"),
    [
        ("routes", "route-show-v", (lnetctl_state.Route("o2ib", "10.0.2.2@tcp", 1, 0, "down"),)),
        ("routing", "routing-show", lnetctl_state.Routing(0, 0, {"tiny": 0, "small": 0, "large": 0})),
        (
            "udsp",
            "udsp-show",
            (
                lnetctl_state.Udsp(0, src="tcp1", priority=1),
                lnetctl_state.Udsp(1, src="tcp", priority=0),
                lnetctl_state.Udsp(2, dst="10.0.3.[1-9]@tcp", priority=1),
                lnetctl_state.Udsp(3, src="10.0.2.15@tcp", dst="10.0.3.1@tcp"),
            ),
        ),
        ("udsp", "udsp-show-empty", ()),
    ],
)
def test_one_section_is_one_process_more(fake, transcript, section, name, words) -> None:
    calls = [
        (lnetctl.NET_SHOW, transcript("lnet/net-show-v1")),
        (lnetctl.SECTIONS[section], transcript(f"lnet/{name}")),
    ]
    state = lnetctl.read(fake(calls), [section])
    assert getattr(state, section) == words


def test_peers_of_all_kinds(fake, transcript) -> None:
    calls = [
        (lnetctl.NET_SHOW, transcript("lnet/net-show-v1")),
        (lnetctl.SECTIONS["peers"], transcript("lnet/peer-show-v4")),
    ]
    peers = {peer.primary: peer for peer in lnetctl.read(fake(calls), ["peers"]).peers or ()}
    assert peers["10.0.3.3@tcp"].nids == ("10.0.3.3@tcp", "10.0.3.4@tcp1", "10.0.3.5@tcp1", "10.0.3.6@tcp1")
    assert (
        peers["10.0.3.3@tcp"].configured
        and not peers["10.0.2.77@tcp"].configured
        and not peers["10.0.2.77@tcp"].multi_rail
    )


def test_no_peers_at_all_may_end_with_234_and_no_word(fake, transcript) -> None:
    calls = [
        (lnetctl.NET_SHOW, transcript("lnet/net-show-v1")),
        (lnetctl.SECTIONS["peers"], transcript("lnet/peer-show-missing")),
    ]
    assert lnetctl.read(fake(calls), ["peers"]).peers == ()


@pytest.mark.parametrize(
    ("name", "loaded"), [("lnet/net-show-unconfigured", True), ("versions/lnetctl-net-show-nomodules", False)]
)
def test_lnet_that_is_not_up_ends_the_reading(fake, transcript, name, loaded) -> None:
    state = lnetctl.read(fake([(lnetctl.NET_SHOW, transcript(name))]), ["routes"])
    assert (state.loaded, state.up, state.interfaces) == (loaded, False, ())


def test_export_without_lnet_ends_with_0_and_is_seen_through(fake, transcript) -> None:
    recorded = transcript("lnet/export-unconfigured")
    assert recorded.rc == 0
    state = lnetctl.read(fake([(lnetctl.EXPORT, recorded)]), ALL)
    assert state == lnetctl_state.State(loaded=True, up=False)


def test_an_error_document_among_good_output_is_an_error(fake, transcript) -> None:
    good = transcript("lnet/export")
    broken = 'show:\n    - routing:\n          errno: -5\n          descr: "cannot get routing information: Input/output error"\n'
    with pytest.raises(ToolError) as caught:
        lnetctl.read(fake([(lnetctl.EXPORT, good._replace(out=broken + good.out))]), ["routing", "global"])
    assert caught.value.errno == 5
    # ... but only about what was asked for.
    assert lnetctl.read(fake([(lnetctl.EXPORT, good._replace(out=broken + good.out))]), ["global", "udsp"]).up


def test_a_failure_without_a_word_is_an_error_not_an_empty_list(fake, transcript) -> None:
    calls = [(lnetctl.NET_SHOW, transcript("lnet/net-show-v1")), (lnetctl.SECTIONS["routes"], (234, "", ""))]
    with pytest.raises(ToolError) as caught:
        lnetctl.read(fake(calls), ["routes"])
    assert caught.value.errno == 22


def test_a_command_that_this_release_lacks_names_the_release(fake, transcript) -> None:
    unknown = transcript("versions/lnetctl-unknown")
    calls = [(lnetctl.NET_SHOW, transcript("lnet/net-show-v1")), (lnetctl.SECTIONS["udsp"], unknown)]
    with pytest.raises(NeedsRelease, match=r"lnetctl udsp.*2\.15.*2\.17\.0_dirty"):
        lnetctl.read(fake([*calls, (lnetctl.VERSION, transcript("versions/lnetctl-version"))]), ["udsp"])


def test_a_tool_that_hangs_is_left_to_the_runner(fake) -> None:
    with pytest.raises(ToolTimeout):
        lnetctl.read(fake([(lnetctl.NET_SHOW, ToolTimeout("run lnetctl", lnetctl.NET_SHOW, 60, False))]))


@pytest.mark.parametrize(
    ("name", "errno"),
    [
        ("net-add-tcp-again", 17),
        ("net-add-badif", 100),
        ("net-add-badnet", 2),
        ("net-add-unconfigured", 108),
        ("net-del-missing", 22),
        ("net-del-if-missing", 19),
        ("net-set-cpt", 22),
        ("net-show-missing", 3),
        ("global-show-unconfigured", 100),
        ("route-add-again", 17),
        ("route-add-unreachable-gw", 113),
        ("route-del-again", 2),
        ("udsp-add-again", 114),
        ("udsp-del-missing", 2),
        ("import-partial-bad", 42),
        ("import-same", 17),
        ("lnetctl-ping-fail", 113),
        ("lnetctl-discover-fail", 5),
        ("peer-del-missing", 22),
        ("set-unknown", None),
    ],
)
def test_errno_comes_from_the_document_and_only_without_one_from_the_exit_code(transcript, name, errno) -> None:
    recorded = transcript(f"lnet/{name}")
    assert lnetctl.error("do it", ("lnetctl",), *recorded).errno == errno


def test_the_whole_tree_of_other_releases_reads_alike(fake) -> None:
    """2.15 prints lists deeper, writes True, and has no lnd tunables for an untuned tcp."""
    old = (
        "net:\n    - net type: tcp\n      local NI(s):\n        - nid: 10.0.0.1@tcp\n          status: up\n"
        "          interfaces:\n              0: eth0\n          tunables:\n              peer_timeout: 180\n"
        '          dev cpt: 0\n          CPT: "[0-2,5]"\n'
        "peer:\n    - primary nid: 10.0.0.2@tcp\n      Multi-Rail: True\n      peer ni:\n        - nid: 10.0.0.2@tcp\n          state: NA\n"
        "route:\n    - net: o2ib\n      gateway: 10.0.0.9@tcp\n      hop: 4294967295\n      priority: 0\n      state: up\n"
    )
    state = lnetctl.read(
        fake([(lnetctl.EXPORT, old), (PEER_SHOW, old[old.index("peer:") : old.index("route:")])]), ["routes", "peers"]
    )
    assert state.interfaces[0].cpts == (0, 1, 2, 5) and state.interfaces[0].lnd_tunables == {}
    assert state.peers == (lnetctl_state.Peer("10.0.0.2@tcp", ("10.0.0.2@tcp",), True),)
    assert state.routes == (lnetctl_state.Route("o2ib", "10.0.0.9@tcp", -1, 0, "up"),)


def test_scalars_that_are_no_yaml() -> None:
    text = "a:\n    - dst: *@tcp\n      descr: cannot open 'x: y': No such file\n      t: ! \"a \\\"b\\\"\"\n      u: ! 'it''s: so'\n      n: -1\n"
    [(_key, [item])] = lnetctl_yaml.parse(text, "x")
    assert item == {"dst": "*@tcp", "descr": "cannot open 'x: y': No such file", "t": 'a "b"', "u": "it's: so", "n": -1}


@pytest.mark.parametrize(
    "text",
    [
        "Segmentation fault",
        "net:\n\t- x: 1\n",
        "net:\n  - a: 1\n - b: 2\n",
        "net:\n    a: 1\n    a: 2\n",
        "- a: 1\n",
        "net: &anchor\n    - a\n",
        "net: {a: 1}\n",
        'net: "open\n',
        "net: 1\n    a: 2\n",
        "net:\n" + "".join("  " * depth + "a:\n" for depth in range(1, 60)),
        "net:\n    -\n",
        "double free or corruption (!prev)\nAborted\n",
    ],
)
def test_anything_else_is_unknown(text) -> None:
    with pytest.raises(UnknownOutput):
        lnetctl_yaml.parse(text, "the local networks")


def test_the_state_of_a_server_with_thousands_of_peers_is_read_without_them(fake, transcript) -> None:
    export = transcript("lnet/export")
    start, rest = export.out.split("peer:\n", 1)
    peers = "\tunreadable on purpose: this section must not be looked into\n".replace("\t", "") * 5
    huge = start + "peer:\n" + "    - " + peers + rest[rest.index("routing:\n") :]
    assert lnetctl.read(fake([(lnetctl.EXPORT, (0, huge, ""))]), ["routes", "global"]).settings


@examples(60)
@given(name=st.sampled_from(READABLE), seed=st.integers(0, 2**32 - 1), cuts=st.integers(1, 4))
def test_a_damaged_recording_is_read_or_unknown_but_never_a_crash(name: str, seed: int, cuts: int) -> None:
    result = load_transcript(name)
    chance = random.Random(seed)
    out, err = _damaged(result.out, chance, cuts), _damaged(result.err, chance, cuts)
    for text in (out, err):
        try:
            for _key, value in lnetctl_yaml.parse(text, "anything"):
                lnetctl_yaml.errors(value)
        except UnknownOutput:
            continue
    lnetctl.error("do it", ("lnetctl",), result.rc, out, err)
    for sections in (ALL, ["routes"]):
        with contextlib.suppress(UnknownOutput, ToolError):
            lnetctl.read(lambda *_args: result._replace(out=out, err=err), sections)


def _damaged(text: str, chance: random.Random, cuts: int) -> str:
    lines = text.splitlines(keepends=True)
    for _ in range(cuts):
        if not lines:
            break
        place = chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines[place] = lines[place][: chance.randrange(len(lines[place]) + 1)]
        elif kind == 2:
            lines[place] = " " * chance.randrange(9) + lines[place]
        elif kind == 3:
            lines.insert(place, chance.choice(["Killed\n", "- \n", ":\n", "\x00\n", "---\n", "a: b: c\n", "    - x\n"]))
        elif kind == 4:
            lines = lines[:place]
        else:
            lines.insert(place, lines[chance.randrange(len(lines))])
    return "".join(lines)


@examples(40)
@given(st.text(max_size=200))
def test_garbage_is_read_or_unknown_but_never_a_crash(text: str) -> None:
    with contextlib.suppress(UnknownOutput):
        lnetctl_yaml.parse(text, "anything")
