"""Exports: every file a planner takes away, and the link to share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from app import export_files
from app.results import workspace_path
from app.ui import state
from app.ui.french import typographic, years

if TYPE_CHECKING:
    from ocsge.table_exports import Profile

_MIMES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

here = state.territory()
workspace = workspace_path()
when = years(here.pair) if here.pair else str(here.millesime)
st.title("Exports")
st.text(f"{here.nom} ({here.code}), {when}")


def files_of(profile: Profile, communes: list[str] | None) -> dict[str, bytes]:
    """Return the files of an export, of the version that the page shows."""
    return export_files.table_files(workspace, version=here.results.version, profile=profile, communes=communes)


def one_table(profile: Profile, communes: list[str] | None, name: str) -> bytes:
    """Return one file of an export."""
    return files_of(profile, communes)[name]


def every_table(profile: Profile, communes: list[str] | None) -> bytes:
    """Return an archive of an export."""
    return export_files.zipped(files_of(profile, communes))


st.subheader("Rapport imprimable")
st.markdown(
    typographic(
        "Chiffres, cartes, méthode et sources en un fichier, prêt à imprimer au format A4 : de quoi nourrir le rapport "
        "triennal local. Ouvrez-le dans le navigateur, puis imprimez."
    )
)
asked = here.pair or (here.millesime,)
st.download_button(
    "Télécharger le rapport (HTML)",
    data=partial(
        export_files.report_bytes, workspace, version=here.results.version, commune=here.code, millesimes=asked
    ),
    file_name=f"rapport_{here.code}_{'-'.join(map(str, asked))}.html",
    mime="text/html",
    icon=":material/print:",
    type="primary",
    on_click="ignore",
    key="report",
)

st.subheader("Tableaux")
left, right = st.columns(2)
profile = left.selectbox("Format", options=list(export_files.PROFILES), format_func=export_files.PROFILES.__getitem__)
whole = right.selectbox(
    "Territoire", options=[False, True], format_func=("Cette commune", "Toutes les communes").__getitem__
)
chosen = None if whole else [here.code]
with st.container(horizontal=True):
    for name in export_files.table_names(here.results, profile, communes=chosen):
        st.download_button(
            export_files.table_label(name),
            data=partial(one_table, profile, chosen, name),
            file_name=name,
            mime=_MIMES[name.rpartition(".")[2]],
            icon=":material/download:",
            on_click="ignore",
            key=f"table_{profile}_{whole}_{name}",
        )
    if profile != "xlsx":
        st.download_button(
            "Tout, avec les schémas (ZIP)",
            data=partial(every_table, profile, chosen),
            file_name=f"ocsge_{'communes' if whole else here.code}_{profile}.zip",
            mime="application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key=f"zip_{profile}_{whole}",
        )
st.caption(
    typographic(
        "Mêmes fichiers que `ocsge export` : chaque CSV a son schéma, et `sources.csv` dit de quelles données les "
        "chiffres sont tirés. Les surfaces sont en hectares ; une case vide veut dire « inconnu », jamais zéro."
    )
)

st.subheader("Cartes et polygones")
files = export_files.geo_files(here.results, here.code, millesimes=here.millesimes, pair=here.pair)
if not files:
    st.info("Cette commune n'a aucun polygone.")
with st.container(horizontal=True):
    for file in files:
        st.download_button(
            file.label,
            data=file.path.read_bytes,
            file_name=file.name,
            mime=file.mime,
            icon=":material/download:",
            on_click="ignore",
            key=f"file_{file.path.parent.name}_{file.name}",
        )
st.caption(typographic("Le GeoPackage s'ouvre dans QGIS avec ses styles ; le GeoParquet est fait pour les analystes."))

st.subheader("Lien à partager")
parts = urlsplit(st.context.url or "")
home = parts.path.rpartition("/")[0] + "/"
st.code(
    urlunsplit((parts.scheme, parts.netloc, home, urlencode({k: st.query_params[k] for k in ("insee", "m")}), "")),
    language=None,
)
st.caption("Ce lien rouvre la même commune et les mêmes millésimes, pour qui a accès à ce tableau de bord.")
