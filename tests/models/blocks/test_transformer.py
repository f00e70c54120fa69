"""Blocks are those of torch; what may be seen is seen, and slots are where they are said to be."""

import pytest
import torch
from torch import Tensor, nn

from models.blocks.transformer import BLOCKS, Encoder, Layers, PostNorm, PreNorm, stacked

LAYERS = Layers(dim=8, heads=2, blocks=2, inner=12, length=6, dropout=0.0)
VALID_BL = torch.arange(5) < torch.tensor([[5], [3], [1]])


def states(seed: int = 0, rows: int = 3, width: int = 5) -> Tensor:
    return torch.randn(rows, width, 8, generator=torch.Generator().manual_seed(seed))


def encoder(norm: str) -> Encoder:
    torch.manual_seed(1)
    found = Encoder(LAYERS, stacked(LAYERS, norm), norm).eval()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return found


@pytest.mark.parametrize(("norm", "unit"), [("pre", "relu"), ("post", "gelu")])
@pytest.mark.parametrize("causal", [True, False])
def test_a_block_is_torch_s(norm: str, unit: str, causal: bool) -> None:
    torch.manual_seed(0)
    block = BLOCKS[norm](LAYERS)
    assert isinstance(block, PreNorm | PostNorm)
    torchs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, unit, batch_first=True, norm_first=norm == "pre")
    heads, own, feed = torchs.self_attn, block.attention, block.feed
    with torch.no_grad():
        heads.in_proj_weight.copy_(torch.cat([own.query.weight, own.key.weight, own.value.weight]))
        heads.in_proj_bias.copy_(torch.cat([own.query.bias, torch.zeros(8), own.value.bias]))
    heads.out_proj.load_state_dict(block.projection.state_dict())
    torchs.linear1.load_state_dict(feed[0].state_dict())
    torchs.linear2.load_state_dict(feed[3].state_dict())
    mask_LL = nn.Transformer.generate_square_subsequent_mask(5) if causal else None
    hidden_BL = None if causal else (~VALID_BL).float().masked_fill(~VALID_BL, -torch.inf)
    expected = torchs(states(), src_mask=mask_LL, src_key_padding_mask=hidden_BL, is_causal=causal)
    found = block(states(), None if causal else VALID_BL)
    torch.testing.assert_close(found[VALID_BL], expected[VALID_BL])


@pytest.mark.parametrize("norm", sorted(BLOCKS))
def test_the_past_does_not_see_what_comes(norm: str) -> None:
    model, event_BLD = encoder(norm), states()
    other_BLD = torch.cat([event_BLD[:, :3], states(1)[:, 3:]], 1)
    torch.testing.assert_close(model(event_BLD)[:, :3], model(other_BLD)[:, :3])
    assert not torch.allclose(model(event_BLD)[:, 3:], model(other_BLD)[:, 3:])
    assert not bool(model.shares(event_BLD).triu(1).any())


@pytest.mark.parametrize("norm", sorted(BLOCKS))
@pytest.mark.parametrize("last", [True, False])
def test_a_whole_row_is_seen_and_nothing_beyond_it(norm: str, last: bool) -> None:
    model, event_BLD = encoder(norm), states()
    found = model(event_BLD, VALID_BL, last)
    padded = torch.where(VALID_BL[..., None], event_BLD, 9.0)
    torch.testing.assert_close(model(padded, VALID_BL, last)[VALID_BL], found[VALID_BL])
    alone = model(event_BLD[1:2, :3], VALID_BL[1:2, :3], last)
    torch.testing.assert_close(found[1, :3], alone[0])
    later = torch.where(torch.arange(5)[:, None] == 4, states(1), event_BLD)
    assert not torch.allclose(model(later, VALID_BL, last)[0, 0], found[0, 0])
    share_BLL = model.shares(event_BLD, VALID_BL, last)
    torch.testing.assert_close(share_BLL.sum(-1), torch.ones(3, 5))
    assert not bool(share_BLL.transpose(1, 2)[~VALID_BL].any())


@pytest.mark.parametrize(("norm", "scale"), [("post", 1.0), ("pre", 8**0.5)])
def test_slots_are_counted_from_the_first_or_from_the_last(norm: str, scale: float) -> None:
    model = encoder(norm)
    event_BLD = states()
    for row, size in enumerate((5, 3, 1)):
        for last, slot_XD in ((False, model.slot_LD[:size]), (True, model.slot_LD[6 - size :])):
            entered = model.first(event_BLD[row, :size] * scale + slot_XD)
            torch.testing.assert_close(model._met(event_BLD, VALID_BL, last)[row, :size], entered)
