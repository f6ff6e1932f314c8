"""Which thumbnail answers a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.domain.thumbnail_sizes import (
    DEFAULT_SIZES,
    Picture,
    Rendition,
    ThumbnailRequest,
    ThumbnailSize,
    choose_rendition,
)

# Those that the specification recommends.
SIZES = (
    ThumbnailSize(32, 32, "crop"),
    ThumbnailSize(96, 96, "crop"),
    ThumbnailSize(320, 240, "scale"),
    ThumbnailSize(640, 480, "scale"),
    ThumbnailSize(800, 600, "scale"),
)


def photo(width: int, height: int, content_type: str = "image/jpeg") -> Picture:
    return Picture(content_type, width, height, is_animated=False)


def animation(width: int, height: int, content_type: str = "image/gif") -> Picture:
    return Picture(content_type, width, height, is_animated=True)


@pytest.mark.parametrize(
    ("picture", "request_", "expected"),
    [
        (photo(4000, 3000), ThumbnailRequest(320, 240), (320, 240, "scale")),
        (photo(4000, 3000), ThumbnailRequest(321, 240), (640, 480, "scale")),
        (photo(4000, 3000), ThumbnailRequest(1, 1), (320, 240, "scale")),
        (photo(3000, 4000), ThumbnailRequest(640, 480), (360, 480, "scale")),
        (photo(4000, 1000), ThumbnailRequest(640, 480), (640, 160, "scale")),
        (photo(100_000, 2), ThumbnailRequest(640, 480), (640, 1, "scale")),
        (photo(4000, 3000), ThumbnailRequest(32, 32, "crop"), (32, 32, "crop")),
        (photo(4000, 3000), ThumbnailRequest(33, 20, "crop"), (96, 96, "crop")),
        (photo(60, 40), ThumbnailRequest(33, 33, "crop"), (40, 40, "crop")),
        (photo(96, 500), ThumbnailRequest(96, 96, "crop"), (96, 96, "crop")),
    ],
)
def test_the_next_larger_size_is_made(
    picture: Picture, request_: ThumbnailRequest, expected: tuple[int, int, str]
) -> None:
    made = choose_rendition(picture, request_, SIZES)
    assert made is not None
    assert (made.width, made.height, made.method) == expected
    assert not made.animated


@pytest.mark.parametrize(
    ("picture", "request_"),
    [
        (photo(100, 80), ThumbnailRequest(320, 240)),
        (photo(320, 240), ThumbnailRequest(320, 240)),
        (photo(600, 400), ThumbnailRequest(500, 300)),  # large enough, and nothing is enlarged
        (photo(4000, 3000), ThumbnailRequest(801, 600)),  # beyond the largest size
        (photo(4000, 3000), ThumbnailRequest(97, 97, "crop")),
        (photo(50, 500), ThumbnailRequest(96, 96, "crop")),  # 50x50 would be less than it has
        (photo(90, 90), ThumbnailRequest(90, 90, "crop")),
        (animation(100, 80), ThumbnailRequest(320, 240, animated=True)),
        (animation(100, 80, "image/png"), ThumbnailRequest(320, 240, animated=True)),
    ],
)
def test_a_picture_is_served_as_it_is(picture: Picture, request_: ThumbnailRequest) -> None:
    assert choose_rendition(picture, request_, SIZES) is None


def test_a_small_animation_that_must_not_move_is_rendered() -> None:
    made = choose_rendition(animation(100, 80), ThumbnailRequest(320, 240), SIZES)
    assert made == Rendition(100, 80, "scale", animated=False)


def test_a_small_picture_of_a_type_that_not_all_browsers_show_is_rendered() -> None:
    small = photo(100, 80, "image/avif")
    assert choose_rendition(small, ThumbnailRequest(320, 240), SIZES) == Rendition(
        100, 80, "scale", animated=False
    )


def test_only_animations_move_and_only_when_they_may() -> None:
    moving = ThumbnailRequest(96, 96, "crop", animated=True)
    still = ThumbnailRequest(96, 96, "crop")
    for picture, request, animated in (
        (animation(400, 400), moving, True),
        (animation(400, 400), still, False),
        (photo(400, 400), moving, False),
    ):
        made = choose_rendition(picture, request, SIZES)
        assert made == Rendition(96, 96, "crop", animated)


def test_cropping_prefers_the_shape_that_was_asked_for() -> None:
    sizes = (ThumbnailSize(200, 200, "crop"), ThumbnailSize(400, 100, "crop"))
    made = choose_rendition(photo(4000, 3000), ThumbnailRequest(160, 40, "crop"), sizes)
    assert made == Rendition(400, 100, "crop", animated=False)


def test_renditions_have_names_of_their_own() -> None:
    made = {
        Rendition(width, 240, method, animated)
        for width in (32, 320)
        for method in ("crop", "scale")
        for animated in (False, True)
    }
    assert len({rendition.name for rendition in made}) == len(made)


sides = st.integers(1, 20_000)
pictures = st.builds(
    Picture, st.sampled_from(["image/png", "image/avif"]), sides, sides, st.booleans()
)
requests = st.builds(
    ThumbnailRequest,
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.sampled_from(["crop", "scale"]),
    st.booleans(),
)


@given(pictures, requests)
def test_a_thumbnail_is_never_enlarged_and_large_enough_where_the_picture_is(
    picture: Picture, request: ThumbnailRequest
) -> None:
    made = choose_rendition(picture, request, DEFAULT_SIZES)
    if made is None:
        return
    assert 1 <= made.width <= picture.width
    assert 1 <= made.height <= picture.height
    if (made.width, made.height) == (picture.width, picture.height):
        return
    if made.method == "crop":
        assert made.width >= request.width
        assert made.height >= request.height
    else:
        assert made.width >= request.width or made.height >= request.height


@given(pictures, st.lists(requests, max_size=50))
def test_no_requests_make_many_thumbnails_of_one_picture(
    picture: Picture, many: list[ThumbnailRequest]
) -> None:
    made = {choose_rendition(picture, request, DEFAULT_SIZES) for request in many}
    assert len(made - {None}) <= 2 * (len(DEFAULT_SIZES) + 1)
