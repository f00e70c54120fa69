"""Of ante_rnn."""

from typing import Any

TINY: dict[str, Any] = {"dim": 16, "length": 8, "dropout": 0.0, "shared": 6}
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "product": {"fusion": "product"},
    "mlp": {"fusion": "mlp"},
    "text_only": {"image": "none", "fusion": "single"},
    "image_only": {"image": "mean", "text": "none", "fusion": "single"},
    "mean_views": {"image": "mean", "text": "mean"},
    "gru_words": {"words": "gru"},
    "no_context": {"context": "off"},
    "mean_context": {"context": "mean"},
    "gap": {"times": ["gap"]},
    "hour_of_week": {"times": ["hour_of_week"]},
    "no_times": {"times": []},
    "chunked": {"loss": "chunked"},
    "sampled": {"loss": "sampled"},
    "paper_gru": {"readings": {"gru": "paper"}},
    "item_row": {"readings": {"item_row": True}},
    "item_row_product": {"readings": {"item_row": True}, "fusion": "product"},
    "item_row_mlp": {"readings": {"item_row": True}, "fusion": "mlp"},
    "item_row_text_only": {"readings": {"item_row": True}, "image": "none", "fusion": "single"},
    "item_row_tied": {"readings": {"item_row": True, "tied_content_head": True}},
    "tied": {"readings": {"tied_content_head": True}},
    "tied_full": {"readings": {"tied_content_head": True}, "loss": "full"},
    "tied_sampled": {"readings": {"tied_content_head": True}, "loss": "sampled"},
    "tied_product": {"readings": {"tied_content_head": True}, "fusion": "product"},
    "tied_text_only": {"readings": {"tied_content_head": True}, "image": "none", "fusion": "single"},
    "tied_image_only": {"readings": {"tied_content_head": True}, "image": "mean", "text": "none", "fusion": "single"},
    "tied_mean_text": {"readings": {"tied_content_head": True}, "text": "mean"},
}
UNFAITHFUL = {"no_context", "mean_context"}
WIDER = {"dim": 128}
