"""A shop of nine customers and two months whose every indicator can be counted by hand."""

import pandas as pd

from helpers.engine import as_table

WINDOW = (pd.Timestamp("2017-10-01"), pd.Timestamp("2017-11-30"))
ZONE = "Asia/Shanghai"
NONE_KNOWN = pd.DataFrame({"day": pd.Series(dtype="datetime64[us]"), "event": pd.Series(dtype="object")})


def second(day: str) -> int:
    """Noon of a day in Shanghai, epoch seconds."""
    return int(pd.Timestamp(f"{day} 12:00", tz=ZONE).timestamp())


def dated(rows: list[tuple], columns: str, clock: str = "timestamp") -> pd.DataFrame:
    """Rows whose last column is a day: kept as the clock's second and as `day`."""
    table = pd.DataFrame(rows, columns=[*columns.split(), "day"])
    table[clock] = [second(d) for d in table["day"]]
    return table.assign(day=pd.to_datetime(table["day"]))


ORDERS = dated(
    [
        (1, 1, 7, 1, 2, 10.0, 3.0, "2017-11-06"), (1, 1, 8, 2, 1, 5.0, 0.0, "2017-11-06"),
        (2, 1, 7, 1, 1, 10.0, None, "2017-11-20"), (3, 2, 8, 2, 3, 5.0, 0.0, "2017-11-14"),
        (4, 3, 7, 1, 1, 10.0, 0.0, "2017-11-15"), (5, 1, 7, 1, 1, 10.0, 0.0, "2017-10-10"),
        (6, 4, 8, 2, 1, 5.0, 0.0, "2017-10-11"),
    ],
    "order_id user_id item_id category_id quantity unit_price discount",
)  # fmt: skip
EVENTS = dated(
    [(u, 7, 1, "pv", "2017-11-05") for u in (1, 2, 3, 9)] + [(u, 7, 1, "buy", "2017-11-06") for u in (1, 2, 3)],
    "user_id item_id category_id behavior",
)
TOUCHES = dated(
    [(1, "tv", "2017-11-05"), (1, "web", "2017-11-06"), (2, "tv", "2017-11-06"), (4, "web", "2017-10-11")],
    "user_id channel",
)
ANSWERS = dated(
    [(1, 10, 5, False, "2017-11-08"), (2, 9, 4, False, "2017-11-16"), (3, 3, 1, True, "2017-11-17"),
     (9, 8, 3, False, "2017-11-18"), (4, 0, 1, True, "2017-10-20")],
    "user_id nps rating complaint", "created_at",
)  # fmt: skip
CONTACTS = dated(
    [(1, 1, "email", True, "2017-11-02"), (2, 2, "email", False, "2017-11-02"), (3, 3, "email", False, "2017-11-02"),
     (4, 3, "push", True, "2017-11-02")],
    "contact_id user_id channel opted_out", "sent_at",
)  # fmt: skip
FRAMES = {
    "orders": ORDERS,
    "events": EVENTS,
    "touchpoints": TOUCHES,
    "feedback": ANSWERS,
    "contacts": CONTACTS,
    "items": pd.DataFrame({"item_id": [7, 8], "category_id": [1, 2], "unit_margin": [4.0, 1.0]}),
    "market": pd.DataFrame({
        "month": ["2017-10", "2017-10", "2017-11", "2017-11"], "category_id": [1, 2, 1, 2],
        "total_sales": [500.0, 100.0, 1000.0, 200.0],
    }),
    "spend": pd.DataFrame({
        "day": pd.to_datetime(["2017-11-05", "2017-11-06", "2017-10-11"]), "channel": ["tv", "web", "web"],
        "amount": [3.0, 2.0, 1.0],
    }),
    "targets": pd.DataFrame({
        "indicator": ["sales_amount", "nps", "complaint_rate", "own_idea"], "period": "2017-11",
        "target": [40.0, 90.0, 0.5, 1.0], "benchmark": [30.0, None, 0.4, 1.0],
    }),
    "campaigns": pd.DataFrame({"campaign_id": ["c"]}),
    "assignments": pd.DataFrame({"campaign_id": ["c"]}),
}  # fmt: skip
CAMPAIGNS = pd.DataFrame({
    "campaign_id": ["c", "d", "e"], "ended": pd.to_datetime(["2017-11-12", "2017-11-30", "2017-10-31"]),
    "treated": [10, None, 10], "cost": [20.0, None, 5.0], "profit": [100.0, None, -50.0],
    "standard_error": [10.0, None, 10.0], "status": ["counted", "left out", "counted"],
})  # fmt: skip
NOVEMBER = {
    "sales_amount": 17 + 5 + 10 + 15 + 10, "orders": 4, "units_sold": 8, "average_order_value": 57 / 4,
    "gross_margin": (2 * 4 - 3) + 1 + 4 + 3 + 4, "gross_margin_rate": 17 / 57, "market_share": 57 / 1200, "buyers": 3,
    "new_buyers": 2, "repeat_purchase_rate": 1 / 3, "retention_rate": 1 / 2, "buyer_conversion_rate": 3 / 4,
    "brand_awareness": 30 / 200, "brand_search_share": None, "advertising_cost_rate": 5 / 57,
    "email_opt_out_rate": 1 / 3, "return_on_ad_spend": 22 / 5, "incremental_profit": 100.0, "campaign_return": 5.0,
    "nps": 25.0, "csat_rate": 0.5, "average_rating": 13 / 4, "complaint_rate": 1 / 4,
}  # fmt: skip
"""What each indicator is in November 2017, by hand; brand_awareness from a survey of 200 people."""


def tables(*, without: tuple[str, ...] = (), **other: pd.DataFrame) -> dict:
    """The shop's tables in the engine, some left out, others replaced."""
    return {n: as_table(f) for n, f in (FRAMES | other).items() if n not in without}
