# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python3 -m rehearsal.hosts``."""

from __future__ import annotations

import sys

from rehearsal.hosts.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
