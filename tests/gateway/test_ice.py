import asyncio

import pytest

from voiceagent.gateway import ice
from voiceagent.gateway.config import GatewayConfig


def test_a_loopback_gateway_also_offers_loopback():
    assert ice.addresses(GatewayConfig(), ["10.0.0.2"]) == ["10.0.0.2", "127.0.0.1"]


def test_named_addresses_replace_those_of_the_machine():
    config = GatewayConfig(media_addresses=("10.9.9.9",))
    assert ice.addresses(config, ["10.0.0.2"]) == ["10.9.9.9"]


class Endpoints:
    """Stands for the system: some ports are taken."""

    def __init__(self, taken):
        self.taken = taken
        self.asked = []

    async def create(self, factory, local_addr=None, **options):
        self.asked.append(local_addr)
        if local_addr and local_addr[1] in self.taken:
            raise OSError("taken")
        return local_addr


def test_any_port_becomes_a_free_one_of_the_range():
    endpoints = Endpoints({5000, 5002})
    create = ice.in_range(endpoints.create, 5000, 5002)
    assert asyncio.run(create(None, local_addr=("127.0.0.1", 0))) == ("127.0.0.1", 5001)


def test_a_full_range_says_so():
    create = ice.in_range(Endpoints({5000, 5001}).create, 5000, 5001)
    with pytest.raises(OSError, match="5000-5001"):
        asyncio.run(create(None, local_addr=("127.0.0.1", 0)))


@pytest.mark.parametrize("local_addr", [None, ("127.0.0.1", 77)])
def test_sockets_that_name_their_port_are_left_alone(local_addr):
    endpoints = Endpoints(set())
    asyncio.run(ice.in_range(endpoints.create, 5000, 5001)(None, local_addr=local_addr))
    assert endpoints.asked == [local_addr]
