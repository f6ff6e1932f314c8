from __future__ import annotations
import attrs
@attrs.frozen
class MediaArea:
    apis: list
    async def start(self): pass
    async def stop(self): pass
def build_media(on):
    return MediaArea([])
