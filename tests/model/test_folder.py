import pytest

from voiceagent.model.checkpoint import OwnFolder
from voiceagent.model.folder import ModelFolder
from voiceagent.model.moshi import MoshiFolder


def offered(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [OwnFolder, MoshiFolder])
def test_every_kind_of_folder_offers_all_that_the_engine_needs(kind):
    assert offered(ModelFolder) <= offered(kind)
