"""The state of EAS beside the portal's world, and the settings of this API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from .login import Users
from .tasks import Tasks

if TYPE_CHECKING:
    from ..world import World
    from .files import Bundle


class VayanaSettings(TypedDict, total=False):
    """The settings of this API, as keyword arguments of the simulator."""

    org_id: str
    handle: str
    password: str
    max_account_tokens: int
    download_seconds: float
    page_rows: int
    page_base: Literal[0, 1]
    section_names: Literal["any", "short", "long"]
    task_shape: Literal["nested", "flat"]
    result_shape: Literal["object", "list"]


@dataclass(frozen=True, slots=True)
class VayanaRules:
    """The behaviour of EAS where the documents are ambiguous, and its secrets, with the defaults."""

    org_id: str = "org-demo"
    handle: str = "demo@example.com"
    password: str = "password_test_demo"  # noqa: S105  # a made-up secret of a made-up user
    max_account_tokens: int = 10
    download_seconds: float = 1.0
    page_rows: int = 500
    page_base: Literal[0, 1] = 0
    section_names: Literal["any", "short", "long"] = "any"
    task_shape: Literal["nested", "flat"] = "nested"
    result_shape: Literal["object", "list"] = "object"


class Eas:
    """The gateway between its users and the portal."""

    def __init__(self, world: World, rules: VayanaRules) -> None:
        self.world = world
        self.rules = rules
        self.users = Users()
        self.tasks = Tasks()
        self.otp_requests: dict[str, str] = {}
        """The GSTINs for which an OTP was sent, by the identifier of the request."""
        self.bundles: dict[str, Bundle] = {}
        """The large answers, by token."""
