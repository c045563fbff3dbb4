"""The catalogue of the demo shop: categories, items, brands, prices, margins, and what belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.simulate.settings import DAY, START, Lottery, date_of, stream

# department | English | Chinese | typical price | how often it is bought | how often it is looked at
_CATEGORIES = """
digital|Mobile phone|手机|699|4.0|9.0
digital|Phone case|手机壳|25|2.2|3.6
digital|Screen film|手机贴膜|15|1.6|1.6
digital|Charger|充电器|39|2.4|2.0
digital|Headphones|耳机|119|2.6|4.4
digital|Laptop|笔记本电脑|1299|1.6|4.8
digital|Mouse|鼠标|59|1.1|1.4
digital|Keyboard|键盘|129|0.8|1.4
digital|Power bank|移动电源|89|1.4|1.6
digital|Camera|相机|899|0.9|2.6
digital|Memory card|存储卡|59|0.8|0.8
digital|Tripod|三脚架|79|0.5|0.6
digital|Smart watch|智能手表|399|0.9|2.4
digital|Bluetooth speaker|蓝牙音箱|149|0.8|1.3
fashion|Dress|连衣裙|129|3.4|12.0
fashion|T-shirt|T恤|49|3.6|7.0
fashion|Jeans|牛仔裤|109|2.4|5.0
fashion|Down jacket|羽绒服|329|1.6|6.0
fashion|Sweater|毛衣|99|2.6|6.4
fashion|Shirt|衬衫|89|1.9|3.6
fashion|Skirt|半身裙|89|1.8|4.6
fashion|Sneakers|运动鞋|199|2.2|5.4
fashion|Leather shoes|皮鞋|229|1.1|2.4
fashion|High heels|高跟鞋|159|1.2|3.2
fashion|Handbag|女包|189|1.7|5.0
fashion|Backpack|双肩包|119|1.3|2.2
fashion|Hat|帽子|39|1.1|1.4
fashion|Scarf|围巾|49|1.1|1.4
fashion|Underwear|内衣|59|2.3|3.0
fashion|Pyjamas|睡衣|89|1.5|2.2
fashion|Watch|手表|299|0.8|2.0
fashion|Earrings|耳环|29|1.2|2.0
beauty|Foundation|粉底液|129|1.6|2.4
beauty|Make-up remover|卸妆水|69|1.2|1.0
beauty|Lipstick|口红|89|2.2|3.6
beauty|Face mask|面膜|69|2.8|3.0
beauty|Face cream|面霜|159|1.8|2.4
beauty|Sunscreen|防晒霜|79|1.2|1.2
beauty|Shampoo|洗发水|49|2.2|1.4
beauty|Perfume|香水|239|0.8|1.6
beauty|Electric toothbrush|电动牙刷|159|1.5|1.4
beauty|Toothbrush heads|牙刷头|39|0.9|0.5
beauty|Razor|剃须刀|119|0.8|0.8
baby|Baby formula|婴儿奶粉|199|2.0|1.6
baby|Diapers|纸尿裤|99|1.9|1.3
baby|Baby food|婴儿辅食|49|1.3|1.0
baby|Feeding bottle|奶瓶|69|0.8|0.7
baby|Building blocks|积木|89|1.2|1.6
baby|Baby clothes|婴儿服装|59|1.9|2.4
baby|Stroller|婴儿推车|399|0.5|1.2
baby|Picture book|绘本|29|1.4|1.2
home|Bed linen|床上用品|199|1.7|3.2
home|Pillow|枕头|79|1.0|1.2
home|Curtain|窗帘|149|0.8|2.0
home|Desk lamp|台灯|89|0.9|1.2
home|Storage box|收纳箱|39|1.9|1.8
home|Towel|毛巾|25|1.7|0.9
home|Frying pan|平底锅|119|0.9|1.0
home|Thermos|保温杯|69|1.4|1.4
home|Rice cooker|电饭煲|249|0.7|1.0
home|Vacuum cleaner|吸尘器|399|0.6|1.2
home|Air purifier|空气净化器|699|0.4|1.0
home|Sofa cover|沙发套|129|0.6|1.2
home|Wall sticker|墙贴|29|0.8|1.0
sport|Badminton racket|羽毛球拍|139|1.4|1.2
sport|Shuttlecocks|羽毛球|39|0.9|0.5
sport|Yoga mat|瑜伽垫|69|1.0|1.0
sport|Tent|帐篷|259|0.9|1.0
sport|Sleeping bag|睡袋|139|0.6|0.6
sport|Camping stove|露营炉|99|0.5|0.5
sport|Sports bottle|运动水壶|39|0.9|0.7
sport|Bicycle lamp|自行车灯|49|0.4|0.5
sport|Swimming goggles|泳镜|59|0.5|0.5
sport|Dumbbells|哑铃|99|0.5|0.7
food|Coffee beans|咖啡豆|79|1.6|1.0
food|Coffee filters|咖啡滤纸|19|0.8|0.4
food|Green tea|绿茶|99|1.5|1.2
food|Nuts|坚果|49|2.4|1.6
food|Chocolate|巧克力|39|1.7|1.1
food|Honey|蜂蜜|59|0.9|0.6
food|Rice|大米|69|1.3|0.6
food|Cooking oil|食用油|79|1.0|0.5
food|Cat food|猫粮|119|1.2|1.0
food|Dog food|狗粮|139|1.0|0.9
office|Notebook|笔记本|15|1.6|1.2
office|Gel pen|中性笔|12|1.5|0.9
office|School bag|书包|109|0.9|1.3
office|Printer paper|打印纸|29|0.8|0.5
office|Novel|小说|35|1.6|1.6
office|Textbook|教辅书|39|1.3|1.2
staple|Tissues|抽纸|29|0|1.6
staple|Snacks|零食|25|0|2.4
staple|Laundry detergent|洗衣液|39|0|1.1
staple|Socks|袜子|19|0|1.2
"""

RULES = (
    ("Mobile phone", "Phone case", 0.40),
    ("Mobile phone", "Screen film", 0.35),
    ("Laptop", "Mouse", 0.40),
    ("Baby formula", "Diapers", 0.40),
    ("Electric toothbrush", "Toothbrush heads", 0.40),
    ("Badminton racket", "Shuttlecocks", 0.45),
    ("Coffee beans", "Coffee filters", 0.40),
    ("Foundation", "Make-up remover", 0.35),
)
"""Planted rules of the basket: an order with the first gets the second with this extra probability."""

STAPLES = (("Tissues", 0.18), ("Snacks", 0.17), ("Laundry detergent", 0.14), ("Socks", 0.13))
"""Decoys: each is put into any order with its probability, independently of everything else (lift 1)."""

SEQUENCES = (
    ("Mobile phone", "Phone case", "Screen film", 0.45, 0.50),
    ("Tent", "Sleeping bag", "Camping stove", 0.50, 0.50),
    ("Baby formula", "Baby food", "Building blocks", 0.45, 0.45),
)
"""Planted sequences over days: after the first the next order is for the second with the first probability,
after that the next order is for the third with the second probability."""

ITEMS = 4_800
TIERS = ("budget", "middle", "premium")
GROUPS = 6  # three price tiers, each with established and with new items
_TIER_PRICE = np.array([0.6, 1.0, 1.9])
_TIER_SHARE = np.array([0.38, 0.40, 0.22])
_NEW_SHARE = 0.25
_MARGIN = {
    "digital": 0.26, "fashion": 0.48, "beauty": 0.52, "baby": 0.36,
    "home": 0.42, "sport": 0.42, "food": 0.34, "office": 0.40, "staple": 0.34,
}  # fmt: skip
_BRANDS = (
    "Lanyu 蓝屿",
    "Qinghe 青禾",
    "Mubai 沐白",
    "Xingye 星野",
    "Yunzhi 云织",
    "Hesheng 禾声",
    "Beichen 北辰",
    "Nanfeng 南风",
    "Zhuyin 竹音",
    "Songyue 松月",
    "Haimu 海木",
    "Jingbai 镜白",
    "Ruixi 瑞溪",
    "Anlan 安澜",
    "Chuxia 初夏",
    "Duomi 朵米",
    "Erya 尔雅",
    "Fanxing 繁星",
    "Guyu 谷雨",
    "Huiyan 慧言",
    "Jiali 佳丽",
    "Kaiyue 凯悦",
    "Liming 黎明",
    "Mingde 明德",
    "Pengcheng 鹏程",
    "Qiushi 秋实",
    "Ruhua 如画",
    "Shanlan 山岚",
    "Tianyi 天一",
    "Wanhe 万和",
)


@dataclass(frozen=True)
class Catalogue:
    """Categories 0…C−1 and items 0…I−1 as arrays; items of a category lie together, group by group."""

    department: np.ndarray
    name: np.ndarray
    chinese: np.ndarray
    bought: Lottery
    viewed: Lottery
    home: Lottery  # departments, by how much is bought in them
    at_home: np.ndarray  # department × ticket: a category of the department
    staple_chance: np.ndarray
    rule_chance: np.ndarray  # category × category: extra probability of the column, given the row
    next_category: np.ndarray  # (previous, before previous + 1) → category of the next order, or −1
    next_chance: np.ndarray
    group_start: np.ndarray
    group_size: np.ndarray
    item_category: np.ndarray
    item_tier: np.ndarray
    price: np.ndarray  # cents
    margin: np.ndarray  # cents
    brand: np.ndarray
    launch_day: np.ndarray

    @property
    def categories(self) -> int:
        """Number of categories."""
        return len(self.name)

    def category(self, name: str) -> int:
        """Index of a category by its English name."""
        return int(np.flatnonzero(self.name == name)[0])


def category_ids(index: np.ndarray) -> np.ndarray:
    """Public ids of category indices."""
    return 1_001 + 37 * np.asarray(index, np.int64)


def item_ids(index: np.ndarray) -> np.ndarray:
    """Public ids of item indices."""
    return 200_003 + 7 * np.asarray(index, np.int64)


@lru_cache(maxsize=4)
def make_catalogue(seed: int) -> Catalogue:
    """The catalogue of one seed: names and links are fixed, items, prices and launch days are drawn."""
    rows = [line.split("|") for line in _CATEGORIES.strip().splitlines()]
    department, name, chinese = (np.array([r[k] for r in rows], object) for k in range(3))
    typical, bought, viewed = (np.array([float(r[k]) for r in rows]) for k in range(3, 6))
    index = {n: k for k, n in enumerate(name)}
    group_size = _group_sizes(bought + viewed)
    rng = stream(seed, "catalogue")
    group = np.repeat(np.arange(len(group_size)), group_size)
    item_category, item_tier = group // GROUPS, group // 2 % 3
    price = _prices(rng, typical[item_category] * _TIER_PRICE[item_tier])
    rate = np.array([_MARGIN[d] for d in department])[item_category] * rng.uniform(0.85, 1.15, len(group))
    after, chance = _sequence_tables(index)
    home, at_home = _departments(department, bought)
    return Catalogue(
        home=home, at_home=at_home, department=department, name=name, chinese=chinese,
        bought=Lottery(bought), viewed=Lottery(viewed),
        staple_chance=_chances(index, STAPLES), rule_chance=_rule_table(index),
        next_category=after, next_chance=chance,
        group_start=np.concatenate([[0], np.cumsum(group_size)[:-1]]), group_size=group_size,
        item_category=item_category, item_tier=item_tier, price=price,
        margin=np.rint(price * rate).astype(np.int64), brand=_brands(rng, item_tier),
        launch_day=_launch_days(rng, group % 2 == 1),
    )  # fmt: skip


def _departments(department: np.ndarray, bought: np.ndarray) -> tuple[Lottery, np.ndarray]:
    names = sorted({d for d, b in zip(department, bought, strict=True) if b > 0})
    weights = np.array([np.where(department == d, bought, 0.0) for d in names])
    return Lottery(weights.sum(axis=1)), np.stack([Lottery(w).table for w in weights])


def _group_sizes(weight: np.ndarray) -> np.ndarray:
    per_category = weight**0.7 / (weight**0.7).sum() * ITEMS
    new = np.outer(_TIER_SHARE, [1 - _NEW_SHARE, _NEW_SHARE]).ravel()
    return np.maximum(2, np.rint(np.outer(per_category, new)).astype(np.int64)).ravel()


def _prices(rng: np.random.Generator, typical: np.ndarray) -> np.ndarray:
    yuan = typical * np.exp(0.22 * rng.standard_normal(len(typical)))
    return np.maximum(3, np.rint(yuan)).astype(np.int64) * 100 - 10


def _brands(rng: np.random.Generator, tier: np.ndarray) -> np.ndarray:
    third = len(_BRANDS) // 3
    return np.array(_BRANDS, object)[tier * third + rng.integers(0, third, len(tier))]


def _launch_days(rng: np.random.Generator, new: np.ndarray) -> np.ndarray:
    return np.where(new, rng.integers(0, 175, len(new)), -rng.integers(30, 900, len(new)))


def _chances(index: dict[str, int], pairs) -> np.ndarray:
    chance = np.zeros(len(index))
    for name, p in pairs:
        chance[index[name]] = p
    return chance


def _rule_table(index: dict[str, int]) -> np.ndarray:
    table = np.zeros((len(index), len(index)))
    for first, second, p in RULES:
        table[index[first], index[second]] = p
    return table


def _sequence_tables(index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    # indexed by (need of the last order, need of the order before it + 1); column 0: there was none
    after = np.full((len(index), len(index) + 1), -1)
    chance = np.zeros(after.shape)
    for a, b, c, p, q in SEQUENCES:
        after[index[a], :], chance[index[a], :] = index[b], p
        after[index[b], index[a] + 1], chance[index[b], index[a] + 1] = index[c], q
    return after, chance


def items_table(catalogue: Catalogue) -> dict[str, np.ndarray]:
    """The table `items`, columns as in the contract."""
    category = catalogue.item_category
    first = np.searchsorted(category, np.arange(catalogue.categories))
    number = np.arange(len(category)) - first[category] + 1
    names = zip(catalogue.chinese[category], catalogue.name[category], number, strict=True)
    return {
        "item_id": item_ids(np.arange(len(category))),
        "category_id": category_ids(category),
        "category_name": catalogue.name[category],
        "title": np.array([f"{zh} {en} {k:03d}" for zh, en, k in names], object),
        "price": catalogue.price / 100,
        "unit_margin": catalogue.margin / 100,
        "brand": catalogue.brand,
        "launched_on": date_of(catalogue.launch_day).astype(object),
    }


def pick_items(
    rng: np.random.Generator,
    catalogue: Catalogue,
    category: np.ndarray,
    *,
    quality: np.ndarray,
    novelty: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Choose an item of each category: price tier by taste for quality, new or established by taste for novelty.

    Within a group the first items are the popular ones: rank = size · u³ with u uniform. An item is never chosen
    before its launch day; then an established one of the same tier takes its place.
    """
    low, high = tier_bounds(quality)
    u = rng.random(len(category), np.float32)
    tier = (u >= low).astype(np.int64) + (u >= high)
    new = (rng.random(len(category), np.float32) < novelty).astype(np.int64)
    depth = rng.random(len(category), np.float32) ** 3
    item = _ranked(catalogue, category * GROUPS + tier * 2 + new, depth)
    early = catalogue.launch_day[item] > second // DAY
    item[early] = _ranked(catalogue, (category * GROUPS + tier * 2)[early], depth[early])
    return item


def _ranked(catalogue: Catalogue, group: np.ndarray, depth: np.ndarray) -> np.ndarray:
    size = catalogue.group_size[group]
    return catalogue.group_start[group] + np.minimum((size * depth).astype(np.int64), size - 1)


def tier_bounds(quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative probabilities of the budget tier and of budget-or-middle, by taste for quality (0…1)."""
    low = 0.72 * (1 - quality) ** 1.3
    return low, 1 - (0.04 + 0.56 * quality**2)


def day_start(day: np.ndarray) -> np.ndarray:
    """Epoch second at which a day of the log begins."""
    return START + np.asarray(day, np.int64) * DAY
