"""What makes a person's vector of a history, in ONNX: traced by torch, run by onnxruntime, then checked."""

import contextlib
import io
import logging
import re
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.contract import Factored
from engine.training.needs import Needs
from serving.history import Refused

FIELDS = ("item_BL", "length_B", "time_BL", "topic_BLT", "rating_BL", "now_B", "user_B")
NEAR = 1e-4  # of the largest number in the vectors


class Encoder(nn.Module):
    """The fields of a batch, each as an input of its own, to query_BD."""

    def __init__(self, net: Factored, fields: list[str]):
        super().__init__()
        self.net, self.fields = net, fields

    def forward(self, *given: Tensor) -> Tensor:
        """query_BD."""
        named = dict(zip(self.fields, given, strict=True))
        item_BL, length_B = named.pop("item_BL"), named.pop("length_B")
        user_B = named.pop("user_B", torch.zeros_like(length_B))
        return self.net.query(Batch(user_B, item_BL, length_B, item_BL).but(**named))


def inputs(batch: Batch, needs: Needs, people: bool) -> dict[str, Tensor]:
    """What an encoder is given of a batch, as wide as the model reads; `people`: who they are is among it."""
    found = {name: value for name in FIELDS if (value := getattr(batch, name)) is not None}
    if not people:
        del found["user_B"]
    lack = needs.length - batch.item_BL.shape[1]
    wide = {name: (0, 0, 0, lack) if value.ndim == 3 else (0, lack) for name, value in found.items() if value.ndim > 1}
    return {name: nn.functional.pad(value, wide[name]) if name in wide else value for name, value in found.items()}


def write_encoder(net: Factored, given: dict[str, Tensor], path: Path) -> None:
    """Trace it for any number of rows and write it.

    Raises:
        Refused: torch cannot trace this model, or what was traced cannot be written; says why.
    """
    rows = torch.export.Dim("B")
    noise, level = io.StringIO(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.onnx.export(
                Encoder(net, list(given)).eval(),
                tuple(given.values()),
                dynamo=True,
                dynamic_shapes=(tuple({0: rows} for _ in given),),
                input_names=list(given),
                output_names=["query_BD"],
                verbose=False,
            )
            assert traced is not None
            traced.save(path)
    except Exception as error:
        cause = error.__cause__ or error
        raise Refused(f"torch cannot trace it ({_first_line(cause)})") from error
    finally:
        logging.disable(level)


def _first_line(error: BaseException) -> str:
    first = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().split("\n")[0][:200]
    return f"{type(error).__name__}: {first}"


def farthest(path: Path, given: dict[str, Tensor], query_BD: Tensor) -> float:
    """How far the written encoder lies from the model, as a share of the largest number, each row alone and together.

    Raises:
        Refused: farther than rounding explains, or it does not run on such rows.
    """
    import onnxruntime  # for this check alone

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        named = {one.name: given[one.name].cpu().numpy() for one in session.get_inputs()}
        together_BD = session.run(None, named)[0]
        alone_D = session.run(None, {name: value[:1] for name, value in named.items()})[0]
    except Exception as error:  # onnxruntime has no class for its errors
        raise Refused(f"what was traced does not run on any number of rows ({_first_line(error)})") from error
    expected_BD = query_BD.numpy()
    most = max(np.abs(together_BD - expected_BD).max(), np.abs(alone_D - expected_BD[:1]).max())
    found = float(most / max(np.abs(expected_BD).max(), 1e-12))
    if not found <= NEAR:
        raise Refused(f"what was traced differs from the model by {found:.1e} of its largest number")
    return found
