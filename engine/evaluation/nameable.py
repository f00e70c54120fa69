"""What there are names for: a reason that cannot be called anything is not told in a sentence."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Nameable:
    """term_X: the number of each word of the catalog's flat table, 0 for those that are not to be named (None: no words
    are); category_N: of each item, 0 none (None: none has one); topics, regions: whether they can be named.
    """

    term_X: Tensor | None = None
    category_N: Tensor | None = None
    topics: bool = False
    regions: bool = False


ACT_ALONE = Nameable()
