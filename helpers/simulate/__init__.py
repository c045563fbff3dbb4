"""The demo shop: simulated tables of the contract with a known truth. See README.md in this folder."""

from helpers.simulate.bundles import BUNDLES, bundle_truth, simulate_bundle
from helpers.simulate.in_memory import simulate_baskets, simulate_customers, simulate_experiment, simulate_uplift
from helpers.simulate.regions import simulate_regions
from helpers.simulate.settings import SettingsError, ShopSettings
from helpers.simulate.shop import make_shop

__all__ = [
    "BUNDLES",
    "SettingsError",
    "ShopSettings",
    "bundle_truth",
    "make_shop",
    "simulate_baskets",
    "simulate_bundle",
    "simulate_customers",
    "simulate_experiment",
    "simulate_regions",
    "simulate_uplift",
]
