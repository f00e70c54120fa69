"""Topic profiles as if some events had not been: the compiled loops of `profile.ProfileSource`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.training.profile import moved

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
_moved = njit(cache=False)(moved)


@njit(cache=False)
def without(
    event_BL: Whole,
    gone_BL: NDArray[np.bool_],
    first_B: Whole,
    events: tuple[Whole, Whole, Whole],
    past_HT: Floats,
    share_NT: Floats,
    decay: float,
) -> Floats:
    """As `_decayed`, row by row; of the window going on both sums are kept, of all its items and of those left."""
    period, row, item = events
    width = share_NT.shape[1]
    out = np.zeros((event_BL.shape[0], event_BL.shape[1], width), np.float32)
    for b in range(event_BL.shape[0]):
        before, every, left = np.full(width, 1.0 / width), np.zeros(width), np.zeros(width)
        mass, count, kept, lost, place = 0.0, 0, 0, False, 0
        last = event_BL[b].max()
        for e in range(first_B[b], last):
            if e > first_B[b] and period[e] != period[e - 1]:
                done = row[e - 1] >= 0 and not (lost and kept == 0)
                if done:
                    share = past_HT[row[e - 1]].astype(np.float64)
                    share = _moved(share, left / kept - every / count) if lost else share
                    before[:] = (mass * before + share) / (mass + 1.0)
                mass = (mass + done) * np.exp(-decay * (period[e] - period[e - 1]))
                every[:], left[:], count, kept, lost = 0.0, 0.0, 0, 0, False
            asked = place < event_BL.shape[1] and event_BL[b, place] == e + 1
            gone = gone_BL[b, place] if asked else place > 0
            if item[e] >= 0:
                every += share_NT[item[e]]
                count += 1
                if not gone:
                    left += share_NT[item[e]]
                    kept += 1
                else:
                    lost = True
            if asked and not gone:
                out[b, place] = (mass * before + left / kept) / (mass + 1.0) if kept else before
            place += asked
    return out
