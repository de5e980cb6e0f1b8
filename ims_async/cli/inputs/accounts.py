"""The GSPs as the shell knows them, with the variables of an account's credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from ...errors import InvalidInput, NotSupported
from ...gsp.base import Gsp
from .environment import Variables

if TYPE_CHECKING:
    from ...gsp.sandbox.gsp import Sandbox
    from ...gsp.vayana.gsp import Vayana
    from ...simulator import Simulator


@attrs.frozen(kw_only=True)
class Provider:
    """A GSP: where its account's credentials come from, and what errors say about them."""

    name: str
    title: str
    credentials: str
    """The variables that a refused credential may be in."""
    account: Callable[[Any], str]
    """The account of a `Gsp`, as a person knows it."""
    takes_token: bool
    """Whether a session that was begun elsewhere can be handed in, in IMS_TOKEN."""
    regenerates: bool
    """Whether its documents have a route by which GSTR-2B is computed anew."""
    gsp: Callable[[Variables, bool], Gsp]
    """The GSP with the account's credentials; True for logging in. Raises `InvalidInput`: what is missing."""
    simulated: Callable[[Simulator], dict[str, str]]
    """The variables that connect to a simulator, with what it lets in unless it is made otherwise."""


def _sandbox(variables: Variables, logging_in: bool) -> Sandbox:
    """Return Sandbox: a key, and a secret that is only asked for when logging in."""
    from ...gsp.sandbox.gsp import Sandbox

    secret = variables.get("IMS_API_SECRET")
    key = variables.need("IMS_API_KEY", "Sandbox API key", hidden=True)
    if logging_in and not secret:
        secret = variables.need("IMS_API_SECRET", "Sandbox API secret", hidden=True)
    test = variables.flag("IMS_TEST")
    return Sandbox(key, secret or None, base_url=variables.get("IMS_BASE_URL"), test=test)


def _vayana(variables: Variables, _logging_in: bool) -> Vayana:
    """Return Vayana; without a user's token, every command takes the user's handle and password."""
    from ...gsp.vayana.gsp import Vayana

    org_id = variables.need("IMS_ORG_ID", "Vayana organisation id")
    token = variables.get("IMS_USER_TOKEN")
    handle, password = variables.get("IMS_HANDLE"), variables.get("IMS_PASSWORD")
    if not token:
        either = "and IMS_PASSWORD, or IMS_USER_TOKEN"
        handle = variables.need("IMS_HANDLE", "Vayana handle", or_else=either)
        either = "or IMS_USER_TOKEN"
        password = variables.need("IMS_PASSWORD", "Vayana password", hidden=True, or_else=either)
    login = handle and password  # half of it is no use, and beside a token no harm
    return Vayana(
        org_id,
        token or None,
        handle=handle if login else None,
        password=password if login else None,
        handle_type="email" if "@" in handle else "mobile",
        base_url=variables.get("IMS_BASE_URL"),
        sso_url=variables.get("IMS_SSO_URL"),
        test=variables.flag("IMS_TEST"),
    )


DEFAULT: Final = "sandbox"
PROVIDERS: Final[dict[str, Provider]] = {
    "sandbox": Provider(
        name="sandbox",
        title="Sandbox",
        credentials="IMS_API_KEY and IMS_API_SECRET",
        account=lambda _: "the Sandbox account of IMS_API_KEY",  # a key is shown nowhere
        takes_token=True,
        regenerates=True,
        gsp=_sandbox,
        simulated=lambda simulator: {
            "IMS_GSP": "sandbox",
            "IMS_BASE_URL": simulator.url,
            "IMS_API_KEY": "key_test_demo",
            "IMS_API_SECRET": "secret_test_demo",
        },
    ),
    "vayana": Provider(
        name="vayana",
        title="Vayana",
        credentials="IMS_ORG_ID, and IMS_USER_TOKEN or IMS_HANDLE and IMS_PASSWORD",
        account=lambda gsp: f"the Vayana account of organisation {gsp.org_id}",
        regenerates=False,
        takes_token=False,  # the session is on the GSP's side: a name of it alone begins none
        gsp=_vayana,
        simulated=lambda simulator: {
            "IMS_GSP": "vayana",
            "IMS_BASE_URL": simulator.vayana_url,
            "IMS_SSO_URL": simulator.sso_url,
            "IMS_ORG_ID": "org-demo",
            "IMS_HANDLE": "demo@example.com",
            "IMS_PASSWORD": "password_test_demo",
        },
    ),
}


def refuse_unless_regenerated(name: str | None) -> None:
    """Raise `NotSupported` where the GSP has no route by which GSTR-2B is computed anew."""
    if not (provider := chosen(name)).regenerates:
        raise NotSupported(
            f"{provider.title} documents no route by which GSTR-2B is computed anew: have it computed on the "
            "GST portal, or use --gsp sandbox"
        )


def chosen(name: str | None) -> Provider:
    """Return the GSP named by `--gsp`, by IMS_GSP, or the default. Raises `InvalidInput` for another name."""
    asked = name if name is not None else Variables().get("IMS_GSP") or DEFAULT
    provider = PROVIDERS.get(asked.strip().lower())
    if provider is None:
        known = ", ".join(PROVIDERS)
        raise InvalidInput(f"the GSP {asked!r} is unknown: set --gsp or IMS_GSP to one of: {known}")
    return provider
