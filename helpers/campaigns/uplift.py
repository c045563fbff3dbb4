"""Who should get the offer? From a randomised campaign to the people whom it changes (Gutierrez & Gérardy 2017).

The one door of notebook 51: what was known before the draw (`known_before`), the checks (`uplift_trial`), the models
(`uplift_models`, `uplift_tree`), the ranking (`qini`), the value of a list (`uplift_policy`), groups of customers
(`uplift_groups`) and the grading (`uplift_grading`) are reached through it.
"""

from helpers.campaigns.known_before import FEATURES, balance, balance_test, design, known_before
from helpers.campaigns.participants import choose, observational, overview, participants
from helpers.campaigns.qini import compare_rankings, qini_auc, qini_curves, uplift_at, uplift_auc, uplift_curve
from helpers.campaigns.uplift_grading import (
    beats,
    calibration,
    calibration_slope,
    interval_coverage,
    many_campaigns,
    repeated_splits,
    spread,
    within_spread,
)
from helpers.campaigns.uplift_groups import (
    TYPES,
    effect_by_group,
    predicted_types,
    tree_groups,
    type_bounds,
    without_group,
)
from helpers.campaigns.uplift_models import METHODS, predict
from helpers.campaigns.uplift_policy import (
    influence,
    policies_at,
    policy_differences,
    policy_values,
    take_best,
    true_value,
    value_curve,
    value_estimate,
)
from helpers.campaigns.uplift_trial import Trial, check_draw, naive_draw, prepare, scores, two_arms

__all__ = [
    "FEATURES",
    "METHODS",
    "TYPES",
    "Trial",
    "balance",
    "balance_test",
    "beats",
    "calibration",
    "calibration_slope",
    "check_draw",
    "choose",
    "compare_rankings",
    "design",
    "effect_by_group",
    "influence",
    "interval_coverage",
    "known_before",
    "many_campaigns",
    "naive_draw",
    "observational",
    "overview",
    "participants",
    "policies_at",
    "policy_differences",
    "policy_values",
    "predict",
    "predicted_types",
    "prepare",
    "qini_auc",
    "qini_curves",
    "repeated_splits",
    "scores",
    "spread",
    "take_best",
    "tree_groups",
    "true_value",
    "two_arms",
    "type_bounds",
    "uplift_at",
    "uplift_auc",
    "uplift_curve",
    "value_curve",
    "value_estimate",
    "within_spread",
    "without_group",
]
