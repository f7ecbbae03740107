"""Asking the running agent of this machine how it is."""

from __future__ import annotations

import http.client

from edge.health import condition
from edge.health.condition import Condition
from edge.settings import EdgeSettings
from khaen.errors import NotRunnable

_HOST = "127.0.0.1"
_TIMEOUT_S = 10.0
_MAX_ANSWER = 1 << 20


def ask(settings: EdgeSettings) -> Condition | None:
    """How the agent is, or None where none answers.

    Raises NotRunnable when it is still starting, or something else answers in its place.
    """
    if settings.metrics_port == 0:
        return None  # nobody but its log knows where it answers
    connection = http.client.HTTPConnection(_HOST, settings.metrics_port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", condition.PATH)
        answer = connection.getresponse()
        if answer.status == http.client.SERVICE_UNAVAILABLE:
            raise NotRunnable("the agent is starting; ask again in a moment")
        return condition.parse(answer.read(_MAX_ANSWER))
    except http.client.HTTPException as error:
        port = settings.metrics_port
        raise NotRunnable(f"what answers on metrics_port {port} is no agent") from error
    except OSError:
        return None
    finally:
        connection.close()
