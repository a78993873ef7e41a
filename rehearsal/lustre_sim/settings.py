# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``settings.json`` of the site and of one host, which overrides it: what tools and kernel are told about time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from .faults import NODE_DIR, SITE_DIR

PRIME_SECONDS = 3.0  # how long a prime takes (recorded: 32 seconds, minutes on a slow machine)


def on_disk(folders: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in folders:
        try:
            with open(os.path.join(folder, "settings.json"), encoding="utf-8") as stream:
                found.update(json.load(stream))
        except FileNotFoundError:
            continue
    return found


def of(kernel: Any) -> dict[str, Any]:
    """For a tool: the settings of the host behind a kernel."""
    return on_disk((getattr(kernel, "site_dir", SITE_DIR), getattr(kernel, "persistent_dir", NODE_DIR)))


def prime_seconds(kernel: Any) -> float:
    return float(of(kernel).get("prime_seconds", PRIME_SECONDS))
