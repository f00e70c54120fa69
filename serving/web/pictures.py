"""Pictures of items, drawn anew and small, the last few hundred of which are kept."""

from functools import lru_cache
from pathlib import Path

from engine.features.pictures.pictures import BadPicture
from engine.tables import store
from engine.tables.schemas import IMAGES
from serving.api import Predictor
from stages.explain.posters import small_picture

WIDTH, KEPT = 160, 512


class Pictures:
    """Of the items that a predictor knows, from the shards of a folder."""

    def __init__(self, predictor: Predictor, folder: Path):
        self._predictor = predictor
        self._parts = sorted(folder.glob("part-*.parquet"))
        self._drawn = lru_cache(KEPT)(self._draw)

    def picture(self, item: str) -> bytes | None:
        """A WebP by raw id or title; None where there is none that can be read.

        Raises:
            Refused: nothing is called so.
        """
        return self._drawn(self._predictor.code(item))

    def _draw(self, code: int) -> bytes | None:
        for part in self._parts:
            found = store.find(part, IMAGES, item=code)
            if found.height:
                try:
                    return small_picture(found["image"][0], WIDTH)[0]
                except BadPicture:
                    return None
        return None
