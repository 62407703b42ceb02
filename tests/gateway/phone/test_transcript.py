from voiceagent.gateway.phone.transcript import PAUSE_US, Piece, Transcript


def test_words_of_a_side_make_a_segment_that_ends_after_a_pause():
    transcript = Transcript("call")
    (first,) = transcript.add("agent", " hello", 0)
    (second,) = transcript.add("agent", " there", 300_000)
    assert first == Piece("agent", "call-1", "hello", "hello", is_first=True)
    assert second == Piece("agent", "call-1", "hello there", " there")
    assert transcript.settle(300_000 + PAUSE_US) == []
    (end,) = transcript.settle(300_001 + PAUSE_US)
    assert end == Piece("agent", "call-1", "hello there", "", is_final=True)


def test_both_sides_may_speak_at_once():
    transcript = Transcript("call")
    transcript.add("agent", " hello", 0)
    (word,) = transcript.add("user", " stop", 100_000)
    assert word.segment == "call-2"
    assert [piece.text for piece in transcript.finish()] == ["hello", "stop"]
    assert transcript.finish() == []


def test_a_word_after_a_pause_ends_the_segment_before_it():
    transcript = Transcript("call")
    transcript.add("user", " one", 0)
    end, word = transcript.add("user", " two", 2 * PAUSE_US)
    assert (end.segment, end.is_final, word.segment, word.text) == ("call-1", True, "call-2", "two")


def test_what_is_said_at_once_is_a_segment_of_its_own():
    transcript = Transcript("call")
    transcript.add("agent", " well", 0)
    end, first, last = transcript.whole("agent", "Goodbye.")
    assert (end.segment, end.is_final) == ("call-1", True)
    assert first == Piece("agent", "call-2", "Goodbye.", "Goodbye.", is_first=True)
    assert last == Piece("agent", "call-2", "Goodbye.", "", is_final=True)
    assert transcript.whole("agent", "") == []
    assert transcript.finish() == []
