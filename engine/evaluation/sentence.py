"""One sentence that says why an item is shown, from what was found to speak for it."""

from collections.abc import Sequence

OFTEN = 3  # acts: who came so often to a word keeps coming back to it


def sentence(
    act: str,
    words: Sequence[tuple[str, int]] = (),
    picture: bool = False,
    text: bool = False,
    names: tuple[str, str] = ("picture", "text"),
) -> str:
    """`act`: what the past act was on; `words`: of its text, each with the number of acts in whose texts it stands.

    `names`: what a picture and a text are called, e.g. poster and plot.
    """
    said = f"because of {act}"
    if words:
        quoted = " and ".join(f"“{word}”" for word, _ in words)
        plural = "words" if len(words) > 1 else "word"
        often = min(acts for _, acts in words) >= OFTEN
        return (
            f"{said}, whose {plural} {quoted} you keep coming back to"
            if often
            else f"{said}, for its {plural} {quoted}"
        )
    if picture or text:
        return f"{said}, for its {names[0] if picture else names[1]}"
    return said
