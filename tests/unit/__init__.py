# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logic alone, in seconds: parsers on recordings, plans against a runner that accepts exactly the planned calls.

``cases/*.yml`` hold what differs between tests of one shape (``fake_runner.load_cases``): a new case is data, not code.
``*_support.py``, ``*_model.py`` and ``target_ost.py`` are what several test files share.
"""
