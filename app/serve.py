"""The application that ``ocsge app`` serves: the pages, and the routes that give maps their data.

The file is not ``app.py``: Streamlit imports it under its own name, which would hide the package ``app``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from threading import Thread

import streamlit as st
from starlette.middleware import Middleware

if (_PARENT := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, _PARENT)  # Streamlit puts the folder of this script there, not the one that holds ``app``
if (_HERE := str(Path(__file__).parent)) in sys.path:
    sys.path.remove(_HERE)  # first on the path, ``results`` or ``places`` would hide modules of others;
    sys.path.append(_HERE)  # absent from it, Streamlit would put it first again at each run

from app.hosts import OF_THIS_MACHINE, OwnHosts
from app.preload import PreloadMap
from app.routes import ROUTES

_OF_PAGES = ("altair", "pydeck", "app.map_page", "app.ui.charts", "app.ui.composition", "app.ui.state")


def _warm() -> None:
    """Import what the pages need while the browser loads its own part: the first visitor does not wait for it."""
    for name in _OF_PAGES:
        importlib.import_module(name)


Thread(target=_warm, name="warm", daemon=True).start()
_NAMES = st.get_option("server.allowedHosts") or OF_THIS_MACHINE
app = st.App(
    Path(__file__).with_name("main.py"),
    routes=ROUTES,
    middleware=[Middleware(OwnHosts, names=_NAMES), Middleware(PreloadMap)],
)
