import json

import httpx
import pytest

from voiceagent.errors import AtCapacity, EngineUnavailable, PromptRefused
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.http import build_app
from voiceagent.gateway.offer import MAX_BODY_BYTES, MAX_SDP_BYTES, OfferRefused
from voiceagent.gateway.peers import Peers
from voiceagent.records.config import RecordsConfig
from voiceagent.records.page import style_hash
from voiceagent.serving.messages import EngineStatus
from voiceagent.testing.decided import record_call

TOKEN = "0123456789abcdef"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
GOOD = {"sdp": "v=0\r\ns=-\r\nt=0 0\r\n" + AUDIO, "type": "offer"}
CANDIDATES = {"pc_id": "nobody", "candidates": []}


class StoppedClock:
    def now_us(self):
        return 0


class Engine:
    """Has one slot, which is taken."""

    is_up = True
    opened = 0
    is_promptable, voices = False, ()
    options = None

    async def open(self, options=None):
        self.opened += 1
        self.options = options
        if options.voice == "nobody":
            raise PromptRefused("no voice 'nobody': there are alice")
        if not self.is_up:
            raise EngineUnavailable("ipc:///x", "nothing listens there")
        raise AtCapacity(1, 5.0)

    async def status(self):
        if not self.is_up:
            raise EngineUnavailable("ipc:///x", "nothing listens there")
        return EngineStatus(
            *("echo", self.is_promptable, self.voices, 1, 4, 1),
            **dict.fromkeys(EngineStatus.__slots__[6:], 0),
        )


class Site:
    """The application without a socket."""

    def __init__(self, web_folder, records=None, **settings):
        self.engine = Engine()
        config = GatewayConfig(**settings)
        peers = Peers(self.engine, config, StoppedClock(), records and RecordsConfig(dir=records))
        self.app = build_app(peers, self.engine, config, StoppedClock(), web_folder)

    async def send(self, method, path, **options):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.request(method, path, **options)

    async def offer(self, body=GOOD, **options):
        return await self.send("POST", "/api/offer", json=body, **options)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


pytestmark = pytest.mark.asyncio


async def test_status_says_model_and_slots(site):
    response = await site.send("GET", "/api/status")
    assert response.json() == {
        "model": "echo",
        "num_slots": 4,
        "num_free": 1,
        "is_promptable": False,
        "voices": [],
        "auth_required": False,
        "ice_servers": [],
    }


async def test_ice_servers_are_told_to_those_who_have_the_token(tmp_path):
    site = Site(tmp_path, token=TOKEN, ice_servers=("stun:a", "turn:me:p%40ss@b:3478"))
    assert (await site.send("GET", "/api/status")).json()["ice_servers"] == []
    known = await site.send("GET", "/api/status", headers={"authorization": f"Bearer {TOKEN}"})
    assert known.json()["ice_servers"] == [
        {"urls": "stun:a"},
        {"urls": "turn:b:3478", "username": "me", "credential": "p@ss"},
    ]


async def test_metrics_want_the_token_and_health_does_not(tmp_path):
    site = Site(tmp_path, token=TOKEN)
    assert (await site.send("GET", "/healthz")).status_code == 200
    assert (await site.send("GET", "/metrics")).status_code == 401
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert (await site.send("GET", "/metrics", headers=headers)).status_code == 200


async def test_health_follows_the_engine(site):
    assert (await site.send("GET", "/healthz")).status_code == 200
    site.engine.is_up = False
    assert (await site.send("GET", "/healthz")).status_code == 503


async def test_without_a_slot_an_offer_is_refused_and_told_when_to_come_back(site):
    response = await site.offer()
    assert response.status_code == 503
    assert response.json() == {
        "detail": "every slot is taken (1); try again soon",
        "code": "at_capacity",
        "retry_after_s": 5.0,
    }
    assert response.headers["retry-after"] == "5"


async def test_voices_are_told_to_those_who_have_the_token(tmp_path):
    site = Site(tmp_path, token=TOKEN)
    site.engine.is_promptable, site.engine.voices = True, ("alice", "bob")
    unknown = (await site.send("GET", "/api/status")).json()
    assert (unknown["is_promptable"], unknown["voices"]) == (True, [])
    known = await site.send("GET", "/api/status", headers={"authorization": f"Bearer {TOKEN}"})
    assert known.json()["voices"] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("fields", "role", "voice"),
    [
        ({}, "be brief", "alice"),
        ({"role": "", "voice": ""}, "be brief", "alice"),
        ({"role": " sell bread ", "voice": "bob.pt"}, "sell bread", "bob"),
    ],
)
async def test_role_and_voice_of_the_offer_come_before_the_servers_own(
    tmp_path, fields, role, voice
):
    site = Site(tmp_path, role="be brief", voice="alice")
    await site.offer({**GOOD, **fields})
    assert (site.engine.options.role, site.engine.options.voice) == (role, voice)


async def test_policy_of_the_offer_reaches_the_engine(site):
    await site.offer({**GOOD, "policy": "shadow"})
    assert site.engine.options.policy == "shadow"


async def test_policy_that_there_is_not_is_refused_before_a_slot_is_taken(site):
    response = await site.offer({**GOOD, "policy": "loud"})
    assert (response.status_code, site.engine.opened) == (400, 0)
    assert "one of off, shadow, on" in response.json()["detail"]


async def test_a_past_session_is_told_in_short_and_as_a_page(tmp_path):
    session_id = await record_call(tmp_path)
    site = Site(tmp_path, records=tmp_path)
    brief = await site.send("GET", f"/api/sessions/{session_id}")
    assert (brief.status_code, brief.json()["end_reason"]) == (200, "the script ended")
    page = await site.send("GET", f"/api/sessions/{session_id}/report")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert page.text.startswith("<!doctype html>")
    assert f"style-src 'self' '{style_hash()}'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/sessions/{}", "/api/sessions/{}/report"])
async def test_past_sessions_are_for_those_who_may_call(tmp_path, path):
    path = path.format(await record_call(tmp_path, "u."))
    site = Site(tmp_path, records=tmp_path, token=TOKEN)
    known = {"authorization": f"Bearer {TOKEN}"}
    assert (await site.send("GET", path)).status_code == 401
    evil = {**known, "origin": "http://evil.example"}
    assert (await site.send("GET", path, headers=evil)).status_code == 403
    foreign = {**known, "host": "evil.example"}
    assert (await site.send("GET", path, headers=foreign)).status_code == 403
    assert (await site.send("GET", path, headers=known)).status_code == 200


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..", "%2Fetc%2Fpasswd", "0" * 32, "x", "%00", "*"]
)
async def test_no_path_is_ever_a_session(tmp_path, name):
    site = Site(tmp_path, records=tmp_path)
    for path in (f"/api/sessions/{name}", f"/api/sessions/{name}/report"):
        assert (await site.send("GET", path)).status_code == 404


async def test_too_many_questions_about_sessions_wait_and_offers_do_not(tmp_path):
    site = Site(tmp_path, records=tmp_path, max_offers_per_minute=2)
    paths = [f"/api/sessions/{'0' * 32}", f"/api/sessions/{'0' * 32}/report"] * 2
    assert [(await site.send("GET", path)).status_code for path in paths] == [404, 404, 429, 429]
    assert (await site.offer()).status_code == 503


async def test_voice_that_there_is_not_is_refused_with_those_there_are(site):
    response = await site.offer({**GOOD, "voice": "nobody"})
    assert (response.status_code, response.json()) == (
        400,
        {"detail": "no voice 'nobody': there are alice", "code": "prompt_refused"},
    )


async def test_without_an_engine_an_offer_is_refused(site):
    site.engine.is_up = False
    response = await site.offer()
    assert (response.status_code, response.json()["code"]) == (503, "engine_unavailable")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b"v=0"}, 415),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[" * 50_000, "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"\xff", "headers": {"content-type": "application/json"}}, 400),
        ({"json": []}, 400),
        ({"json": {"sdp": "rubbish", "type": "offer"}}, 400),
        ({"json": {**GOOD, "sdp": GOOD["sdp"] + AUDIO}}, 400),
        ({"json": {"sdp": "v=0\r\n" + "x" * MAX_SDP_BYTES, "type": "offer"}}, 413),
        ({"json": {"sdp": "x" * MAX_BODY_BYTES}}, 413),
    ],
    ids=range(10),
)
async def test_a_bad_offer_gets_one_clear_message_and_takes_no_slot(site, options, status):
    response = await site.send("POST", "/api/offer", **options)
    assert (response.status_code, list(response.json())) == (status, ["detail", "code"])
    assert site.engine.opened == 0


async def test_a_body_without_an_end_is_cut_off_at_the_cap(site):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 4096
            yield b"x" * 4096

    headers = {"content-type": "application/json"}
    response = await site.send("POST", "/api/offer", content=endless(), headers=headers)
    assert response.status_code == 413
    assert sent <= MAX_BODY_BYTES + 8192


async def test_candidates_for_a_session_that_is_over_are_refused(site):
    response = await site.send("PATCH", "/api/offer", json=CANDIDATES)
    assert response.status_code == 404


async def test_renegotiation_of_a_session_that_is_over_is_refused(site):
    assert (await site.offer({**GOOD, "pc_id": "nobody"})).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_without_the_token_nothing_is_read(tmp_path, method):
    site = Site(tmp_path, token=TOKEN)
    response = await site.send(method, "/api/offer", content=b"rubbish")
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_with_the_token_an_offer_is_read(tmp_path):
    site = Site(tmp_path, token=TOKEN)
    assert (await site.offer(headers={"authorization": f"Bearer {TOKEN}"})).status_code == 503


async def test_a_page_of_another_origin_may_not_call(site):
    assert (await site.offer(headers={"origin": "http://evil.example"})).status_code == 403


async def test_a_foreign_name_for_this_machine_may_not_call(site):
    response = await site.offer(headers={"host": "evil.example", "origin": "http://evil.example"})
    assert response.status_code == 403


async def test_too_many_offers_of_one_address_wait(tmp_path):
    site = Site(tmp_path, max_offers_per_minute=2)
    statuses = [(await site.offer()).status_code for _ in range(3)]
    assert statuses == [503, 503, 429]


async def test_every_answer_carries_the_security_headers(site):
    for path in ("/", "/api/status", "/nowhere", "/metrics"):
        headers = (await site.send("GET", path)).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'self'; style-src 'self' 'sha"
        )
        assert headers["permissions-policy"].startswith("microphone=(self)")


async def test_metrics_are_prometheus_text_with_refusals(site):
    await site.offer({})
    text = (await site.send("GET", "/metrics")).text
    assert 'voiceagent_requests_refused_total{status="400"} 1.0' in text
    assert "voiceagent_engine_num_free 1.0" in text


async def test_the_page_is_served_where_it_has_been_built(tmp_path):
    (tmp_path / "index.html").write_text("<h1>hello</h1>")
    response = await Site(tmp_path).send("GET", "/")
    assert (response.status_code, response.text) == (200, "<h1>hello</h1>")


async def test_a_page_that_was_not_built_says_how(site):
    response = await site.send("GET", "/")
    assert (response.status_code, "make web" in response.text) == (404, True)


async def test_an_unknown_path_is_json_too(site):
    response = await site.send("GET", "/api/nothing")
    assert (response.status_code, json.loads(response.text)["detail"]) == (404, "Not Found")


async def test_a_refusal_says_whether_to_retry():
    assert OfferRefused(503, "x", 1.0).retryable
    assert not OfferRefused(400, "x").retryable
