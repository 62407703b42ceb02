import json

import numpy as np

from voiceagent.training import card


def test_card_names_run_data_and_figures(workspace):
    workspace.write_json("run", {"seed": 7, "budget_s": 5400, "workers": 2})
    workspace.write_json("curves/decoder", [{"seconds": 9.0, "steps": 4, "text": 0.5}])
    workspace.write_arrays("speech/00000", {"pcm": np.zeros(24_000 * 36, np.int16)})
    folder = workspace.path / "model"
    folder.mkdir()
    for name in ("codec", "decoder"):
        (folder / f"{name}.safetensors").write_bytes(bytes(2_000_000))
    card.write(workspace, folder, {"calls": 3, "user_wer": 0.04})
    text = (folder / "README.md").read_text()
    assert "itself. 0.0 h of sentences with phones. No" in " ".join(text.split())
    for piece in ("seed 7", "90 minutes with 2 processes", "4.0 MB", "- user wer: 0.04", "cannot"):
        assert piece in text
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["hours"]["speech"] == 0.01
    assert figures["training"]["decoder"]["text"] == 0.5
    assert "decoder" in (folder / "curves.svg").read_text()


def test_section_is_put_before_the_limits_and_replaced_the_next_time():
    text = "# Card\n\n## Sizes\n\nsmall\n\n## What it cannot do\n\nmuch\n"
    once = card.with_section(text, "Measured", "| a |\n")
    assert once == text.replace("## What", "## Measured\n\n| a |\n\n## What")
    again = card.with_section(once, "Measured", "| b |")
    assert again == once.replace("| a |", "| b |")


def test_section_of_a_card_without_limits_comes_last():
    text = card.with_section("# Card\n", "Measured", "| a |")
    assert text == "# Card\n\n## Measured\n\n| a |\n\n"
    assert card.with_section(text, "Measured", "| b |") == text.replace("| a |", "| b |")


def test_card_of_a_run_that_went_on_names_the_model_before(workspace):
    workspace.write_json(
        "run",
        {
            "seed": 7,
            "budget_s": 60,
            "workers": 2,
            "from": "codec 1a2b, decoder 3c4d",
            "teach": "voice",
        },
    )
    folder = workspace.path / "model"
    folder.mkdir()
    for name in ("codec", "decoder"):
        (folder / f"{name}.safetensors").write_bytes(bytes(10))
    card.write(workspace, folder, {})
    text = (folder / "README.md").read_text()
    assert "codec 1a2b, decoder 3c4d" in " ".join(text.split())
    assert "beside what the model before was taught with" in " ".join(text.split())
    assert "from nothing" not in text.split("## Data")[0]


def test_card_of_an_ear_says_that_it_learnt_from_calls(workspace):
    run = {"seed": 7, "budget_s": 60, "workers": 2, "from": "codec 1a2b", "teach": "ear"}
    workspace.write_json("run", run)
    workspace.write_json("curves/ear", [{"seconds": 9.0, "steps": 41, "text": 0.5}])
    folder = workspace.path / "model"
    folder.mkdir()
    for name in ("codec", "decoder"):
        (folder / f"{name}.safetensors").write_bytes(bytes(10))
    card.write(workspace, folder, {})
    text = " ".join((folder / "README.md").read_text().split())
    assert "41 batches of calls" in text
    assert "with phones" not in text
