"""French sentences: figures in words, one sentence a flag, typography, and texts of the data that stay texts."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from app.ui import texts
from ocsge.flag_texts import FLAGS_FR
from ocsge.french import typographic

DOCUMENTS = Path(__file__).parents[1] / "docs"
NARROW = "\u202f"


def documented_flags(document: str, heading: str) -> set[str]:
    """Return the flags of the table that follows a heading row of a document."""
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    found: set[str] = set()
    for table in text.split(heading)[1:]:
        for line in table.split("\n\n")[0].splitlines():
            found |= set(re.findall(r"`([^`]+)`", line.split("|")[1])) if line.startswith("| `") else set()
    return found


def stock(**figures: object) -> pd.Series:
    row = {"millesime": 2022, "stock_ha": 194.8075, "part_pct": 15.23, "source": "derived", "model": ""}
    return pd.Series({**row, "rules_version": "4cb5", **figures}, dtype=object)


def flow(gain: float, loss: float) -> pd.Series:
    net = gain - loss
    return pd.Series({"gain_ha": gain, "loss_ha": loss, "net_ha": net, "net_ha_an": net / 3})


def test_every_flag_of_the_results_has_a_french_sentence() -> None:
    flags = documented_flags("results.md", "| flag | meaning |")
    assert len(flags) > 10
    assert flags <= set(FLAGS_FR)


@pytest.mark.parametrize("flag", ["incomplete", "no_data", "coverage_unknown", "mixed_millesimes", "mixed_cog"])
def test_a_flag_of_a_territory_has_a_french_sentence(flag: str) -> None:
    assert flag in documented_flags("territories.md", "| flag | meaning |")
    assert flag in FLAGS_FR


def test_flags_are_said_once_each_in_their_order() -> None:
    said = texts.flag_sentences("preview+default_cover+preview")
    assert said == [typographic(FLAGS_FR[name]) for name in ("preview", "default_cover")]


@pytest.mark.parametrize("nothing", ["", None, float("nan")])
def test_no_flag_is_no_sentence(nothing: object) -> None:
    assert texts.flag_sentences(nothing) == []


def test_an_unknown_flag_is_shown_harmless() -> None:
    assert texts.flag_sentences("new[x](y)") == [f"Signalement «{NARROW}new\\[x\\]\\(y\\){NARROW}»."]


def test_high_punctuation_has_a_narrow_space_before_it() -> None:
    written = typographic("Quoi ? Ceci : « cela » ; 5 % !")
    assert written == f"Quoi{NARROW}? Ceci{NARROW}: «{NARROW}cela{NARROW}»{NARROW}; 5{NARROW}%{NARROW}!"


def test_every_shipped_sentence_is_french_typography() -> None:
    for sentence in (*FLAGS_FR.values(), *texts.COMPLIANCE.values(), texts.NOT_OFFICIAL, texts.TWO_MEASURES):
        assert sentence.endswith(".")
        assert not re.search(
            r"\S[;?!]| [:;?!]", typographic(sentence).replace(f"{NARROW};", "").replace(f"{NARROW}:", "")
        )


@pytest.mark.parametrize(
    "hostile", ["<script>", "[a](b)", "![a](b)", "**a**", "`a`", "$a$", ":red[a]", "# a", "| a |", "~a~", "1. a"]
)
def test_a_text_of_the_data_is_no_markdown(hostile: str) -> None:
    shown = texts.markdown(hostile)
    assert re.sub(r"\\(.)", r"\1", shown) == hostile
    assert not re.search(r"(?<!\\)[<>\[\]*`$:#|~]", shown)


@pytest.mark.parametrize("address", ["https://a.fr", "http://a.fr", "www.a.fr", "a@b.fr"])
def test_an_address_in_a_text_of_the_data_is_no_link(address: str) -> None:
    shown = texts.markdown(address).replace("\\", "")
    assert shown.replace("\u2060", "") == address
    assert not re.search(r"https?:|www\.|\w@", shown)


def test_a_mayor_can_quote_the_summary() -> None:
    said = texts.summary("Olemps", stock(), flow(4.635, 0.037), (2019, 2022))
    assert said.replace(NARROW, " ") == (
        "En 2022, **194,8 ha** sont artificialisés à Olemps, soit **15,2 %** du territoire. Entre 2019 et 2022, "
        "4,63 ha sont devenus artificialisés et 0,04 ha a cessé de l'être : l'artificialisation nette est de "
        "**+4,60 ha**, soit +1,53 ha par an."
    )


def test_the_summary_says_that_one_millesime_measures_no_change() -> None:
    assert "Un seul millésime" in texts.summary("Olemps", stock(), None, None)


def test_the_summary_says_that_nothing_changed() -> None:
    assert "aucun sol n'a changé d'état" in texts.summary("Olemps", stock(), flow(0.0, 0.0), (2019, 2022))


def test_the_summary_of_a_commune_without_data_gives_no_figure() -> None:
    said = texts.summary("Olemps", stock(stock_ha=float("nan"), part_pct=float("nan")), None, None)
    assert "n'est pas connu" in said
    assert "ha" not in said.split()


def test_an_unknown_flow_is_said_unknown() -> None:
    assert "n'est pas connue" in texts.summary("Olemps", stock(), flow(float("nan"), 0.0), (2019, 2022))


def test_the_interval_stands_around_the_adjusted_stock() -> None:
    assert f"190,0{NARROW}ha ± 5,5{NARROW}ha (95{NARROW}%)" in texts.interval(190.0, 5.5)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no class raster", "aucune image classée"),
        ("no confusion matrix", "ne sont pas fournies"),
        ("mapped classes 3, 7 are not in the confusion matrix", "ne sont pas dans les mesures"),
        ("too few samples: 4", "trop peu d'échantillons"),
        ("", "la raison n'est pas connue"),
    ],
)
def test_the_reason_of_a_missing_interval_is_told(reason: str, words: str) -> None:
    assert words in texts.interval(None, float("nan"), reason=reason)


def test_bounds_are_said_when_they_differ() -> None:
    assert texts.bounds(190.04, 200.3) == f"Entre 190,0 et 200,3{NARROW}ha selon les usages par défaut."
    assert texts.bounds(-1.0, 2.0, decimals=2, signed=True).startswith("Entre −1,00 et +2,00")
    assert "n'y changent rien" in texts.bounds(190.0, 190.0)
    assert texts.bounds(None, 190.0) == ""


def test_coverage_is_a_percentage_or_unknown() -> None:
    assert texts.coverage(99.2) == f"Les données décrivent 99,2{NARROW}% du territoire."
    assert "n'est pas connue" in texts.coverage(None)


def test_the_source_notice_names_source_model_millesimes_and_rules() -> None:
    said = texts.source_notice(stock(model="unet_1"), (2019, 2022))
    assert "dérivation locale" in said
    assert "2019, 2022" in said
    assert "unet\\_1" in said
    assert "4cb5" in said
    assert "polygones officiels" in texts.source_notice(stock(source="official"), (2022,))
