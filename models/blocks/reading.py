"""The loop over the words of each event under its topics (Ante-RNN eq. 8-10), compiled, with gradients in one pass.

With r = 1 / (1 + exp(2 key) exp(2 query)) the tanh(key + query) of eq. 8 is 1 - 2 r: exponents are taken once a word
and once an event, and what is left for each pair of them is a division. The 1 falls out of the softmax.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.blocks.ragged import Parts

Where = tuple[Tensor, Tensor]  # offset_U and place_V
LARGEST = 30.0  # of a query: beyond it the two exponents no longer make up for each other in 32 bits


def able(word: Parts, query_VD: Tensor) -> bool:
    """Whether `attend` can take these."""
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (word.value_XD, query_VD))
    return plain and (query_VD.numel() == 0 or float(query_VD.detach().abs().max()) <= LARGEST)


def attend(word: Parts, place_V: Tensor, weight_DD: Tensor, query_VD: Tensor, out_D: Tensor) -> tuple[Tensor, Tensor]:
    """text_VD and share_VN: softmax over words of out · tanh(weight word + query), and the words' sum by it.

    Event v is of item place_V; gradients flow through the text alone. In 32 bits, on a CPU, no query beyond `LARGEST`.
    """
    share_VN = torch.zeros(len(place_V), word.valid_UX.shape[1])
    with torch.autocast("cpu", enabled=False):
        text_VD: Tensor = _Compiled.apply(  # type: ignore[no-untyped-call]
            word.value_XD, weight_DD, query_VD, out_D, (word.offset_U, place_V), share_VN
        )
    return text_VD, share_VN


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, word_XD: Tensor, weight_DD: Tensor, query_VD: Tensor, out_D: Tensor, where: Where, share_VN: Tensor
    ) -> Tensor:
        """text_VD; the shares are written to their place."""
        parts = (word_XD, (word_XD @ (2 * weight_DD).T).exp_(), (2 * query_VD).exp_(), out_D)
        text_VD = torch.zeros_like(query_VD)
        from models.blocks import reading_loops  # numba's import takes longer than a person's answer

        reading_loops.attend(_arrays(*parts), _arrays(*where), share_VN.numpy(), text_VD.numpy())
        ctx.save_for_backward(*parts, *where, share_VN, weight_DD)
        return text_VD

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_VD: Tensor) -> tuple[Tensor | None, ...]:
        """Of words (where they learn), weight, queries and out."""
        word_XD, key_XD, query_VD, out_D, offset_U, place_V, share_VN, weight_DD = ctx.saved_tensors
        learns: bool = ctx.needs_input_grad[0]
        of_word = word_XD if learns else word_XD[:0]
        by_word, by_key, by_query, by_out = grads = [torch.zeros_like(t) for t in (of_word, key_XD, query_VD, out_D)]
        given = _arrays(word_XD, key_XD, query_VD, out_D, share_VN, grad_VD)
        from models.blocks import reading_loops

        reading_loops.learn(given, _arrays(offset_U, place_V), _arrays(*grads), learns)
        slope_D = 4 * out_D  # the same for all pairs
        if learns:
            by_word.addmm_(by_key, slope_D[:, None] * weight_DD)
        by_weight = slope_D[:, None] * (by_key.T @ word_XD)
        return by_word if learns else None, by_weight, slope_D * by_query, -2 * by_out, None, None


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
