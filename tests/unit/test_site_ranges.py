# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of indexes, host names and addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges


@pytest.mark.parametrize(
    ("value", "found"),
    [(3, (3,)), ("3", (3,)), ("0-3", (0, 1, 2, 3)), ("0-1, 8", (0, 1, 8)), ("8,0-1", (8, 0, 1)), ("65503", (65503,))],
)
def test_indexes(value, found) -> None:
    assert ranges.indexes(value) == found


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "neither a number"),
        ("0x10", "neither a number"),
        ("3-1", "backwards"),
        ("0-3,2", "twice"),
        (65504, "too large"),
        ("0-70000", "too large"),
        (-1, "negative"),
        (True, "not an index"),
        (1.5, "not an index"),
        (None, "not an index"),
        ([0], "not an index"),
    ],
)
def test_indexes_that_cannot_be_read(value, says) -> None:
    with pytest.raises(ValueError, match=says):
        ranges.indexes(value)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("oss1", ["oss1"]),
        ("oss[1-3]", ["oss1", "oss2", "oss3"]),
        ("oss[01:03]", ["oss01", "oss02", "oss03"]),
        ("oss[08-10]", ["oss08", "oss09", "oss10"]),
        ("r[1-2]n[1,3]", ["r1n1", "r1n3", "r2n1", "r2n3"]),
        ("oss[1-2].example.org", ["oss1.example.org", "oss2.example.org"]),
    ],
)
def test_names(pattern, found) -> None:
    assert ranges.expand(pattern) == found
    assert all(ranges.covers(pattern, name) for name in found)


@pytest.mark.parametrize("name", ["oss0", "oss4", "oss01", "oss1x", "xoss1", "oss", ""])
def test_a_range_covers_nothing_else(name) -> None:
    assert not ranges.covers("oss[1-3]", name)


@pytest.mark.parametrize(
    "pattern", ["oss[1-", "oss1-3]", "oss[]", "oss[a-b]", "oss[3-1]", "oss[[1-2]]", "x[1-999999999]"]
)
def test_names_that_cannot_be_read(pattern) -> None:
    assert not ranges.readable(pattern)
    with pytest.raises(ValueError):
        ranges.expand(pattern)


@given(st.text(alphabet="ab[]-:,0129", max_size=12), st.text(alphabet="ab0129", max_size=6))
def test_covers_agrees_with_expand(pattern: str, name: str) -> None:
    if not ranges.readable(pattern):
        return
    assert ranges.covers(pattern, name) == (name in ranges.expand(pattern))


@pytest.mark.parametrize(
    ("pattern", "count", "found"),
    [
        ("10.0.0.1", 1, ["10.0.0.1"]),
        ("10.0.0.[9-11]", 3, ["10.0.0.9", "10.0.0.10", "10.0.0.11"]),
        ("10.0.0.254+", 3, ["10.0.0.254", "10.0.0.255", "10.0.1.0"]),
        ("10.0.0.2+2@tcp1", 3, ["10.0.0.2@tcp1", "10.0.0.4@tcp1", "10.0.0.6@tcp1"]),
        ("fd00::fffe+@tcp", 3, ["fd00::fffe@tcp", "fd00::ffff@tcp", "fd00::1:0@tcp"]),
        ("10.0.[0-1].[1-2]@tcp", 4, ["10.0.0.1@tcp", "10.0.0.2@tcp", "10.0.1.1@tcp", "10.0.1.2@tcp"]),
        ("10.0.[0-1].[1-9]", 2, ["10.0.0.1", "10.0.0.2"]),
    ],
)
def test_addresses(pattern, count, found) -> None:
    assert ranges.addresses(pattern, count) == found


@pytest.mark.parametrize(
    ("pattern", "count", "says"),
    [
        ("10.0.0.1", 2, "one address for 2 hosts"),
        ("10.0.0.[1-3]", 4, "stands for 3 addresses, but there are 4"),
        ("10.0.0.[1-9]", 2, "stands for 9 addresses, but the hosts are 2"),
        ("255.255.255.254+", 3, "past the last"),
        ("10.0.0.300+", 2, "300"),
    ],
)
def test_addresses_that_do_not_fit(pattern, count, says) -> None:
    with pytest.raises(ValueError, match=says):
        ranges.addresses(pattern, count)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_compact_is_read_back(numbers: set[int]) -> None:
    assert ranges.indexes(ranges.compact(sorted(numbers))) == tuple(sorted(numbers))
