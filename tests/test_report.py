"""The printable report says what the CSV files say, holds all it shows, and runs nothing that a name holds."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from village import CODE, FIRST, LAST

from ocsge import report_figures
from ocsge.catalog import embedded_credits
from ocsge.cli.report import report as report_command
from ocsge.errors import DataError, ParameterError
from ocsge.flag_texts import FLAGS_FR, flag_sentences
from ocsge.french import typographic
from ocsge.imports import import_file
from ocsge.legal_notice import DEMONSTRATION, NOT_OFFICIAL
from ocsge.report import local_report
from ocsge.report_page import Html, bars, bullets, figure, paragraph, picture, table
from ocsge.rules import load_rules
from ocsge.store import Workspace
from ocsge.threshold_drawing import threshold_cases, threshold_svg

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

HOSTILE = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """Collects the tags, their attributes, and the figures by the heading of their row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.figures: dict[str, list[str]] = {}
        self._row, self._inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attributes)
        self.links += [str(given[name]) for name in ("src", "href", "srcset") if name in given]
        if tag == "th" and given.get("scope") == "row":
            self._row, self._inside = "", True
        if tag == "data":
            self.figures.setdefault(self._row, []).append(str(given["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "th":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._row += data


def workspace_of(derivation: Derivation) -> Path:
    return derivation.version.parents[1]


def csv_row(derivation: Derivation, name: str, year: int | None = None) -> pd.Series:
    rows = pd.read_csv(derivation.version / f"{name}.csv", dtype="str")
    return rows.iloc[0] if year is None else rows[rows["millesime"] == str(year)].iloc[0]


@pytest.fixture(scope="module")
def pair(village_pair: Derivation) -> Reader:
    return Reader(local_report(workspace_of(village_pair), commune=CODE))


def test_the_figures_of_the_report_are_those_of_the_csv(pair: Reader, village_pair: Derivation) -> None:
    stock, flow = csv_row(village_pair, "stock", LAST), csv_row(village_pair, "flow")
    assert pair.figures[f"Surface artificialisée en {LAST}"] == [stock["stock_ha"]]
    assert pair.figures[f"Surface artificialisée en {FIRST}"] == [flow["stock_1_ha"]]
    assert pair.figures["Part du territoire"] == [stock["part_pct"]]
    assert pair.figures["Artificialisation nette"] == [flow["net_ha"]]
    assert pair.figures["Artificialisation nette par an"] == [flow["net_ha_an"]]
    assert pair.figures[f"Devenue artificialisée, {FIRST}–{LAST}"] == [flow["gain_ha"]]
    assert pair.figures[f"Surfaces imperméables en {LAST}"] == [flow["stock_impermeable_2_ha"]]


def test_the_car_park_of_60_m_by_60_m_is_0_36_ha_of_gain_in_category_2(pair: Reader) -> None:
    second = next(values for row, values in pair.figures.items() if row.startswith("2 – "))
    assert second[2] == "0.3600"
    assert pair.figures["Total"][2] == pair.figures["Artificialisation nette"][0]


def test_the_composition_is_that_of_the_long_table(pair: Reader, village_pair: Derivation) -> None:
    rows = pd.read_csv(village_pair.version / "stock_long.csv", dtype="str")
    rows = rows[(rows["millesime"] == str(LAST)) & (rows["dimension"] == "couverture")]
    for _, row in rows.iterrows():
        found = next(values for name, values in pair.figures.items() if name.startswith(f"{row['code']} "))
        assert found == [row["area_ha"], row["artif_area_ha"]]


def test_the_report_holds_all_it_shows(pair: Reader) -> None:
    assert pair.tags.count("img") == 2
    assert all(link.startswith("data:image/png;base64,") for link in pair.links)
    assert not {"script", "link", "iframe", "object"} & set(pair.tags)


def test_two_reports_of_one_version_are_the_same_bytes(village_pair: Derivation) -> None:
    assert local_report(workspace_of(village_pair), commune=CODE) == local_report(
        workspace_of(village_pair), commune=CODE
    )


def test_the_report_says_method_sources_limits_and_notice(village_pair: Derivation) -> None:
    text = local_report(workspace_of(village_pair), commune=CODE)
    for words in (
        "n'est pas une règle de constructibilité",
        "batiment.gpkg",
        "R.2231-1",
        "zone construite est estimée",
    ):
        assert words in text
    assert load_rules().fingerprint[:12] in text
    assert str(workspace_of(village_pair)) not in text


def test_a_generated_commune_is_called_a_demonstration_and_a_real_one_is_not(
    village_pair: Derivation, tmp_path: Path
) -> None:
    real = local_report(workspace_of(village_pair), commune=CODE)
    assert typographic(DEMONSTRATION) not in real
    assert typographic(NOT_OFFICIAL) in real
    workspace = tmp_path / "w"
    shutil.copytree(workspace_of(village_pair), workspace, symlinks=True)
    digest, credit = next(iter(embedded_credits().items()))
    for path in workspace.glob("versions/*/runs/*/*/run.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        run["sources"] = [{**source, "sha256": digest} for source in run["sources"]]
        run["classes"]["model"] = "m1"
        path.chmod(0o644)
        path.write_text(json.dumps(run), encoding="utf-8")
    text = local_report(workspace, commune=CODE)
    assert text.count(typographic(DEMONSTRATION)) == 2
    for words in (credit, "Classes du sol : modèle m1"):
        assert words in text
    for words in (typographic(NOT_OFFICIAL), "IGN – BD TOPO®", "Licence Ouverte"):
        assert words not in text


def test_without_enaf_the_report_says_so_and_with_it_lays_it_out(village_pair: Derivation, tmp_path: Path) -> None:
    assert "Aucune donnée de consommation d'ENAF" in local_report(workspace_of(village_pair), commune=CODE)
    workspace = tmp_path / "w"
    workspace.mkdir()
    for name in ("versions", "CURRENT"):
        (workspace / name).symlink_to(workspace_of(village_pair) / name)
    years = {f"naf{year % 100:02d}art{(year + 1) % 100:02d}": "1000" for year in range(2011, 2024)}
    pd.DataFrame([{"idcom": CODE, **years}]).to_csv(tmp_path / "enaf.csv", index=False, sep=";")
    import_file(tmp_path / "enaf.csv", workspace, kind="enaf")
    read = Reader(local_report(workspace, commune=CODE, guaranteed=False, reduction_pct=50))
    assert read.figures["2021"] == ["0.1000", "0.62"]
    assert read.figures["Consommation permise sur la tranche"] == ["0.5000"]
    kept = workspace / "imports" / "enaf.parquet"
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(DataError, match="is not the table that was imported"):
        local_report(workspace, commune=CODE)


def test_of_two_pairs_that_end_the_same_year_the_flow_is_that_of_the_one_asked() -> None:
    flows = pd.DataFrame({"millesime_1": [2016, 2019], "millesime_2": [2022, 2022], "net_ha": [6.0, 1.0]})
    assert report_figures._flow_of(flows, (2016, 2022))["net_ha"] == 6.0
    assert report_figures._flow_of(flows, (2019, 2022))["net_ha"] == 1.0


def test_one_millesime_has_no_flow_and_no_change_is_told(village_alone: Derivation, village_still: Derivation) -> None:
    alone = local_report(workspace_of(village_alone), commune=CODE)
    assert "Un seul millésime est disponible" in alone
    assert "Artificialisation nette par an" not in alone
    assert "Aucun sol n'a changé d'état" in local_report(workspace_of(village_still), commune=CODE)


def test_a_commune_without_data_has_a_report_without_figures(village_pair: Derivation, tmp_path: Path) -> None:
    workspace = shutil.copytree(workspace_of(village_pair), tmp_path / "w")

    def fill(folder: Path) -> None:
        for path in folder.glob("tables/*/*/*.parquet"):
            table = pd.read_parquet(path, partitioning=None)
            path.unlink()
            unknown = dict.fromkeys(table.select_dtypes("float").columns, float("nan"))
            table.assign(**unknown, **({"flags": "no_data"} if "flags" in table else {})).to_parquet(path, index=False)

    Workspace(workspace).publish_version(fill, carry=lambda path: path.parts[0] in {"tables", "runs"})
    text = local_report(workspace, commune=CODE)
    assert "aucun chiffre ne peut être donné" in text
    assert text.count("Aucune donnée ne décrit le sol de la commune, 2019–2022") == 3


def test_a_commune_or_years_without_result_are_refused(village_pair: Derivation) -> None:
    workspace = workspace_of(village_pair)
    with pytest.raises(DataError, match="holds no result of commune 99999"):
        local_report(workspace, commune="99999")
    with pytest.raises(ParameterError, match="no result of 2016-2019; it holds 2019, 2022, 2019-2022"):
        local_report(workspace, commune=CODE, millesimes=(2016, 2019))


def test_the_command_writes_the_very_report(village_pair: Derivation, tmp_path: Path) -> None:
    out, workspace = tmp_path / "rapport.html", workspace_of(village_pair)
    arguments = ["--commune", CODE, "--workspace", str(workspace), "--millesime", "2022", "--millesime", "2019"]
    result = CliRunner().invoke(report_command, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert result.output == f"{out}\n"
    assert out.read_text(encoding="utf-8") == local_report(workspace, commune=CODE)


def test_hostile_texts_are_shown_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    parts = (
        paragraph(HOSTILE),
        bullets([HOSTILE]),
        table([HOSTILE], [[HOSTILE, HOSTILE]], caption=HOSTILE),
        bars([(HOSTILE, 1.0)], title=HOSTILE, colours=("#000091", "#000091")),
        picture(tmp_path / "a.png", alt=HOSTILE),
    )
    for part in parts:
        assert "<script>" not in part
        assert "script" not in Reader(part).tags
        assert "&lt;script&gt;" in part or "alt=" in part


def test_a_figure_shows_french_and_carries_the_value_of_the_files() -> None:
    assert figure(4.63533) == '<data value="4.6353">4,64\u202fha</data>'
    assert figure(15.2278, "%") == '<data value="15.23">15,23\u202f%</data>'
    assert figure(-0.00001, difference=True).startswith('<data value="0.0000">')
    assert figure(None) == figure(float("nan")) == "–"
    assert isinstance(figure(1.0), Html)


def test_bars_without_values_draw_nothing_and_a_loss_goes_to_the_left() -> None:
    assert bars([("a", 0.0)], title="t", colours=("#000", "#fff")) == ""
    drawn = bars([("gain", 2.0), ("perte", -1.0)], title="t", colours=("#d55e00", "#0072b2"))
    first, second = (float(left) for left in re.findall(r'<rect x="([\d.]+)"', drawn))
    assert second < first
    assert drawn.count("#0072b2") == 1


def test_the_thresholds_are_drawn_with_the_areas_of_the_rules() -> None:
    rules = load_rules(changes={"interpretation_threshold.surface_m2": 1234.0})
    assert "1\u202f234\u202fm²" in threshold_cases(rules)[0][0]
    drawn = threshold_svg(rules)
    assert "1\u202f234" in drawn
    assert drawn.count("<rect") == 12


def test_every_flag_of_a_stock_has_a_french_sentence() -> None:
    assert flag_sentences("") == []
    assert flag_sentences("preview+preview") == [
        "Calcul à une résolution grossière\u202f: un aperçu, pas un chiffre à citer."
    ]
    assert flag_sentences("unheard") == ["Signalement «\u202funheard\u202f»."]
    assert {"default_cover", "anchored", "coverage<99.5", "local_corrections"} <= set(FLAGS_FR)
