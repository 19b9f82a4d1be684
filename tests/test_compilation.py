import pytest
from numba import njit

from hilander.compilation import told_of_compilation


def kernels():
    return [njit(lambda x: x + 1), njit(lambda x: x - 1)]


@pytest.mark.parametrize("told", [True, False])
def test_one_line_when_something_is_compiled_and_none_when_nothing_is(told, capsys):
    first, second = kernels()
    with told_of_compilation(told):
        assert first(1) == 2
        assert second(1) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (1 if told else 0)
    assert all("compiling" in line and "later runs need not" in line for line in lines)
    with told_of_compilation(told):
        first(1)
    assert capsys.readouterr().err == ""


def test_nothing_is_said_after_a_failure(capsys):
    first, second = kernels()
    with pytest.raises(ZeroDivisionError), told_of_compilation(True):
        raise ZeroDivisionError
    first(1)
    second(1)
    assert capsys.readouterr().err == ""
