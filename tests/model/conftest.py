"""Tiny Moshi-family folders of random weights, written once."""

import pytest

from voiceagent.testing.random_moshi import TINY_MOSHI, TINY_PERSONAPLEX, write_random_moshi


@pytest.fixture(scope="session")
def moshi_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-moshi")
    write_random_moshi(folder, TINY_MOSHI)
    return folder


@pytest.fixture(scope="session")
def personaplex_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-personaplex")
    write_random_moshi(folder, TINY_PERSONAPLEX)
    return folder
