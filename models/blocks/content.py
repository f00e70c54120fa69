"""Items from their words and regions, as the person met them: each distinct item is read once."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.contract import Weights
from engine.training.needs import View
from models.blocks.ragged import Parts


@dataclass(frozen=True)
class Content:
    """The distinct items u of some events v (event v is of item place_V), and each event's item as one vector.

    What was not weighed is None: word_share_VN of the words, view_share_V2 of picture and text, relevance_UM (signed)
    of the regions, aligned_UNM of the words for each region.
    """

    item_VD: Tensor
    place_V: Tensor
    word: Parts
    region: Parts
    present_V2: Tensor
    relevance_UM: Tensor | None
    aligned_UNM: Tensor | None
    word_share_VN: Tensor | None
    view_share_V2: Tensor | None

    @property
    def said_UN(self) -> Tensor:
        """Which words there are."""
        return self.word.valid_UX

    @property
    def seen_UM(self) -> Tensor:
        """Which regions there are."""
        return self.region.valid_UX

    def reasons(self, event: Tensor, about: Tensor, faithful: bool) -> list[Weights]:
        """What was weighed inside the items `about` [B] or [B, L] (0 padding), each met at one of the events v."""
        place, there = self.place_V[event], about[..., None] > 0
        said, seen = self.said_UN[place] & there, self.seen_UM[place] & there
        found = []
        if self.word_share_VN is not None:
            found.append(Weights(self.word_share_VN[event] * said, "word", "share", faithful, said, about))
        if self.relevance_UM is not None:
            found.append(Weights(self.relevance_UM[place] * seen, "region", "signed", faithful, seen, about))
        if self.view_share_V2 is not None and faithful:
            present = self.present_V2[event] & there
            found.append(Weights(self.view_share_V2[event] * present, "view", "share", True, present, about))
        if self.aligned_UNM is not None and about.ndim == 1:  # of a whole history they would be many
            pair = said[..., :, None] & seen[..., None, :]
            each = self.aligned_UNM[place] * pair / seen.sum(-1).clamp(min=1)[..., None, None]
            found.append(Weights(each, "word_region", "share", faithful, pair, about))
        return found


class ContentEncoder(nn.Module):
    """Words and regions, then text and image, then the two fused; where there is a `row`, it is added to them."""

    def __init__(
        self,
        words: nn.Module,
        regions: nn.Module,
        text: nn.Module,
        image: nn.Module,
        fusion: nn.Module,
        row: nn.Module | None = None,
    ):
        super().__init__()
        self.row = row
        self.words = words
        self.regions = regions
        self.text = text
        self.image = image
        self.fusion = fusion

    def forward(self, item_V: Tensor, topic_VT: Tensor, presence: Mapping[View, Tensor] | None = None) -> Content:
        """The items of some events, with the topics that were followed at each.

        `presence` of words [V, W], regions [V, M], text and image [V]: an item is then read anew at each event.
        """
        item_U, place_V = torch.unique(item_V, return_inverse=True)
        if presence is not None:
            item_U, place_V = item_V, torch.arange(len(item_V), device=item_V.device)
        presence = presence or {}
        word = self.words(item_U).dimmed(presence.get("words"))
        region = self.regions(item_U).dimmed(presence.get("regions"))
        image_UD, relevance_UM, aligned_UNM = self.image(region, word)
        text_VD, word_share_VN = self.text(word, place_V, topic_VT)
        image_VD = image_UD.index_select(0, place_V)
        image_VD = image_VD * presence["image"][:, None] if "image" in presence else image_VD
        text_VD = text_VD * presence["text"][:, None] if "text" in presence else text_VD
        present_V2 = torch.stack([region.length_U > 0, word.length_U > 0], 1)[place_V]
        item_VD, view_share_V2 = self.fusion(image_VD, text_VD, present_V2)
        item_VD = item_VD if self.row is None else item_VD + self.row(item_V)
        return Content(
            item_VD=item_VD,
            place_V=place_V,
            word=word,
            region=region,
            present_V2=present_V2,
            relevance_UM=relevance_UM,
            aligned_UNM=aligned_UNM,
            word_share_VN=word_share_VN,
            view_share_V2=view_share_V2,
        )

    def alignment(self, content: Content) -> Tensor:
        """How badly pictures and texts match, a scalar (0 where nothing is aligned)."""
        found: Tensor = self.image.loss(content.region, content.word)  # type: ignore[operator]
        return found


def read_at(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Mapping[View, Tensor] | None]:
    """What the encoder reads of a batch, and where_BL, the place of each row's events in it.

    Each event once; where parts of items have a presence, or topics, each place of each row by itself.
    """
    if batch.part_presence is None:
        item_V, topic_VT, where_BL = distinct(batch.event_BL, batch.item_BL, batch.topic_BLT)
        return item_V, topic_VT, where_BL, None
    presence = {view: value.flatten(0, 1) for view, value in batch.part_presence.items()}
    item_V = batch.item_BL.flatten()
    none_V0 = torch.zeros(len(item_V), 0, device=item_V.device)
    topic_VT = none_V0 if batch.topic_BLT is None else batch.topic_BLT.flatten(0, 1)
    topic_VT = topic_VT * presence["topics"] if "topics" in presence else topic_VT
    where_BL = torch.arange(len(item_V), device=item_V.device).view_as(batch.item_BL)
    return item_V, topic_VT, where_BL, presence


def distinct(event_BL: Tensor, item_BL: Tensor, topic_BLT: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Each event once, however many rows hold it: item_V, topic_VT and where_BL, the place of each row's events."""
    base = int(item_BL.max()) + 1 if item_BL.numel() else 1
    key_V, where_BL = torch.unique(event_BL * base + item_BL, return_inverse=True)
    if topic_BLT is None:
        return key_V % base, torch.zeros(len(key_V), 0, device=key_V.device), where_BL
    place_X = torch.arange(where_BL.numel(), device=key_V.device)
    one_V = torch.empty_like(key_V).scatter_(0, where_BL.flatten(), place_X)
    return key_V % base, topic_BLT.flatten(0, 1)[one_V], where_BL


def rows(items: int, dim: int) -> nn.Embedding:
    """A row of an item's own, 0 of padding; at the start about as far spread as what is fused."""
    found = nn.Embedding(items + 1, dim, padding_idx=0)
    with torch.no_grad():
        found.weight.mul_(dim**-0.5)
    return found
