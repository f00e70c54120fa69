"""One sentence that says why an item is shown, from what was found to speak for it."""

from collections.abc import Sequence

from engine.tables.domain_words import DomainWords

PLAIN = DomainWords()
OFTEN = 3  # acts: who came so often to a word keeps coming back to it
THIRDS = (1 / 3, 2 / 3)


def sentence(
    act: str,
    words: Sequence[tuple[str, int]] = (),
    picture: bool = False,
    text: bool = False,
    names: DomainWords = PLAIN,
    region: str = "",
) -> str:
    """`act`: what the past act was on; `words`: of its text, each with the number of acts in whose texts it stands.

    `region`: of its picture, as `part_of_picture` says. `names`: what a picture and a text are called: poster, plot.
    """
    said = f"because of {act}"
    if words:
        quoted = _quoted([word for word, _ in words])
        if min(acts for _, acts in words) >= OFTEN:
            return f"{said}, whose {quoted} you keep coming back to"
        return f"{said}, for its {quoted}"
    if picture and region:
        return f"{said}, for {region} of its {names.picture}"
    if picture or text:
        return f"{said}, for its {names.picture if picture else names.text}"
    return said


def of_item(words: Sequence[str], box: Sequence[float] | None, names: DomainWords = PLAIN) -> str:
    """Of the item itself, where a model reads no history: words of its text, or a region of its picture."""
    if words or box is None:
        return f"for its {_quoted(words)}"
    region = part_of_picture(box)
    return f"for {region} of its {names.picture}" if region else f"for its {names.picture}"


def _quoted(words: Sequence[str]) -> str:
    quoted = " and ".join(f"“{word}”" for word in words)
    return f"{'words' if len(words) > 1 else 'word'} {quoted}"


def of_topic(words: str) -> str:
    """Where a topic, by its first words, outweighs every act."""
    return f"because you keep coming back to “{words}”"


def of_category(category: str, acts: int, names: DomainWords) -> str:
    """Where several acts of the item's own category do together what none does alone."""
    return f"because of {acts} {names.items} of “{category}” that you {names.act}"


def of_view(picture: bool, read: bool, names: DomainWords) -> str:
    """Where a model reads no history, but the item's picture, or its text; or (`read`) what was learnt of it alone."""
    return f"for {'' if read else 'what was learnt of '}its {names.picture if picture else names.text}"


def of_subject(words: str) -> str:
    """A topic of the item's own text, by its first words."""
    return f"because it is about “{words}”"


def of_kind(category: str, names: DomainWords) -> str:
    """A category of the item itself."""
    return f"because it is one of the {names.items} of “{category}”"


def of_crowd(names: DomainWords) -> str:
    """Where an item is shown to all because more have acted on it than on the mean one."""
    return f"because many have {names.act} it"


def of_audience(names: DomainWords) -> str:
    """Where what others did to the item outweighs every act."""
    return f"because of others who {names.act} this {names.item}"


def part_of_picture(box: Sequence[float]) -> str:
    """Where a box (left, top, right, bottom, of 0 to 1) lies, by its middle; nothing where it has a half of it."""
    left, top, right, bottom = box
    if (right - left) * (bottom - top) >= 0.5:
        return ""
    across, down = (left + right) / 2, (top + bottom) / 2
    side = "left" if across < THIRDS[0] else "right" if across > THIRDS[1] else ""
    height = "upper" if down < THIRDS[0] else "lower" if down > THIRDS[1] else ""
    if side and height:
        return f"the {height} {side}"
    return f"the {side} side" if side else f"the {height} part" if height else "the middle"
