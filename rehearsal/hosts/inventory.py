# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A spec made from an Ansible inventory."""

from __future__ import annotations

from rehearsal.hosts.errors import RehearsalError
from rehearsal.hosts.spec import Spec


def from_path(path: str) -> Spec:
    raise RehearsalError(f"Reading the inventory {path} is not supported: give --spec FILE.")
