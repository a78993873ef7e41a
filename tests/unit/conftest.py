"""Shared by all unit tests: the strict fake runner, and the files of a node with one blank disk."""

from __future__ import annotations

import pytest
from hypothesis import settings

from ansible_collections.lustre.core.plugins.module_utils import _lock
from tests.unit.fake_runner import FakeRunner, load_transcript
from tests.unit.hypotheses import profile
from tests.unit.target_support import DISK, FakeFiles

# A busy machine is no failure; what must be quick is measured by a test of its own, in processor time.
settings.register_profile("house", profile(60))
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def lock_folder(tmp_path_factory: pytest.TempPathFactory):
    """Tests must not wait for, or hold up, what really runs on this machine."""
    before, _lock.FOLDER = _lock.FOLDER, str(tmp_path_factory.mktemp("run", numbered=True))
    yield _lock.FOLDER
    _lock.FOLDER = before


@pytest.fixture
def transcript():
    """``transcript("mkfs/tunefs-dryrun-mdt")`` → Result recorded from the real Lustre 2.17.0."""
    return load_transcript


@pytest.fixture
def fake():
    """``fake([(argv, result), ...])`` → a runner that accepts exactly these calls in this order.

    The test fails at its end when a planned call was not made.
    """
    made: list[FakeRunner] = []

    def build(calls, ordered: bool = True) -> FakeRunner:
        runner = FakeRunner(calls, ordered=ordered)
        made.append(runner)
        return runner

    yield build
    for runner in made:
        runner.finish()


@pytest.fixture
def files() -> FakeFiles:
    """The kernel's files of a node whose only disk is ``DISK``, blank."""
    made = FakeFiles()
    made.add_disk(*DISK)
    return made
