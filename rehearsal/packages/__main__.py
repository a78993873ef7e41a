# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python3 -m rehearsal.packages --output DIR``: builds what is not built yet and prints the repository's folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rehearsal.packages.build import BuildError, repository


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where repositories are kept")
    try:
        print(repository(parser.parse_args().output.resolve()))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
