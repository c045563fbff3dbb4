"""Small made-up past campaigns and customers for the tests of scenarios."""

from __future__ import annotations

import numpy as np
import pandas as pd


def past(name: str = "sale", *, size: int = 400, added: float = 0.2, seed: int = 1, **changed) -> pd.DataFrame:
    """Participants of one campaign with a control and one treated arm; `changed` replaces columns."""
    rng = np.random.default_rng(seed)
    treated = np.arange(size) % 2 == 1
    orders = rng.poisson(0.4 + added * treated)
    later = np.where(rng.random(size) < 0.3, 50.0, 0.0)
    margin = orders * rng.uniform(5, 15, size)
    people = pd.DataFrame({
        "campaign_id": name, "user_id": np.arange(size), "arm": np.where(treated, "treated", "control"),
        "starts_at": 1, "randomised": True, "purchased": (orders > 0).astype(int), "orders": orders, "margin": margin,
        "spend": 3 * margin, "contacts": np.where(treated, 2, 0), "contact_cost": np.where(treated, 0.2, 0.0),
        "later_spend": later, "later_margin": later / 3, "opted_out": 0, "weeks": 2.0, "channel": "email",
        "unit_cost": 0.1, "group": np.where(rng.random(size) < 0.5, "x", "y"),
    })  # fmt: skip
    return people.assign(**changed)


def frequencies(size: int = 600) -> pd.DataFrame:
    """A campaign with one and with four messages a week."""
    parts = [past("often", size=size, seed=k) for k in (2, 3)]
    one, four = (p[p.arm == "treated"] for p in parts)
    control = parts[0][parts[0].arm == "control"]
    one, four = one.assign(arm="one", contacts=2), four.assign(arm="four", contacts=8)
    return pd.concat([control, one, four], ignore_index=True)


def customers(size: int = 200, seed: int = 4) -> pd.DataFrame:
    """Customers at the launch, in the groups of `past`."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "user_id": np.arange(size), "city_tier": 1 + np.arange(size) % 4, "consent_email": 1, "consent_push": 1,
        "age_band": np.array(["25-34", "45-54"], object)[np.arange(size) % 2], "past_spend": rng.uniform(0, 9, size),
        "opted_out_of": "", "group": np.where(np.arange(size) % 2, "x", "y"), "weight": 1.0,
    })  # fmt: skip
