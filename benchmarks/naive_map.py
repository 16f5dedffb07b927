"""The usual map of a Streamlit application: the polygons read by geopandas, their data in the description of the map.

``streamlit run benchmarks/naive_map.py -- FILE.parquet COLUMN`` shows them, the darker the larger their value in a
column, true or false included. The dashboard is measured beside it.
"""

from __future__ import annotations

import math
import sys

import geopandas as gpd
import pydeck
import streamlit as st

file, column = sys.argv[1:]
st.title("Carte")
polygons = gpd.read_parquet(file).to_crs(4326)
rank = polygons[column].astype(float).rank(pct=True)
polygons = polygons[["geometry"]].assign(
    value=polygons[column], colour=[[232 - int(19 * one), 232 - int(138 * one), 232 - int(232 * one)] for one in rank]
)
xmin, ymin, xmax, ymax = polygons.total_bounds
layer = pydeck.Layer(
    "GeoJsonLayer",
    data=polygons.__geo_interface__,
    get_fill_color="properties.colour",
    pickable=True,
    stroked=False,  # the dashboard draws no limits of so many polygons either; by default pydeck does
)
zoom = math.log2(250 / max(xmax - xmin, ymax - ymin))  # a place fills the window
view = pydeck.ViewState(longitude=(xmin + xmax) / 2, latitude=(ymin + ymax) / 2, zoom=zoom)
st.pydeck_chart(pydeck.Deck(layers=[layer], initial_view_state=view, map_provider=None), height=600)
