"""The application that ``ocsge app`` serves: the pages, and the routes that give maps their data.

The file is not ``app.py``: Streamlit imports it under its own name, which would hide the package ``app``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

if (_PARENT := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, _PARENT)  # Streamlit puts the folder of this script there, not the one that holds ``app``

from app.routes import ROUTES

app = st.App(Path(__file__).with_name("main.py"), routes=ROUTES)
