"""The application that ``ocsge app`` serves: the pages, and the routes that give maps their data.

The file is not ``app.py``: Streamlit imports it under its own name, which would hide the package ``app``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if (_PARENT := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, _PARENT)  # Streamlit puts the folder of this script there, not the one that holds ``app``

from app.routes import ROUTES

# A folder ``pages`` beside the script is an older way to make pages: until ``st.navigation`` has run once, the server
# would open the link of a page as that, without the choice of a commune. No visitor may be the one who meets it.
PagesManager.uses_pages_directory = False

app = st.App(Path(__file__).with_name("main.py"), routes=ROUTES)
