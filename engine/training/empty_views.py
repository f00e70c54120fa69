"""Why a view that a model needs is empty, from what the stage noted beside its rows."""

from typing import Any

from engine.training.needs import View

SETTING = {"image": "images.backbone", "text": "text.encoder", "words": "text.encoder", "regions": "regions.detector"}
SETTING |= {"topics": "topics.method"}


def why_empty(view: View, about: dict[str, Any]) -> str:
    """How many pictures or texts there were, and how many gave nothing; else the setting that skipped the stage."""
    for given, lost, cause in (
        ("pictures", "unread", "could not be read"),
        ("pictures", "empty", "show nothing that the detector is sure of"),
        ("texts", "wordless", "have no word"),
    ):
        if about.get(given) and about.get(lost) == about[given]:
            return f"all {about[given]} {given} {cause}"
    if about.get("pictures") == 0 or about.get("texts") == 0:
        given = "pictures" if "pictures" in about else "texts"
        return f"these items have no {given}; take a model that needs none, or a data set that has them"
    if "why" in about:
        return str(about["why"])
    return f"the table is empty; set contents.<content>.{SETTING[view]} to make it"
