"""Acts that befall devices and those who wear them, done to a site's traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from khaen.ids import parse_dev_eui
from khaen.site.model import Site
from simulators.acts import vocabulary as acts
from simulators.acts.subjects import UnknownSubject
from simulators.acts.vocabulary import Act
from simulators.city import Sensor
from simulators.payloads.milesight import Press
from simulators.payloads.wristband import Stage
from simulators.traffic import Traffic

CANCEL_S: Final = 30.0
"""docs/wristband-payload.md: so long she can take it back."""
CANCELS_AFTER_S: Final = 10.0
CLAP_S: Final = 2.0
_STAGES: Final = {"still": Stage.STILL, "moves": Stage.MOVING, "cancels": Stage.CANCELLED}


def perform(act: Act, traffic: Traffic, site: Site, at: float) -> bool:
    """Do an act at `at` seconds of the traffic; False for one that befalls neither.

    Raises KeyError for a subject that is not simulated: check it first (`Subjects.check`);
    UnknownSubject for a device that cannot do this.
    """
    do = _DOES.get(type(act))
    if do is None:
        return False
    do(act, traffic, site, at)
    return True


def _press(act: acts.Press, traffic: Traffic, _site: Site, at: float) -> None:
    for time in range(act.again + 1):
        traffic.press(act.resident, at + time * act.every_s, again=time > 0)


def _fall(act: acts.Fall, traffic: Traffic, site: Site, at: float) -> None:
    usual = site.rules.get("fall", {}).get("cancel_s", CANCEL_S)
    if act.then == "cancels":
        usual = min(usual / 2, CANCELS_AFTER_S)
    after = usual if act.after_s is None else act.after_s
    traffic.fall(act.resident, at, cancel_s=after, then=_STAGES[act.then])


def _clap(act: acts.Clap, traffic: Traffic, _site: Site, at: float) -> None:
    traffic.fall(act.resident, at, cancel_s=CLAP_S, then=Stage.CANCELLED)


def _take_off(act: acts.TakeOff, traffic: Traffic, _site: Site, at: float) -> None:
    traffic.elder(act.resident).take_off(_time(traffic, at))


def _put_on(act: acts.PutOn, traffic: Traffic, _site: Site, at: float) -> None:
    traffic.elder(act.resident).put_on(_time(traffic, at))


def _wander(act: acts.Wander, traffic: Traffic, _site: Site, at: float) -> None:
    traffic.elder(act.resident).wander(_time(traffic, at), act.metres, act.minutes)


def _fever(act: acts.Fever, traffic: Traffic, _site: Site, at: float) -> None:
    traffic.elder(act.resident).fever(_time(traffic, at), act.celsius, act.hours)


def _episode(act: acts.Episode, traffic: Traffic, _site: Site, at: float) -> None:
    elder = traffic.elder(act.resident)
    elder.episode(act.vital, _time(traffic, at), act.minutes, act.value)


def _press_button(act: acts.PressButton, traffic: Traffic, _site: Site, at: float) -> None:
    try:
        traffic.press_button(parse_dev_eui(act.device), at, Press[act.how.upper()])
    except KeyError as error:
        raise UnknownSubject(f"{act.device} is no button") from error


def _stick(act: acts.Stick, traffic: Traffic, _site: Site, at: float) -> None:
    _sensor(traffic, act.device).stick(_time(traffic, at))


def _drift(act: acts.Drift, traffic: Traffic, _site: Site, at: float) -> None:
    _sensor(traffic, act.device).drift(_time(traffic, at), act.per_hour)


def _run_down(act: acts.RunDown, traffic: Traffic, _site: Site, at: float) -> None:
    _sensor(traffic, act.device).run_down(_time(traffic, at))


def _mend(act: acts.Mend, traffic: Traffic, _site: Site, _at: float) -> None:
    _sensor(traffic, act.device).mend()


def _sensor(traffic: Traffic, device: str) -> Sensor:
    model = traffic.node(parse_dev_eui(device)).model
    if not isinstance(model, Sensor) or not model.drifts:
        raise UnknownSubject(f"{device} measures nothing that could go wrong: name a sensor")
    return model


def _time(traffic: Traffic, at: float) -> datetime:
    return traffic.start + timedelta(seconds=at)


_DOES: Final[Mapping[type[Act], Callable[[Any, Traffic, Site, float], None]]] = {
    acts.Press: _press,
    acts.Fall: _fall,
    acts.Clap: _clap,
    acts.TakeOff: _take_off,
    acts.PutOn: _put_on,
    acts.Wander: _wander,
    acts.Fever: _fever,
    acts.Episode: _episode,
    acts.PressButton: _press_button,
    acts.Stick: _stick,
    acts.Drift: _drift,
    acts.RunDown: _run_down,
    acts.Mend: _mend,
}
PERFORMS: Final = frozenset(kind.model_fields["act"].default for kind in _DOES)
"""The names of these acts."""
