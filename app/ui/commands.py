"""Show a command to copy."""

from __future__ import annotations

from html import escape

import streamlit as st

_STYLE = (
    "margin:0 0 1rem;padding:.75rem 1rem;background:#F6F6F6;color:#161616;border-radius:.5rem;"
    "white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;font-size:.9rem"
)


def show(text: str) -> None:
    """Draw commands, one a line; a click selects them all.

    ``st.code`` would have the browser load a highlighter of code, a second of work before a map is drawn.
    """
    st.html(f'<pre style="{_STYLE}" tabindex="0"><code>{escape(text)}</code></pre>')
