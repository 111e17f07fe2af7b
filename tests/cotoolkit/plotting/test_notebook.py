"""Figures in a session of IPython."""

import sys

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from cotoolkit.plotting.notebook import show_pictures

PNG = b"\x89PNG"


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(sys, "ps1", "", raising=False)  # which IPython sets for good, as if all of this were a prompt
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    yield shell.display_formatter.formatters["image/png"]
    shell.clear_instance()


def drawn():
    figure = Figure(figsize=(1, 1))
    return figure, [figure.subplots()]


def test_a_figure_alone_or_with_its_axes_is_a_picture(session):
    figure, axes = drawn()
    assert session(figure) is None
    show_pictures()
    show_pictures()  # as often as one likes
    assert session(figure).startswith(PNG)
    assert session((figure, axes)).startswith(PNG)
    assert session((1, 2)) is None
    assert session((figure, axes, 1)) is None


def test_pairs_of_pyplot_are_shown_by_pyplot_alone(session):
    show_pictures()
    pair = plt.subplots(figsize=(1, 1))
    assert session(pair) is None
    plt.close(pair[0])


def test_without_a_session_nothing_happens():
    pytest.importorskip("IPython")
    show_pictures()
