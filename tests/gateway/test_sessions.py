import asyncio
import json

import pytest
import pytest_asyncio

from voiceagent.gateway.offer import OfferRefused
from voiceagent.gateway.sessions import MAX_WAITING, PastSessions
from voiceagent.records.store import RecordStore
from voiceagent.testing.decided import record_call

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def session_id(tmp_path):
    return await record_call(tmp_path / "records")


@pytest.fixture
def live():
    return {}


@pytest.fixture
def past(tmp_path, live):
    return PastSessions(tmp_path / "records", live, settle_within_s=0.05)


async def refusal(awaited):
    with pytest.raises(OfferRefused) as refused:
        await awaited
    return refused.value.status, refused.value.code


async def test_brief_says_how_a_conversation_went(past, session_id, tmp_path):
    found = await past.brief(session_id)
    axes = RecordStore(tmp_path / "records").summary(session_id).axes
    assert found == {
        "id": session_id,
        "duration_ms": 112 * 80,
        "end_reason": "the script ended",
        "axes": axes.brief(),
    }


@pytest.mark.parametrize("policy", ["on", ""])
async def test_report_is_the_page_of_the_command_line(past, tmp_path, policy):
    session_id = await record_call(tmp_path / "records", policy=policy)
    text = (await past.report(session_id)).decode()
    assert text.startswith("<!doctype html>")
    assert f"Session {session_id[:8]}" in text
    assert "The four axes" in text


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../records", "ab", "0" * 31, "0" * 33, "0" * 32, "A" * 32, "é" * 32),
        "../records/{id}",
        "{id}/",
        "{id}\n",
        "{id}\x00",
    ],
)
async def test_only_a_whole_id_names_a_session(past, session_id, name):
    asked = name.format(id=session_id)
    assert await refusal(past.brief(asked)) == (404, "no_session")
    assert await refusal(past.report(asked)) == (404, "no_session")


async def test_a_session_of_another_folder_is_not_found(tmp_path, session_id):
    past = PastSessions(tmp_path / "others", {})
    assert await refusal(past.report(session_id)) == (404, "no_session")


async def test_where_nothing_is_recorded_there_are_no_sessions(session_id):
    past = PastSessions(None, {})
    assert await refusal(past.brief(session_id)) == (404, "no_session")


async def test_a_session_that_has_just_ended_is_waited_for(tmp_path, session_id, live):
    past = PastSessions(tmp_path / "records", live)
    live[session_id] = asyncio.Event()
    asked = asyncio.create_task(past.brief(session_id))
    await asyncio.sleep(0)
    live.pop(session_id).set()
    assert (await asked)["id"] == session_id


async def test_a_session_that_goes_on_is_refused(past, session_id, live):
    live[session_id] = asyncio.Event()
    assert await refusal(past.brief(session_id)) == (409, "still_running")
    assert await refusal(past.report(session_id)) == (409, "still_running")


async def test_a_session_that_died_has_a_page_and_no_brief(past, session_id, tmp_path):
    (tmp_path / "records" / session_id / "session.json").unlink()
    assert await refusal(past.brief(session_id)) == (404, "no_summary")
    assert b"It still runs, or it died." in await past.report(session_id)


async def test_a_damaged_record_is_logged_and_the_caller_learns_no_path(
    past, session_id, tmp_path, caplog
):
    folder = tmp_path / "records" / session_id
    (folder / "session.json").write_text(json.dumps({"schema_version": 9}))
    assert await refusal(past.brief(session_id)) == (500, "record_unreadable")
    with pytest.raises(OfferRefused) as refused:
        await past.report(session_id)
    assert str(tmp_path) not in refused.value.detail
    assert "schema version 9" in caplog.text


@pytest.mark.slow
async def test_too_many_reports_at_once_are_refused(past, session_id):
    wanted = [past.report(session_id) for _ in range(MAX_WAITING + 2)]
    made = await asyncio.gather(*wanted, return_exceptions=True)
    assert [page.code for page in made if isinstance(page, OfferRefused)] == ["busy"]
    assert sum(isinstance(page, bytes) for page in made) == MAX_WAITING + 1
    assert await past.report(session_id)
