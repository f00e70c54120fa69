"""What can be set for the extraction: where it runs, and which network reads pictures and texts."""

from typing import Literal

from pydantic import Field

from engine.tables.settings import Record

Precision = Literal["auto", "fp32", "bf16", "fp16"]
UNTRAINED = ("none", "untrained")  # weights drawn from the seed


class Execution(Record):
    """Where a network runs."""

    engine: Literal["local", "ray"] = Field("local", description="this process, or Ray Data on a cluster")
    address: str = Field("", description="of a Ray cluster; empty: one of `workers` is started on this machine")
    workers: int = Field(2, ge=1, description="processes of Ray that hold a network each")


class PictureEncoder(Execution):
    """Which network reads pictures, and how."""

    backbone: str = Field("resnet50", description="a network of torchvision; none skips")
    weights: str = Field(
        "DEFAULT",
        description="a name of torchvision (IMAGENET1K_V1, DEFAULT), a file, or untrained (drawn from the seed; "
        "the demo alone also takes none for it)",
    )
    layer: str = Field("", description="the layer whose output is taken; empty: the last map before pooling")
    size: int = Field(224, ge=16, description="pixels to which a picture's sides (a detector: its shorter) are brought")
    width: int = Field(0, ge=0, description="principal components kept of a vector; 0: the vector as it is")
    batch_size: int = Field(0, ge=0, description="pictures a batch; 0: as suits the device")
    precision: Precision = Field("auto", description="auto: fp16 on CUDA, bf16 on a processor that has it, else fp32")

    def refuse_untrained(self, dataset: str, section: str) -> None:
        """An untrained network outside the demo must be asked for by name.

        Raises:
            ValueError: `weights: none` with another data set than `demo`.
        """
        if self.weights == "none" and dataset != "demo":
            raise ValueError(
                f"{section}.weights is none: an untrained {self.backbone} would read the pictures of {dataset}. Set it "
                "to weights of torchvision by name (IMAGENET1K_V1, DEFAULT), to a file of weights, or to untrained if "
                "random features are what you want"
            )


class Detection(Record):
    """Which proposals of a detector become regions (Anderson et al. 2018, section 3.1)."""

    longest: int = Field(1000, ge=16, description="pixels of a picture's longer side at most")
    proposals: int = Field(300, ge=1, description="kept a picture after suppression")
    overlap: float = Field(0.7, gt=0, le=1, description="intersection over union above which a proposal is suppressed")
    class_overlap: float = Field(0.3, gt=0, le=1, description="the same, class by class, among classified proposals")
    confidence: float = Field(0.2, ge=0, le=1, description="least probability of a region's best class")
    most: int = Field(36, ge=1, description="regions a picture at most, best first")
    classes: int = Field(1600, ge=1, description="classes of a resnet101_c4 file, without background")


class TextEncoder(Execution):
    """Which network reads texts, and how."""

    encoder: str = Field(
        "minilm", description="minilm, a Hugging Face BERT by name or folder, doc2vec, or none to skip"
    )
    limit: int = Field(64, ge=0, description="words kept a text; 0: all")
    tokens: int = Field(256, ge=3, description="word pieces read of a text")
    batch_tokens: int = Field(0, ge=0, description="word pieces a batch; 0: as suits the device")
    precision: Precision = Field("auto", description="auto: fp16 on CUDA, bf16 on a processor that has it, else fp32")


class Doc2VecTraining(Record):
    """How paragraph vectors are learnt from the texts themselves."""

    dim: int = Field(100, ge=1, description="width of a vector")
    window: int = Field(5, ge=1, description="words before and after that predict a word")
    minimum: int = Field(2, ge=1, description="times that a word must occur")
    epochs: int = Field(40, ge=1, description="passes over the texts")
