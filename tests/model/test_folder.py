import pytest

from voiceagent.model.checkpoint import OwnFolder
from voiceagent.model.folder import ModelFolder


def offered(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [OwnFolder])
def test_every_kind_of_folder_offers_all_that_the_engine_needs(kind):
    fields = set(getattr(kind, "__dataclass_fields__", ()))
    assert offered(ModelFolder) <= offered(kind) | fields
