import pytest

from voiceagent.scenes import phones


def test_phones_are_forty_with_the_pause_first():
    assert len(set(phones.PHONES)) == len(phones.PHONES) == 40
    assert phones.PHONE_IDS[phones.PAUSE] == 0


@pytest.mark.parametrize(
    ("name", "phone"), [("eI", "ey"), ("tS", "ch"), ("3:", "er"), ("_:", "pau")]
)
def test_phone_of_espeak_knows_its_mnemonics(name, phone):
    assert phones.phone_of_espeak(name) == phone


@pytest.mark.parametrize(("name", "phone"), [("ax", "ah"), ("zh", "zh"), ("brth", "pau")])
def test_phone_of_flite_is_arpabet_with_a_schwa(name, phone):
    assert phones.phone_of_flite(name) == phone


@pytest.mark.parametrize(("symbol", "phone"), [("ʤ", "jh"), ("A", "ey"), ("ˈ", None), (",", None)])
def test_phone_of_hibari_leaves_out_marks(symbol, phone):
    assert phones.phone_of_hibari(symbol) == phone


def test_every_table_leads_to_phones_and_together_to_all_of_them():
    reached = {*phones._ESPEAK.values(), *phones._HIBARI.values()}
    assert reached == set(phones.PHONES) - {phones.PAUSE}
