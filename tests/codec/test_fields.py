import dataclasses
from typing import Literal

import pytest
from voiceagent_codec.fields import check_fields


@dataclasses.dataclass(frozen=True)
class Config:
    whole: int = 1
    number: float = 1.0
    maybe: float | None = None
    word: Literal["a", "b"] = "a"
    pair: tuple[int, int] = (1, 2)
    many: tuple[int, ...] = ()
    flag: bool = False


@pytest.mark.parametrize(
    "change",
    [{}, {"number": 2}, {"maybe": 3}, {"word": "b"}, {"many": (1, 2, 3)}, {"flag": True}],
)
def test_values_of_the_right_type_pass(change):
    check_fields(Config(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"whole": 1.0},
        {"whole": "1"},
        {"whole": True},
        {"number": "1"},
        {"number": False},
        {"maybe": "x"},
        {"word": "c"},
        {"pair": (1,)},
        {"pair": [1, 2]},
        {"many": (1, 2.5)},
        {"flag": 1},
    ],
)
def test_a_value_of_another_type_names_its_field(change):
    with pytest.raises(ValueError, match=f"^{next(iter(change))} must be"):
        check_fields(Config(**change))
