"""Weekly sales of cities with a roll-out in one of them: for methods that have no control group drawn by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.simulate.settings import SettingsError, stream

CHOSEN = ("chance", "growing")


def simulate_regions(
    *, chosen: str, effect: float, seed: int, regions: int = 16, weeks_before: int = 20, weeks_after: int = 6
) -> pd.DataFrame:
    """Sales a customer and week in cities that share a season and differ in level and growth.

    sales = level + season + growth · trend + noise; from week 0 on the treated city has `effect` more. The trend rises
    from 0 to 1 over all weeks; growth is normal with standard deviation 8, so cities drift apart.

    Parameters
    ----------
    chosen : str
        'chance': any city was chosen. 'growing': one of the fastest growing, the third of all (so that others like it
        exist): what a manager would do.
    effect : float
        Currency units a customer and week.
    seed : int
        Start of the random stream.
    regions, weeks_before, weeks_after : int
        Size of the panel; at least 6 regions.

    Returns
    -------
    DataFrame
        One row a week (index, 0 is the first with the roll-out), one column a city, 'treated' first.

    Examples
    --------
    >>> panel = simulate_regions(chosen="chance", effect=5.0, seed=1)
    >>> panel.shape, panel.columns[0], int(panel.index[0])
    ((26, 16), 'treated', -20)
    """
    if chosen not in CHOSEN:
        raise SettingsError(f"chosen {chosen!r}: take one of {', '.join(CHOSEN)}")
    if regions < 6 or weeks_before < 2 or weeks_after < 1:
        raise SettingsError(f"regions {regions!r}: take at least 6, and weeks before and after the start")
    rng, weeks = stream(seed, "regions"), np.arange(-weeks_before, weeks_after)
    level, growth = rng.normal(30, 6, regions), rng.normal(0, 8, regions)
    season, noise = rng.normal(0, 3, (len(weeks), 1)), rng.normal(0, 1.5, (len(weeks), regions))
    sales = level + season + growth * np.linspace(0, 1, len(weeks))[:, None] + noise
    first = int(np.argsort(-growth)[2]) if chosen == "growing" else 0
    sales[weeks >= 0, first] += effect
    order = [first, *(i for i in range(regions) if i != first)]
    names = ["treated", *(f"city {i:02d}" for i in range(1, regions))]
    return pd.DataFrame(sales[:, order], index=weeks, columns=names)
