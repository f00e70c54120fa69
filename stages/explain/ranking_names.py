"""What rankings, and what they rank, are called where the page says how far reasons can be trusted."""

from engine.evaluation.part_erasure import ACTS

NAMES = {
    "newest": "the newest acts, whatever they weigh",
    "random": "a draw at random",
    "own_share": "the model's own attention",
    "own_signed": "the model's own contributions",
    "own_gate": "the model's own gates",
    "own_step_gate": "the model's own gate of each step, of which those are made",
    "own_attention_to_pictures": "the model's own attention to pictures",
    "own_attention_to_texts": "the model's own attention to texts",
    "own_attention_to_rows": "the model's own attention to rows",
    "gradient": "gradient × input",
    "integrated": "the mean slope",
    "integrated_from_mean": "the mean slope from the mean item",
    "leave_one_out": "leaving each out",
    "shapley": "Shapley values",
    "combined": "the mean slope and leaving each out, in the mean",
}
LEADS = "the influence that this page leads with"
OF_ITEM = "leave_one_out"  # what leads of the item's own parts: engine/evaluation/item_parts.py
OVER = {
    "history": "an earlier act",
    "word": "a word of an earlier act",
    "region": "a region of an earlier act",
    "next_word": "a word of the next item",
    "next_region": "a region of the next item",
    "topic": "the topic followed",
    "view": "picture or text of an earlier act",
    "next_view": "picture or text of the next item",
}
INSIDE = {parts: parts for parts in ("words", "regions", "views", "topics")}
INSIDE |= {f"{parts}_left_out": f"{parts} of the {ACTS} acts that weigh most" for parts in list(INSIDE)[:-1]}
LED = ("words", "regions")  # of the asked item, by leaving each out; of the others the model's own weights are shown
OF_ASKED = (*LED, "views", "topics", "categories")
