"""What the server answers to maps: prepared files, tiles, styles; and nothing of the machine to anyone else."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import TYPE_CHECKING

import duckdb
import pyogrio
import pytest
from starlette.applications import Starlette
from village import CAR_PARK_M2, CODE, FIRST, LAST

from app.answers import accepts_gzip, holds, tag_of
from app.basemaps import BASEMAPS, IGN_HOST, basemap_url
from app.results import WORKSPACE_VARIABLE, Results
from app.routes import ROUTES, TILE_WORKER_URL, communes_url, map_url
from app.tiles import LAYER, MAX_ZOOM, TILES_FROM, _loaded, needs_tiles, tile, tiles_url
from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

SERVER = Starlette(routes=ROUTES)
PAIR = f"{FIRST}-{LAST}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def asked(path: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
    """Return what the server answers to a path, given as it stands once decoded."""
    told: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 8501),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(SERVER(scope, receive, send))  # type: ignore[arg-type]
    start, *bodies = told
    return Answer(
        status=int(str(start["status"])),
        headers={name.decode(): value.decode() for name, value in start["headers"]},  # type: ignore[attr-defined]
        body=b"".join(bytes(message.get("body", b"")) for message in bodies),  # type: ignore[call-overload]
    )


@pytest.fixture
def results(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> Results:
    """The version of the village that the server shows."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(village_pair.version.parents[1]))
    return Results(village_pair.version)


def tile_at(geojson: bytes, zoom: int) -> tuple[int, int]:
    """Return column and row of the tile that holds the first point of a map file."""
    (longitude, latitude), *_ = json.loads(geojson)["features"][0]["geometry"]["coordinates"][0]
    x = (longitude + 180) / 360
    y = (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2
    return int(x * 2**zoom), int(y * 2**zoom)


@pytest.mark.parametrize("when", [str(LAST), PAIR])
def test_a_map_file_is_sent_as_it_is_to_a_client_that_reads_gzip(results: Results, when: str) -> None:
    answer = asked(map_url(results, CODE, when), accept_encoding="gzip, br")
    stored = results.map_file(CODE, when)
    assert stored is not None
    assert (answer.status, answer.body) == (200, stored.read_bytes())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_a_client_without_gzip_gets_plain_geojson_under_another_tag(results: Results) -> None:
    plain = asked(map_url(results, CODE, PAIR))
    zipped = asked(map_url(results, CODE, PAIR), accept_encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert plain.body == gzip.decompress(zipped.body)
    assert json.loads(plain.body)["features"][0]["properties"]["f"] == "gain"
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert plain.headers["vary"] == "Accept-Encoding"


def test_a_client_that_has_the_file_is_told_so(results: Results) -> None:
    first = asked(map_url(results, CODE, PAIR), accept_encoding="gzip")
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = asked(map_url(results, CODE, PAIR), accept_encoding="gzip", if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert asked(map_url(results, CODE, PAIR), accept_encoding="gzip", if_none_match='"other"').status == 200


def test_nothing_is_read_for_a_client_that_has_the_tile(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiles_url(results, CODE, str(LAST)).format(z=0, x=0, y=0)
    tag = asked(path).headers["etag"]
    monkeypatch.setattr("app.routes.tile", lambda *_: pytest.fail("cut again"))
    assert asked(path, if_none_match=tag).status == 304


def test_head_tells_the_length_and_sends_nothing(results: Results) -> None:
    whole = asked(map_url(results, CODE, PAIR), accept_encoding="gzip")
    head = asked(map_url(results, CODE, PAIR), "HEAD", accept_encoding="gzip")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == whole.headers


def test_a_cut_map_gives_no_tile_and_a_404(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cut.geojson.gz"
    path.write_bytes(gzip.compress(b"{}" * 1000)[:20])
    monkeypatch.setattr(Results, "map_file", lambda *_: path)
    answer = asked(f"/tuiles/{results.id}/{CODE}/{LAST}/14/8280/5900.mvt")
    assert (answer.status, str(tmp_path) in answer.text) == (404, False)


def test_only_reading_is_answered(results: Results) -> None:
    assert {asked(map_url(results, CODE, PAIR), method).status for method in ("POST", "PUT", "DELETE")} == {405}


def test_the_map_of_communes_is_answered(results: Results) -> None:
    answer = asked(communes_url(results))
    (commune,) = json.loads(answer.body)["features"]
    assert commune["properties"]["code"] == CODE
    assert asked(communes_url(results), if_none_match=answer.headers["etag"]).status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/cartes/{id}/99999/2022.geojson",
        "/cartes/{id}/12001/1999.geojson",
        "/cartes/{id}/12001/2022-2025.geojson",
        "/cartes/0123456789abcdef/12001/2022.geojson",
        "/cartes/0123456789abcdef/communes.geojson",
        "/tuiles/{id}/99999/2022/14/0/0.mvt",
    ],
)
def test_what_the_version_does_not_hold_asks_to_reload(results: Results, path: str) -> None:
    answer = asked(path.replace("{id}", results.id))
    assert answer.status == 404
    assert answer.text == "Carte absente de cette version\u202f; rechargez la page."
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/cartes/../12001/2022.geojson",
        "/cartes/{id}/../../../../etc/passwd",
        "/cartes/{id}/..%2f..%2fmanifest.json/2022.geojson",
        "/cartes/{id}/12001/../../manifest.json",
        "/cartes/{id}/12001/2022.geojson.gz",
        "/cartes/{id}/12001/2022\x00.geojson",
        "/cartes/{id}/12001/٢٠٢٢.geojson",
        "/cartes/{id}/12001\n/2022.geojson",
        "/cartes/{id}/1200\udcff/2022.geojson",
        "/cartes/{id}/commune_code=12001/2022.geojson",
        "/cartes/{ID}/12001/2022.geojson",
        "/cartes/CURRENT/12001/2022.geojson",
        "/cartes/",
        "/tuiles/{id}/12001/2022/14/0/16384.mvt",
        "/tuiles/{id}/12001/2022/99/0/0.mvt",
        "/tuiles/{id}/12001/2022/-1/0/0.mvt",
        "/tuiles/{id}/12001/2022/014/0/0.mvt",
        "/tuiles/{id}/12001/2022/1e1/0/0.mvt",
        "/tuiles/{id}/12001/2022/14/0/0.pbf",
        "/fond/autre.json",
        "/fond/../routes.py",
        "/outils/../routes.py",
    ],
)
def test_an_address_that_cannot_be_is_refused_and_tells_no_place(results: Results, path: str) -> None:
    answer = asked(path.replace("{id}", results.id).replace("{ID}", results.id.upper() + "A"))
    assert (answer.status, answer.text) == (404, "Adresse inconnue.")
    assert str(results.version.parents[1]) not in json.dumps(answer.headers)


def test_without_workspace_nothing_is_found(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    assert asked(map_url(results, CODE, PAIR)).status == 404


def test_a_version_removed_while_a_page_is_open_asks_to_reload(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "versions" / results.id
    shutil.copytree(results.version, copy)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    x, y = tile_at(asked(map_url(results, CODE, PAIR)).body, 14)
    piece = tiles_url(results, CODE, str(FIRST)).format(z=14, x=x, y=y)
    assert asked(communes_url(results)).status == 200
    shutil.rmtree(copy)
    for path in (map_url(results, CODE, PAIR), communes_url(results), piece):
        assert (asked(path).status, "rechargez" in asked(path).text) == (404, True)


def test_a_tile_shows_the_car_park_with_its_properties(results: Results, tmp_path: Path) -> None:
    stored = asked(map_url(results, CODE, PAIR)).body
    x, y = tile_at(stored, 15)
    answer = asked(tiles_url(results, CODE, PAIR).format(z=15, x=x, y=y))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/vnd.mapbox-vector-tile")
    path = tmp_path / "0.mvt"
    path.write_bytes(answer.body)
    frame = pyogrio.read_dataframe(path, layer=LAYER)
    expected = json.loads(stored)["features"][0]["properties"]
    assert frame.iloc[0][list(expected)].to_dict() == expected
    # a tile of 4 096 units is 40 075 km / 2^15 wide at the equator, and the map enlarges what is away from it
    _, latitude = json.loads(stored)["features"][0]["geometry"]["coordinates"][0][0]
    unit_m = 40_075_017 / 2**15 / 4096 * math.cos(math.radians(latitude))
    inside = frame.geometry.area.sum() * unit_m**2
    assert 0 < inside <= CAR_PARK_M2 * 1.05


def test_the_tiles_of_the_village_hold_each_of_its_polygons(results: Results, tmp_path: Path) -> None:
    stored = asked(map_url(results, CODE, str(LAST))).body
    x, y = tile_at(stored, 14)
    found: set[str] = set()
    for place in ((x + right, y + down) for right in (-1, 0, 1) for down in (-1, 0, 1)):
        path = tmp_path / f"{place[0]}-{place[1]}.mvt"
        path.write_bytes(asked(tiles_url(results, CODE, str(LAST)).format(z=14, x=place[0], y=place[1])).body)
        frame = pyogrio.read_dataframe(path, layer=LAYER, read_geometry=False)
        found |= set(frame["id"]) if "id" in frame else set()  # GDAL names no property of a tile without polygon
    assert found == {feature["properties"]["id"] for feature in json.loads(stored)["features"]}


def test_a_tile_elsewhere_is_empty_and_one_without_change_too(
    results: Results, village_still: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(asked(tiles_url(results, CODE, str(LAST)).format(z=14, x=0, y=0)).body) < 60
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(village_still.version.parents[1]))
    empty = asked(tiles_url(Results(village_still.version), CODE, PAIR).format(z=0, x=0, y=0))
    assert (empty.status, len(empty.body) < 60) == (200, True)


def test_a_tile_is_kept_by_the_browser_and_sent_gzipped(results: Results) -> None:
    path = tiles_url(results, CODE, str(LAST)).format(z=0, x=0, y=0)
    plain, zipped = asked(path), asked(path, accept_encoding="gzip")
    assert gzip.decompress(zipped.body) == plain.body
    assert asked(path, accept_encoding="gzip", if_none_match=zipped.headers["etag"]).status == 304
    assert "immutable" in plain.headers["cache-control"]
    assert asked(tiles_url(results, CODE, str(LAST)).format(z=MAX_ZOOM + 1, x=0, y=0)).status == 404


def test_tiles_asked_together_read_their_file_once_and_do_not_wait_for_another(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.geojson.gz" for number in range(2)]
    stored = results.map_file(CODE, str(LAST))
    assert stored is not None
    for path in files:
        shutil.copyfile(stored, path)
    read: list[Path] = []
    both = Barrier(2, timeout=20)  # passed only when both files are being read at the same time

    def loaded(path: Path) -> object:
        read.append(path)
        both.wait()
        return _loaded(path)

    monkeypatch.setattr("app.tiles._loaded", loaded)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda path: tile(path, 0, 0, 0), files * 3))
    assert sorted(read) == files
    assert len(set(found)) == 1


def test_the_shapes_of_a_map_have_bounded_memory_and_no_file(results: Results) -> None:
    path = results.map_file(CODE, PAIR)
    assert path is not None
    shapes = _loaded(path)
    assert shapes.execute("SELECT current_setting('memory_limit')").fetchone() == ("953.6 MiB",)  # 10^9 / 2^20
    with pytest.raises(duckdb.PermissionException):
        shapes.execute("SELECT * FROM read_text(?)", [str(path)])
    with pytest.raises(duckdb.InvalidInputException, match="locked"):
        shapes.execute("SET memory_limit = '8GB'")


def test_pages_read_their_workspace_and_no_other_file(results: Results, tmp_path: Path) -> None:
    assert len(results.table("stock"))
    outside = shutil.copyfile(results.version / "stock.parquet", tmp_path / "stock.parquet")
    with pytest.raises((duckdb.PermissionException, DataError)):
        results._query("SELECT * FROM read_parquet(?)", [str(outside)])


def test_tiles_are_for_communes_of_very_many_polygons(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (results.shape_count(CODE, PAIR), results.shape_count("99999", PAIR)) == (1, 0)
    count = results.shape_count(CODE, str(LAST))
    assert 1 < count < TILES_FROM
    assert not needs_tiles(results, CODE, str(LAST))
    monkeypatch.setattr("app.tiles.TILES_FROM", count - 1)
    assert needs_tiles(results, CODE, str(LAST))


@pytest.mark.parametrize(("query", "place"), [("", "./"), ("insee=12174&m=2019-2022", "./?insee=12174&m=2019-2022")])
def test_the_name_of_the_first_page_leads_to_the_root_with_what_was_asked(query: str, place: str) -> None:
    answer = asked("/synthese", query=query)
    assert (answer.status, answer.headers["location"]) == (307, place)


def test_the_reader_of_tiles_comes_from_this_server() -> None:
    answer = asked(TILE_WORKER_URL)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert b"mvt" in answer.body
    assert b"unpkg.com" not in answer.body
    assert asked(TILE_WORKER_URL, if_none_match=answer.headers["etag"]).status == 304


def test_a_file_of_the_software_changes_its_tag_with_any_letter() -> None:
    assert tag_of(b"abc") == "ba7816bf8f01cfea"  # the example of FIPS 180-2, its first 16 digits
    assert tag_of(b"abd") != tag_of(b"abc")
    told = {asked(path).headers["etag"] for path in (TILE_WORKER_URL, basemap_url("plan"), basemap_url("ortho"))}
    assert len(told) == 3
    assert {len(tag) for tag in told} == {18}


def test_the_reader_of_tiles_is_the_same_plain_and_gzipped() -> None:
    plain, zipped = asked(TILE_WORKER_URL), asked(TILE_WORKER_URL, accept_encoding="gzip")
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) < len(plain.body) / 2


@pytest.mark.parametrize(("name", "layer"), [("plan", "PLANIGNV2"), ("ortho", "ORTHOPHOTOS")])
def test_a_basemap_names_the_tiles_of_ign_and_its_credit_and_no_other_host(name: str, layer: str) -> None:
    style = json.loads(asked(basemap_url(name)).body)
    source = style["sources"]["ign"]
    assert layer in source["tiles"][0]
    assert source["attribution"] == "© IGN"
    assert {part.split("/")[0] for part in json.dumps(style).split("https://")[1:]} == {IGN_HOST}
    assert style["layers"][0]["type"] == "background"
    assert set(BASEMAPS) == {"plan", "ortho"}


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0.0", False),
        ("gzip; q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_who_reads_it(header: str, read: bool) -> None:
    assert accepts_gzip(header) == read


def test_a_tag_is_known_among_others_and_weakened() -> None:
    assert holds('"a", W/"b"', '"b"')
    assert not holds("", '"b"')
