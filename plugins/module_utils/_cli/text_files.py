# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text files of the node that others write, too: configuration, and what the kernel shows as files."""

from __future__ import annotations


def text_or_empty(path: str) -> str:
    """A file's text, empty when it is not there; bytes that are no UTF-8 are kept as escapes. Raises OSError for the rest."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
