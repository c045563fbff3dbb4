"""Make the demo shop: all tables of the contract, the truth beside them, and a manifest that seals both."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from helpers.simulate import adverts, behaviour, dirt, feedback, market, truth
from helpers.simulate.block import Block, World, make_world, simulate_block
from helpers.simulate.campaigns import Trial
from helpers.simulate.catalogue import category_ids, item_ids, items_table
from helpers.simulate.files import TableFile, sha256_of, words
from helpers.simulate.people import users_table
from helpers.simulate.settings import DAY, START, SettingsError, ShopSettings
from helpers.tables import BEHAVIORS, TABLES

TRUTH_TABLES = {
    "users": "latent traits of each customer: segment, lifestyle, rates, when the customer left",
    "potential_outcomes": "both outcomes of each participant and arm: y0, y1 = spend without and with treatment",
    "arms": "true mean effects of each campaign's arms over all participants",
    "cate": "true mean effects by city tier and by age band",
    "rules": "planted basket rules, the pairs they imply, and decoys, with true support, confidence and lift",
    "sequences": "planted sequences of the main categories of successive orders",
    "channels": "orders and sales that each channel really adds, and its saturation and adstock",
    "caused_orders": "the orders that would not have been placed without a channel",
    "contact_curve": "dose-response of added orders, opt-outs, margin and profit by messages a week",
    "anomalies": "planted anomalies of the daily traffic, and the festivals",
    "tastes": "share of each customer's needs that comes from each of the own interests",
    "order_chances": "chance that an order holds a category, by its main need (0: a need from no own interest)",
    "wallets": "what a customer spends in a category here and in all shops",
    "market_share": "the shop's true share of each month's category sales",
    "feedback": "sentiment, topic and true satisfaction of each answer",
}
ORDER_BASE, CONTACT_BASE, BLOCK_IDS = 50_000_001, 10_000_001, 1_000_000


def make_shop(out: Path, settings: ShopSettings, *, progress: Callable[[float], None] | None = None) -> dict:
    """Write the demo shop to the folder `out` and return its manifest.

    The shop is written to a folder beside `out` and takes its place only when it is complete. An older shop at
    `out` is replaced; any other non-empty folder is refused. Equal settings give equal bytes.

    Parameters
    ----------
    out : Path
        Folder for the tables; `out/truth` gets the truth.
    settings : ShopSettings
        What shop to make.
    progress : callable, optional
        Called with the share that is done, 0…1.

    Returns
    -------
    dict
        settings, code version, and rows and sha256 of every file.

    Raises
    ------
    SettingsError
        When `out` is a file, or a folder with something else in it.
    """
    out = Path(out).absolute()
    _check_folder(out)
    partial_folder = out.with_name(f".{out.name}.{os.getpid()}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        manifest = _write_all(partial_folder, settings, progress or (lambda share: None))
        _replace(partial_folder, out)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return manifest


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SettingsError(f"out: {out.name!r} is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise SettingsError(f"out: {out.name!r} holds something that is no demo shop; give an empty or new folder")


def _replace(new: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _write_all(folder: Path, settings: ShopSettings, progress: Callable[[float], None]) -> dict:
    (folder / "truth").mkdir(parents=True)
    world, totals = make_world(settings), truth.Totals()
    with ExitStack() as stack:
        files = {name: stack.enter_context(TableFile(folder / name, settings.format)) for name in TABLES}
        for name in TRUTH_TABLES:
            files[f"truth/{name}"] = stack.enter_context(TableFile(folder / "truth" / name, "csv"))
        for number in range(settings.blocks):
            block = simulate_block(world, number)
            _add_block(files, world, block, number, totals)
            progress((number + 1) / settings.blocks)
        _add_whole(files, world, totals)
    rows = {name: file.rows for name, file in files.items()}
    _write_words(folder, world, totals, rows)
    return _write_manifest(folder, settings, rows)


def _add_block(files: dict[str, TableFile], world: World, block: Block, number: int, totals: truth.Totals) -> None:
    settings = world.settings
    _add_events(files["events"], world, block, number)
    _add_orders(files, world, block, number, totals)
    users = users_table(block.people, block.first)
    files["users"].add({name: column[block.kept] for name, column in users.items()})
    _add_touches(files["touchpoints"], world, block, totals)
    given = block.answers["answered"] & (block.answers["second"] < world.days * DAY)
    given &= block.kept[block.answers["user"]]
    files["feedback"].add(feedback.feedback_table(block.answers, block.user_id, given))
    files["truth/feedback"].add(truth.feedback_truth(block, given))
    files["truth/users"].add(truth.users_truth(world, block))
    files["truth/tastes"].add(truth.tastes_truth(world, block))
    files["truth/wallets"].add(market.wallet_table(world, block, number))
    totals.add("needs", truth.expected_needs(block, world))
    totals.add_answers(block)
    _add_campaigns(files, world, block, number, totals, settings.format)


def _add_events(file: TableFile, world: World, block: Block, number: int) -> None:
    settings, key = world.settings, block.events
    key = key[block.kept[behaviour.unpack(key)[0]]]
    table = behaviour.events_table(key, world.catalogue, block.user_id)
    table["behavior"] = words(table["behavior"], BEHAVIORS, settings.format)
    dirty = settings.dirt and settings.format == "csv" and number == 0
    file.add(table, partial(dirt.soil, settings=settings) if dirty else None)


def _add_orders(files: dict, world: World, block: Block, number: int, totals: truth.Totals) -> None:
    orders, lines, catalogue = block.orders, block.lines, world.catalogue
    amount = market.line_amounts(world, block)
    user, second = orders.user[lines.order], orders.second[lines.order]
    order_id = ORDER_BASE + number * BLOCK_IDS + lines.order
    category = catalogue.item_category[lines.item]
    kept = block.kept[user]
    table = {
        "order_id": order_id, "user_id": block.user_id[user], "item_id": item_ids(lines.item),
        "category_id": category_ids(category), "quantity": lines.quantity,
        "unit_price": catalogue.price[lines.item] / 100, "discount": lines.discount / 100,
        "timestamp": START + second,
    }  # fmt: skip
    files["orders"].add({name: column[kept] for name, column in table.items()})
    month, names = market.months(second // DAY)
    cell = (month * catalogue.categories + category)[kept]
    sales = np.bincount(cell, amount[kept], len(names) * catalogue.categories)
    totals.add("sales", sales.reshape(len(names), -1))
    _add_causes(files["truth/caused_orders"], block, number, amount, totals)


def _add_causes(file: TableFile, block: Block, number: int, amount: np.ndarray, totals: truth.Totals) -> None:
    orders, lines = block.orders, block.lines
    hit = (orders.cause != adverts.NO_CAUSE) & block.kept[orders.user]
    spent = np.bincount(lines.order, amount, len(orders))
    count = len(adverts.PLANNED)
    totals.add("caused", np.bincount(orders.cause[hit], minlength=count))
    totals.add("caused_sales", np.bincount(orders.cause[hit], spent[hit], count))
    file.add({
        "order_id": ORDER_BASE + number * BLOCK_IDS + np.flatnonzero(hit),
        "channel": np.array(adverts.NAMES, object)[orders.cause[hit]],
    })  # fmt: skip


def _add_touches(file: TableFile, world: World, block: Block, totals: truth.Totals) -> None:
    touches = block.touches
    kept = block.kept[touches["user"]]
    user, channel, second = (touches[k][kept] for k in ("user", "channel", "second"))
    cost = np.array([c.cost for c in adverts.CHANNELS])
    file.add({
        "user_id": block.user_id[user], "channel": words(channel, adverts.NAMES, file.format),
        "timestamp": START + second, "cost": cost[channel],
    })  # fmt: skip
    shape = (len(adverts.NAMES), world.days)
    cell = channel * world.days + second // DAY
    totals.add("touched", np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape))


def _add_campaigns(files: dict, world: World, block: Block, number: int, totals: truth.Totals, format: str) -> None:
    for trial in block.trials:
        taking = np.flatnonzero((trial.arm >= 0) & ~trial.lost & block.kept)
        name, names = trial.campaign.name, np.array(list(trial.campaign.arms), object)
        files["assignments"].add({
            "campaign_id": np.full(len(taking), name, object), "user_id": block.user_id[taking],
            "arm": names[trial.arm[taking]],
            "assigned_at": np.full(len(taking), START + trial.campaign.start - 3_600),
        })  # fmt: skip
        files["truth/potential_outcomes"].add(truth.potential_outcomes(block, trial, world))
        totals.add_trial(trial, block)
    _add_contacts(files["contacts"], block, number)


def _add_contacts(file: TableFile, block: Block, number: int) -> None:
    parts = [(trial, _contact_columns(trial, block)) for trial in block.trials if len(trial.contacts["user"])]
    if not parts:
        return
    columns = {k: np.concatenate([c[k] for _, c in parts]) for k in parts[0][1]}
    rank = np.lexsort((columns["campaign_id"].astype(str), columns["sent_at"], columns["user_id"]))
    ids = CONTACT_BASE + number * BLOCK_IDS + np.arange(len(rank))
    file.add({"contact_id": ids, **{k: v[rank] for k, v in columns.items()}})


def _contact_columns(trial: Trial, block: Block) -> dict[str, np.ndarray]:
    sent = {k: v[block.kept[trial.contacts["user"]]] for k, v in trial.contacts.items()}
    n = len(sent["user"])
    return {
        "campaign_id": np.full(n, trial.campaign.name, object), "user_id": block.user_id[sent["user"]],
        "channel": np.full(n, trial.campaign.channel, object), "sent_at": START + sent["second"],
        "opened": sent["opened"], "clicked": sent["clicked"], "opted_out": sent["opted_out"],
    }  # fmt: skip


def _add_whole(files: dict[str, TableFile], world: World, totals: truth.Totals) -> None:
    settings, catalogue, days = world.settings, world.catalogue, world.days
    files["items"].add(items_table(catalogue))
    files["campaigns"].add(truth.campaigns_table(settings))
    files["spend"].add(adverts.spend_table(world.plan[:, :days], settings.users, totals.touched.astype(float)))
    last = int(market.months(np.array([days - 1]))[0][0]) + 1
    table, share = market.market_table(world, totals.sales[:last])
    files["market"].add(table)
    files["truth/market_share"].add(share)
    files["targets"].add(market.targets_table(settings))
    files["truth/arms"].add(truth.arms_truth(totals))
    files["truth/cate"].add(truth.cate_truth(totals))
    files["truth/rules"].add(truth.rules_truth(catalogue, totals.needs))
    files["truth/order_chances"].add(truth.order_chances_truth(catalogue))
    files["truth/sequences"].add(truth.sequences_truth(catalogue))
    files["truth/channels"].add(truth.channels_truth(totals, world))
    files["truth/contact_curve"].add(truth.contact_truth(totals, settings))
    files["truth/anomalies"].add(truth.anomalies_truth(days))


def _write_words(folder: Path, world: World, totals: truth.Totals, rows: dict[str, int]) -> None:
    settings = world.settings
    counts = {name: rows[name] for name in TABLES}
    _json(folder / "truth" / "truth.json", truth.scalars(world, totals, counts))
    dirty = settings.dirt and settings.format == "csv"
    faults = dirt.COUNTS if dirty else dict.fromkeys(dirt.COUNTS, 0)
    _json(folder / "truth" / "dirt.json", {"events": {**faults, "clean rows": rows["events"]}})
    lines = [f"- `{name}.csv`: {meaning}." for name, meaning in TRUTH_TABLES.items()]
    text = "# The truth behind the demo shop\n\n- `truth.json`: single numbers, each with unit and meaning.\n" + (
        "- `dirt.json`: planted faulty lines of events.csv, by kind.\n" + "\n".join(lines) + "\n"
    )
    (folder / "truth" / "README.md").write_text(text, encoding="utf-8", newline="\n")


def _write_manifest(folder: Path, settings: ShopSettings, rows: dict[str, int]) -> dict:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    names = [p.relative_to(folder).as_posix() for p in paths]
    files = {
        name: {"rows": rows.get(name.rsplit(".", 1)[0]), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in zip(names, paths, strict=True)
    }
    manifest = {"settings": settings.as_dict(), "code": code_version(), "files": files}
    _json(folder / "manifest.json", manifest)
    return manifest


def code_version() -> str:
    """A fingerprint of this package's code: another fingerprint may mean another shop from the same settings."""
    parts = [sha256_of(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256("".join([*parts, np.__version__, pa.__version__]).encode()).hexdigest()[:16]


def _json(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
