# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of a rehearsal: what a spec may say, what is planned of it, and (``live``) hosts that come up and go.

``data/bad_specs.yml`` holds specs that are refused, with words of the message.
"""
