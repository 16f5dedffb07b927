"""Which names a request may ask this server by."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import PlainTextResponse

from app.hosts import FOREIGN, OwnHosts, host_name


def answered(*headers: tuple[str, str], names: tuple[str, ...] = ("127.0.0.1", "zan.example.fr")) -> tuple[int, str]:
    told: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        told.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers]
    server = OwnHosts(PlainTextResponse("ours"), names)
    asyncio.run(server({"type": "http", "method": "GET", "headers": raw}, receive, send))  # type: ignore[arg-type]
    return int(str(told[0]["status"])), bytes(told[1]["body"]).decode()  # type: ignore[call-overload]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8501", "ZAN.example.fr", "zan.example.fr.:443"])
def test_a_name_of_this_server_is_answered_on_any_port(host: str) -> None:
    assert answered(("host", host)) == (200, "ours")
    assert answered(("host", host), ("origin", f"https://{host}")) == (200, "ours")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.fr", "x.zan.example.fr", "a@127.0.0.1", "", "[", "127.0.0.1:x"]
)
def test_any_other_name_is_refused_with_the_option_that_adds_one(host: str) -> None:
    assert answered(("host", host)) == (403, FOREIGN)
    assert "--host-name" in FOREIGN


def test_a_request_without_name_or_with_two_is_refused() -> None:
    assert answered()[0] == answered(("host", "127.0.0.1"), ("host", "127.0.0.1"))[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1@evil.example"])
def test_a_page_of_another_site_is_refused(origin: str) -> None:
    assert answered(("host", "127.0.0.1:8501"), ("origin", origin))[0] == 403


def test_the_host_of_an_address_is_its_name_alone() -> None:
    assert host_name("https://Zan.Example.fr:8443") == "zan.example.fr"
    assert host_name("//zan.example.fr/path") is None
