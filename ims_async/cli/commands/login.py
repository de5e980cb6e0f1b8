"""`login`: an OTP for a session, which is kept in a file that only its owner can read."""

from __future__ import annotations

import functools
import re
import sys
from typing import Annotated, Final

import typer

from ...errors import ImsError, InvalidInput, OtpRequired
from ...taxpayer import Taxpayer
from ..command import command
from ..inputs import environment as env
from ..inputs.settings import Settings, Whose, credential_file
from ..options import option
from ..output.console import OK, Console

_MOST_OTPS: Final = 3


@command()
def login(
    console: Console,
    whose: Whose,
    username: Annotated[
        str | None,
        option(
            "--username NAME", "Of the taxpayer at the GST portal; IMS_USERNAME otherwise.", "acme.traders"
        ),
    ] = None,
) -> int:
    """Begin a taxpayer's session with an OTP.

    GSTN sends the OTP to the taxpayer's phone and mail; you are asked for it, or it is read from standard
    input. A wrong one is asked for again, three times in all. The session lasts for some hours and renews
    itself while it is used; its token, or its name where the gateway keeps it, lies in a file that only you
    can read. The API must be allowed at the GST portal (Manage API Access).
    """
    settings = whose.gather(logging_in=True)
    console.asks(settings)
    name = username or env.Variables().need("IMS_USERNAME", "User name", or_else="or pass --username")
    # A client before the question and one after it: while a person is asked, Ctrl-C must stop at once.
    request = console.wait_for(settings.ask(lambda taxpayer: taxpayer.request_otp(name)))
    console.tell(f"GSTN has sent an OTP to the phone and mail of {settings.gstin}.")
    _log_in(console, settings, name, request)
    console.say(f"Logged in: {settings.gstin}. The session is kept in {credential_file()}.")
    console.document({"ok": True, "gstin": settings.gstin, "credential_file": str(credential_file())})
    return OK


def _log_in(console: Console, settings: Settings, username: str, request: str | None) -> None:
    """Ask for the OTP, and again while it is wrong. Raises what was wrong with the last one."""
    refusal: ImsError = InvalidInput("no OTP came on standard input: pipe it in, or log in at a terminal")
    for left in reversed(range(_MOST_OTPS)):
        asked = env.at_terminal()
        otp = (typer.prompt("OTP", hide_input=True, err=True) if asked else sys.stdin.readline()).strip()
        if not otp and not asked:
            break  # there is no more to read
        verify = functools.partial(Taxpayer.verify_otp, otp=otp, username=username, request=request)
        try:
            if re.fullmatch("[0-9]{6}", otp, re.ASCII):
                return console.wait_for(settings.ask(verify))
            refusal = InvalidInput("this is no OTP: it has six digits")  # which are not repeated here
        except OtpRequired as error:  # it was not accepted
            refusal = error
        if left:
            tries = f"{left} more {'try' if left == 1 else 'tries'}"
            new = f"run `{console.commands.login()}` again for a new one"
            console.tell(f"{refusal.without_advice()}. Type it again ({tries}), or {new}.")
    raise refusal
