# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A simulated Lustre 2.17.0: tools and a "kernel" that answer as the real ones were recorded to answer."""

from __future__ import annotations

VERSION = "2.17.0"
