import pytest

from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.offer import Candidate, Offer, OfferRefused
from voiceagent.gateway.peers import Peers, _parse

pytestmark = pytest.mark.asyncio


class Port:
    closed = 0

    async def close(self):
        self.closed += 1


class Engine:
    """Gives out one port."""

    def __init__(self):
        self.port = Port()

    async def open(self, options=None):
        return self.port


class StoppedClock:
    def now_us(self):
        return 0


@pytest.fixture
def peers():
    return Peers(Engine(), GatewayConfig(), StoppedClock())


async def test_an_offer_that_aiortc_cannot_read_gives_its_slot_back(peers):
    with pytest.raises(OfferRefused) as refused:
        await peers.answer(Offer("v=0\r\nm=audio rubbish", None))
    assert refused.value.status == 400
    assert (peers._engine.port.closed, len(peers)) == (1, 0)


async def test_after_close_nobody_is_admitted(peers):
    await peers.close()
    with pytest.raises(OfferRefused, match="stops"):
        await peers.answer(Offer("v=0", None))


async def test_a_session_that_is_over_is_not_found(peers):
    with pytest.raises(OfferRefused) as refused:
        await peers.add_candidates("nobody", [])
    assert refused.value.status == 404


async def test_an_empty_candidate_ends_them():
    assert _parse(Candidate("", "0", 0)) is None


async def test_a_candidate_is_read_with_its_place():
    candidate = _parse(Candidate("candidate:1 1 udp 5 10.0.0.1 9 typ host", "a", 1))
    assert (candidate.ip, candidate.sdpMid, candidate.sdpMLineIndex) == ("10.0.0.1", "a", 1)


@pytest.mark.parametrize("text", ["x", "candidate:1 1 udp", "candidate:1 1 udp x 10.0.0.1 y typ z"])
async def test_a_candidate_that_cannot_be_read_is_refused(text):
    with pytest.raises(OfferRefused, match="candidate"):
        _parse(Candidate(text, "0", 0))
