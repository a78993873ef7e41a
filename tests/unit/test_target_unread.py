"""A device on which tunefs.lustre sees no target: what else speaks of one, and that nobody is told to wipe it."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import ext4
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from tests.unit import target_support as support
from tests.unit.target_ost import OST, blank_reads, resource
from tests.unit.target_support import PATH


@pytest.mark.parametrize("consent", [False, True])
@pytest.mark.parametrize(
    ("label", "dirdata", "answer"),
    [
        ("fs1-MDT0000", True, support.UNREADABLE),
        ("fs1-OST0003", False, support.MOUNTDATA),
        ("fs1-OST0003", False, support.UNREADABLE),
        ("fs1-OST0003", False, support.NO_MOUNTDATA),
    ],
)
def test_an_unread_target_is_kept_with_and_without_consent(fake, files, consent, label, dirdata, answer):
    files.heads[PATH] = support.ext4_head(label, dirdata)
    files.contents[PATH] = Ends(support.GIB, 1024)
    debugfs = support.debugfs_call(PATH, answer)
    calls = [*blank_reads(), debugfs] if consent else [support.tunefs_call(PATH, support.NOT_LUSTRE), debugfs]
    with pytest.raises(Refused, match="Do NOT wipe it") as told:
        converge(resource(files, {**OST, "format": consent}), fake(calls))
    assert f"labelled '{label}'" in str(told.value)
    assert "Write `format: true`" not in str(told.value) and "wipe it by hand" not in str(told.value)


def test_somebody_elses_ext4_asks_for_consent_as_ever(fake, files):
    files.heads[PATH] = support.ext4_head("home")
    calls = [support.tunefs_call(PATH, support.NOT_LUSTRE), support.debugfs_call(PATH, support.NO_MOUNTDATA)]
    with pytest.raises(Refused, match="Write `format: true`"):
        converge(resource(files, OST), fake(calls))


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"", None),
        (bytes(2048), None),
        (b"\x53\xef" * 500, None),
        (support.ext4_head("fs1-OST0003"), ("fs1-OST0003", False)),
        (support.ext4_head("fs1-MDT0000", dirdata=True), ("fs1-MDT0000", True)),
        (support.ext4_head("sixteen-letters!"), ("sixteen-letters!", False)),
    ],
)
def test_a_superblock_is_read_without_any_tool(head, found):
    assert ext4.superblock(head) == found


@pytest.mark.parametrize(
    ("err", "kind"),
    [
        ("debugfs 1.47.0\ndebugfs: Bad magic number in super-block while trying to open /dev/sdd\n", ext4.UNKNOWN),
        ("debugfs 1.47.0\ndebugfs: Input/output error while trying to open /dev/sdd\n", ext4.UNKNOWN),
        ("", ext4.UNKNOWN),
        (support.NO_MOUNTDATA.err, ext4.NO_TARGET),
        (support.UNREADABLE.err, ext4.UNSUPPORTED),
    ],
)
def test_the_words_of_debugfs_decide(fake, err, kind):
    assert ext4.inside(fake([support.debugfs_call(PATH, (0, "", err))]), PATH).kind == kind
