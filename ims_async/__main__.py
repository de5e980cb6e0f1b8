"""`python -m ims_async` and `ims-async`: the shell, whose own libraries are an extra."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"typer", "rich", "click"})


def main() -> None:
    """Run the command line; without its extra, say how to get it and exit with code 2."""
    try:
        from .cli.app import run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write("The command line needs its extra: pip install 'ims-async[cli]'\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)  # stopped while the libraries were being loaded: nothing was done yet


if __name__ == "__main__":
    main()
