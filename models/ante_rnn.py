"""Ante-RNN: interests that move, read from the words and pictures of what a person did.

Liu, Zhang, Gulla: Dynamic attention-based explainable recommendation with textual and visual fusion. IPM 2020.

**Departs from the paper:** an event is scored by the state before it (eq. 22-23 as printed use the state that has
consumed it). Words are given vectors (BERT's), read by a bi-GRU or a dense layer; they and the regions' are
standardised over the catalog first, without which epochs pass before it learns more than what is popular. Eq. 5 is a
mean, not a sum, of the weighed regions (`readings.regions: none` is the sum). An event's text is attended with the
topics of that event, and keeps it when it is looked back at. Time of week is calendar time, so its 169th slot is
unused; the gap is to the newest event. torch's GRU (`readings.gru: torch`) resets after the product and has biases;
`paper` is eq. 21. Sums of eq. 24 are means, and the hardest texts are sought among some of the batch's items. An item
without words or picture is met by what it has (the paper's have both). A candidate's own words and picture do not
enter its score: they are explained as drawn afterwards. `readings.tied_content_head` is an extension, not the paper's:
there they do, read under even topics and added to its row of W_s. `readings.item_row` is ours too: a row of the item's
own is added to what its words and picture are fused to, so that it can be known by who chose it.
"""

from collections.abc import Callable
from typing import Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks import alignment, context, fusion, ragged, softmax, topical
from models.blocks.content import Content, ContentEncoder, read_at, rows
from models.blocks.gru import PaperGRU
from models.blocks.heads import ContentHead, RowHead
from models.blocks.shared_settings import Dim, Dropout, Length, Shared

Times = tuple[Literal["hour_of_week", "gap"], ...]
WORDS = {"gru": ragged.GRUParts, "linear": ragged.LinearParts}
FUSIONS = {
    "attention": fusion.AttentionFusion,
    "product": fusion.ProductFusion,
    "mlp": fusion.DenseFusion,
    "single": fusion.SingleView,
}


class Triplet(Record):
    """The loss of the alignment (eq. 6)."""

    share: float = Field(0.2, ge=0, description="its weight beside the loss of the next item (lambda 1)")
    margin: float = Field(0.3, ge=0, description="cosine by which an item's own text is to be nearer than any other")
    items: int = Field(8, ge=2, description="items a batch that it is taken over")


class Readings(Record):
    """Where the paper leaves a choice."""

    transform: Literal["linear", "sigmoid"] = Field("linear", description="of times: eq. 17 or 18")
    affinity: float = Field(1.0, gt=0, description="factor of eq. 1's affinities before the words' softmax")
    regions: Literal["none", "mean", "softmax"] = Field("mean", description="of eq. 5: a sum as printed, or a mean")
    gru: Literal["torch", "paper"] = Field("torch", description="torch's, or eq. 21, which resets before the product")
    tied_content_head: bool = Field(False, description="an extension: a candidate's own content enters its score")
    item_row: bool = Field(False, description="an extension: a row of an item's own beside what it says and shows")


class Config(Settings):
    """The rows of the paper's tables as settings: `docs/models.md`, which a test reads."""

    dim: Dim = 64
    length: Length = 30
    text: Literal["topical", "mean", "none"] = Field("topical", description="a text's words by topics, or their mean")
    image: Literal["aligned", "mean", "none"] = Field("aligned", description="regions by the words, or their mean")
    words: Literal["gru", "linear"] = Field("linear", description="words read both ways, or each by itself")
    fusion: Literal["attention", "product", "mlp", "single"] = Field("attention", description="of the two views")
    context: Literal["attention", "mean", "off"] = Field("attention", description="how the window's events are weighed")
    window: int = Field(5, ge=1, description="last events that an interest is made of")
    times: Times = Field(("hour_of_week", "gap"), description="what of an event's time weighs it in its window")
    loss: Literal["full", "chunked", "sampled"] = Field("chunked", description="softmax; chunked: full in less memory")
    shared: Shared = 512
    dropout: Dropout = 0.5
    triplet: Triplet = Field(Triplet(), description="the loss that aligns pictures with texts")
    readings: Readings = Field(Readings(), description="choices that the paper leaves")

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        given = (self.text != "none") + (self.image != "none")
        if (given == 1) != (self.fusion == "single") or given == 0:
            raise ValueError(
                f"text: {self.text} and image: {self.image} make {given} views, and fusion is {self.fusion}; two views "
                "are fused by attention, product or mlp, one is passed on by single"
            )
        if self.image == "aligned" and self.text == "none":
            raise ValueError("image: aligned needs the words that it aligns with: set image: mean, or text")
        return self

    @property
    def needs(self) -> Needs:
        """Words and regions as chosen; topics for the topical text, times for the context's."""
        views: dict[View, bool] = {"words": self.text != "none", "regions": self.image != "none"}
        return Needs(
            length=self.length,
            shared=self.shared if self.loss == "sampled" else 0,
            views=frozenset(view for view, used in views.items() if used),
            topics=self.text == "topical",
            times=self.context == "attention" and bool(self.times),
        )


def build(config: Config, catalog: Catalog, users: int) -> "AnteRNN":
    """The variant that the settings name."""
    dim, triplet, readings = config.dim, config.triplet, config.readings
    views = config.needs.views
    aligned, product = config.image == "aligned", config.fusion == "product"
    gain = alignment.gain(catalog.ragged("regions"), dim, readings.regions, product) if aligned else 1.0
    image = (dim, readings.affinity, readings.regions, triplet.margin, triplet.items, gain)
    content = ContentEncoder(
        words=WORDS[config.words](catalog.ragged("words"), dim) if "words" in views else ragged.NoParts(dim),
        regions=ragged.LinearParts(catalog.ragged("regions"), dim, gain) if "regions" in views else ragged.NoParts(dim),
        text=topical.TopicalAttention(dim, catalog.topics) if config.text == "topical" else topical.MeanWords(),
        image=alignment.AlignedRegions(*image) if aligned else alignment.MeanRegions(),
        fusion=FUSIONS[config.fusion](dim),
        row=rows(catalog.items, dim) if readings.item_row else None,
    )
    contexts: dict[str, Callable[[], nn.Module]] = {
        "attention": lambda: context.ContextAttention(dim, config.window, config.times, readings.transform),
        "mean": lambda: context.ContextMean(config.window),
        "off": context.NoContext,
    }
    met = contexts[config.context]()
    gru = PaperGRU(dim) if readings.gru == "paper" else nn.GRU(dim, dim, batch_first=True)
    tied = ContentHead(dim, catalog.topics, config.loss == "sampled") if readings.tied_content_head else None
    return AnteRNN(config, content, met, gru, tied or RowHead(dim), softmax.LOSSES[config.loss], catalog.items)


@final
class AnteRNN(Learner, Factored, Explainer):
    """Content in, ids out: fused items through the context and a GRU to a softmax over the catalog."""

    def __init__(
        self,
        config: Config,
        content: ContentEncoder,
        context: nn.Module,
        gru: nn.Module,
        head: RowHead | ContentHead,
        objective: softmax.Loss,
        items: int,
    ):
        super().__init__()
        self.config, self.objective = config, objective
        self.content, self.context, self.gru, self.head = content, context, gru, head
        self.dropout = nn.Dropout(config.dropout)
        self.out_ID = nn.Parameter(torch.randn(items, config.dim) * head.spread)

    @property
    def needs(self) -> Needs:
        """What the settings ask for."""
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the next item (eq. 22-23) and the alignment's loss (eq. 24; lambda 2 is the optimiser's)."""
        if batch.target_BL is None:
            raise ValueError("a batch to learn from has targets; this one has none")
        state_BLD, content, _, _ = self._read(batch)
        asked_BL = batch.target_BL > 0
        over = self.head.compared(self.out_ID, batch.target_BL[asked_BL], batch, self.content)
        choice = self.objective(state_BLD[asked_BL], *over)
        return choice + self.config.triplet.share * self.content.alignment(content)

    def query(self, batch: Batch) -> Tensor:
        """The state after each row's last event; zeros for a row without events."""
        return batch.last(self._read(batch)[0])

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        """The rows of W_s, eq. 23 has no bias, and with a tied head what the items themselves add."""
        every_N = torch.arange(len(self.out_ID) + 1, device=self.out_ID.device)
        return self.head.keys(self.out_ID, every_N if item_U is None else item_U, self.content)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The weights of the history, which the score was computed from, and of the asked items as the head read them.

        "history" holds the last window's weights; what is older acts through the GRU, with the weights of its time.
        "view" is picture, then text; "word_region" the mean over the regions of each one's shares of the words.
        """
        _, met, where_BL, context_BLW = self._read(batch)
        topic_BT = batch.topic_BLT if batch.topic_BLT is None else batch.last(batch.topic_BLT)
        asked, scored = self.head.read(item_B, topic_BT, self.content)
        found = met.reasons(where_BL, batch.item_BL, faithful=True)
        found += asked.reasons(torch.arange(len(item_B), device=item_B.device), item_B, faithful=scored)
        return found + topical.reasons(topic_BT) + context.reasons(batch, context_BLW)

    def _read(self, batch: Batch) -> tuple[Tensor, Content, Tensor, Tensor | None]:
        # what has presence 0 is zeros, and keeps its time and its share: of the window, the words or the regions
        item_V, topic_VT, where_BL, presence = read_at(batch)
        met = self.content(item_V, topic_VT, presence)
        item_BLD = batch.present(self.dropout(F.embedding(where_BL, met.item_VD)) * batch.valid_BL[..., None])
        interest_BLD, context_BLW = self.context(item_BLD, batch.valid_BL, batch.time_BL)
        return self.dropout(self.gru(interest_BLD)[0]), met, where_BL, context_BLW
