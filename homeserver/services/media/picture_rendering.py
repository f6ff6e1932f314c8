"""Looking at pictures and making thumbnails of them, with Pillow.

All of this blocks and is for other threads. Import this module when there is a picture, not before:
a server that has none does without the memory of Pillow's code.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Final

import attrs
from PIL import ExifTags, Image, ImageFile, WebPImagePlugin

from homeserver.domain.errors import MatrixError, TooLarge
from homeserver.domain.picture_types import CannotThumbnail
from homeserver.domain.thumbnail_sizes import Picture, Rendition

_QUALITY: Final = 80
_ANIMATION_QUALITY: Final = 75
_WEBP_EFFORT: Final = 1
# Taken from its module, which Pillow would otherwise find by loading those of all formats.
_WEBP: Final = WebPImagePlugin.WebPImageFile.format
_MAX_PROFILE_BYTES: Final = 4096
_DEFAULT_FRAME_MS: Final = 100

# What undoes each orientation that EXIF knows; from 5 on width and height change places.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_SIDEWAYS: Final = 5

# A picture beyond half of Pillow's own limit is warned of, beyond all of it refused.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


@attrs.frozen(slots=True)
class Encoded:
    """A thumbnail's file."""

    content_type: str
    data: bytes


def look_at(file: FileIO, content_type: str, max_pixels: int) -> Picture:
    """What the header of a picture's file says; nothing is decoded.

    Raises TooLarge for more than ``max_pixels``, CannotThumbnail.
    """
    with _opened(file, content_type, max_pixels) as image:
        width, height = image.size
        if _orientation(image) >= _FIRST_SIDEWAYS:
            width, height = height, width
        return Picture(content_type, width, height, _is_animated(image, content_type))


def render(file: FileIO, picture: Picture, rendition: Rendition, max_pixels: int) -> Encoded:
    """A thumbnail of a picture: a JPEG, or a WebP where it moves or one sees through it.

    An animation of more than ``max_pixels`` over all its frames stands still. Raises TooLarge for a
    picture of more, CannotThumbnail.
    """
    with _opened(file, picture.content_type, max_pixels) as image:
        orientation = _orientation(image)
        profile = _colour_profile(image)
        size = _as_stored(rendition, orientation)
        if rendition.animated:
            count: int = getattr(image, "n_frames", 1)
            if count * image.width * image.height <= max_pixels:
                frames = _frames(image, count, size)
                return _encode_animation(frames, image.info.get("loop", 1), orientation, profile)
        image.draft(None, _covering(image.size, size))
        thumbnail = _resized(_plain(image), size)
        return _encode(_upright(thumbnail, orientation), profile)


@contextmanager
def _opened(file: FileIO, content_type: str, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    # Pillow checks every frame against its own limit, which is for the whole process.
    Image.MAX_IMAGE_PIXELS = max(1, max_pixels // 2)
    file.seek(0)
    reader = io.BufferedReader(file)
    try:
        with Image.open(reader, formats=(_pillow_name(content_type),)) as image:
            if image.width * image.height > max_pixels:
                raise TooLarge("The picture has too many pixels to make thumbnails of it")
            yield image
    except MatrixError:
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge("The picture has too many pixels to make thumbnails of it") from error
    except Exception as error:
        # Damaged files make Pillow raise about every exception there is.
        raise CannotThumbnail() from error
    finally:
        reader.detach()  # or it closes the file


def _pillow_name(content_type: str) -> str:
    """The one format that Pillow is to try: others, and their bugs, stay out."""
    if content_type == "image/avif":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return content_type.removeprefix("image/").upper()


def _is_animated(image: ImageFile.ImageFile, content_type: str) -> bool:
    # A JPEG may hold several pictures (MPO), but they are no animation.
    return content_type != "image/jpeg" and bool(getattr(image, "is_animated", False))


def _orientation(image: Image.Image) -> int:
    """How the picture lies in its file, from 1 (upright) to 8."""
    if "exif" not in image.info:
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return 1  # damaged EXIF says nothing
    return orientation if orientation in _TURNS else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _as_stored(rendition: Rendition, orientation: int) -> tuple[int, int]:
    """The size of a rendition before it is turned upright."""
    if orientation >= _FIRST_SIDEWAYS:
        return rendition.height, rendition.width
    return rendition.width, rendition.height


def _colour_profile(image: Image.Image) -> bytes | None:
    """The ICC profile, if a thumbnail can keep it: it is small and not one for printing."""
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" or not isinstance(profile, bytes):
        return None
    return profile if len(profile) <= _MAX_PROFILE_BYTES else None


def _covering(full: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The least size a JPEG may be decoded in, for a thumbnail to be cut from it."""
    factor = max(size[0] / full[0], size[1] / full[1])
    return math.ceil(full[0] * factor), math.ceil(full[1] * factor)


def _plain(image: Image.Image) -> Image.Image:
    """The same picture in grey, in colours, or in colours and transparency if it has any."""
    image.load()
    if image.mode.startswith("I"):
        return image.point(lambda value: value * (1 / 256)).convert("L")  # 16 bits of grey
    if image.has_transparency_data:
        image = image.convert("RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        return image.convert("RGB") if lowest == 255 else image
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture, in the shape of ``size`` and reduced to it."""
    if image.size == size:
        return image
    factor = min(image.width / size[0], image.height / size[1])
    # Rounding must not lead out of the picture.
    width, height = min(size[0] * factor, image.width), min(size[1] * factor, image.height)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    box = (left, top, left + width, top + height)
    # Whole factors by averaging, which is cheap; what is left of the way by a filter.
    return image.resize(size, Image.Resampling.HAMMING, box=box, reducing_gap=1.0)


def _encode(image: Image.Image, profile: bytes | None) -> Encoded:
    encoded = io.BytesIO()
    if image.mode == "RGBA":
        image.save(encoded, _WEBP, quality=_QUALITY, method=_WEBP_EFFORT, icc_profile=profile)
        return Encoded("image/webp", encoded.getvalue())
    image.save(encoded, "JPEG", quality=_QUALITY, icc_profile=profile)
    return Encoded("image/jpeg", encoded.getvalue())


def _frames(
    image: ImageFile.ImageFile, count: int, size: tuple[int, int]
) -> list[tuple[Image.Image, int]]:
    """The frames of an animation, resized, and for how many milliseconds each is seen."""
    # An APNG may begin with a picture for those who cannot show the animation.
    first = 1 if getattr(image, "default_image", False) else 0
    frames = []
    for number in range(first, count):
        image.seek(number)
        frame = _resized(image.convert("RGBA"), size)
        frames.append((frame, round(image.info.get("duration", 0)) or _DEFAULT_FRAME_MS))
    return frames


def _encode_animation(
    frames: list[tuple[Image.Image, int]], loop: int, orientation: int, profile: bytes | None
) -> Encoded:
    images = [_upright(frame, orientation) for frame, _ in frames]
    encoded = io.BytesIO()
    images[0].save(
        encoded,
        _WEBP,
        save_all=True,
        append_images=images[1:],
        duration=[duration for _, duration in frames],
        loop=loop,
        quality=_ANIMATION_QUALITY,
        method=0,
        icc_profile=profile,
    )
    return Encoded("image/webp", encoded.getvalue())
