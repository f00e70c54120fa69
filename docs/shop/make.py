"""The example shop of docs/tutorial.md, which sells plants: events.csv, items.csv and pictures beside this file.

All is drawn from a seed; nobody bought any of it. `python docs/shop/make.py` makes the same files again.
"""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
CUSTOMERS, SECONDS = 80, 420 * 86_400
OPENED = datetime(2023, 3, 1, 8, tzinfo=UTC)
# a kind's categories, colour, words of its texts, and what there is of it
KINDS = {
    "fern": (
        "Indoor>Shade",
        "#2e7d4f",
        "shade fronds moisture bathrooms mist forests moss rhizomes spores humidity rainwater hallways",
        "Boston Fern;Maidenhair Fern;Bird's Nest Fern;Staghorn Fern;Button Fern;Holly Fern;Asparagus Fern;"
        "Rabbit's Foot Fern;Blue Star Fern;Crocodile Fern;Lemon Button Fern;Silver Brake",
    ),
    "succulent": (
        "Indoor>Sunny",
        "#7fae6b",
        "drought rosettes windowsills gravel sunshine spines deserts offsets sand heat stones wax",
        "Jade Tree;Aloe Vera;Zebra Plant;Burro's Tail;Ghost Plant;Hens and Chicks;Panda Plant;Living Stones;"
        "String of Pearls;Golden Barrel Cactus;Bunny Ear Cactus;Christmas Cactus",
    ),
    "herb": (
        "Kitchen>Herbs",
        "#5b9a2f",
        "kitchens harvest salads balconies tea fragrance seasoning seeds snipping flavour soup pizza",
        "Sweet Basil;Thai Basil;Flat Parsley;Chives;Coriander;Lemon Thyme;Rosemary;Sage;Moroccan Mint;Oregano;Dill;"
        "Lemon Balm",
    ),
    "flower": (
        "Garden>Perennials",
        "#c2559b",
        "blossom bees borders petals summer bouquets butterflies cottages nectar scent fences meadows",
        "English Lavender;Purple Coneflower;Oxeye Daisy;Garden Phlox;Foxglove;Delphinium;Peony;Catmint;Yarrow;"
        "Black-eyed Susan;Bearded Iris;Hollyhock",
    ),
    "care": (
        "Tools|Garden>Supplies",
        "#a8693c",
        "clay drainage watering earth handles compost feeding litres pruning nutrients saucers roots",
        "Terracotta Pot 12 cm;Terracotta Pot 20 cm;Glazed Cachepot;Watering Can;Mist Sprayer;Potting Soil 10 l;"
        "Cactus Soil 5 l;Liquid Feed;Pruning Shears;Hand Trowel;Seed Tray;Moss Pole",
    ),
}
AFTERWARDS = {"fern": ["Mist Sprayer", "Moss Pole"], "succulent": ["Cactus Soil 5 l"], "herb": ["Seed Tray"]}


def main() -> None:
    """Write the files."""
    draws = random.Random(14)
    items = list(stocked(draws))
    rows("items.csv", ["sku", "name", "description", "photo", "shelf"], items)
    of_kind = {kind: [item for item in items if item[0].startswith(kind)] for kind in KINDS}
    for number, item in enumerate(items):
        if item[3]:
            photo(HERE / item[3], KINDS[item[0].split("-")[0]][1], number)
    bought = [act for number in range(1, CUSTOMERS + 1) for act in basket(f"c{number:04}", of_kind, draws)]
    rows("events.csv", ["customer", "product", "bought_at"], sorted(bought, key=lambda act: act[2]))


def stocked(draws: random.Random) -> list[list[str]]:
    """sku, name, description, photo and shelf of everything; two have no photo, one has no description."""
    found = []
    for kind, (shelf, _, words, names) in KINDS.items():
        for number, name in enumerate(names.split(";"), 1):
            said = draws.sample(words.split(), 6)
            text = f"{name}: {', '.join(said[:3])}. For those who like {said[3]}, {said[4]} and {said[5]}."
            sku = f"{kind}-{number:02}"
            found.append([sku, name, "" if sku == "care-12" else text, f"pictures/{sku}.png", shelf])
    for sku in ("herb-12", "care-12"):
        next(item for item in found if item[0] == sku)[3] = ""
    return found


def basket(customer: str, of_kind: dict[str, list[list[str]]], draws: random.Random) -> list[list[str]]:
    """Acts of one customer: two favourite kinds, the newer one more and more, and what goes with a plant soon after."""
    first, second = draws.sample(list(KINDS), 2)
    moment, found, had = OPENED + timedelta(seconds=draws.randrange(SECONDS // 3)), [], set()
    visits = draws.randint(6, 24)
    for visit in range(visits):
        moment += timedelta(seconds=int(draws.expovariate(visits * 1.6 / SECONDS)))
        kind = draws.choices([first, second, draws.choice(list(KINDS))], [visits - visit, visit, visits / 8])[0]
        new = [item for item in of_kind[kind] if item[0] not in had]
        if not new:
            continue
        sku = draws.choices(new, [1 / (place + 2) for place in range(len(new))])[0][0]
        with_it = [item for item in of_kind["care"] if item[1] in AFTERWARDS.get(kind, []) and item[0] not in had]
        for act in [sku, *(item[0] for item in with_it[:1] if draws.random() < 0.5)]:
            had.add(act)
            found.append([customer, act, moment.isoformat(timespec="seconds").replace("+00:00", "Z")])
            moment += timedelta(minutes=draws.randint(1, 9))
    return found


def photo(path: Path, colour: str, number: int) -> None:
    """A pot, and leaves in the colour of the kind whose number and spread tell items apart."""
    draws = random.Random(number)
    image = Image.new("RGB", (120, 160), (246, 243, 236))
    drawn = ImageDraw.Draw(image)
    for leaf in range(5 + number % 7):
        x, y = 60 + draws.randint(-42, 42), 30 + draws.randint(0, 55)
        drawn.line([(60, 112), (x, y)], fill="#4d5f3a", width=2)
        drawn.ellipse([x - 13, y - 8 - leaf % 5, x + 13, y + 8 + leaf % 5], fill=colour)
    drawn.polygon([(34, 108), (86, 108), (78, 150), (42, 150)], fill="#b5653b")
    path.parent.mkdir(exist_ok=True)
    image.quantize(16).save(path, optimize=True)


def rows(name: str, head: list[str], lines: list[list[str]]) -> None:
    """A file of comma-separated lines with a head."""
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])


if __name__ == "__main__":
    main()
