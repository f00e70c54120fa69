"""A text as a weighed sum of its words (Ante-RNN eq. 8-10)."""

import torch
from torch import Tensor, nn

from engine.training.contract import Weights
from models.blocks import masked, reading
from models.blocks.ragged import Parts

HEARD = 26  # topics up to which torch's first weights make a query heard beside the words
FEW = 512  # events of an answer that plain tensors read in less time than it takes to load the compiled loop
CHUNK = 1 << 22  # floats of [events, words, width] at a time: what stays in cache costs less than what it saves


class TopicalAttention(nn.Module):
    """The words weighed by how they meet the topics that the person followed at that event."""

    def __init__(self, dim: int, topics: int):
        super().__init__()
        self.topic = nn.Linear(topics, dim, bias=False)
        with torch.no_grad():  # shares sum to 1: the more topics, the less they differ
            self.topic.weight.mul_(max(1.0, topics / HEARD))
        self.word = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, 1, bias=False)

    def forward(self, word: Parts, place_V: Tensor, topic_VT: Tensor) -> tuple[Tensor, Tensor]:
        """text_VD and share_VN of events v, each with item place_V of the items u and its topics.

        On a CPU in 32 bits by a compiled loop, but for the few events of one person's answer.
        """
        query_VD = self.topic(topic_VT)
        if (self.training or len(place_V) > FEW) and reading.able(word, query_VD):
            return reading.attend(word, place_V, self.word.weight, query_VD, self.out.weight[0])
        word_UND, valid_UN = word.padded_UXD, word.valid_UX
        key_UND = self.word(word_UND)
        rows = max(CHUNK // max(word_UND.shape[1] * word_UND.shape[2], 1), 1)
        parts = [
            self._attend(word_UND, key_UND, valid_UN, place_V[i : i + rows], query_VD[i : i + rows])
            for i in range(0, max(len(place_V), 1), rows)
        ]
        text, share = zip(*parts, strict=True)
        return torch.cat(text), torch.cat(share)

    def _attend(
        self, word_UND: Tensor, key_UND: Tensor, valid_UN: Tensor, place_C: Tensor, query_CD: Tensor
    ) -> tuple[Tensor, Tensor]:
        met_CND = key_UND.index_select(0, place_C).add_(query_CD[:, None]).tanh_()
        share_CN = masked.softmax(self.out(met_CND)[..., 0], valid_UN[place_C])
        return (share_CN[:, None] @ word_UND.index_select(0, place_C))[:, 0], share_CN


class MeanWords(nn.Module):
    """The mean of the words, whatever the topics."""

    def forward(self, word: Parts, place_V: Tensor, topic_VT: Tensor) -> tuple[Tensor, None]:
        """text_VD; nothing is weighed."""
        return masked.mean(word.padded_UXD, word.valid_UX).index_select(0, place_V), None


def reasons(topic_BT: Tensor | None) -> list[Weights]:
    """The topics that each row's last event was read under; nothing where texts do not ask for them."""
    if topic_BT is None:
        return []
    followed_BT = (topic_BT.sum(1, keepdim=True) > 0).expand_as(topic_BT)
    return [Weights(topic_BT, "topic", "share", True, followed_BT)]
