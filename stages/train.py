"""One model: learned on train, selected on valid."""

import logging

import torch

import models
from engine.evaluation.rank import rank
from engine.evaluation.rate import Errors, rates
from engine.evaluation.selection import CUTOFF, named, selection
from engine.measures.ranking import ndcg, positions, recall
from engine.tables import files, store, validated_run
from engine.tables.command import run
from engine.tables.files import cache
from engine.tables.layout import Layout
from engine.training import weights
from engine.training.contract import CatalogScorer, Factored, Rater, Recommender, Tuned
from engine.training.fit import Progressed, Train, Validated, accelerator, fit, leads, peak_gib
from engine.training.run_settings import RunSettings
from engine.training.source import Data, digest, load, missing_cases
from engine.training.trained_on import trained_on

log = logging.getLogger(__name__)

RISING = 0.02  # of a reading, in the last quarter of epochs: more of them would bring more


class Params(RunSettings):
    """What the stage reads of params.yaml."""


def main(params: Params, layout: Layout) -> None:
    """Train the chosen model, keep its best state by validation NDCG@10, or RMSE where its loss is of ratings; killed
    and started again, it goes on. Several processes (torchrun) learn together, and the first one writes.
    """
    learning = settings(params)
    device = accelerator(params.device)
    needs = models.configure(params.model).needs
    data, about = load(layout, needs, "valid", device), trained_on(layout, needs, tested=True)
    torch.manual_seed(params.seed)
    model = models.build(params.model, data.catalog, data.users).to(device)
    checkpoint = cache("checkpoints") / f"{params.model.name}-{_digest(params, learning, layout)}.pt"
    chosen = _validated(params, learning, layout) if learning.validated else None
    reading = chosen or selection(model, data, params.seen, missing_cases(layout))
    done = fit(model, data.train, reading, learning, params.seed, checkpoint)
    if not leads():
        return
    learned = weights.Learned.of(params.model.name, models.configure(params.model), about)
    weights.save(model.state_dict(), learned, layout.weights)
    _write(model, data, params, done, device, layout)


def settings(params: Params) -> Train:
    """How to learn, checked with the model's own section."""
    models.configure(params.model)
    return models.learning(params.model, params.train)


def _validated(params: Params, learning: Train, layout: Layout) -> Validated:
    if "no_valid_cases" not in store.meta(layout.split):
        raise ValueError("train.validated: this protocol validates by itself; it is for `everything`, which cannot")
    run = validated_run.read(learning.validated)
    run.refuse_other(layout.root.name, params.model.name, params.model.settings, params.train)
    return Validated(run.best_epoch, run.chosen, run.plateaus)


def _digest(params: Params, learning: Train, layout: Layout) -> str:
    """Of all that makes a run what it is at each epoch; not of when it ends or is saved, so that a run goes on with
    more epochs, and ends with fewer."""
    config = models.configure(params.model)
    how = learning.model_dump_json(exclude={"epochs", "patience", "save"})
    given = (params.model.name, config.model_dump_json(), how, params.seen, params.device, str(params.seed))
    return digest(layout, config.needs, *given, torch.__version__, models.code(params.model.name))


def _errors(model: Recommender, data: Data) -> Errors:
    assert isinstance(model, Rater)
    return Errors.of(model, data.train, data.events, data.part_E)


def _write(model: Recommender, data: Data, params: Params, done: Progressed, device: str, layout: Layout) -> None:
    readings: dict[str, float] = {}
    pair_by_pair = rates(model) and not isinstance(model, CatalogScorer | Factored)  # selected by RMSE, slow to rank
    if len(data.cases) and not pair_by_pair:
        counts = rank(model, data.cases, data.events, params.seen)
        place = positions(counts.greater, counts.ties)
        readings |= {f"valid_ndcg@{CUTOFF}": float(ndcg(place, CUTOFF).mean())}
        readings |= {f"valid_recall@{k}": float(recall(place, k).mean()) for k in (10, 20)}
    if rates(model) and len(data.part_E):
        errors = _errors(model, data)
        readings |= {"valid_rmse": errors.rmse, "valid_mae": errors.mae}
    if isinstance(model, Tuned):
        readings |= {f"chosen_{name}": value for name, value in model.chosen.items()}
    readings |= {"valid_cases": len(data.cases), "best_epoch": done.best_epoch}
    readings |= {f"best_epoch_{phase}": epoch for phase, epoch in done.best_epochs.items()}
    for phase, plateaus in done.phase_plateaus.items():
        readings |= {"_".join(filter(None, ["plateau", phase, str(n)])): end for n, end in enumerate(plateaus, 1)}
    files.write_json(readings, layout.metric("valid"))
    cost = {
        "seconds_an_epoch": done.seconds_an_epoch,
        "seconds_training": done.earlier + sum(done.seconds),
        "seconds_to_the_best": done.seconds_to_the_best,
        "epochs": done.epoch,
        "ended_at_cap": int(done.capped),
        "peak_gib": peak_gib(device),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    files.write_json(cost, layout.metric("cost"))
    losses = [f"{epoch},{loss:.9g}" for epoch, loss in enumerate(done.losses, 1)]
    files.write_text("\n".join(["epoch,loss", *losses]) + "\n", layout.plot("loss"))
    files.write_text(
        "\n".join(["epoch,ndcg", *(f"{e},{v:.9g}" for e, v in done.readings)]) + "\n", layout.plot("valid")
    )
    if done.capped and done.risen > RISING:
        rising = "validation was still rising at the last epoch (%d; by %.0f %%): more models.%s.train.epochs"
        log.warning(rising, done.epoch, 100 * done.risen, params.model.name)
    selected = f"{named(model)} {done.best:.4f}" if done.readings else "not selected"
    log.info("best epoch %d of %d: %s; %d validation cases", done.best_epoch, done.epoch, selected, len(data.cases))


if __name__ == "__main__":
    run(main)
