"""Models as params.yaml sets them (the others by their defaults), and their main variants."""

import pkgutil
from typing import Any

import models
from engine.tables.settings import Choice

Section = dict[str, Any]

MODELS: dict[str, Section] = {
    "popularity": {},
    "bpr_mf": {"dim": 64, "negatives": 1, "regularisation": 0.01},
    "biases": {
        "of": "both", "person": "trained", "length": 200, "user_damping": 10, "item_damping": 10, "sweeps": 15,
    },
    "gru4rec": {
        "dim": 128, "layers": 1, "length": 50, "dropout": 0.3, "tied": True, "objective": "chunked", "shared": 2048,
        "penalty": 1.0, "elu": 0.5,
    },
    "sasrec": {
        "dim": 64, "heads": 2, "blocks": 2, "inner": 256, "length": 50, "dropout": 0.2, "norm": "pre",
        "objective": "chunked", "shared": 2048, "negatives": 1,
    },
    "ante_rnn": {
        "dim": 64, "length": 30, "text": "topical", "image": "aligned", "words": "linear", "fusion": "attention",
        "context": "attention", "window": 5, "times": ["hour_of_week", "gap"], "loss": "chunked", "shared": 512,
        "dropout": 0.5, "triplet": {"share": 0.2, "margin": 0.3, "items": 8},
    },
    "mahn": {
        "dim": 50, "length": 50, "views": ["image", "text"], "first": "concatenation", "second": "concatenation",
        "gates": "modulated", "scored": "second", "reconstruction": 1.0, "dropout": 0.1, "objective": "sampled",
        "negatives": 1, "shared": 512,
    },
    "min_net": {
        "dim": 64, "inner": 64, "length": 50, "dropout": 0.1, "views": ["image", "text"], "translation": "cross",
        "sequence": "attention", "fusion": "concatenation", "objective": "sampled", "negatives": 4, "shared": 512,
        "auxiliary": {"translation": 0.1, "contrast": 0.1, "form": "logistic", "detach": False},
    },
    "iris": {
        "dim": 16, "hidden": 768, "length": 200, "negatives": 4, "fusion": "shared", "history": "before", "alpha": 0.0,
        "beta": 0.8, "unit": "sigmoid", "missing": "neutral", "standard": True, "item_bias": False,
        "penalty": {"factors": 1e-7, "relevance": 1e-5, "views": 1e-5, "shared": 1e-5},
    },
    "iarn": {
        "dim": 25, "hidden": 64, "inner": 64, "length": 50, "item_length": 50, "gate": "interacting", "cell": "gated",
        "features": "flat", "ratings": True, "loss": "rating", "negatives": 1, "dropout": 0.25,
    },
}  # fmt: skip

VARIANTS: dict[str, dict[str, Section]] = {
    "popularity": {},
    "bpr_mf": {"negatives": {"negatives": 3}},
    "biases": {"history": {"person": "history"}},
    "gru4rec": {
        "full": {"objective": "full"}, "sampled": {"objective": "sampled"}, "bpr_max": {"objective": "bpr_max"},
        "untied": {"tied": False}, "layers": {"layers": 2},
    },
    "sasrec": {
        "full": {"objective": "full"}, "sampled": {"objective": "sampled"},
        "bce": {"objective": "bce", "negatives": 3}, "official": {"norm": "official"},
    },
    "ante_rnn": {
        "product": {"fusion": "product"}, "mlp": {"fusion": "mlp"},
        "text_only": {"image": "none", "fusion": "single"},
        "image_only": {"image": "mean", "text": "none", "fusion": "single"},
        "gru_words": {"words": "gru"}, "mean_context": {"context": "mean"}, "no_context": {"context": "off"},
        "sampled": {"loss": "sampled"}, "full": {"loss": "full"}, "paper_gru": {"readings": {"gru": "paper"}},
        "tied": {"readings": {"tied_content_head": True}},
    },
    "mahn": {
        "sums": {"first": "sum", "second": "sum"}, "no_views": {"views": []}, "open": {"gates": "open"},
        "first_layer": {"scored": "first"}, "bpr": {"objective": "bpr"}, "chunked": {"objective": "chunked"},
    },
    "min_net": {
        "no_translation": {"translation": "none"}, "own_translation": {"translation": "own"},
        "last": {"sequence": "last"}, "parallel_lstm": {"sequence": "parallel_lstm"},
        "mixed_lstm": {"sequence": "mixed_lstm"}, "no_views": {"views": []}, "product": {"fusion": "product"},
        "bce": {"objective": "bce"}, "bce_popular": {"objective": "bce_popular"},
        "chunked": {"objective": "chunked"},
    },
    "iris": {
        "added": {"fusion": "added"}, "image": {"fusion": "image"}, "text": {"fusion": "text"},
        "others": {"history": "others"}, "item_bias": {"item_bias": True, "alpha": 0.5},
    },
    "iarn": {
        "hierarchical": {"features": "hierarchical"}, "plain": {"features": "none"},
        "tagm": {"features": "none", "gate": "own"}, "rnn": {"features": "none", "gate": "none"},
        "lstm": {"features": "none", "gate": "none", "cell": "lstm"},
        "ranking": {"loss": "ranking", "negatives": 3},
    },
}  # fmt: skip

NAMES = sorted(m.name for m in pkgutil.iter_modules(models.__path__) if not m.ispkg)

# widths that a test of the benchmark itself can afford, of the settings that a model has
SMALL: Section = {"dim": 8, "inner": 8, "hidden": 8, "length": 8, "item_length": 6, "shared": 16}
SMALLER: dict[str, Section] = {"iarn": {"dim": 6}, "hyperrec": {"dim": 6}}  # 16 bits are coarse for a few channels


def choice(name: str, small: bool, changes: Section | None = None) -> Choice:
    """A model's section, with changes."""
    fields = models.find(name).Config.model_fields
    narrow = {key: value for key, value in SMALL.items() if small and key in fields}
    return Choice(
        name=name, settings=MODELS.get(name, {}) | narrow | (SMALLER.get(name, {}) if small else {}) | (changes or {})
    )


def variants(small: bool) -> list[tuple[str, str, Choice]]:
    """Every model as it stands, and its variants: model, variant, section. Nothing is dropped out."""
    found = []
    for name in NAMES:
        quiet = {"dropout": 0.0} if "dropout" in models.find(name).Config.model_fields else {}
        for variant, changes in {"default": {}, **VARIANTS.get(name, {})}.items():
            found.append((name, variant, choice(name, small, quiet | changes)))
    return found
