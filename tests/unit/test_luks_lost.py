# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A header that is lost, copies of headers that restore nothing, and a container that its own format left without a key."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import luks_header
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from tests.unit.fake_runner import load_cases
from tests.unit.models.luks_model import header
from tests.unit.test_luks import (
    COPY,
    FILE,
    GIVEN,
    LABEL,
    LINE,
    NAME,
    RAW,
    STANDBY,
    WANT,
    WRONG,
    container,
    node,
    refused,
    run,
)

WITHOUT = {**WANT, "format": False}


def opened(**changes):
    made = node(containers={RAW: container()}, opened={LABEL: RAW}, **changes)
    made.disks[NAME] = made.containers[RAW].inner
    return made


@pytest.mark.parametrize("want", [WANT, WITHOUT, STANDBY])
@pytest.mark.parametrize("check", [True, False])
def test_a_header_that_went_from_under_an_open_container_is_told_as_that(want, check):
    """Its data can be read until it is closed: nobody is told to consent to a format, or to wait for another server."""
    made = opened()
    made.head = lambda path, length, real=made.head: bytes(length) if path == RAW else real(path, length)
    refused(
        made, f"the header .* is gone, and {NAME} is still open.*Do NOT close it.*luksHeaderRestore", want, check=check
    )


@pytest.mark.parametrize("want", [WANT, WITHOUT, STANDBY])
def test_where_a_copy_of_its_header_is_nobody_is_told_to_consent_to_a_format(want):
    refused(node(copies={COPY: header(LABEL, uuid="99")}), r"\(UUID 99\).*luksHeaderRestore` puts the copy back", want)


def test_a_file_in_the_place_of_the_copy_stops_a_format():
    """cryptsetup would refuse to copy the header over it, when the container is made already."""
    refused(node(copies={COPY: b""}), "no copy of a header: it does not begin as a header.*move it away")


@pytest.mark.parametrize(
    ("copied", "words"),
    [
        (b"", "it does not begin as a header"),
        (bytes(16384), "it does not begin as a header"),
        (header(LABEL, uuid="11-22")[:-1] + b"!", "the checksum of its header does not fit"),
        (header(LABEL, uuid="11-22")[:9000], "the checksum of its header does not fit"),
        (header(LABEL, uuid="99"), "the copy of another container's header (UUID 99)"),
    ],
)
def test_a_copy_that_does_not_restore_the_header_is_told_and_counts_as_none(copied, words):
    made = opened(copies={COPY: copied})
    outcome = run(made)
    (drift,) = outcome.plan.drift
    assert words in drift.found and drift.wanted == COPY and "Move it away" in drift.remedy
    assert outcome.after["containers"][0]["header_backup"] is None
    assert made.copies == {COPY: copied} and not [call for call in made.calls if "luksHeaderBackup" in call]


def test_a_copy_without_its_key_slots_is_none():
    """A crash while it was written: the header proper is there, and what opens the container is not."""
    real = zlib.decompress(base64.b64decode(load_cases("luks_header")["header"]))
    found = luks_header.read(lambda length: real[:length])
    told = json.loads(real[4096:].split(b"\0", 1)[0])["config"]
    assert found.whole == 2 * 16384 + int(told["keyslots_size"]) == 16 << 20
    made = opened(copies={COPY: real})
    made.containers[RAW].uuid = found.uuid
    (drift,) = run(made).plan.drift
    assert f"it has 16384 bytes of {16 << 20}, so that key slots are missing" in drift.found
    made = opened(copies={COPY: real + bytes((16 << 20) - len(real))})
    made.containers[RAW].uuid = found.uuid
    assert not run(made).plan.drift


def test_a_container_that_nobody_has_used_has_no_key_to_be_found():
    made = node(containers={RAW: container(subsystem="lustre-new")}, keys={FILE: WRONG})
    with pytest.raises(ToolError, match="nobody has used it: wipe the device by hand") as told:
        run(made)
    assert "find the one that belongs to it" not in str(told.value)


def test_the_key_of_a_container_that_is_open_already_is_tried_before_the_boot_is_left_to_it():
    made = opened(copies={COPY: header(LABEL, uuid="11-22")})
    outcome = run(made)
    assert [step.action for step in outcome.plan.steps] == ["try", "boot", "reload"]
    assert not run(made).changed, "once is enough"
    wrong = opened(copies={COPY: header(LABEL, uuid="11-22")}, keys={FILE: WRONG})
    for _again in range(2):
        with pytest.raises(ToolError, match="would stay closed at the next boot"):
            run(wrong)
    assert wrong.crypttab == "" and wrong.opened == {LABEL: RAW}


def test_a_key_from_the_vault_is_tried_when_its_file_was_lost():
    made = opened(copies={COPY: header(LABEL, uuid="11-22")}, crypttab=LINE, keys={})
    with pytest.raises(ToolError, match="would stay closed at the next boot"):
        run(made, {**GIVEN, "key": base64.b64encode(WRONG).decode()})
