"""The self-check below each exercise: it tells what is off, and does not give the answer away."""

from __future__ import annotations

from types import TracebackType

from IPython.display import display

from helpers.findings import Note


class exercise:
    """Runs the asserts of a self-check. What they tell becomes one quiet line, and the notebook goes on.

    The cell, tagged `check`, stands below the exercise's own cell and asks for the name that the exercise gives:

        with exercise(2):
            assert 0 <= share <= 1, "A share lies between 0 and 1: divide by the users, not by the actions."

    Parameters
    ----------
    number : int
        The exercise's number in the notebook.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is not None and not isinstance(error, Exception):
            return False
        display(Note(f"Exercise {self.number}: {verdict(error)}", kind="check"))
        return True


def verdict(error: Exception | None) -> str:
    """What a self-check tells: done, not done yet, what is off, or that there is nothing to check.

    >>> verdict(None)
    'looks right.'
    >>> verdict(AssertionError("A share lies between 0 and 1."))
    'not yet. A share lies between 0 and 1.'
    >>> verdict(NameError("name 'share' is not defined", name="share"))
    'not done yet; nothing here is called share.'
    >>> verdict(TypeError("'<' not supported"))
    'there is nothing to check here, or the answer is of another kind than asked (TypeError).'
    """
    if error is None:
        return "looks right."
    if isinstance(error, AssertionError):
        return f"not yet. {error}"
    if isinstance(error, NameError):
        return f"not done yet; nothing here is called {error.name}."
    return f"there is nothing to check here, or the answer is of another kind than asked ({type(error).__name__})."
