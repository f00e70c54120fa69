"""The fields of Amazon's releases that are read, and what each holds."""

from collections.abc import Iterable

from stages.ingest.reading.record_fields import FieldTypes

_LISTED: FieldTypes = (list, str)
REVIEW: dict[int, dict[str, FieldTypes]] = {
    2014: {"reviewerID": (str,), "asin": (str,), "overall": (int, float), "unixReviewTime": (int, float)},
    2023: {"user_id": (str,), "rating": (int, float), "timestamp": (int, float)},
}
REVIEW[2018] = REVIEW[2014]
PRODUCT: dict[int, dict[str, FieldTypes]] = {
    2014: {
        "asin": (str,),
        "title": (str,),
        "brand": (str,),
        "price": (float, int),
        "description": (str,),
        "imUrl": (str,),
        "categories": (list,),
    },
    2018: {
        "asin": (str,),
        "title": (str,),
        "brand": (str,),
        "price": (str, float, int),
        "description": _LISTED,
        "feature": _LISTED,
        "imageURLHighRes": _LISTED,
        "imageURL": _LISTED,
        "image": _LISTED,
        "category": _LISTED,
    },
    2023: {
        "parent_asin": (str,),
        "asin": (str,),
        "title": (str,),
        "store": (str,),
        "price": (str, float, int),
        "description": _LISTED,
        "features": _LISTED,
        "images": (list,),
        "categories": (list,),
        "main_category": (str,),
    },
}
OWN: dict[int, set[str]] = {
    2014: {"categories", "imUrl"},
    2018: {"category", "imageURL", "imageURLHighRes", "image"},
    2023: {"categories", "images", "main_category", "parent_asin"},
}


def other_release(names: Iterable[str], release: int) -> str:
    """A field that tells a product of another release, where none of its fields tells this one; '' for none."""
    there = set(names)
    if there & OWN[release]:
        return ""
    return min(there & set().union(*OWN.values()), default="")
