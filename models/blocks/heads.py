"""What an item is known by when it is a candidate: a row of numbers, alone or with what it says and shows."""

import torch
from torch import Tensor, nn

from engine.training.batch import Batch
from models.blocks.content import Content, ContentEncoder

ITEMS = 512  # read at a time


class RowHead(nn.Module):
    """The rows alone (Ante-RNN eq. 23). `spread`: of the rows' first numbers."""

    def __init__(self, dim: int):
        super().__init__()
        self.spread: float = dim**-0.5

    def keys(self, row_ID: Tensor, item_U: Tensor, encoder: ContentEncoder) -> Tensor:
        """key_UD of some items, 0 of padding."""
        return nn.functional.pad(row_ID, (0, 0, 1, 0))[item_U]

    def compared(
        self, row_ID: Tensor, target_P: Tensor, batch: Batch, encoder: ContentEncoder
    ) -> tuple[Tensor, Tensor, Batch]:
        """What a softmax is taken over: keys of items, targets and shared items as numbers, from 1, among these."""
        return row_ID, target_P, batch

    def read(self, item_B: Tensor, topic_BT: Tensor | None, encoder: ContentEncoder) -> tuple[Content, bool]:
        """What can be shown of candidates, and whether their scores were computed from it: here it is afterwards."""
        none_B0 = torch.zeros(len(item_B), 0, device=item_B.device)
        return encoder(item_B, none_B0 if topic_BT is None else topic_BT), False


class ContentHead(nn.Module):
    """The rows, from zero, and the item itself through one layer: an item that nobody chose has its content's score.

    It is read under even topics, as by someone of whom nothing is known, so that one key serves everyone. `sampled`:
    only the batch's targets and shared items are compared, and read.
    """

    spread = 0.0

    def __init__(self, dim: int, topics: int, sampled: bool):
        super().__init__()
        self.dense = nn.Linear(dim, dim, bias=False)
        self.topics, self.sampled = topics, sampled

    def keys(self, row_ID: Tensor, item_U: Tensor, encoder: ContentEncoder) -> Tensor:
        """key_UD of some items, 0 of padding."""
        parts = [self.dense(self.read(item_C, None, encoder)[0].item_VD) for item_C in torch.split(item_U, ITEMS)]
        content_UD = torch.cat(parts) * (item_U > 0)[:, None]
        return nn.functional.pad(row_ID, (0, 0, 1, 0))[item_U] + content_UD

    def compared(
        self, row_ID: Tensor, target_P: Tensor, batch: Batch, encoder: ContentEncoder
    ) -> tuple[Tensor, Tensor, Batch]:
        """What a softmax is taken over: keys of items, targets and shared items as numbers, from 1, among these."""
        if not self.sampled or batch.shared_S is None:
            every_I = torch.arange(1, len(row_ID) + 1, device=target_P.device)
            return self.keys(row_ID, every_I, encoder), target_P, batch
        item_U, place_X = torch.unique(torch.cat([target_P, batch.shared_S]), return_inverse=True)
        place_P, place_S = place_X.tensor_split([len(target_P)])
        return self.keys(row_ID, item_U, encoder), place_P + 1, batch.but(shared_S=place_S + 1)

    def read(self, item_B: Tensor, topic_BT: Tensor | None, encoder: ContentEncoder) -> tuple[Content, bool]:
        """What can be shown of candidates, and whether their scores were computed from it: they were."""
        even_BT = torch.full((len(item_B), self.topics), 1 / max(self.topics, 1), device=item_B.device)
        return encoder(item_B, even_BT), True
