"""Where each table and reading of a data set lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of one data set under `root` and one protocol.

    `prepared`: the folder of a split and its topics where it is another than the root's own; `results`: that of a
    model's weights, ranks and reasons; `readings`: that of metrics and plots. The papers' cells set them.
    """

    root: Path
    protocol: str
    prepared: Path | None = None
    results: Path | None = None
    readings: Path | None = None

    # ---- ingest

    @property
    def sources(self) -> Path:
        """Size and digest of the raw files that the data set names."""
        return self.root / "sources.json"

    @property
    def events(self) -> Path:
        return self.root / "events.parquet"

    @property
    def users(self) -> Path:
        return self.root / "users.parquet"

    @property
    def items(self) -> Path:
        return self.root / "items.parquet"

    @property
    def given_catalog(self) -> Path:
        """Texts that came with the raw logs."""
        return self.root / "given" / "catalog.parquet"

    @property
    def given_images(self) -> Path:
        """Pictures that came with the raw logs, in shards."""
        return self.root / "given" / "images"

    @property
    def given_candidates(self) -> Path:
        """Candidate lists that came with the raw logs."""
        return self.root / "given" / "candidates.parquet"

    @property
    def truth(self) -> Path:
        """The known causes of a made world's acts."""
        return self.root / "truth.parquet"

    @property
    def oracle(self) -> Path:
        """The best ranks that are possible in a made world."""
        return self.root / "oracle.parquet"

    # ---- crawl and features

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.parquet"

    @property
    def images(self) -> Path:
        """Pictures in shards."""
        return self.root / "images"

    @property
    def regions(self) -> Path:
        return self.root / "features" / "regions.parquet"

    @property
    def image(self) -> Path:
        """One vector a picture."""
        return self.root / "features" / "image.parquet"

    @property
    def text(self) -> Path:
        """One vector a text."""
        return self.root / "features" / "text.parquet"

    @property
    def words(self) -> Path:
        """One vector a word of a text."""
        return self.root / "features" / "words.parquet"

    # ---- split and topics

    @property
    def split(self) -> Path:
        """Events with their part: train, valid, test."""
        return self._prepared("splits", self.protocol) / "events.parquet"

    @property
    def cases(self) -> Path:
        """What is ranked, with frozen candidates."""
        return self._prepared("splits", self.protocol) / "cases.parquet"

    @property
    def topic_history(self) -> Path:
        return self._topics / "history.parquet"

    @property
    def topic_items(self) -> Path:
        return self._topics / "items.parquet"

    @property
    def topic_words(self) -> Path:
        return self._topics / "words.parquet"

    @property
    def topic_snapshots(self) -> Path:
        return self._topics / "snapshots.parquet"

    # ---- one model

    @property
    def weights(self) -> Path:
        return self._results / "model" / "weights.pt"

    @property
    def ranks(self) -> Path:
        """The ranks of the test cases."""
        return self._results / "ranks" / "test.parquet"

    @property
    def errors(self) -> Path:
        """How far each predicted rating of the test part lies from the one that was given."""
        return self._results / "ranks" / "errors.parquet"

    @property
    def reasons(self) -> Path:
        return self._results / "reasons" / "reasons.parquet"

    @property
    def recommendations(self) -> Path:
        """What everyone would be shown now."""
        return self._results / "recommendations.parquet"

    @property
    def recommendations_csv(self) -> Path:
        """The same for those who read no Parquet."""
        return self._results / "recommendations.csv"

    @property
    def page(self) -> Path:
        """The reasons as a page."""
        return self._results / "reasons" / "index.html"

    # ---- readings, which git keeps

    def metric(self, name: str) -> Path:
        """metrics/<name>.json."""
        return self._readings / f"{name}.json"

    def plot(self, name: str) -> Path:
        """metrics/plots/<name>.csv."""
        return self._readings / "plots" / f"{name}.csv"

    def _prepared(self, *parts: str) -> Path:
        return self.prepared or self.root.joinpath(*parts)

    @property
    def _topics(self) -> Path:
        return self.prepared / "topics" if self.prepared else self.root / "topics"

    @property
    def _results(self) -> Path:
        return self.results or self.root

    @property
    def _readings(self) -> Path:
        return self.readings or self._results / "metrics"
