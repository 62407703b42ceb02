import logging
import subprocess
import sys

import loguru

from voiceagent.gateway.quiet import quieten_pipecat


def test_warnings_go_to_logging_and_the_rest_nowhere(caplog, capsys):
    quieten_pipecat()
    with caplog.at_level(logging.DEBUG):
        loguru.logger.info("what somebody said")
        loguru.logger.warning("a fault")
    assert [(record.name, record.message) for record in caplog.records] == [("pipecat", "a fault")]
    assert capsys.readouterr().err == ""


def test_called_before_pipecat_is_imported_there_is_no_banner():
    script = "from voiceagent.gateway.quiet import quieten_pipecat as q; q(); import pipecat"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
