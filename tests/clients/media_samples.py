"""Pictures, files, voice and video as chat clients send them."""

from __future__ import annotations

import io
from typing import Any

import attrs
from PIL import Image


@attrs.frozen
class MediaSample:
    """A file and the message that carries it; ``marks`` are further fields of its content."""

    msgtype: str
    filename: str
    mimetype: str
    body: bytes
    info: dict[str, Any]
    marks: dict[str, Any] = attrs.Factory(dict)

    def content(self, uri: str) -> dict[str, Any]:
        """The content of an ``m.room.message`` with the file at ``uri``."""
        return {
            "msgtype": self.msgtype,
            "body": self.filename,
            "filename": self.filename,
            "url": uri,
            "info": {"mimetype": self.mimetype, "size": len(self.body), **self.info},
            **self.marks,
        }


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""
    encoded = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(encoded, "PNG")
    return encoded.getvalue()


PICTURE = MediaSample(
    "m.image", "sunset.png", "image/png", png(640, 480), info={"w": 640, "h": 480}
)
DOCUMENT = MediaSample(
    "m.file",
    "Überblick 总览.pdf",
    "application/pdf",
    b"%PDF-1.7\n" + bytes(range(256)) * 64,
    info={},
)
VOICE = MediaSample(
    "m.audio",
    "voice message.ogg",
    "audio/ogg",
    b"OggS" + bytes(range(255, -1, -1)) * 32,
    info={"duration": 2140},
    marks={
        "org.matrix.msc1767.audio": {"duration": 2140, "waveform": [0, 256, 1024, 512]},
        "org.matrix.msc3245.voice": {},
    },
)
VIDEO = MediaSample(
    "m.video",
    "waves.mp4",
    "video/mp4",
    b"\0\0\0\x18ftypmp42" + b"\0\1\2\3" * 32_768,
    info={"w": 320, "h": 240, "duration": 9000},
)
ALL_MEDIA = (PICTURE, DOCUMENT, VOICE, VIDEO)
