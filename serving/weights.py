"""A model with its trained weights; where they are not its own, what makes them and where others may be."""

import models
from engine.tables.layout import Layout
from engine.tables.settings import Choice
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.weights import TrainedOn


def restored(
    choice: Choice, catalog: Catalog, users: int, layout: Layout, about: TrainedOn, device: str
) -> Recommender:
    """The model of a section with the weights under a layout, ready to rank.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are none, or not this model's; says what differs, and what makes its own.
    """
    train = f"python -m stages.train {layout.root} --protocol {layout.protocol} model={choice.name}"
    made = f"`{train} --results FOLDER --readings FOLDER` makes its own, and --results names their folder"
    try:
        return models.restore(choice, catalog, users, layout.weights, about, device)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; {made}") from None
    except ValueError as error:
        if "does not hold" not in str(error):
            raise
        raise ValueError(f"{error}; {made}") from None
