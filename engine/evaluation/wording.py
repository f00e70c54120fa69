"""What was found to speak for items, said in sentences, by the names of titles, words, topics, categories, regions."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from engine.evaluation.cause import Causes
from engine.evaluation.item_cause import ItemCauses
from engine.evaluation.nameable import Nameable
from engine.evaluation.own_part import PartCauses
from engine.evaluation.sentence import (
    of_audience,
    of_category,
    of_crowd,
    of_item,
    of_kind,
    of_subject,
    of_topic,
    of_view,
    part_of_picture,
    sentence,
)
from engine.tables.domain_words import DomainWords
from engine.tables.names import Names


@dataclass(frozen=True)
class Wording:
    """`names`: what the tables call things; `called`: what the data set calls items, pictures, texts and acts."""

    names: Names
    called: DomainWords = field(default_factory=DomainWords)
    device: str = "cpu"

    @cached_property
    def nameable(self) -> Nameable:
        """What there are names for."""
        numbers = (self.names.term_X, self.names.category_N)
        term_X, category_N = (None if n is None else torch.from_numpy(n).to(self.device) for n in numbers)
        return Nameable(term_X, category_N, bool(self.names.topics), bool(self.names.boxes))

    def sentences(self, causes: Causes, item_BL: Tensor, item_B: Tensor) -> list[str | None]:
        """One a row, of items item_B after the acts item_BL; None where there is nothing to name."""
        found = enumerate(item_B.tolist())
        if causes.item is not None:
            return [self._item(causes.item, row, item) for row, item in found]
        return [self._wide(causes, row, item) or self._act(causes, row, item_BL) for row, item in found]

    def _item(self, causes: ItemCauses, row: int, item: int) -> str | None:
        if causes.part is not None:
            return self._part(causes.part, int(causes.part.number_B[row]))
        words = [self.names.words[term] for term in causes.term_BW[row].tolist() if term]
        region = int(causes.region_B[row])
        box = self.names.boxes[item][region] if region >= 0 else None
        return of_item(words, box, self.called) if words or box else None

    def _part(self, causes: PartCauses, number: int) -> str | None:
        if not number:
            return None
        if causes.over == "view":
            return of_view(number == 1, causes.read, self.called)
        if causes.over == "topic":
            return of_subject(self.names.topics[number])
        return (
            of_kind(causes.categories[number - 1], self.called) if causes.over == "category" else of_crowd(self.called)
        )

    def _wide(self, causes: Causes, row: int, item: int) -> str | None:
        topic, alike = int(causes.wide.topic_B[row]), int(causes.wide.alike_B[row])
        if topic:
            return of_topic(self.names.topics[topic])
        if alike and self.names.category_N is not None:
            return of_category(self.names.categories[int(self.names.category_N[item])], alike, self.called)
        return of_audience(self.called) if bool(causes.wide.audience_B[row]) else None

    def _act(self, causes: Causes, row: int, item_BL: Tensor) -> str | None:
        place, region = int(causes.place_B[row]), int(causes.region_B[row])
        if place < 0:
            return None
        item = int(item_BL[row, place])
        terms, acts = causes.term_BW[row].tolist(), causes.acts_BW[row].tolist()
        return sentence(
            self.names.title_N[item],
            [(self.names.words[term], count) for term, count in zip(terms, acts, strict=True) if term],
            bool(causes.picture_B[row]),
            bool(causes.text_B[row]),
            self.called,
            part_of_picture(self.names.boxes[item][region]) if region >= 0 else "",
        )
