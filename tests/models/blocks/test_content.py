import torch

from models.blocks.content import distinct


def test_each_event_comes_once_with_its_item_and_topics() -> None:
    event_BL = torch.tensor([[5, 2, 0], [5, 2, 9]])
    item_BL = torch.tensor([[3, 7, 0], [3, 7, 3]])
    topic_BLT = torch.stack([event_BL * 1.0, -event_BL * 1.0], 2)
    item_V, topic_VT, where_BL = distinct(event_BL, item_BL, topic_BLT)
    assert len(item_V) == 4
    assert torch.equal(item_V[where_BL], item_BL)
    assert torch.equal(topic_VT[where_BL], topic_BLT)


def test_an_event_whose_item_was_changed_in_one_row_is_two() -> None:
    event_BL, item_BL = torch.tensor([[5, 2], [5, 2]]), torch.tensor([[3, 7], [3, 4]])
    item_V, topic_VT, where_BL = distinct(event_BL, item_BL, None)
    assert len(item_V) == 3
    assert torch.equal(item_V[where_BL], item_BL)
    assert topic_VT.shape == (3, 0)
