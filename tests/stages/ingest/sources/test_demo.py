import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageColor

from engine.tables.params import read_yaml
from engine.tables.schema import check
from engine.tables.schemas import CATALOG, EVENTS, IMAGES, ITEMS, ORACLE, TRUTH, USERS
from stages.ingest.shaping.source_tables import SourceTables
from stages.ingest.sources.demo import Settings, read
from stages.ingest.world.acts import Acts, draw_acts
from stages.ingest.world.calendar import Calendar, SessionSettings, draw_calendar, household_minutes
from stages.ingest.world.films import Films, draw_films
from stages.ingest.world.lexicon import lexicon, shapes
from stages.ingest.world.mixture import CAUSES, World
from stages.ingest.world.people import People, draw_people, group_films
from stages.ingest.world.posters import _paint, draw_poster

WEEK = 7 * 24 * 60


@cache
def settings(people: int = 250) -> Settings:
    """The committed world, with fewer people."""
    section = dict(read_yaml(Path("params.yaml"))["datasets"]["demo"])
    section.pop("source")
    return Settings.model_validate(section | {"people": people})


@pytest.fixture(scope="module")
def raw() -> SourceTables:
    return read(settings(), 1)


@pytest.fixture(scope="module")
def made() -> Films:
    return draw_films(settings().films, settings().film, np.random.default_rng([1, 0]))


@pytest.fixture(scope="module")
def lived(made: Films) -> tuple[People, Calendar, Acts]:
    """More people than in `raw`, for shares and chances."""
    chosen, rng = settings(), np.random.default_rng(5)
    found = draw_people(600, chosen.person, rng)
    when = draw_calendar(found.acts_U, 78, chosen.sessions, rng)
    causes_U4 = chosen.mixture.draw_causes(600, rng)
    world = World(group_films(made), found, made.fame_F, chosen.person.main, chosen.mixture, causes_U4)
    return found, when, draw_acts(world, when, rng)


def test_tables_are_tables(raw: SourceTables) -> None:
    for name, table in {
        "events": EVENTS,
        "users": USERS,
        "items": ITEMS,
        "catalog": CATALOG,
        "truth": TRUTH,
        "oracle": ORACLE,
    }.items():
        check(getattr(raw, name), table, name)
    assert raw.coded
    assert raw.items.height == raw.catalog.height == 600
    assert raw.items["title"].n_unique() == 600
    assert 8 <= raw.items["categories"].explode().explode().n_unique() <= 10


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    small = settings(30).model_copy(update={"films": 130})
    worlds = [read(small, seed) for seed in (3, 3, 4)]
    drawn = [pl.concat(list(world.images)) for world in worlds]
    for name in ("events", "users", "items", "catalog", "truth", "oracle"):
        assert getattr(worlds[0], name).equals(getattr(worlds[1], name), null_equal=True)
    check(drawn[0], IMAGES, "images")
    assert drawn[0].equals(drawn[1])
    assert not worlds[0].events.equals(worlds[2].events)
    assert (drawn[0]["sha256"] != drawn[2]["sha256"]).all()


def test_people_act_as_often_as_stated_in_order_and_see_no_film_twice(raw: SourceTables) -> None:
    counted = raw.events.group_by("user").agg(
        pl.len(), pl.col("item").n_unique().alias("films"), pl.col("time").diff().min().alias("gap")
    )
    assert counted.height == 250
    assert counted["len"].is_between(20, 120).all()
    assert (counted["len"] == counted["films"]).all()
    assert (counted["gap"] > pl.Series([0]).cast(pl.Duration("us"))[0]).all()
    span = raw.events["time"].max() - raw.events["time"].min()  # type: ignore[operator]
    assert 500 < span.days < 550  # 18 months


def test_truth_and_oracle_stand_beside_the_events(raw: SourceTables) -> None:
    position = raw.events.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).over("user").alias("position"))
    assert raw.truth.select("user", "position", "item").equals(position.select("user", "position", "item"))
    assert raw.oracle.select("user", "position").equals(
        position.filter(pl.col("position") > 0).select("user", "position")
    )
    assert (raw.oracle["others"] == 600 - raw.oracle["position"] - 1).all()
    assert (raw.oracle["greater"] + raw.oracle["ties"] <= raw.oracle["others"]).all()


def test_plots_have_30_to_80_words_and_the_words_of_the_cause(raw: SourceTables) -> None:
    texts = dict(raw.catalog.select("item", "text").iter_rows())
    assert all(30 <= len(text.split()) <= 80 for text in texts.values())
    assert not any(re.search(r"\b[Aa] [aeiou]|[{}]", text) for text in texts.values())
    told = raw.truth.filter(pl.col("topic").is_not_null())
    assert set(told["cause"].unique()) == {"lasting", "passing", "hour"}
    for item, topic, words in told.select("item", "topic", "words").iter_rows():
        assert words
        assert set(words) <= lexicon().themes[topic].words()
        assert all(re.search(rf"\b{word}\b", texts[item]) for word in words)


def test_the_truth_names_earlier_films_of_the_same_cause(raw: SourceTables) -> None:
    for _, rows in raw.truth.group_by("user"):
        ordered = rows.sort("position")
        about = dict(
            zip(ordered["item"], zip(ordered["cause"], ordered["topic"], ordered["object"], strict=True), strict=True)
        )
        seen: set[int] = set()
        for item, cause, earlier in ordered.select("item", "cause", "earlier").iter_rows():
            assert (earlier is None) == (cause == "accident")
            for other in earlier or []:
                assert other in seen
                assert about[other] == about[item]
            seen.add(item)
    assert raw.truth.filter(pl.col("cause") == "passing")["earlier"].list.len().mean() > 2  # type: ignore[operator]


def test_a_visual_cause_names_what_the_poster_shows_and_where(raw: SourceTables, made: Films) -> None:
    world = lexicon()
    looked = raw.truth.filter(pl.col("cause") == "visual")
    assert set(looked["object"].unique()) == set(world.looks())
    for item, name, box in looked.select("item", "object", "box").iter_rows():
        assert world.looks()[made.look_F[item - 1]] == name
        if name in world.vivid:
            assert made.palettes[item - 1] == name
            assert list(box) == [0, 0, 1, 1]
        else:
            assert next(iter(made.objects[item - 1])) == name
            assert np.allclose(box, made.objects[item - 1][name], atol=1e-6)


def test_words_do_not_tell_the_picture(made: Films) -> None:
    names = {*lexicon().objects(), *lexicon().palettes, *lexicon().vivid}
    assert not any(names & set(re.findall(r"\w+", text.lower())) for text in made.plots)
    assert {len(shown) for shown in made.objects} == {2, 3, 4}


def test_boxes_hold_what_they_say(made: Films) -> None:
    for film in range(80):
        drawn = draw_poster(made.titles[film], made.palettes[film], made.objects[film], np.random.default_rng(0))
        without = draw_poster(made.titles[film], made.palettes[film], {}, np.random.default_rng(0))
        pixel, plain = (np.asarray(Image.open(io.BytesIO(data)), dtype=int) for data in (drawn, without))
        assert pixel.shape == (300, 200, 3)
        outside = np.ones((300, 200), dtype=bool)
        for name, (left, top, right, bottom) in made.objects[film].items():
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 250 / 300
            place = (slice(round(top * 300), round(bottom * 300)), slice(round(left * 200), round(right * 200)))
            colours = [ImageColor.getrgb(primitive[1]) for primitive in shapes()[name]]
            far = np.min([np.abs(pixel[place] - colour).max(axis=-1) for colour in colours], axis=0)
            assert (far < 40).mean() > 0.15, (film, name)
            assert (np.abs(pixel[place] - plain[place]).max(axis=-1) > 20).mean() > 0.1, (film, name)
            outside[max(place[0].start - 8, 0) : place[0].stop + 8, max(place[1].start - 8, 0) : place[1].stop + 8] = (
                False
            )
        assert np.abs(pixel - plain).max(axis=-1)[outside].max() < 60
        dark = ImageColor.getrgb((lexicon().palettes | lexicon().vivid)[made.palettes[film]][0])
        assert np.abs(np.median(pixel[255:], axis=(0, 1)) - dark).max() < 40


def test_an_unknown_primitive_is_refused() -> None:
    from PIL import ImageDraw

    with pytest.raises(ValueError, match="'blob' is no primitive"):
        _paint(ImageDraw.Draw(Image.new("RGB", (9, 9))), ["blob", "#fff", 0, 0], (0, 0), 1, 1)


def test_films_of_a_story_have_themes_and_striking_ones_looks(made: Films) -> None:
    kinds = group_films(made)
    assert (made.look_F >= 0).mean() == pytest.approx(settings().film.striking)
    assert ((kinds.theme_KF > 0).sum(axis=0) == (made.look_F < 0)).all()
    assert ((kinds.look_OF > 0).sum(axis=0) == (made.look_F >= 0)).all()
    assert np.allclose(kinds.theme_KF.sum(axis=1), 1)
    assert np.allclose(kinds.look_OF.sum(axis=1), 1)


def test_causes_have_the_stated_shares(lived: tuple[People, Calendar, Acts]) -> None:
    found, when, done = lived
    mix = settings().mixture
    real = np.arange(done.cause_UN.shape[1]) < found.acts_U[:, None]
    early = real & (np.arange(done.cause_UN.shape[1]) < 20)  # later, tastes run out of films and accidents take over
    evening = done.cause_UN[early & when.household_UN]
    assert np.mean(evening == CAUSES.index("hour")) == pytest.approx(mix.hour, abs=0.03)
    assert not (done.cause_UN[real & ~when.household_UN] == CAUSES.index("hour")).any()
    assert (done.cause_UN[real & when.idle_UN] == CAUSES.index("accident")).all()
    for name in ("lasting", "passing", "visual", "accident"):
        share = np.mean(done.cause_UN[early & ~when.household_UN & ~when.idle_UN] == CAUSES.index(name))
        weight = getattr(mix, name)
        expected = (
            weight if name == "accident" else weight * (1 - mix.accident) / (mix.lasting + mix.passing + mix.visual)
        )
        assert share == pytest.approx(expected, abs=0.05), name


def test_interests_switch_as_stated(lived: tuple[People, Calendar, Acts]) -> None:
    found, when, done = lived
    real = (np.arange(done.cause_UN.shape[1]) < found.acts_U[:, None]) & ~when.household_UN & ~when.idle_UN
    real[:, 0] = False
    mix = settings().mixture
    assert done.switched_UN[real & when.same_UN].mean() == pytest.approx(mix.switch_same, abs=0.01)
    assert done.switched_UN[real & ~when.same_UN].mean() == pytest.approx(mix.switch_new, abs=0.03)
    stays = done.interest_UN[:, 1:] == done.interest_UN[:, :-1]
    assert (stays == (done.switched_UN[:, 1:] == 0))[real[:, 1:]].all()


def test_the_oracle_is_calibrated(lived: tuple[People, Calendar, Acts]) -> None:
    found, _, done = lived
    real = np.arange(done.cause_UN.shape[1]) < found.acts_U[:, None]
    gain = (done.chance_UN - done.expected_UN)[real]
    assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(real.sum())
    assert gain.std() > 0.01
    # the oracle's ranks are those of its chances: what it holds likelier comes true more often
    first, last = (done.greater_UN[real] < 20).mean(), (done.greater_UN[real] >= 300).mean()
    assert first > 0.5
    assert last < 0.1


def test_the_calendar_keeps_its_promises(lived: tuple[People, Calendar, Acts]) -> None:
    found, when, _ = lived
    chosen = settings().sessions
    real = np.arange(when.minute_UN.shape[1]) < found.acts_U[:, None]
    later = real.copy()
    later[:, 0] = False
    assert when.same_UN[later].mean() == pytest.approx(when.goes_on_UN[later].mean(), abs=0.01)
    on = later & when.same_UN
    assert when.household_UN[on].mean() == pytest.approx(when.evening_UN[on].mean(), abs=0.01)
    new = later & ~when.same_UN
    assert when.household_UN[new].mean() == pytest.approx(chosen.evening, abs=0.02)
    pause = np.diff(when.minute_UN, axis=1)[on[:, 1:]]
    assert chosen.pause[0] <= pause.min() < pause.max() <= chosen.pause[1]
    assert (np.diff(when.minute_UN, axis=1)[real[:, 1:]] > 0).all()
    assert household_minutes(chosen).sum() == len(chosen.evenings) * (chosen.end - chosen.begin) * 60
    assert (household_minutes(chosen)[when.minute_UN % WEEK] == when.household_UN)[~when.idle_UN].all()


def test_idle_acts_are_alone_and_keep_their_hours(lived: tuple[People, Calendar, Acts]) -> None:
    found, when, _ = lived
    chosen = settings().sessions
    real = np.arange(when.minute_UN.shape[1]) < found.acts_U[:, None]
    assert when.idle_UN[real & ~when.same_UN].mean() == pytest.approx(chosen.idle, abs=0.02)
    assert not (when.idle_UN & when.same_UN).any()
    assert not when.same_UN[:, 1:][when.idle_UN[:, :-1]].any()
    hour = when.minute_UN // 60 % 24
    idle = (hour >= chosen.idle_hours[0]) & (hour < chosen.idle_hours[1])
    assert idle[real & when.idle_UN].all()
    assert not idle[real & ~when.idle_UN].any()


def test_an_idle_act_is_no_household_s_and_switches_nothing(lived: tuple[People, Calendar, Acts]) -> None:
    chosen = settings().sessions.model_copy(update={"idle_hours": (18, 24)})  # when the household sits together
    when = draw_calendar(np.full(50, 60), 78, chosen, np.random.default_rng(3))
    evening_UN = household_minutes(chosen)[when.minute_UN % WEEK]
    assert (when.idle_UN & evening_UN).any()
    assert not (when.idle_UN & when.household_UN).any()
    found, when, done = lived
    early = np.arange(done.switched_UN.shape[1]) < np.minimum(found.acts_U, 20)[:, None]
    assert done.switched_UN[early & when.idle_UN].mean() < 0.01  # an interest of which nothing is left


def test_chances_beyond_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"evening and idle are 0\.7 and 0\.45"):
        SessionSettings.model_validate(settings().sessions.model_dump() | {"evening": 0.7})


@pytest.mark.parametrize(
    ("part", "changes", "why"),
    [
        ("film", {"own": 1.0}, r"own: 1 leaves 2 objects for a poster of up to 4"),  # which was drawn for ever
        ("film", {"objects": [1, 5]}, r"objects: \[1, 5\]; .* at most 4 have a place"),
        ("film", {"objects": [4, 2]}, r"objects: \[4, 2\]; the least first"),
        ("film", {"sentences": {"first": [1, 5]}}, r"sentences\.first: \[1, 5\]; .* of first there are 4"),
        ("film", {"sentences": {"third": [1, 1]}}, r"of third there are 0; the kinds are first, second, colour"),
        ("person", {"acts": [0, 0]}, r"acts: \[0, 0\]; the least first, from 1 on"),
        ("person", {"acts": [5, 2]}, r"acts: \[5, 2\]; the least first"),
        ("person", {"shape": [0, 1]}, r"shape: \[0\.0, 1\.0\]; both parameters"),
        ("sessions", {"pause": [60, 20]}, r"pause: \[60, 20\]; the least first"),
        ("sessions", {"evenings": []}, r"evenings: \[\]; days from 0, Monday, to 5, one at least"),
        ("sessions", {"evenings": [4, 6]}, r"evenings: \[4, 6\]; days from 0"),
        ("sessions", {"hours": [20, 13]}, r"hours: \[20, 13\]; hours of a day"),
        ("sessions", {"begin": 24}, r"begin and end: \[24, 24\]; hours of a day"),
    ],
)
def test_a_world_that_cannot_be_is_refused(part: str, changes: dict[str, Any], why: str) -> None:
    section = settings().model_dump()
    section[part] |= changes
    with pytest.raises(ValueError, match=why):
        Settings.model_validate(section)


def test_as_many_objects_as_a_genre_has_can_all_be_its_own() -> None:
    section = settings(1).model_dump()
    section["film"] |= {"own": 1.0, "objects": [2, 2]}
    made = draw_films(130, Settings.model_validate(section).film, np.random.default_rng(1))
    own = [set(genre.objects) for genre in lexicon().genres.values()]
    for look, genre, found in zip(made.look_F, made.genre_F, made.objects, strict=True):
        assert look >= 0 or set(found) == own[genre]


def test_too_few_films_are_refused() -> None:
    section = settings().model_dump() | {"films": 100}
    with pytest.raises(ValueError, match="100 are too few for people who see up to 120"):
        Settings.model_validate(section)


def test_more_sessions_than_weeks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"datasets\.demo\.months: 9 weeks are too few"):
        read(settings(5).model_copy(update={"months": 2}), 1)
