"""In how many processes a model learns."""

import os

from lightning_fabric import Fabric


def processes(device: str, precision: str) -> Fabric:
    """This process alone, or all that torchrun started, ready to take steps together."""
    world, own = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=device,
        devices=own,
        num_nodes=max(world // own, 1),
        # a process whose rows have no history, or no words, leaves parameters out that others use
        strategy="ddp_find_unused_parameters_true" if world > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    if world > 1:
        fabric.launch()
    return fabric
