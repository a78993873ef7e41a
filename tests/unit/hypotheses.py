"""How many examples a property test draws: a sample in every run, many with ``LUSTRE_CORE_LONG=1``.

Both are the same each time (derandomize): a failure on one machine is a failure on every
machine, and a green run is no luck.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

LONG = os.environ.get("LUSTRE_CORE_LONG") == "1"
#: How many times more a long run draws.
FACTOR = 10
#: ``explain`` traces every line of each failing example and slows all of them down.
_PHASES = (Phase.explicit, Phase.generate, Phase.target, Phase.shrink)


def profile(quick: int, factor: int = FACTOR) -> settings:
    """Settings for that many examples; ``conftest.py`` loads one for all tests that ask for nothing else."""
    return settings(
        max_examples=quick * factor if LONG else quick,
        deadline=None,
        derandomize=True,
        database=None,
        phases=_PHASES,
        suppress_health_check=list(HealthCheck),
    )


def examples(quick: int, factor: int = FACTOR) -> Callable[[Any], Any]:
    """``@examples(60)`` in place of hypothesis' ``@settings``."""
    return profile(quick, factor)
