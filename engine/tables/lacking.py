"""What a run needs and the data does not have: a row that cannot be had, where others can."""

STATUS = 3  # with which a stage ends


class Lacking(KeyError):
    """The data set, or what was searched on it, has not what the chosen model needs; the message says what would do."""
