"""What customers say: ratings, recommendation, complaints and Chinese reviews, and who stays silent."""

from __future__ import annotations

import numpy as np

from helpers.simulate.catalogue import Catalogue, item_ids
from helpers.simulate.orders import Lines, Orders
from helpers.simulate.people import People
from helpers.simulate.settings import DAY, START

TOPICS = ("logistics", "quality", "size", "service", "price", "packaging")
SENTIMENTS = ("negative", "neutral", "positive")
TOPIC_SHARE = (
    (0.26, 0.34, 0.14, 0.14, 0.05, 0.07),
    (0.15, 0.35, 0.15, 0.10, 0.20, 0.05),
    (0.20, 0.42, 0.08, 0.12, 0.12, 0.06),
)
SATISFIED = 0.55  # mean of satisfaction
ITEM_SPREAD, CUSTOMER_WEIGHT, NOISE = 0.55, 0.6, 0.7
RESPONSE = (0.30, 0.12, 0.19)  # probability of an answer: unhappy, in between, happy
BOUNDS = (-0.4, 0.6)  # satisfaction below: unhappy; above: happy
COMPLAINS = 0.45  # of the unhappy who answer
SLIP = 0.04  # of the reviews whose words do not fit the rating

_OPENING = {
    "negative": (
        "失望，",
        "说实话，",
        "不推荐，",
        "真的很生气，",
        "第一次给差评，",
        "",
        "唉，",
        "买之前期待很高，",
        "避雷！",
        "后悔了，",
    ),
    "neutral": ("一般般，", "还行吧，", "中规中矩，", "", "凑合，", "说不上好坏，", "先用着看看，", "对得起这个价，"),
    "positive": (
        "很满意，",
        "超级喜欢！",
        "回购好几次了，",
        "",
        "五星好评，",
        "没想到这么好，",
        "家里人都说好，",
        "推荐，",
        "值得信赖，",
        "开心，",
    ),
}
_BODY = {
    ("logistics", "negative"): (
        "快递等了十天才到",
        "物流信息一直不更新",
        "送错了地址，自己跑去取",
        "发货太慢，催了三次才发",
        "快递员态度差，直接扔门口",
    ),
    ("logistics", "neutral"): ("物流速度正常", "三四天到的，不快不慢", "发货时间和页面写的一样"),
    ("logistics", "positive"): ("第二天就到了，物流真快", "发货神速", "快递小哥送货上门，很贴心", "下单当天就发货了"),
    ("quality", "negative"): (
        "用了两天就坏了",
        "做工粗糙，到处是线头",
        "和图片完全不一样",
        "有很大的异味",
        "材质很差，像假货",
        "开不了机",
    ),
    ("quality", "neutral"): ("质量中等", "做工普通，能用", "和描述差不多，没有惊喜"),
    ("quality", "positive"): (
        "质量非常好，做工精细",
        "和描述一致，手感很棒",
        "用了一个月没有任何问题",
        "材质舒服，没有异味",
        "比实体店的还好",
    ),
    ("size", "negative"): ("尺码偏小太多，穿不了", "大小和标注不符", "尺寸不对，装不上去", "买大了一号还是紧"),
    ("size", "neutral"): ("尺码基本标准，略微偏大", "大小还可以", "尺寸和表格相差一点"),
    ("size", "positive"): ("尺码标准，很合身", "大小刚刚好", "按推荐的尺码买的，正合适"),
    ("service", "negative"): (
        "客服半天不回消息",
        "退货被拒绝，推来推去",
        "客服态度恶劣",
        "售后没人管",
        "退款拖了半个月",
    ),
    ("service", "neutral"): ("客服回复一般", "问了客服，按流程处理的", "售后没用到，不清楚"),
    ("service", "positive"): ("客服耐心，有问必答", "换货很爽快，售后放心", "卖家服务周到", "小问题当天就解决了"),
    ("price", "negative"): ("刚买就降价，不给补差价", "价格虚高，不值", "优惠券根本用不了", "先涨价再打折，套路"),
    ("price", "neutral"): ("价格和别家差不多", "一分价钱一分货", "活动价买的，还算可以"),
    ("price", "positive"): ("性价比很高", "活动价太划算了", "便宜又好用", "同样的东西比商场便宜一半"),
    ("packaging", "negative"): (
        "包装破了，里面也压坏了",
        "盒子被拆过",
        "没有任何保护，漏了一箱",
        "包装简陋，送人没面子",
    ),
    ("packaging", "neutral"): ("包装普通", "盒子有一点压痕，不影响使用", "简单包装"),
    ("packaging", "positive"): ("包装严实，一点没破", "礼盒很漂亮，送人有面子", "包装用心，还有小礼物"),
}
_CLOSING = {
    "negative": ("。", "，要求退款！", "，不会再买了。", "，大家慎重。", "，差评。", "，希望商家改进。", "！！！"),
    "neutral": ("。", "，先这样吧。", "，以后再说。", "，看情况再买。", "，给个中评。"),
    "positive": ("。", "，下次还来。", "，已经推荐给朋友了。", "，会回购的！", "，好评。", "，谢谢卖家。", "～"),
}


def _pool() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All reviews by (topic, sentiment): texts, start and size of each group."""
    groups = [
        [o + b + c for o in _OPENING[mood] for b in _BODY[topic, mood] for c in _CLOSING[mood]]
        for topic in TOPICS
        for mood in SENTIMENTS
    ]
    size = np.array([len(g) for g in groups])
    return np.array([text for g in groups for text in g], object), np.cumsum(size) - size, size


_TEXTS, _START, _SIZE = _pool()


def item_appeal(rng: np.random.Generator, items: int) -> np.ndarray:
    """How well each item pleases: a few items please nobody."""
    appeal = ITEM_SPREAD * rng.standard_normal(items)
    return np.where(rng.random(items) < 0.04, appeal - 1.6, appeal)


def draw_feedback(
    rng: np.random.Generator, people: People, catalogue: Catalogue, orders: Orders, lines: Lines, appeal: np.ndarray
) -> dict[str, np.ndarray]:
    """One possible answer an order (about its first line); `answered` says whether it was given."""
    first = np.flatnonzero(np.concatenate([[True], lines.order[1:] != lines.order[:-1]]) if len(lines.order) else [])
    item, user = lines.item[first], orders.user[lines.order[first]]
    n = len(first)
    mood = SATISFIED + CUSTOMER_WEIGHT * people.satisfaction[user] + appeal[item] + NOISE * rng.standard_normal(n)
    level = (mood >= BOUNDS[0]).astype(int) + (mood >= BOUNDS[1])
    answered = rng.random(n) < np.array(RESPONSE)[level]
    sentiment = np.where(rng.random(n) < SLIP, rng.integers(0, 3, n), level)
    topic = (rng.random(n)[:, None] >= np.cumsum(TOPIC_SHARE, axis=1)[sentiment][:, :-1]).sum(axis=1)
    group = topic * 3 + sentiment
    text = _START[group] + (rng.random(n) * _SIZE[group]).astype(np.int64)
    return {
        "user": user, "item": item, "mood": mood, "answered": answered, "sentiment": sentiment, "topic": topic,
        "text": text, "rating": np.clip(np.rint(3.2 + 1.25 * mood), 1, 5).astype(np.int64),
        "nps": np.clip(np.rint(6.6 + 2.1 * mood + 0.8 * rng.standard_normal(n)), 0, 10).astype(np.int64),
        "complaint": (level == 0) & (rng.random(n) < COMPLAINS),
        "second": orders.second[lines.order[first]] + rng.integers(2 * DAY, 10 * DAY, n),
    }  # fmt: skip


def feedback_table(answers: dict[str, np.ndarray], user_id: np.ndarray, keep: np.ndarray) -> dict[str, np.ndarray]:
    """The table `feedback`, columns as in the contract."""
    return {
        "user_id": user_id[answers["user"][keep]],
        "item_id": item_ids(answers["item"][keep]),
        "rating": answers["rating"][keep],
        "nps": answers["nps"][keep],
        "complaint": answers["complaint"][keep],
        "text": _TEXTS[answers["text"][keep]],
        "created_at": START + answers["second"][keep],
    }
