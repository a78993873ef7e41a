"""A path that leads elsewhere while the guard asks its questions: two devices' answers prove nothing about either."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Node
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources import blank
from tests.unit import target_support as support
from tests.unit.target_support import DISK, PATH

OTHERS = {"another disk": Node("/dev/sde", "8:64"), "the same name, another number": Node("/dev/sdd", "8:64")}


class Moving(support.FakeFiles):
    """A path that leads elsewhere from the N-th look at it on."""

    def __init__(self, after: int, other: Node) -> None:
        super().__init__()
        self.after, self.other, self.looks = after, other, 0

    def node(self, path: str) -> Node:
        if path == PATH:
            self.looks += 1
            if self.looks > self.after:
                return self.other
        return super().node(path)


def disks(files):
    """The disk that is meant, and another one of the same size that is as blank."""
    files.add_disk(*DISK)
    files.add_disk("/dev/disk/by-id/scsi-other", "sde", "8:64")
    return files


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_path_that_moves_while_it_is_asked_about_is_not_proven_blank(other, fake):
    files = disks(Moving(1, other))
    evidence = blank.gather([PATH], fake(support.blank_probes([DISK])), files)[PATH]
    (objection,) = blank.judge(evidence)
    assert objection.probe == "content" and "leads to" in objection.found and other.number in objection.found


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_path_that_moved_before_the_first_question_is_not_what_the_caller_saw(other, fake):
    files = disks(support.FakeFiles())
    evidence = blank.gather([PATH], fake(support.blank_probes([DISK])), files)[PATH]
    blank.require_blank(evidence, "format it", Node(*[f"/dev/{DISK[1]}", DISK[2]]))
    with pytest.raises(Refused, match="renames devices on this node"):
        blank.require_blank(evidence, "format it", other)


def test_a_path_that_stays_is_looked_at_first_and_last(fake):
    files = disks(Moving(99, OTHERS["another disk"]))
    evidence = blank.gather([PATH], fake(support.blank_probes([DISK])), files)[PATH]
    assert blank.judge(evidence) == ()
    assert files.looks == 2
