"""What the things of a data set, their pictures, texts and what people do to them are called where people read it."""

from pydantic import Field

from engine.tables.settings import Record


class DomainWords(Record):
    """The section `datasets.<name>.words`: "20 films watched before", "What person-1 watched"."""

    item: str = Field("item", min_length=1, max_length=40, description="one of the things: film, book, product")
    items: str = Field("items", min_length=1, max_length=40, description="several of them")
    picture: str = Field("picture", min_length=1, max_length=40, description="a thing's picture: poster, cover")
    text: str = Field("text", min_length=1, max_length=40, description="what is written about it: plot, description")
    act: str = Field("acted on", min_length=1, max_length=40, description="what people have done to them: watched")
