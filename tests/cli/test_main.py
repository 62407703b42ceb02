import subprocess
import sys

import pytest

from voiceagent.cli import main
from voiceagent.cli.main import build_parser


def commands():
    (actions,) = [a for a in build_parser()._actions if a.dest == "command"]
    return actions.choices


def test_help_names_every_command_and_teaches_first_steps(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    for command in commands():
        assert f"voiceagent {command}" in text


@pytest.mark.parametrize("command", ["talk", "codec", "doctor"])
def test_help_of_a_command_has_a_description_and_help_for_every_option(command):
    parser = commands()[command]
    assert len(parser.description) > 80
    assert all(action.help for action in parser._actions if action.option_strings)


def test_help_comes_without_loading_torch():
    code = (
        "import sys\n"
        "from voiceagent.cli import main\n"
        "try: main(['talk', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_missing_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_interrupt_ends_quietly(monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("voiceagent.cli.talk.run", interrupt)
    assert main(["talk"]) == 130


def test_a_bug_is_not_dressed_up_as_bad_input(monkeypatch):
    def fail(options):
        raise ZeroDivisionError

    monkeypatch.setattr("voiceagent.cli.talk.run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["talk"])
