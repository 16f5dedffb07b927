"""The page Carte on the village: classes and areas a person can check, empty states told, the address kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_app_pages import opened
from village import CAR_PARK_M2, CODE

from app import polygon_list
from app.results import Results

if TYPE_CHECKING:
    from ocsge.derivation import Derivation


def classes(app: object) -> dict[str, float]:
    """Return the area of each class of the table, ha."""
    frame = app.dataframe[0].value  # type: ignore[attr-defined]
    return dict(zip(frame["Classe"], frame["Surface (ha)"], strict=True))


def test_the_classes_of_every_view_sum_to_the_commune(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for view in ("artificialisation", "couverture", "usage"):
        app = opened(village_pair, monkeypatch, "carte", insee=CODE, vue=view)
        assert sum(classes(app).values()) == pytest.approx(16)


def test_the_flow_is_the_car_park(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, vue="flux")
    assert classes(app) == {"Devenu artificialisé": pytest.approx(CAR_PARK_M2 / 1e4), "Désartificialisé": 0}


def test_the_first_millesime_has_no_car_park(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    before = classes(opened(village_pair, monkeypatch, "carte", insee=CODE, vue="couverture", annee="2019"))
    after = classes(opened(village_pair, monkeypatch, "carte", insee=CODE, vue="couverture"))
    assert set(after) - set(before) == {"Zones non bâties (Routes, places, parking…)"}


def test_one_millesime_has_no_flow_and_says_so(village_alone: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_alone, monkeypatch, "carte", insee=CODE, vue="flux")
    assert "Un seul millésime (2022)" in app.info[0].value
    assert not app.dataframe


def test_no_change_is_told(village_still: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_still, monkeypatch, "carte", insee=CODE, vue="flux")
    assert "Aucun changement mesuré entre 2019 et 2022" in app.info[0].value
    assert set(classes(app).values()) == {0}


def test_a_view_that_does_not_exist_is_the_first_one(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, vue="<script>", annee="1900", fond="evil.example")
    assert "Artificialisé" in classes(app)
    assert "vue" not in app.query_params


def test_a_link_to_a_polygon_explains_it(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    change = str(Results(village_pair.version).changes(CODE, (2019, 2022), most=1).iloc[0]["id"])
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, vue="flux", objet=change)
    told = [block.proto.body for block in app.get("html")]
    assert any(change in text and "Devenu artificialisé" in text for text in told)


def test_a_link_to_a_polygon_that_is_not_there_says_so(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, objet="12001-2022-999999")
    assert any("n'existe pas dans cette vue" in caption.value for caption in app.caption)


def listed(app: object) -> object:
    """Return the list of the largest polygons."""
    return next(box for box in app.main.selectbox if box.label == polygon_list.LABEL)  # type: ignore[attr-defined]


def explained(app: object) -> str:
    """Return the panels of the page."""
    return " ".join(block.proto.body for block in app.get("html"))  # type: ignore[attr-defined]


def test_a_polygon_chosen_in_the_list_is_explained_without_a_click_on_the_map(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Results(village_pair.version).largest_polygons(CODE, 2022)
    app = opened(village_pair, monkeypatch, "carte", insee=CODE)
    assert "objet" not in app.query_params
    for place in (0, 1):
        listed(app).select_index(place).run()  # type: ignore[attr-defined]
        assert "".join(app.query_params["objet"]) == rows["id"].iloc[place]
        assert str(rows["id"].iloc[place]) in explained(app)


def test_the_list_leaves_a_link_as_it_is_until_something_is_chosen(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Results(village_pair.version).largest_polygons(CODE, 2022)
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, objet=str(rows["id"].iloc[2]))
    assert str(rows["id"].iloc[2]) in explained(app)
    assert listed(app).value is None  # type: ignore[attr-defined]


def test_the_flow_has_no_such_list_the_page_transitions_has_it(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, "carte", insee=CODE, vue="flux")
    assert all(box.label != polygon_list.LABEL for box in app.main.selectbox)
