# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recordings of real Lustre against the simulated one. Importing ``rehearsal_sim`` makes its package importable."""

from __future__ import annotations

from tests import rehearsal_sim as rehearsal_sim
