# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recordings of real Lustre, replayed on the simulated one; ``test_contract.py`` says how a recording is added.

``transcripts`` holds the recordings, ``sessions`` which of them are replayed, in which order and on which host,
``masks.yml`` what differs from run to run, ``excused.yml`` what is not replayed, by reason.
Importing ``tests.rehearsal_sim`` makes the simulation's package importable.
"""

from __future__ import annotations

from tests import rehearsal_sim as rehearsal_sim
