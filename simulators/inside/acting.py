"""What each act does to a virtual world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from alarms import machine
from khaen.alarm import Alarm
from khaen.errors import IllegalTransition
from khaen.evaluation import AlarmChange
from khaen.ids import DevAddr, gateway_subject, person
from khaen.lorawan.frame import DataFrame, FrameError, parse
from simulators.acts import on_air
from simulators.acts import vocabulary as acts
from simulators.acts.vocabulary import Act
from simulators.inside.broker import Publication
from simulators.link import Fault
from store import alarms

if TYPE_CHECKING:
    from simulators.inside.world import World

CARER: Final = "simulated-carer"


async def perform(act: Act, world: World) -> None:
    """Do an act now. Raises UnknownSubject."""
    world.subjects.check(act)
    if on_air.perform(act, world.traffic, world.site, world.now):
        world.twin.look_again()
    else:
        await _DOES[type(act)](act, world)


async def _cut(act: acts.CutGateway, world: World) -> None:
    world.gateway(act.gateway).link.cut(Fault(act.how))


async def _restore(act: acts.RestoreGateway, world: World) -> None:
    world.gateway(act.gateway).link.restore()


async def _reboot(act: acts.RebootGateway, world: World) -> None:
    gateway = world.gateway(act.gateway)
    await gateway.lose_power()
    if not act.clock:
        gateway.lose_time()
    world.loop.call_later(act.off_s, gateway.start)


async def _move_clock(act: acts.MoveClock, world: World) -> None:
    world.gateway(act.gateway).clock.ahead += timedelta(seconds=act.by_s)


async def _broker_down(act: acts.BrokerDown, world: World) -> None:
    if act.after_frame_of is None:
        world.broker.die(forgetting=act.forgets)
        return
    band = world.subjects.resident(act.after_frame_of)
    address = next(d.dev_addr for d in world.site.devices if d.dev_eui == band)
    world.broker.die_after(lambda p: _sender(p) == address, forgetting=act.forgets)


async def _broker_up(_act: acts.BrokerUp, world: World) -> None:
    world.broker.rise()


async def _network_down(_act: acts.NetworkServerDown, world: World) -> None:
    if world.network is not None:
        world.network.stop()


async def _network_up(_act: acts.NetworkServerUp, world: World) -> None:
    if world.network is not None:
        world.network.start()


async def _replay(act: acts.ReplayFrame, world: World) -> None:
    """The call is on the air again: whoever heard it before hears it once more."""
    for hearing in world.last_call(world.subjects.resident(act.resident)):
        world.twin.forwarders[hearing.gateway_eui].push([hearing], world.now)


async def _accept(act: acts.Accept, world: World) -> None:
    _answer(act, world, lambda case: machine.accept(case, by=CARER, at=world.clock.now()))


async def _close(act: acts.Close, world: World) -> None:
    def close(case: Alarm) -> AlarmChange:
        return machine.close(case, by=CARER, outcome=act.outcome, at=world.clock.now())

    _answer(act, world, close)


def _answer(
    act: acts.Accept | acts.Close, world: World, answer: Callable[[Alarm], AlarmChange]
) -> None:
    """Change the open alarm as the console does; nothing where there is none, or it cannot be."""
    subject = (
        gateway_subject(world.subjects.gateway(act.gateway))
        if act.gateway is not None
        else person(str(act.resident))
    )
    with world.database.write() as tx:
        case = alarms.states(tx, [subject])[subject].open.get(act.which)
        if case is None:
            return
        try:
            alarms.change(tx, answer(case))
        except IllegalTransition:
            return
    world.office.wake()


def _sender(publication: Publication) -> DevAddr | None:
    """The address of the device whose live frame a message is."""
    if not publication.topic.endswith("/event/up"):
        return None
    try:
        frame = parse(gw.UplinkFrame.FromString(publication.payload).phy_payload)
    except (DecodeError, FrameError):
        return None
    return frame.dev_addr if isinstance(frame, DataFrame) else None


_DOES: Final[Mapping[type[Act], Callable[[Any, World], Awaitable[None]]]] = {
    acts.CutGateway: _cut,
    acts.RestoreGateway: _restore,
    acts.RebootGateway: _reboot,
    acts.MoveClock: _move_clock,
    acts.BrokerDown: _broker_down,
    acts.BrokerUp: _broker_up,
    acts.NetworkServerDown: _network_down,
    acts.NetworkServerUp: _network_up,
    acts.ReplayFrame: _replay,
    acts.Accept: _accept,
    acts.Close: _close,
}
