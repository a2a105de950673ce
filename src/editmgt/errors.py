"""A user's mistake, told in one line."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can fix; entry points print the message alone and exit with status 2."""


@contextmanager
def gathered(problems: list[str]) -> Iterator[None]:
    """Keep a user's mistake in ``problems``, so that what else is wrong is told with it."""
    try:
        yield
    except UserError as error:
        problems.append(str(error))


def as_one(problems: Iterable[str]) -> UserError:
    """Return one error with a line for each of ``problems``, each once."""
    return UserError("\n".join(dict.fromkeys(problems)))


def tell(problems: list[str]) -> None:
    """Raise ``problems`` :func:`as_one`, if there are any."""
    if problems:
        raise as_one(problems)


def on_one_line(error: BaseException) -> str:
    """Return an error's kind and all that it says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def nearest(value: object, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest choice, or an empty string when none is close."""
    found = difflib.get_close_matches(str(value), list(choices), n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else ""


def first_line(error: object, limit: int = 300) -> str:
    """Return the first line of what an error says (its kind where it says nothing), cut at ``limit`` characters.

    Libraries quote what they could not read, which may be a whole picture.
    """
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= limit else f"{line[:limit]} ..."
