"""Ante-RNN eq. 1-6 beside plain loops."""

import math

import pytest
import torch
from torch import Tensor

from models.blocks.alignment import AlignedRegions, MeanRegions, hardest
from models.blocks.ragged import Parts

U, M, N, D = 3, 4, 5, 6


def views(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Regions and words of three items, padded: 4, 2, 3 regions and 5, 3, 4 words."""
    torch.manual_seed(seed)
    seen_UM = torch.arange(M) < torch.tensor([4, 2, 3])[:, None]
    said_UN = torch.arange(N) < torch.tensor([5, 3, 4])[:, None]
    return torch.randn(U, M, D) * seen_UM[..., None], seen_UM, torch.randn(U, N, D) * said_UN[..., None], said_UN


def parts(*given: Tensor) -> tuple[Parts, Parts]:
    """The same without the padding."""
    region_UMD, seen_UM, word_UND, said_UN = given
    return Parts.of(region_UMD, seen_UM), Parts.of(word_UND, said_UN)


def part(norm: str = "none", temperature: float = 1.0, items: int = 8) -> AlignedRegions:
    torch.manual_seed(1)
    return AlignedRegions(D, temperature, norm, margin=0.3, items=items)


def by_loops(region_MD: Tensor, word_ND: Tensor, weight_DD: Tensor, temperature: float) -> tuple[list[float], Tensor]:
    """Eq. 1-3 and 5 of one item without padding: R_j, and v as printed."""
    relevance, image_D = [], torch.zeros(D)
    for f in region_MD:
        c = [math.tanh(float(e @ weight_DD @ f)) * temperature for e in word_ND]
        total = sum(math.exp(x) for x in c)
        a = sum((math.exp(x) / total * e for x, e in zip(c, word_ND, strict=True)), torch.zeros(D))
        relevance.append(float(f @ a / (f.norm() * a.norm())))
        image_D += relevance[-1] * f
    return relevance, image_D


@pytest.mark.parametrize("temperature", [1.0, 6.0])
def test_equations_1_to_5_beside_loops(temperature: float) -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    model = part(temperature=temperature)
    image_UD, relevance_UM, share_UNM = model(*parts(region_UMD, seen_UM, word_UND, said_UN))
    weight_DD = model.affinity.weight
    for u in range(U):
        relevance, image_D = by_loops(
            region_UMD[u][seen_UM[u]], word_UND[u][said_UN[u]], weight_DD.detach(), temperature
        )
        torch.testing.assert_close(relevance_UM[u][seen_UM[u]], torch.tensor(relevance))
        assert not relevance_UM[u][~seen_UM[u]].any()
        torch.testing.assert_close(image_UD[u], image_D)
        torch.testing.assert_close(share_UNM[u][:, seen_UM[u]].sum(0), torch.ones(int(seen_UM[u].sum())))
        assert not share_UNM[u][~said_UN[u]].any()


def test_norm_of_equation_5() -> None:
    given = views()
    plain, mean, soft = (part(norm)(*parts(*given)) for norm in ("none", "mean", "softmax"))
    torch.testing.assert_close(mean[0] * given[1].sum(1, keepdim=True), plain[0])
    weight_M = torch.softmax(soft[1][1, :2], 0)
    torch.testing.assert_close(soft[0][1], weight_M @ given[0][1, :2])


def test_no_affinity_is_uniform_words() -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    model = part()
    torch.nn.init.zeros_(model.affinity.weight)
    _, relevance_UM, share_UNM = model(*parts(region_UMD, seen_UM, word_UND, said_UN))
    torch.testing.assert_close(share_UNM[1, :, 0], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0, 0]))
    mean_D = word_UND[1, :3].mean(0)
    torch.testing.assert_close(relevance_UM[1, :2], torch.cosine_similarity(region_UMD[1, :2], mean_D[None], dim=1))


def test_identical_words_give_their_cosine() -> None:
    region_UMD, seen_UM, _, said_UN = views()
    word_D = torch.randn(D)
    relevance_UM = part()(*parts(region_UMD, seen_UM, word_D * said_UN[..., None], said_UN))[1]
    torch.testing.assert_close(relevance_UM, torch.cosine_similarity(region_UMD, word_D[None, None], dim=2) * seen_UM)


def test_padding_changes_nothing() -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    model = part("mean")
    image_UD, relevance_UM, _ = model(*parts(region_UMD, seen_UM, word_UND, said_UN))
    junk = torch.full((U, 2, D), 7.0)
    wider = torch.zeros(U, 2, dtype=torch.bool)
    image, relevance, share = model(
        *parts(
            torch.cat([region_UMD, junk], 1),
            torch.cat([seen_UM, wider], 1),
            torch.cat([word_UND, junk], 1),
            torch.cat([said_UN, wider], 1),
        )
    )
    torch.testing.assert_close(image, image_UD)
    torch.testing.assert_close(relevance, relevance_UM)
    assert share.shape == (U, N, M)


def test_without_words_each_region_counts_whole() -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    said_UN[1] = False
    word_UND[1] = 0
    image_UD, relevance_UM, share_UNM = part("mean")(*parts(region_UMD, seen_UM, word_UND.requires_grad_(), said_UN))
    assert relevance_UM[1].tolist() == [1, 1, 0, 0]
    torch.testing.assert_close(image_UD[1], MeanRegions()(*parts(region_UMD, seen_UM, word_UND, said_UN))[0][1])
    image_UD.sum().backward()
    assert not share_UNM[1].any()
    assert word_UND.grad is not None
    assert bool(word_UND.grad.isfinite().all())


def test_without_regions_the_image_is_zero() -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    image_UD = part("mean")(*parts(region_UMD * 0, seen_UM & False, word_UND, said_UN))[0]
    assert not image_UD.any()


@pytest.mark.parametrize("temperature", [1.0, 6.0])
def test_similarity_of_all_pairs_is_equation_4_of_each(temperature: float) -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    model = part(temperature=temperature)
    weight_DD = model.affinity.weight.detach()
    similarity_UU = model.similarity(region_UMD, seen_UM, word_UND, said_UN)
    for i in range(U):
        for t in range(U):
            relevance, _ = by_loops(region_UMD[i][seen_UM[i]], word_UND[t][said_UN[t]], weight_DD, temperature)
            assert similarity_UU[i, t].item() == pytest.approx(sum(relevance) / len(relevance), abs=1e-6)


def test_triplet_takes_the_hardest_other_text_of_each_image() -> None:
    similarity_UU = torch.tensor([[0.9, 0.1, 0.7], [0.2, 0.5, 0.4], [0.3, 0.1, 0.2]])
    expected = (0.3 - 0.9 + 0.7) * (0.3 - 0.9 + 0.7 > 0) + (0.3 - 0.5 + 0.4) + (0.3 - 0.2 + 0.3)
    assert hardest(similarity_UU, 0.3).item() == pytest.approx(expected / 3)
    assert hardest(torch.tensor([[0.1]]), 0.3).item() == 0


def test_the_loss_is_over_items_with_both_views() -> None:
    region_UMD, seen_UM, word_UND, said_UN = views()
    model = part()
    some = torch.tensor([0, 2])
    expected = hardest(model.similarity(region_UMD[some], seen_UM[some], word_UND[some], said_UN[some]), 0.3)
    said_UN[1] = False
    torch.testing.assert_close(model.loss(*parts(region_UMD, seen_UM, word_UND, said_UN)), expected)
    assert part(items=1).loss(*parts(region_UMD, seen_UM, word_UND, said_UN)) == 0


def test_the_loss_brings_pictures_to_their_own_texts() -> None:
    torch.manual_seed(0)
    seen, said = torch.ones(6, 2, dtype=torch.bool), torch.ones(6, 3, dtype=torch.bool)
    region = torch.nn.functional.one_hot(torch.arange(6)).float()[:, None].expand(6, 2, 6)
    word = torch.nn.functional.one_hot((torch.arange(6) + 1) % 6).float()[:, None].expand(6, 3, 6)
    model, dense = AlignedRegions(6, 1.0, "mean", 0.3, 6), torch.nn.Linear(6, 6)
    optimiser = torch.optim.Adam([*model.parameters(), *dense.parameters()], 0.05)
    losses = []
    for _ in range(40):
        loss = model.loss(*parts(dense(region), seen, word, said))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.2
    assert losses[-1] < 0.02
