"""The rules behind a result, for the pages: only those that decided it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import streamlit as st

from ocsge.rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsge.rules import Rules


@st.cache_resource(show_spinner=False)
def rules_at(at: str | None = None) -> Rules:
    """Return the rules shipped that apply at a date (``2025-01-01``), today by default: labels, colours, matrix."""
    return load_rules(None if at is None else dt.date.fromisoformat(at))


def rules_of(provenance: Mapping[str, Any]) -> Rules | None:
    """Return the rules that a result was derived by; None when they are not those shipped.

    Parameters
    ----------
    provenance
        What the run says of itself (``run.json``).
    """
    told = provenance.get("rules", {})
    rules = rules_at(told.get("at"))
    return rules if rules.fingerprint == told.get("fingerprint") else None
