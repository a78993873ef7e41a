# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The simulated Lustre by itself: its daemon, wire, files, storage. Its package is importable as it is in a rehearsal host.

``support.py`` makes nodes of this process, ``fakes.py`` what stands for time and network. Whether the simulation behaves
as real Lustre does is the business of ``tests/contract``.
"""

from __future__ import annotations

import sys
from pathlib import Path

_REHEARSAL = str(Path(__file__).parents[2] / "rehearsal")
if _REHEARSAL not in sys.path:
    sys.path.insert(0, _REHEARSAL)
