"""What the page Carte shows: the choice of a view, its map, its table, and the polygon that it explains.

The address holds it all: ``vue``, ``annee``, ``fond``, ``objet``, beside the commune and the pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import polygon_list, readings
from app.places import Bounds, Place, bounds_of, place_of
from app.routes import map_url
from app.tiles import needs_tiles, tiles_url
from app.ui import french, maps, palettes
from app.ui.law import rules_at, rules_of
from app.ui.pourquoi import change_lines, polygon_lines, verdict
from ocsge.styles import CHANGE_LABELS
from ocsge.tables import M2_PER_HECTARE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from app.ui.palettes import Shade
    from app.ui.pourquoi import Line
    from app.ui.state import Territory

STATE, FLOW, COVER, USAGE = "artificialisation", "flux", "couverture", "usage"
_VIEWS = {STATE: "Artificialisation", FLOW: "Flux", COVER: "Couverture", USAGE: "Usage"}
_PROPERTY = {STATE: "e", COVER: "cs", USAGE: "us"}
_BASEMAPS = {"aucun": "Aucun", "plan": "Plan IGN", "ortho": "Orthophoto"}
_HEADINGS = {"classe": "Classe", "polygones": "Polygones", "surface_ha": "Surface (ha)", "part_pct": "Part (%)"}
_COLON = "\u202f:"
_MOST_WITH_LIMITS = 5_000
"""Polygons beyond which their limits are not drawn: they take as long as the fills, and hide them."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a commune."""

    here: Territory
    """Commune and years."""

    kind: str
    """``artificialisation``, ``flux``, ``couverture`` or ``usage``."""

    millesime: int
    """Year of the polygons; of those behind, in the view of flows."""

    basemap: str | None
    """Key of the background map."""

    table: pd.DataFrame
    """Classes: ``code``, ``classe``, ``polygones``, ``surface_ha``, ``part_pct`` of the commune."""

    shades: tuple[Shade, ...]
    """Every class that there could be."""

    @property
    def when(self) -> str:
        """Name of the map file: a year, or a pair."""
        pair = self.here.pair
        return f"{pair[0]}-{pair[1]}" if self.kind == FLOW and pair is not None else str(self.millesime)

    @property
    def name(self) -> str:
        """Name of a file of this view."""
        return f"{self.here.code}_{self.when}_{self.kind}"

    @property
    def title(self) -> str:
        """Heading of the legend, with its years."""
        years = french.years(self.here.pair) if self.kind == FLOW and self.here.pair else str(self.millesime)
        return f"{_VIEWS[self.kind]}, {years}"

    @property
    def legend(self) -> tuple[Shade, ...]:
        """The classes of this commune, in order; both flows, and what stays, where flows are shown."""
        if self.kind != FLOW:
            return palettes.present(self.shades, self.table["code"])
        return (*self.shades, *palettes.backdrop())

    @property
    def areas(self) -> dict[str, str]:
        """Area of each class, in French."""
        return {
            str(code): french.hectares(ha, 2 if self.kind == FLOW else 1)
            for code, ha in zip(self.table["code"], self.table["surface_ha"], strict=True)
        }

    @property
    def alt(self) -> str:
        """What the map shows, for those who do not see it."""
        told = " ; ".join(
            f"{shade.label} {self.areas[shade.code]}" for shade in self.legend if shade.code in self.areas
        )
        return f"Carte{_COLON} {self.here.nom}. {self.title} : {told}. Le tableau qui suit donne les mêmes surfaces."

    @property
    def path(self) -> Path:
        """GeoParquet of what can be clicked."""
        return _path(self.here, self.kind, self.millesime)


def choose_view(here: Territory) -> View | None:
    """Draw the controls of the map and return the view; None, and a sentence, where there is nothing to draw."""
    left, middle, right = st.columns([9, 4, 7], gap="small")
    with left:
        kind = _choice("Colorer selon", _VIEWS, "vue", STATE)
    years = here.pair or (here.millesime,)
    with middle:
        millesime = here.millesime
        if kind != FLOW and len(years) > 1:
            labels = {str(year): str(year) for year in years}
            millesime = int(_choice("Millésime", labels, "annee", str(here.millesime)))
    with right:
        ground = _choice("Fond de carte", _BASEMAPS, "fond", "aucun", hint="Les fonds de carte viennent d'Internet.")
    if kind == FLOW and here.pair is None:
        st.info(f"Un seul millésime ({here.millesime})\u202f: il n'y a pas de flux à montrer.")
        return None
    if not here.results.holds(_path(here, kind, millesime)):
        when = french.years(here.pair) if kind == FLOW and here.pair else str(millesime)
        st.info(f"Aucune donnée ne décrit le sol de cette commune ({when})\u202f: il n'y a rien à montrer.")
        return None
    table, shades = _flows(here, here.pair) if kind == FLOW and here.pair else _classes(here, kind, millesime)
    if kind == FLOW and table["polygones"].sum() == 0:
        st.info(f"Aucun changement mesuré entre {years[0]} et {years[-1]}.")
    return View(here, kind, millesime, None if ground == "aucun" else ground, table, shades)


def draw(view: View) -> str | None:
    """Draw the map of a view; return the id of the polygon clicked, or that the address names."""
    here = view.here
    if here.results.map_file(here.code, view.when) is None:
        st.warning(
            "Ces résultats ne contiennent pas de carte. Dérivez de nouveau la commune pour que ses cartes soient "
            "préparées."
        )
        return None
    # a polygon chosen in the list makes the map anew, on it and with nothing clicked
    key = f"carte_{here.results.id}_{here.code}_{view.when}_{polygon_list.times_chosen()}"
    chosen = _chosen(key)
    place = _place(view.path, chosen) if chosen else None
    frame = maps.Frame(
        outline=readings.outline(here.results, here.code),
        bounds=_sight(view, key, place),
        aim=place.outline if place else None,
        basemap=view.basemap,
    )
    url = _url(here, view.when)
    if view.kind == FLOW:
        deck = maps.flow_map(url, _url(here, str(view.millesime)), view.shades, frame)
    else:
        few = int(view.table["polygones"].sum()) <= _MOST_WITH_LIMITS
        deck = maps.polygons_map(url, _PROPERTY[view.kind], view.legend, frame, limits=few)
    st.pydeck_chart(deck, height=430, on_select="rerun", selection_mode="single-object", key=key, alt=view.alt)
    return chosen


def explain(view: View, chosen: str | None) -> tuple[str, list[Line]] | None:
    """Return title and lines of what explains a polygon, or None when none is chosen, or known."""
    if not chosen:
        return None
    results, code, pair = view.here.results, view.here.code, view.here.pair
    rules = rules_of(results.provenance(code, view.millesime))
    if view.kind == FLOW and pair is not None:
        row = results.change(code, pair, chosen)
        found = None if row is None else (CHANGE_LABELS.get(row["change"], "Inchangé"), change_lines(row, rules))
    else:
        row = results.polygon(code, view.millesime, chosen)
        found = None if row is None else (f"{verdict(row)} en {view.millesime}", polygon_lines(row, rules))
    if found is None:
        st.caption("Le polygone que nomme l'adresse n'existe pas dans cette vue.")
        return None
    title, lines = found
    return title, [*lines, ("Identifiant", chosen)]


def offer_list(view: View) -> None:
    """Draw the list of the largest polygons of a state; the page Transitions has that of changes."""
    if view.kind != FLOW:
        polygon_list.choose(view.here, view.millesime, rules_at())


def hint(view: View) -> str:
    """Return what to do to have a polygon explained."""
    what = "un changement" if view.kind == FLOW else "un polygone"
    return f"Cliquez {what} de la carte pour lire ce qu'il est, d'où vient son usage et quelle règle décide."


def show_table(view: View) -> None:
    """Draw the classes with their areas, and the button that downloads them."""
    from app.ui import downloads  # noqa: PLC0415

    downloads.show(view.table, _HEADINGS, view.name, width="stretch")


def _choice(label: str, options: dict[str, str], name: str, default: str, *, hint: str | None = None) -> str:
    """Draw a choice that the address keeps; the default stays out of the address."""
    key = f"carte_{name}"
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(name, default)
        st.session_state[key] = asked if asked in options else default
    chosen = st.segmented_control(
        label, list(options), format_func=options.__getitem__, key=key, help=hint, required=True
    )
    chosen = chosen or default
    if chosen == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = chosen
    return chosen


def _chosen(key: str) -> str | None:
    """Return the polygon that the page explains: the one clicked last, or that of the address until a click.

    The selection is read before the map is drawn, which then outlines it in the same run.
    """
    selection = st.session_state.get(key, {}).get("selection", {})
    picked = [found["properties"]["id"] for objects in selection.get("objects", {}).values() for found in objects]
    seen = f"{key}_clicked"
    if picked:
        st.session_state[seen] = True
        st.query_params["objet"] = str(picked[0])
    elif st.session_state.pop(seen, False):
        st.query_params.pop("objet", None)  # a click beside every polygon lets the last one go
    return st.query_params.get("objet")


def _url(here: Territory, when: str) -> str:
    """Return where a map reads its polygons: one file, or tiles where they are too many for a browser."""
    address = tiles_url if needs_tiles(here.results, here.code, when) else map_url
    return address(here.results, here.code, when)


def _sight(view: View, key: str, place: Place | None) -> Bounds:
    """Return what is in sight at first; a click does not move the map, a link to a polygon opens on it."""
    if (kept := f"{key}_sight") not in st.session_state:
        st.session_state[kept] = maps.widened(place.bounds) if place else _bounds(view)
    sight: Bounds = st.session_state[kept]
    return sight


def _bounds(view: View) -> Bounds:
    return bounds_of(view.here.results.polygons_path(view.here.code, view.millesime))


def _path(here: Territory, kind: str, millesime: int) -> Path:
    if kind == FLOW and here.pair is not None:
        return here.results.changes_path(here.code, here.pair)
    return here.results.polygons_path(here.code, millesime)


def _place(path: Path, polygon_id: str) -> Place | None:
    return place_of(path, polygon_id) if path.is_file() else None


def _classes(here: Territory, kind: str, millesime: int) -> tuple[pd.DataFrame, tuple[Shade, ...]]:
    rows = readings.classes(here.results, here.code, millesime)
    rules = rules_at()
    if kind == COVER:
        shades, codes = palettes.couvertures(rules), rows["code_cs"]
    elif kind == USAGE:
        shades, codes = palettes.usages(rules), rows["code_us"]
    else:
        shades = palettes.states()
        codes = rows["artif"].map({True: "a", False: "n"})
        codes = codes.where(~rows["crit_seuil"], codes.map({"a": "as", "n": "ns"}))
    sums = rows.assign(code=codes).groupby("code")[["polygons", "area_m2"]].sum()
    return _table(sums, palettes.present(shades, sums.index), float(rows["area_m2"].sum())), shades


def _flows(here: Territory, pair: tuple[int, int]) -> tuple[pd.DataFrame, tuple[Shade, ...]]:
    shades = palettes.flows()
    moved = readings.change_classes(here.results, here.code, pair)
    codes = moved["change"].map({"gain": "gain", "loss": "perte"})
    sums = moved.set_index(codes)[["polygons", "area_m2"]].reindex(["gain", "perte"], fill_value=0)
    whole = float(here.stock_at(here.millesime)["surface_ha"]) * M2_PER_HECTARE
    return _table(sums, shades, whole), shades


def _table(sums: pd.DataFrame, shades: Sequence[Shade], whole_m2: float) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    known = sums.loc[[shade.code for shade in shades]]
    return pd.DataFrame(
        {
            "code": [shade.code for shade in shades],
            "classe": [shade.label for shade in shades],
            "polygones": known["polygons"].astype(int).to_numpy(),
            "surface_ha": (known["area_m2"] / M2_PER_HECTARE).to_numpy(),
            "part_pct": (100 * known["area_m2"] / whole_m2).to_numpy(),
        }
    )
