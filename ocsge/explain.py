"""Say why a place counts as artificialised or not: the polygon it lies in, and the rules behind it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import shapely

from ocsge.errors import DataError, ParameterError
from ocsge.exemptions import CHOSEN
from ocsge.rules import LayerUsage, Rules, load_rules
from ocsge.tables import CORRECTED_USAGE_RULE
from ocsge.territory import check_commune_code
from ocsge.version_layout import RUN, described_by, partition_of, published_polygons

_SHOWN = 12
"""Characters of a fingerprint that a message shows."""


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
    rules: Rules | Path | str | None = None,
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
        Rules of the result, or the directory that overlaid the shipped ones for it; the shipped ones by default, at the
        date that the result names if one was chosen.

    Raises
    ------
    DataError
        When the commune has no result in the workspace, or it was derived by other rules than these: another rule
        would be shown than the one that decided.
    ParameterError
        When the point is not in the commune.
    """
    code = check_commune_code(commune)
    path = published_polygons(Path(workspace), code, millesime)
    law = _rules_of(path, rules, workspace=Path(workspace), code=code)
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


def _rules_of(polygons: Path, rules: Rules | Path | str | None, *, workspace: Path, code: str) -> Rules:
    """Return the rules that a published result was derived by; refuse others."""
    millesime = int(described_by(polygons).years)
    version = polygons.parents[3]
    run = version / partition_of(code, millesime, perimetre=None, kind="runs") / RUN
    if not run.is_file():
        raise DataError(f"{run}: is not there, so the rules of this result are unknown; derive it again")
    told = json.loads(run.read_text(encoding="utf-8"))["rules"]
    if isinstance(rules, Rules):
        law = rules
    else:
        at = dt.date.fromisoformat(told["at"]) if "at" in told else None
        law = load_rules(at, overlay=None if rules is None else Path(rules))
    if law.fingerprint != told["fingerprint"]:
        whose = "the shipped rules of today" if rules is None else "the rules given"
        theirs, ours = told["fingerprint"][:_SHOWN], law.fingerprint[:_SHOWN]
        raise DataError(
            f"{workspace}: commune {code} at {millesime} was derived by the rules {theirs}, not by {whose}, {ours}; "
            "give with --rules the folder it was derived with, or derive it again"
        )
    return law


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
