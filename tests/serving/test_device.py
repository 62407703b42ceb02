import pytest
import torch

from voiceagent.errors import ConfigError
from voiceagent.serving.device import find_device, use_threads


def test_a_device_that_is_there_is_found():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_not_there_is_named_with_what_to_do():
    count = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=f"cuda:{count}: this machine shows {count} .*--device"):
        find_device(f"cuda:{count}")


def test_threads_are_set_for_the_process():
    before = torch.get_num_threads()
    try:
        use_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        use_threads(before)
