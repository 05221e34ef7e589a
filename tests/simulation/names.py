"""The domain name system, and a process's way to it."""

import asyncio
from ipaddress import IPv4Address

from quiver.ports.errors import NameNotResolved
from simulation.engines import Fleet
from simulation.weather import Lost, Overloaded, Weather, exchange

DEADLINE_S = 5.0


class ModelNames:
    """Implements `quiver.ports.names.Names` for one process."""

    def __init__(self, fleet: Fleet, weather: Weather) -> None:
        self._fleet = fleet
        self._weather = weather

    async def addresses_of(self, host: str) -> tuple[IPv4Address, ...]:
        fate = self._weather.fate(asyncio.get_running_loop().time())
        try:
            found = await exchange(lambda: self._fleet.names[host], fate, deadline=DEADLINE_S)
        except (KeyError, Lost, Overloaded) as error:
            raise NameNotResolved(f"{host}: its name cannot be resolved") from error
        return (IPv4Address(found),)
