"""Settings that validation chooses among, for the models that are tuned."""

import torch
from torch import Tensor, nn


class Chosen(nn.Module):
    """What is chosen is kept in a buffer beside the weights; until then it is the first choice."""

    chosen_S: Tensor

    def offer(self, choices: list[dict[str, float]]) -> None:
        """Choose among these; once, when a model is built."""
        self._choices = choices
        self.register_buffer("chosen_S", torch.tensor(list(choices[0].values()), dtype=torch.float64))

    @property
    def choices(self) -> list[dict[str, float]]:
        """What there is to choose from."""
        return self._choices

    @property
    def chosen(self) -> dict[str, float]:
        """What solving and scoring go by."""
        return dict(zip(self._choices[0], self.chosen_S.tolist(), strict=True))

    def choose(self, choice: dict[str, float]) -> None:
        """Go by one of them from now on; settings go by name, in any order."""
        self.chosen_S.copy_(torch.tensor([choice[name] for name in self._choices[0]], dtype=torch.float64))
