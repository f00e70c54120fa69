"""A table in a file of CSV, TSV or Parquet, or in a folder of Parquet parts: its ending says how it is read."""

from typing import Literal

import polars as pl

from stages.ingest.reading import delimited, parquet
from stages.ingest.reading.columns import Column, Tally

Quotes = Literal["auto", "double", "none"]
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read(columns: dict[str, Column], tally: Tally, quotes: Quotes = "auto") -> pl.DataFrame:
    """The good rows of `tally.path` under our names; bad ones go to the tally.

    Args:
        quotes: whether a cell may stand in double quotes; `auto`: in .csv it may, in .tsv and .tab quotes are letters.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an ending that is not known, or a file that cannot be read whole.
    """
    path, ending = tally.path, tally.path.suffix.lower()
    if path.is_dir():
        return parquet.read(path, columns, tally)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: no plain file")
    if ending in SEPARATORS:
        quoted = ending == ".csv" if quotes == "auto" else quotes == "double"
        return delimited.read(path, columns, tally, SEPARATORS[ending], quotes=quoted)
    if ending != ".parquet":
        known = [*SEPARATORS, ".parquet"]
        raise ValueError(f"{path}: the ending says how to read it; known are {known}, and folders of .parquet parts")
    return parquet.read(path, columns, tally)
