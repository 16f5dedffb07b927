"""Say why a place counts as artificialised or not: the polygon it lies in, and the rules behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import shapely

from ocsge.errors import ParameterError
from ocsge.exemptions import CHOSEN
from ocsge.rules import LayerUsage, Rules, load_rules
from ocsge.tables import CORRECTED_USAGE_RULE
from ocsge.territory import check_commune_code
from ocsge.version_layout import published_polygons


@dataclass(frozen=True, slots=True)
class Explanation:
    """A place, the polygon it lies in and why that polygon counts or not."""

    polygon_id: str
    """Identifier of the polygon."""

    commune_code: str
    """Commune it belongs to."""

    millesime: int
    """Year of the state."""

    point: tuple[float, float]
    """The place, projected CRS of the result."""

    artif: bool
    """Whether the polygon is artificialised."""

    reason: str
    """Matrix row, threshold case or exemption that decided."""

    couverture: str
    """Code and label of the cover."""

    usage: str
    """Code and label of the usage."""

    usage_rule: str
    """Rule row the usage came from, with its reason and confidence."""

    area_m2: float
    """Area of the polygon, m²."""

    remarks: tuple[str, ...]
    """What makes the answer uncertain, or what could change it."""

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, text) pairs for a reader."""
        state = "artificialised" if self.artif else "not artificialised"
        x, y = self.point
        pairs = [
            ("place", f"{x:.1f}, {y:.1f} in commune {self.commune_code}, millésime {self.millesime}"),
            ("state", state),
            ("reason", self.reason),
            ("couverture", self.couverture),
            ("usage", self.usage),
            ("usage from", self.usage_rule),
            ("polygon", f"{self.polygon_id}, {self.area_m2:,.0f} m²".replace(",", " ")),
        ]
        return [*pairs, *(("remark", remark) for remark in self.remarks)]


def explain(
    workspace: Path | str,
    *,
    commune: str,
    point: tuple[float, float],
    millesime: int | None = None,
    rules: Rules | None = None,
) -> Explanation:
    """Return why a place counts as artificialised or not, from the results kept in a workspace.

    Parameters
    ----------
    workspace
        Folder that holds the results.
    commune
        INSEE code.
    point
        x, y in the projected CRS of the result, metres; or longitude, latitude in degrees.
    millesime
        Year; None takes the last one derived.
    rules
        Rules that label the codes; the shipped ones by default.

    Raises
    ------
    DataError
        When the commune has no result in the workspace.
    ParameterError
        When the point is not in the commune.
    """
    code = check_commune_code(commune)
    path = published_polygons(Path(workspace), code, millesime)
    law = rules or load_rules()
    polygons = gpd.read_parquet(path)
    x, y = point
    if abs(x) <= 180 and abs(y) <= 90:
        placed = gpd.GeoSeries([shapely.Point(x, y)], crs=4326).to_crs(polygons.crs).iloc[0]
    else:
        placed = shapely.Point(x, y)
    found = polygons[polygons.intersects(placed)]
    if found.empty:
        raise ParameterError(f"point {x:g},{y:g} is not in commune {code}; check the order X,Y and the CRS")
    row = found.iloc[0]
    labels = {entry.code: entry.label_fr for entry in (*law.couvertures, *law.usages)}
    step = next((r for r in law.layer_usages if r.order == row["usage_rule"]), None)
    return Explanation(
        polygon_id=str(row["id"]),
        commune_code=code,
        millesime=int(row["millesime"]),
        point=(placed.x, placed.y),
        artif=bool(row["artif"]),
        reason=str(row["reason"]),
        couverture=f"{row['code_cs']} {labels.get(row['code_cs'], '')}",
        usage=f"{row['code_us']} {labels.get(row['code_us'], '')}",
        usage_rule=_usage_rule(int(row["usage_rule"]), step),
        area_m2=float(row["area_m2"]),
        remarks=_remarks(row, spread=step is not None and step.mode == "spread"),
    )


def _usage_rule(order: int, step: LayerUsage | None) -> str:
    if order == CORRECTED_USAGE_RULE:
        return "a local correction (ocsge corrections list)"
    if step is None:
        return f"rule {order}"
    return f"{step.row}: {step.layer}, {step.mode}; {step.reason} (confidence {step.confidence})"


def _remarks(row: gpd.GeoSeries, *, spread: bool) -> tuple[str, ...]:
    remarks = []
    if spread:
        remarks.append(
            "its usage reaches from a building: the reach, and a derived zone construite, are low-confidence values "
            "(ocsge rules sensitivity)"
        )
    if row["crit_seuil"]:
        remarks.append("an interpretation threshold changed the state the matrix gives")
    if row["fragile"]:
        causes = str(row["fragile"]).replace("tree_share", "share of trees near the limit")
        causes = causes.replace("threshold_area", "area near a threshold")
        remarks.append(f"fragile: {causes.replace('edge', 'small group cut by the edge of the data')}")
    if row["artif_min"] != row["artif_max"]:
        remarks.append("its usage comes from a default: another usage would change its state")
    for name in filter(None, str(row["exemption"]).split("+")):
        chosen = f"{CHOSEN}{name}" in row["reason"]
        what = "taken out of the stock after exemptions" if chosen else "could be exempted by the collectivity"
        area = f"{row[f'exempt_{name}_m2']:,.0f} m²".replace(",", " ")
        remarks.append(f"{what}: {name}, {area} of it; the state is that without exemption")
    return tuple(remarks)
