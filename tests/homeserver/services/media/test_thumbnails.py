"""Thumbnails: when they are made, and of what."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from twisted.internet.defer import Deferred

from homeserver.domain.errors import MatrixError, NotFound, Overloaded, TooLarge
from homeserver.domain.picture_types import CannotThumbnail
from homeserver.domain.thumbnail_sizes import Picture, ThumbnailRequest
from homeserver.ports.media.media import Content
from homeserver.ports.media.thumbnails import Thumbnail
from homeserver.services.media.thumbnails import IDLE_SECONDS, ThumbnailSettings
from tests.homeserver.media_server import MediaServer, decoded, encoded, stored_files

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SMALL = ThumbnailRequest(96, 96, "crop")
FITTING = ThumbnailRequest(320, 240)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MediaServer]:
    with MediaServer(tmp_path) as made:
        yield made


def corners(width: int = 1200, height: int = 900) -> Image.Image:
    """Red, green, blue and white quarters, from the upper left like one reads."""
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    across, down = width // 2, height // 2
    draw.rectangle((0, 0, across, down), RED)
    draw.rectangle((across, 0, width, down), GREEN)
    draw.rectangle((0, down, across, height), BLUE)
    return image


def is_like(image: Image.Image, at: tuple[float, float], colour: tuple[int, ...]) -> bool:
    """Whether a point, in fractions of width and height, has about this colour."""
    point = (int(image.width * at[0]), int(image.height * at[1]))
    found: Any = image.convert("RGB").getpixel(point)
    return all(abs(a - b) < 24 for a, b in zip(found, colour, strict=True))


def is_upright(image: Image.Image) -> bool:
    quarters = {(0.25, 0.25): RED, (0.75, 0.25): GREEN, (0.25, 0.75): BLUE, (0.75, 0.75): WHITE}
    return all(is_like(image, at, colour) for at, colour in quarters.items())


async def thumbnail_of(
    server: MediaServer, body: bytes, request: ThumbnailRequest = FITTING
) -> Image.Image:
    """The image that a client gets, which must have been made."""
    content = await server.store(body)
    found = await server.thumbnails.find(content, request)
    assert isinstance(found, Thumbnail)
    stored = await server.thumbnails.open(content, found)
    with stored.file as file:
        image = decoded(file.read())
    assert found.content_type == f"image/{str(image.format).lower()}"
    assert image.size == (found.rendition.width, found.rendition.height)
    return image


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "WEBP", "AVIF"])
async def test_thumbnails_are_made_of_every_format(server: MediaServer, image_format: str) -> None:
    try:
        body = encoded(corners(), image_format)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {image_format}")
    image = await thumbnail_of(server, body)
    assert image.size == (320, 240)
    assert image.format == "JPEG"
    assert is_upright(image)


async def test_scaling_keeps_all_of_a_picture_and_its_shape(server: MediaServer) -> None:
    image = await thumbnail_of(server, encoded(corners(3000, 1000)), ThumbnailRequest(640, 480))
    assert image.size == (640, 213)
    assert is_upright(image)


async def test_cropping_keeps_the_middle(server: MediaServer) -> None:
    picture = Image.new("RGB", (1000, 200), RED)
    picture.paste(GREEN, (400, 0, 600, 200))
    image = await thumbnail_of(server, encoded(picture), SMALL)
    assert image.size == (96, 96)
    assert all(is_like(image, (x, 0.5), GREEN) for x in (0.05, 0.5, 0.95))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
async def test_the_orientation_of_a_camera_is_honoured(
    server: MediaServer, orientation: int, image_format: str
) -> None:
    how_it_lies = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = corners() if how_it_lies is None else corners().transpose(how_it_lies)
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encoded(stored, image_format, exif=exif)

    image = await thumbnail_of(server, body)

    assert image.size == (320, 240)
    assert is_upright(image)
    assert is_upright(await thumbnail_of(server, body, SMALL))


async def test_damaged_exif_is_passed_over(server: MediaServer) -> None:
    body = encoded(corners(), "JPEG", exif=b"Exif\0\0no TIFF header at all")
    assert is_upright(await thumbnail_of(server, body))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "RGBA", "LA"])
async def test_pictures_in_every_mode_are_understood(server: MediaServer, mode: str) -> None:
    grey = Image.linear_gradient("L").resize((900, 900))
    if mode == "I;16":
        wide = grey.convert("I").point(lambda value: value * 257)
        body = encoded(wide.convert("I;16"))
    else:
        body = encoded(grey.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    image = await thumbnail_of(server, body)
    assert is_like(image, (0.5, 0.05), (16, 16, 16))
    assert is_like(image, (0.5, 0.95), (240, 240, 240))


async def test_transparency_is_kept_where_there_is_some(server: MediaServer) -> None:
    sticker = Image.new("RGBA", (800, 800), (*GREEN, 0))
    sticker.paste((*GREEN, 255), (200, 200, 600, 600))
    image = await thumbnail_of(server, encoded(sticker))
    assert image.format == "WEBP"
    assert image.getchannel("A").getpixel((5, 5)) == 0
    assert image.getchannel("A").getpixel((120, 120)) == 255
    assert is_like(image, (0.5, 0.5), GREEN)


async def test_a_small_colour_profile_stays_with_the_picture(server: MediaServer) -> None:
    body = encoded(corners(), "PNG", icc_profile=b"p" * 600)
    assert (await thumbnail_of(server, body)).info["icc_profile"] == b"p" * 600
    body = encoded(corners(), "PNG", icc_profile=b"p" * 100_000)
    assert "icc_profile" not in (await thumbnail_of(server, body)).info


async def test_what_is_known_of_the_place_a_photo_was_taken_stays_out(server: MediaServer) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    image = await thumbnail_of(server, encoded(corners(), "JPEG", exif=exif))
    assert not image.getexif()


async def test_a_small_picture_is_served_as_it_is(server: MediaServer) -> None:
    content = await server.store(encoded(corners(100, 80)))
    for _ in range(2):
        found = await server.thumbnails.find(content, FITTING)
        assert found == Picture("image/png", 100, 80, is_animated=False)


async def test_requests_of_many_sizes_make_few_thumbnails(
    server: MediaServer, tmp_path: Path
) -> None:
    content = await server.store(encoded(corners(2000, 2000)))
    for side in range(1, 300, 7):
        for method in ("crop", "scale"):
            await server.thumbnails.find(content, ThumbnailRequest(side, side, method))
    assert len(stored_files(tmp_path, "thumbnails")) == 6


def frames(count: int = 3, width: int = 400, height: int = 300) -> list[Image.Image]:
    colours = (RED, GREEN, BLUE)
    return [Image.new("RGB", (width, height), colours[n % 3]) for n in range(count)]


def animation(image_format: str, count: int = 3, **options: Any) -> bytes:
    first, *others = frames(count)
    return encoded(first, image_format, save_all=True, append_images=others, **options)


MOVING = ThumbnailRequest(320, 240, animated=True)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
async def test_an_animation_moves_when_it_may(server: MediaServer, image_format: str) -> None:
    body = animation(image_format, duration=[200, 300, 400], loop=0)
    image = await thumbnail_of(server, body, MOVING)
    assert image.format == "WEBP"
    assert image.n_frames == 3  # type: ignore[attr-defined]
    assert image.info["loop"] == 0
    for number, (colour, duration) in enumerate(
        zip((RED, GREEN, BLUE), (200, 300, 400), strict=True)
    ):
        image.seek(number)
        image.load()
        assert is_like(image, (0.5, 0.5), colour)
        assert image.info["duration"] == duration


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
async def test_an_animation_stands_still_unless_it_may_move(
    server: MediaServer, image_format: str
) -> None:
    body = animation(image_format, duration=200)
    for request in (FITTING, SMALL, ThumbnailRequest(800, 600)):
        image = await thumbnail_of(server, body, request)
        assert image.format == "JPEG"
        assert is_like(image, (0.5, 0.5), RED)


async def test_a_small_animation_is_served_as_it_is_only_when_it_may_move(
    server: MediaServer,
) -> None:
    body = animation("GIF", duration=200)
    content = await server.store(body)
    found = await server.thumbnails.find(content, ThumbnailRequest(800, 600, animated=True))
    assert found == Picture("image/gif", 400, 300, is_animated=True)
    assert (await thumbnail_of(server, body, ThumbnailRequest(800, 600))).size == (400, 300)


async def test_a_picture_that_cannot_move_does_not(server: MediaServer) -> None:
    image = await thumbnail_of(server, encoded(corners()), MOVING)
    assert image.format == "JPEG"


async def test_the_still_of_an_apng_that_is_no_part_of_it_is_left_out(
    server: MediaServer,
) -> None:
    body = animation("PNG", default_image=True, duration=200)
    image = await thumbnail_of(server, body, MOVING)
    assert image.n_frames == 2  # type: ignore[attr-defined]
    assert is_like(image, (0.5, 0.5), GREEN)


async def test_an_animation_with_too_many_frames_stands_still(tmp_path: Path) -> None:
    settings = ThumbnailSettings(max_pixels=400 * 300 * 2)
    with MediaServer(tmp_path, thumbnail_settings=settings) as server:
        image = await thumbnail_of(server, animation("GIF", 3), MOVING)
    assert image.format == "JPEG"


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than anybody has memory for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1_000_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def gif_that_claims(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + encoded(corners(9, 9), "GIF")[10:]


def webp_that_claims(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "bomb",
    [
        png_that_claims(60_000, 60_000),
        png_that_claims(5793, 5793),
        gif_that_claims(65_535, 65_535),
        webp_that_claims(16_383, 16_383),
    ],
    ids=["png", "png just too large", "gif", "webp"],
)
async def test_a_decompression_bomb_is_refused(server: MediaServer, bomb: bytes) -> None:
    content = await server.store(bomb)
    with pytest.raises(TooLarge) as raised:
        await server.thumbnails.find(content, FITTING)
    assert (raised.value.status, raised.value.errcode) == (413, "M_TOO_LARGE")


async def test_a_bomb_in_a_later_frame_is_refused(server: MediaServer) -> None:
    # The second frame lies far outside of the picture, which Pillow would enlarge for it.
    first, second = animation("GIF", 2, duration=100).split(b"\x21\xf9", 2)[1:]
    at = second.index(b"\x2c")
    far = second[: at + 1] + struct.pack("<HHHH", 60_000, 60_000, 400, 300) + second[at + 9 :]
    head = animation("GIF", 2, duration=100).split(b"\x21\xf9", 1)[0]
    content = await server.store(head + b"\x21\xf9" + first + b"\x21\xf9" + far)
    with pytest.raises(TooLarge):
        await server.thumbnails.find(content, MOVING)


PNG, JPEG = encoded(corners()), encoded(corners(), "JPEG")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"just text",
        b"%PDF-1.7 and so on",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        PNG[:8],
        PNG[: len(PNG) // 2],
        PNG[:60] + b"\xff" * 400 + PNG[460:],
        JPEG[:3],
        JPEG[: len(JPEG) // 2],
        b"GIF89a" + b"\xff" * 100,
        b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0",
        b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
        png_that_claims(0, 0),
    ],
)
async def test_what_is_no_picture_or_a_damaged_one_is_refused(
    server: MediaServer, body: bytes
) -> None:
    content = await server.store(body)
    with pytest.raises(CannotThumbnail) as raised:
        await server.thumbnails.find(content, FITTING)
    assert (raised.value.status, raised.value.errcode) == (400, "M_UNKNOWN")


async def test_content_that_is_lost_is_not_found(server: MediaServer) -> None:
    with pytest.raises(NotFound):
        await server.thumbnails.find(Content(b"\0" * 32, 10), FITTING)


async def test_a_thumbnail_is_made_once(server: MediaServer, tmp_path: Path) -> None:
    content = await server.store(PNG)
    await server.thumbnails.find(content, FITTING)
    (path,) = stored_files(tmp_path, "thumbnails")
    made_at = path.stat().st_mtime_ns
    found = await server.thumbnails.find(content, FITTING)
    assert isinstance(found, Thumbnail)
    assert path.stat().st_mtime_ns == made_at


async def test_a_thumbnail_whose_file_is_gone_is_made_again(
    server: MediaServer, tmp_path: Path
) -> None:
    content = await server.store(PNG)
    await server.thumbnails.find(content, FITTING)
    (path,) = stored_files(tmp_path, "thumbnails")
    path.unlink()
    assert is_upright(await thumbnail_of(server, PNG))


class HeldThreads:
    """Threads that do nothing until they are told to."""

    def __init__(self) -> None:
        self.held: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.done = 0

    def __call__(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.held.append((deferred, lambda: work(*args)))
        return deferred

    def go_on(self) -> None:
        """Do what is held, and what that leads to."""
        while self.held:
            deferred, work = self.held.pop(0)
            self.done += 1
            try:
                result = work()
            except MatrixError as error:
                deferred.errback(error)
            else:
                deferred.callback(result)


async def test_requests_for_one_thumbnail_share_one_job(tmp_path: Path) -> None:
    threads = HeldThreads()
    with MediaServer(tmp_path, run_in_thread=threads) as server:
        content = await server.store(PNG)
        finding = [
            Deferred.fromCoroutine(server.thumbnails.find(content, FITTING)) for _ in range(5)
        ]
        assert len(threads.held) == 1

        threads.go_on()

        assert len({await found for found in finding}) == 1
        assert threads.done == 2  # it was looked at, and rendered


async def test_a_job_goes_on_for_the_others_when_one_leaves(tmp_path: Path) -> None:
    threads = HeldThreads()
    with MediaServer(tmp_path, run_in_thread=threads) as server:
        content = await server.store(PNG)
        left, stayed = (
            Deferred.fromCoroutine(server.thumbnails.find(content, FITTING)) for _ in range(2)
        )
        left.addErrback(lambda failure: None)
        left.cancel()
        threads.go_on()
        assert isinstance(await stayed, Thumbnail)


async def test_everyone_is_told_when_a_job_fails_and_the_next_one_starts_anew(
    tmp_path: Path,
) -> None:
    threads = HeldThreads()
    with MediaServer(tmp_path, run_in_thread=threads) as server:
        content = await server.store(b"no picture")
        for _ in range(2):
            finding = [
                Deferred.fromCoroutine(server.thumbnails.find(content, FITTING)) for _ in range(3)
            ]
            threads.go_on()
            for found in finding:
                with pytest.raises(CannotThumbnail):
                    await found


async def test_a_server_with_too_much_to_do_turns_requests_away(tmp_path: Path) -> None:
    threads = HeldThreads()
    settings = ThumbnailSettings(waiting_max=2)
    with MediaServer(tmp_path, thumbnail_settings=settings, run_in_thread=threads) as server:
        finding = []
        for side in (900, 901):
            content = await server.store(encoded(corners(side, side)))
            finding.append(Deferred.fromCoroutine(server.thumbnails.find(content, FITTING)))
        with pytest.raises(Overloaded):
            await server.thumbnails.find(await server.store(PNG), FITTING)
        threads.go_on()
        for found in finding:
            assert isinstance(await found, Thumbnail)


async def test_memory_is_given_back_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    threads = HeldThreads()
    with MediaServer(tmp_path, run_in_thread=threads) as server:
        content = await server.store(PNG)
        finding = Deferred.fromCoroutine(server.thumbnails.find(content, FITTING))
        threads.go_on()
        await finding
        assert threads.done == 2

        server.clock.advance(IDLE_SECONDS)
        threads.go_on()
        assert threads.done == 3
        server.clock.advance(60)
        assert threads.held == []


def test_pillow_is_not_imported_before_there_is_a_picture() -> None:
    program = "import sys, homeserver.api.media.media; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_pillow_loads_no_formats_that_are_not_for_the_web() -> None:
    program = """if True:
        import io, sys, tempfile
        from PIL import Image
        from homeserver.domain.thumbnail_sizes import Rendition
        from homeserver.services.media.picture_rendering import look_at, render
        with tempfile.NamedTemporaryFile(buffering=0) as file:
            Image.new("RGBA", (400, 400)).save(file, "PNG")
            picture = look_at(file.file, "image/png", 10**6)
            render(file.file, picture, Rendition(32, 32, "crop", False), 10**6)
        sys.exit("PIL.EpsImagePlugin" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_tests_pictures_are_what_they_seem() -> None:
    assert is_upright(decoded(PNG))
    assert Image.open(io.BytesIO(animation("GIF"))).n_frames == 3  # type: ignore[attr-defined]
