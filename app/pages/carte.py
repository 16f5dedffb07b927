"""Page being built."""

import streamlit as st

st.title("À venir")
