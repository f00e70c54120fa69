"""What the parts of items are called: words, boxes of regions, topics."""

from functools import cached_property

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import REGIONS, TOPIC_WORDS, WORDS
from engine.tables.topic_windows import labels as topic_labels


class Labels:
    """The tables of words, regions and topics, each read when it is asked for."""

    def __init__(self, layout: Layout):
        self._layout = layout

    def words(self, item: int) -> list[str]:
        """The words of an item's text, in order."""
        return self._words.get(item, [])

    def boxes(self, item: int) -> list[list[float]]:
        """left, top, right, bottom of each region of an item's picture, in 0..1."""
        return self._boxes.get(item, [])

    def topic(self, number: int) -> str:
        """A topic's first words."""
        return self._topics.get(number, f"topic {number}")

    @cached_property
    def _words(self) -> dict[int, list[str]]:
        return dict(store.read(self._layout.words, WORDS, ["item", "token"]).iter_rows())

    @cached_property
    def _boxes(self) -> dict[int, list[list[float]]]:
        return dict(store.read(self._layout.regions, REGIONS, ["item", "box"]).iter_rows())

    @cached_property
    def _topics(self) -> dict[int, str]:
        return topic_labels(store.read(self._layout.topic_words, TOPIC_WORDS), 3)
