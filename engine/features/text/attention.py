"""Attention whose output for a text does not depend on how far it was padded, to the last bit where the processor
allows it."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PADDED_SDPA = "whyrec_padded_sdpa"
_LANES = 32  # in what lies beyond the last whole vector of a row, other instructions round otherwise


def padded_sdpa(
    module: nn.Module, query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor, mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """As transformers' `sdpa`, the keys filled up with masked ones to whole vectors.

    In 16 bits the last bit of one weight is enough to change all that follows it by as much as rounding does.
    """
    many = key_BHLD.shape[2]
    if extra := -many % _LANES:
        if mask is None:
            mask = torch.ones(1, 1, 1, many, dtype=torch.bool, device=key_BHLD.device)
        key_BHLD, value_BHLD = (nn.functional.pad(one_BHLD, (0, 0, 0, extra)) for one_BHLD in (key_BHLD, value_BHLD))
        mask = nn.functional.pad(mask, (0, extra), value=False)
    return sdpa_attention_forward(module, query_BHLD, key_BHLD, value_BHLD, mask, **more)


AttentionInterface.register(PADDED_SDPA, padded_sdpa)
AttentionMaskInterface.register(PADDED_SDPA, sdpa_mask)
