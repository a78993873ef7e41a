# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of Sphinx for the documentation site; tools/docs.py puts the pages beside a copy of this file."""

project = "lustre.core"
author = project_copyright = "lustre.core contributors"
html_title = html_short_title = "lustre.core"

extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
# The few places of Ansible's own documentation that the pages refer to: from a file, as a build must not need the network.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/projects/ansible/latest/", "ansible.inv")}
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}

# Headings of the guides are targets of links, as they are where a forge shows the files.
myst_heading_anchors = 4

html_theme = "sphinx_ansible_theme"
html_theme_options = {"collapse_navigation": False, "navigation_depth": 3, "topbar_links": {}}
pygments_style = "ansible"
# Blocks of another language say which; the others are drawings and commands.
highlight_language = "text"
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = False

default_role = "any"
# A reference that leads nowhere is a warning, and the build takes none.
nitpicky = True
