"""The usual map of a Streamlit application: the polygons read by geopandas, their data in the description of the map.

``streamlit run benchmarks/naive_map.py -- FILE.parquet`` shows them. The dashboard is measured beside it.
"""

from __future__ import annotations

import sys

import geopandas as gpd
import pydeck
import streamlit as st

st.title("Carte")
polygons = gpd.read_parquet(sys.argv[1], columns=["id", "artif", "code_cs", "code_us", "geometry"]).to_crs(4326)
polygons["colour"] = polygons["artif"].map({True: [213, 94, 0], False: [232, 232, 232]})
xmin, ymin, xmax, ymax = polygons.total_bounds
layer = pydeck.Layer("GeoJsonLayer", data=polygons.__geo_interface__, get_fill_color="properties.colour", pickable=True)
view = pydeck.ViewState(longitude=(xmin + xmax) / 2, latitude=(ymin + ymax) / 2, zoom=11)
st.pydeck_chart(pydeck.Deck(layers=[layer], initial_view_state=view, map_provider=None), height=600)
