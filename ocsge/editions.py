"""Refuse two editions of one ground, and say which editions do not describe the millésime."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import shapely

from ocsge.catalog import Source, load_catalog
from ocsge.errors import LayerError
from ocsge.layers import ReadReport, read_layer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from ocsge.domain import Domain

SAME_SHARE = 0.5
"""Share of the features of two deliveries that stand at one place above which they describe the same ground.

Two editions share nearly all; two départements only what crosses their border."""
FEWEST_SAME = 10
"""Features at one place below which nothing is concluded: a few may cross the border of two départements."""
SAME_PLACE_M = 1.0
"""Distance within which a point of a feature is at the place of another feature, metres."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a reader of a result must know of a delivery."""

    flag: str
    """Flag of the stock."""

    text: str
    """One line for the terminal and ``run.json``."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Files of one family (``bd_topo``, ``rpg``) and one edition; of one file, where none is known."""

    family: str
    edition: str | None
    sources: list[Source] = field(default_factory=list)


def check_editions(
    sources: Sequence[Source],
    *,
    layers: Collection[str],
    domain: Domain,
    millesime: int,
    assume_crs: int | None = None,
) -> tuple[Remark, ...]:
    """Return what to remark of the editions of the sources that meet the territory.

    Editions are the dates in the names of files and folders; without any, nothing is remarked.

    Parameters
    ----------
    sources
        Registered files.
    layers
        Layers that the run reads, without the communes (of which the latest edition decides).
    domain
        Gives the territory.
    millesime
        Year described.
    assume_crs
        CRS of files that declare none.

    Raises
    ------
    LayerError
        When two editions of one product describe the territory: their objects would add up.
    """
    ground = _Ground(domain, assume_crs)
    deliveries = _deliveries(sources, layers)
    for first, second in combinations(deliveries, 2):
        if first.family == second.family and ground.is_shared(first, second):
            names = " and ".join(f"{d.sources[0].path} (edition {d.edition or 'unknown'})" for d in (first, second))
            raise LayerError(
                f"{names}: two editions of {first.family} over the same ground, whose objects would add up; keep one, "
                "with `ocsge catalog remove PATH --workspace FOLDER`"
            )
    remarks = [(delivery, _remark(delivery, millesime)) for delivery in deliveries]
    return tuple(remark for delivery, remark in remarks if remark is not None and ground.is_met(delivery))


def check_dates(reports: Sequence[ReadReport], *, millesime: int) -> tuple[Remark, ...]:
    """Return what to remark when a millésime lies outside every date of the data: of its editions and its objects.

    Says nothing of data without dates, nor of an old edition, which :func:`check_editions` remarks.

    Parameters
    ----------
    reports
        What reading the layers that decide met.
    millesime
        Year described.
    """
    first = min((report.first_recorded for report in reports if report.first_recorded is not None), default=millesime)
    dated = [report.last_dated for report in reports if report.last_dated is not None]
    editions = [int(source.edition[:4]) for report in reports for source in report.sources if source.edition]
    last = max([*dated, *editions]) if dated else millesime
    if millesime < first:
        when, what = "before", f"the oldest object was recorded in {first}: nearly all the ground is missing"
    elif millesime > last:
        when, what = "after", f"the latest date is of {last}: what was built since is missing"
    else:
        return ()
    return (Remark("outside_data", f"millésime {millesime} is {when} every date of the data; {what}"),)


def _deliveries(sources: Sequence[Source], layers: Collection[str]) -> list[_Delivery]:
    found: dict[tuple[str, str], _Delivery] = {}
    seen = set()
    for source in sources:
        content = (source.layer, source.layer_name, source.sha256)
        if source.layer not in layers or content in seen:
            continue
        seen.add(content)
        family = source.layer.partition(":")[0]
        key = (family, source.edition or str(source.path))
        found.setdefault(key, _Delivery(family, source.edition)).sources.append(source)
    return list(found.values())


def _remark(delivery: _Delivery, millesime: int) -> Remark | None:
    """Return what the date of a delivery says against its use at a millésime."""
    if delivery.edition is None:
        return None
    year = int(delivery.edition[:4])
    source = delivery.sources[0]
    product = load_catalog().product(source.product)
    where = f"{source.path.name}: {product.title}, edition {delivery.edition}"
    if product.edition_holds == "past" and year < millesime:
        return Remark(
            "old_edition", f"{where}, is older than the millésime {millesime}: what was built since is missing"
        )
    if product.edition_holds == "year" and year != millesime:
        return Remark("other_year", f"{where}, describes {year}, not the millésime {millesime}")
    return None


class _Ground:
    """The features of deliveries on the territory, read when they are first needed."""

    def __init__(self, domain: Domain, assume_crs: int | None) -> None:
        self._domain = domain
        self._assume_crs = assume_crs
        self._read: dict[Source, NDArray[np.object_]] = {}

    def is_met(self, delivery: _Delivery) -> bool:
        """Return whether a delivery has a feature on the territory."""
        return any(len(self._features(source)) for source in delivery.sources)

    def is_shared(self, first: _Delivery, second: _Delivery) -> bool:
        """Return whether most features of two deliveries, layer by layer, stand at the same places."""
        total, same = np.zeros(2), np.zeros(2)
        for layer in {source.layer for source in first.sources} & {source.layer for source in second.sources}:
            a, b = (self._of_layer(delivery, layer) for delivery in (first, second))
            total += (len(a), len(b))
            if len(a) and len(b):
                same += (_at_one_place(a, b), _at_one_place(b, a))
        return bool(same.min() >= FEWEST_SAME and (same >= SAME_SHARE * total).all())

    def _of_layer(self, delivery: _Delivery, layer: str) -> NDArray[np.object_]:
        parts = [self._features(source) for source in delivery.sources if source.layer == layer]
        return np.concatenate(parts)

    def _features(self, source: Source) -> NDArray[np.object_]:
        if source not in self._read:
            territory = self._domain.territory
            frame = read_layer(
                [source],
                source.layer,
                bounds=tuple(shapely.bounds(territory).tolist()),
                epsg=self._domain.grid.epsg,
                millesime=None,
                assume_crs=self._assume_crs,
            ).frame
            shapes = np.asarray(frame.geometry.values, dtype=object)
            shapely.prepare(territory)
            self._read[source] = shapes[shapely.intersects(territory, shapes)]
        return self._read[source]


def _at_one_place(features: NDArray[np.object_], others: NDArray[np.object_]) -> int:
    """Return how many features have a point of theirs at the place of another one."""
    points = shapely.point_on_surface(features)
    met, _ = shapely.STRtree(others).query(points, predicate="dwithin", distance=SAME_PLACE_M)
    return len(np.unique(met))
