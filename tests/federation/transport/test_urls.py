"""URLs, and what they lead to."""

from __future__ import annotations

import pytest

from federation.transport.endpoints import Endpoint
from federation.transport.errors import AddressDenied, BrokenAnswer
from federation.transport.messages import Limits
from federation.transport.urls import Location, get_url, locate
from tests.federation.transport.conftest import PUBLIC, Internet
from tests.federation.transport.internet import Reply

LIMITS = Limits(20, 10_000)


@pytest.mark.parametrize(
    ("url", "host", "port", "header", "target"),
    [
        ("https://A.example", "a.example", 443, "a.example", "/"),
        ("https://a.example:443/x", "a.example", 443, "a.example", "/x"),
        ("https://a.example:8443/x?y=z#w", "a.example", 8443, "a.example:8443", "/x?y=z"),
        ("https://[2606::1]/", "2606::1", 443, "[2606::1]", "/"),
        ("https://[2606::1]:8443/", "2606::1", 8443, "[2606::1]:8443", "/"),
        ("https://bücher.example/ä b?q=ü", "xn--bcher-kva.example", 443, "xn--bcher-kva.example",
         "/%C3%A4%20b?q=%C3%BC"),
        ("https://a.example/%2F;a=b?c=%26", "a.example", 443, "a.example", "/%2F;a=b?c=%26"),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart(url: str, host: str, port: int, header: str, target: str) -> None:
    assert locate(url) == Location(Endpoint(host, port, header, host), target)


def test_plain_http_has_no_certificate() -> None:
    assert locate("http://a.example/").endpoint == Endpoint("a.example", 80, "a.example", None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "ftp://a.example/",
        "file:///etc/passwd",
        "https://",
        "https://:443/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://a.example:b/",
        "https://user@a.example/",
        "https://[::1/",
        "https://a b.example/",
        "https://a%20b.example/",
        "https://1.2.3/",
        "https://" + "ü" * 80 + ".example/",
    ],
)
def test_what_cannot_be_got_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        locate(url)


async def test_a_redirect_is_vetted_like_any_url(internet: Internet) -> None:
    internet.zone.address("a.example", PUBLIC)
    internet.serve(
        lambda _: Reply(302, b"", {"Location": "http://169.254.169.254/latest/meta-data"}), port=80
    )
    with pytest.raises(AddressDenied):
        await get_url(internet.http, "http://a.example/", LIMITS)


async def test_the_answer_behind_redirects_is_got(internet: Internet) -> None:
    internet.zone.address("a.example", PUBLIC)
    site = internet.serve(
        lambda request: (
            Reply(200, b"here")
            if request.target == "/b?c=d%20e"
            else Reply(302, b"", {"Location": "b?c=d e"})
        ),
        port=80,
    )
    answer = await get_url(internet.http, "http://a.example/a", LIMITS, headers={"X-Y": "z"})
    assert (answer.status, answer.body) == (200, b"here")
    assert [each.headers["x-y"] for each in site.received] == ["z", "z"]


async def test_a_redirect_to_another_scheme_is_refused(internet: Internet) -> None:
    internet.zone.address("a.example", PUBLIC)
    internet.serve(lambda _: Reply(302, b"", {"Location": "file:///etc/passwd"}), port=80)
    with pytest.raises(BrokenAnswer):
        await get_url(internet.http, "http://a.example/", LIMITS)
