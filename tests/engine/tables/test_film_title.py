import pytest

from engine.tables.film_title import FilmTitle


@pytest.mark.parametrize(
    ("text", "names", "year"),
    [
        ("Toy Story (1995)", ("Toy Story",), 1995),
        ("Usual Suspects, The (1995)", ("The Usual Suspects",), 1995),
        ("Avventura, L' (1960)", ("L'Avventura",), 1960),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            ("The City of Lost Children", "La Cité des enfants perdus"),
            1995,
        ),
        ("Seven (a.k.a. Se7en) (1995)", ("Seven", "Se7en"), 1995),
        ("Land Before Time III, The (1995) (V)", ("The Land Before Time III",), 1995),
        ("Fawlty Towers (1975-1979)", ("Fawlty Towers",), 1975),
        ("2001: A Space Odyssey (1968)", ("2001: A Space Odyssey",), 1968),
        ("1984", ("1984",), None),
        ("unknown", ("unknown",), None),
        ("", (), None),
        ("(1995)", (), 1995),
    ],
)
def test_names_and_year(text: str, names: tuple[str, ...], year: int | None) -> None:
    assert FilmTitle.parse(text) == FilmTitle(names, year)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Babysitter, The (1995)", "Babysitter (1995)", True),
        ("Amélie (2001)", "AMELIE (2001)", True),
        ("Blood & Wine (1996)", "Blood and Wine (1996)", True),
        ("M*A*S*H (1970)", "MASH (1970)", False),  # no more than equal words is asked for
        ("Emma (1996)", "Emma (1997)", False),
        ("Emma", "Emma", False),
        ("!!! (1995)", "??? (1995)", False),
        ("七人の侍 (1954)", "Seven Samurai (七人の侍) (1954)", True),
    ],
)
def test_which_titles_mean_one_film(one: str, other: str, same: bool) -> None:
    assert FilmTitle.parse(one).means(FilmTitle.parse(other)) is same
