"""One cloud as openstacksdk's configuration names it: its session, its endpoints, and calls with a time limit.

Credentials come from where every OpenStack tool takes them (clouds.yaml, secure.yaml, OS_*), and go nowhere else: no answer,
fault or log of this module carries a header or a password. The libraries are imported when the first call is made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import threading
import types
from typing import Any

from standfast.openstack.api import Fault, Json
from standfast.runtime.cloud_settings import SettingsError, why_not

DETAIL_CHARS_MAX = 300
ENVIRONMENT = "envvars"
"""The name of the cloud that OS_* variables describe (openstacksdk's)."""

COMPUTE_MICROVERSION = "2.79"
BODY_BYTES_MAX = 32 * 1024 * 1024


class Cloud:
    """Sessions of one cloud, shared between threads. A call never raises: it gives the fields of a Reply."""

    def __init__(self, name: str, explicit: Json | None = None, more: Json | None = None) -> None:
        """Reads nothing yet. `explicit` are the words of an entry of clouds.yaml, instead of a name; `more` goes before them."""
        self._name = name
        self._explicit = explicit
        self._more = more or {}
        self._lock = threading.Lock()
        self._adapters: dict[str, Any] = {}
        self._region: Any = None

    def call(self, given: Json) -> Json:
        """Make the call that the line describes (runtime/cloud_worker.py)."""
        try:
            adapter = self._adapter(given["service"])
            return _answer(_send(adapter, given))
        except Exception as fault:
            return _fault(fault)

    def _adapter(self, service: str) -> Any:
        with self._lock:
            if self._region is None:
                self._region = _region(self._name, self._explicit, self._more)
            if service not in self._adapters:
                from keystoneauth1.adapter import Adapter

                region = self._region
                self._adapters[service] = Adapter(
                    region.get_session(),
                    service_type=region.get_service_type(service),
                    interface=region.get_interface(service),
                    region_name=region.get_region_name(service),
                    endpoint_override=region.get_endpoint(service),
                    connect_retries=0,
                    status_code_retries=0,
                )
            return self._adapters[service]


def _region(name: str, explicit: Json | None, more: Json) -> Any:
    _without_sdk()
    import openstack.config

    logging.getLogger("openstack").setLevel(logging.CRITICAL)  # of a broken file it quotes words, which may be a password
    logging.getLogger("keystoneauth").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    with contextlib.suppress(ImportError):
        import urllib3

        urllib3.disable_warnings()
    if explicit is not None:
        config = openstack.config.OpenStackConfig(app_name="standfast", load_yaml_config=False, load_envvars=False)
        return _configured(config, explicit | more)
    try:
        config = openstack.config.OpenStackConfig(app_name="standfast")
        return _configured(config, {"cloud": name, **more})
    except Exception as fault:
        raise why_not(name, fault) from fault


def _configured(config: Any, words: Json) -> Any:
    region = config.get_one(**words)
    url = str(region.config.get("auth", {}).get("auth_url") or "")
    if region.config.get("auth_type") == "password" and url.rstrip("/").endswith("/v3"):
        with contextlib.suppress(Exception):  # words that only the general plugin knows: it asks for the version first
            return config.get_one(**(words | {"auth_type": "v3password"}))
    return region


def _without_sdk() -> None:
    """Let `openstack.config` be imported without the SDK around it, which this process never uses: its package's own module
    imports the layers of all services (0.12 of 0.27 s of CPU). Where somebody has imported it already, nothing is done."""
    if "openstack" in sys.modules:
        return
    spec = importlib.util.find_spec("openstack")
    if spec is None or spec.submodule_search_locations is None:
        return  # the import that follows says so
    bare = types.ModuleType("openstack")
    bare.__path__ = list(spec.submodule_search_locations)
    bare.__spec__ = spec
    sys.modules["openstack"] = bare


def _send(adapter: Any, given: Json) -> Any:
    timeout_s = given["timeout_ms"] / 1000
    adapter.session.timeout = timeout_s  # for the token's own request
    endpoint = str(adapter.get_endpoint() or "").rstrip("/")
    if not endpoint:
        from keystoneauth1.exceptions import EndpointNotFound

        raise EndpointNotFound(f"the catalogue has no {given['service']} endpoint for this region and interface")
    headers = {"Accept": "application/json"}
    if given["service"] == "network":
        endpoint = endpoint.removesuffix("/v2.0")
        if given.get("revision") is not None:
            headers["If-Match"] = f"revision_number={given['revision']}"
    else:
        if "/v2" not in endpoint:
            endpoint += "/v2.1"
        headers["OpenStack-API-Version"] = f"compute {COMPUTE_MICROVERSION}"
    return adapter.session.request(
        endpoint + given["path"],
        given["method"],
        params=[tuple(pair) for pair in given.get("query", ())],
        json=given.get("body"),
        headers=headers,
        auth=adapter.auth,
        authenticated=True,
        raise_exc=False,
        redirect=False,
        connect_retries=0,
        timeout=timeout_s,
        log=False,
    )


def _answer(response: Any) -> Json:
    body: Any = None
    fault: Fault | None = None
    detail = ""
    if response.content:
        try:
            body = response.json() if len(response.content) <= BODY_BYTES_MAX else None
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body, kind = None, response.headers.get("Content-Type", "no type")
            detail = f"not JSON but {kind}"
            fault = Fault.NOT_JSON if response.status_code < 400 else None
    retry = response.headers.get("Retry-After", "")
    return {
        "status": response.status_code,
        "body": body,
        "fault": fault,
        "detail": detail,
        "retry_after_s": int(retry) if retry.isdigit() and len(retry) < 7 else None,
    }


def _fault(raised: Exception) -> Json:
    """What went wrong on the way, as one of our words."""
    if isinstance(raised, SettingsError):
        return {"status": 0, "body": None, "fault": Fault.SETTINGS, "detail": _short(str(raised)), "retry_after_s": None}
    kind = Fault.LIBRARY
    names = [cls.__name__ for cls in type(raised).__mro__]
    for name, meant in _KINDS:
        if name in names:
            kind = meant
            break
    text = str(raised) if kind is not Fault.LIBRARY or names[0].endswith("Error") else ""
    status = getattr(raised, "http_status", 0)
    if kind is Fault.UNREACHABLE and isinstance(status, int) and status >= 500:
        text = f"Keystone answers HTTP {status}"
    detail = _short(" ".join(f"{names[0]}: {text}".split()))
    return {"status": 0, "body": None, "fault": kind, "detail": detail, "retry_after_s": None}


def _short(detail: str) -> str:
    """The libraries nest their messages: what it is stands first, why stands last."""
    if len(detail) <= DETAIL_CHARS_MAX:
        return detail
    return f"{detail[: DETAIL_CHARS_MAX // 3]} ... {detail[-DETAIL_CHARS_MAX // 2 :]}"


_KINDS = (
    ("ModuleNotFoundError", Fault.SETTINGS),
    ("Unauthorized", Fault.CREDENTIALS),
    ("NotFound", Fault.CREDENTIALS),  # so Keystone answers for an application credential that was deleted
    ("SSLFailure", Fault.TLS),
    ("SSLError", Fault.TLS),
    ("ConnectTimeout", Fault.TIMEOUT),
    ("Timeout", Fault.TIMEOUT),
    ("ConnectionError", Fault.UNREACHABLE),
    ("ConnectFailure", Fault.UNREACHABLE),
    ("RetriableConnectionFailure", Fault.UNREACHABLE),
    ("HttpError", Fault.UNREACHABLE),
    ("DiscoveryFailure", Fault.UNREACHABLE),
    ("EndpointNotFound", Fault.SETTINGS),
    ("CatalogException", Fault.SETTINGS),
    ("ConfigException", Fault.SETTINGS),
    ("AuthPluginException", Fault.SETTINGS),
    ("ClientException", Fault.UNREACHABLE),
    ("OSError", Fault.UNREACHABLE),
)
"""Exceptions of openstacksdk, keystoneauth and requests by name, the first that fits: the libraries need not be imported to
tell."""
