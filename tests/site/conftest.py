# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sites that several tests share, and the cases that are data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .recorded import Run
from .rehearsed import DEMO, Rehearsed


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: only `make test-long` runs it")


@dataclass
class Demo:
    """The demo site, converged, and the run that did it. A test that breaks it repairs it."""

    site: Rehearsed
    first: Run


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    with Rehearsed("demo", DEMO) as site:
        yield Demo(site, site.converge())
