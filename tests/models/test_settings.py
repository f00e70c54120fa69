"""Every setting of every model has a default, and says what it is."""

from collections.abc import Iterator

import pytest
from pydantic.fields import FieldInfo

import models
from engine.tables.settings import Choice, Record
from engine.training.schedule import Train
from tests.models.variants import FOUND
from tests.models.world import World


def fields(record: type[Record], where: str) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a record and of the records in it, by their dotted names."""
    for name, field in record.model_fields.items():
        yield f"{where}.{name}", field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Record):
            yield from fields(field.annotation, f"{where}.{name}")


EVERY = [found for name in FOUND for found in fields(models.find(name).Config, name)] + list(fields(Train, "train"))


@pytest.mark.parametrize(("name", "field"), EVERY, ids=[name for name, _ in EVERY])
def test_a_setting_is_explained_has_a_default_and_a_range(name: str, field: FieldInfo) -> None:
    assert field.description
    assert not field.is_required()
    if field.annotation in (int, float):
        assert field.metadata, f"{name} is a number and may be any"


@pytest.mark.parametrize("name", FOUND)
def test_a_model_builds_from_nothing_but_its_defaults(name: str, world: World) -> None:
    assert (
        models.build(Choice(name=name, settings={}), world.catalog, world.users).needs
        == models.find(name).Config().needs
    )


def test_how_a_model_learns_is_refused_in_the_section_where_it_stands() -> None:
    own = Choice(name="sasrec", settings={"train": {"epochs": 0}})
    with pytest.raises(ValueError, match=r"params\.yaml: models\.sasrec\.train\.epochs: .* \(found 0\)"):
        models.learning(own, {"lr": 0.1})
    with pytest.raises(ValueError, match=r"params\.yaml: train\.lr: .* \(found 0\)"):
        models.learning(own.model_copy(update={"settings": {"train": {"epochs": 1}}}), {"lr": 0, "epochs": 0})
    with pytest.raises(ValueError, match=r"params\.yaml: train: .*patience: 1 ends a run before decay"):
        models.learning(Choice(name="sasrec", settings={}), {"patience": 1, "decay": "plateau"})
    with pytest.raises(ValueError, match=r"params\.yaml: models\.sasrec\.train is 5, expected a section"):
        models.learning(Choice(name="sasrec", settings={"train": 5}), {})
