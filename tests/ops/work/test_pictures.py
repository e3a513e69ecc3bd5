"""Pictures as SVG: what they show, and that they are one file that a parser takes."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from ops.training_run import Step
from ops.work.coordinates import parallel_coordinates
from ops.work.curves import Curve, learning_curves, steps
from ops.work.graph import columns_of, edges_of, graph, shortest
from ops.work.trials import Trial, best_of
from tests.ops.work.pipeline import deployed


def texts(picture):
    return [node.text for node in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def trial(name, value, **tuned):
    return Trial(name, "Completed", {key: str(told) for key, told in tuned.items()}, value, True, 1.0, "")


def test_the_graph_orders_steps_and_shows_the_states_of_a_run():
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    run = {
        "Prepare": Step("Prepare", "Succeeded", begun, 75.0, "", None),
        "Tune": Step("Tune", "Failed", begun, 3, "", None),
    }
    picture = graph(deployed(), run, title="a <run>")
    assert texts(picture)[0] == "a <run>"
    assert "Succeeded, 1 min 15 s" in texts(picture)
    assert "Failed, 3 s" in texts(picture)
    assert texts(picture).count("not begun") == 5
    assert {"yes", "no"} <= set(texts(picture))
    assert picture.count("marker-end") == 6


def test_the_graph_draws_no_arrow_that_a_longer_way_says():
    edges = edges_of(deployed())
    assert ("Prepare", "Train") in edges
    assert set(shortest(edges)) == {
        ("Prepare", "Tune"),
        ("Tune", "Train"),
        ("Train", "Evaluate"),
        ("Evaluate", "Decide"),
        ("Decide", "Register"),
        ("Decide", "Refuse"),
    }
    assert columns_of(["a", "b", "c"], {("a", "c"): "", ("b", "c"): ""}) == [["a", "b"], ["c"]]


def test_trials_are_lines_over_an_axis_a_hyperparameter_and_the_best_is_named():
    trials = [trial("one", 0.5, rate=0.001, augment="crop"), trial("two", 0.9, rate=0.1, augment="trivial")]
    trials.append(Trial("three", "Failed", {"rate": "1"}, None, True, 1.0, "no"))
    shown = texts(parallel_coordinates(trials, "accuracy", title="tune"))
    assert shown[:2] == ["tune, 2 trials", "the best: two"]
    assert {"rate", "augment", "accuracy", "crop", "trivial", "0.001", "0.1"} <= set(shown)
    # Two powers of ten apart: the middle is that of the logarithms.
    assert "0.01" in shown


def test_a_tuning_without_values_has_a_picture_too():
    assert "No trial has a value." in texts(parallel_coordinates([], "accuracy", title="tune"))


def test_the_best_trial_may_be_the_smallest():
    low, high = (Trial(name, "Completed", {}, value, False, 1, "") for name, value in (("low", 0.1), ("high", 0.9)))
    assert best_of([high, low]) is low
    assert best_of([]) is None


def test_curves_lie_over_each_other_on_round_numbers():
    picture = learning_curves([Curve("a", [(1, 0.31), (2, 0.68)]), Curve("b", [(1, 0.4)]), Curve("c", [])], title="t")
    assert {"0.3", "0.4", "0.5", "0.6", "0.7", "epoch", "1", "2"} <= set(texts(picture))
    assert learning_curves([Curve("c", [])], title="t") == ""


def test_an_axis_holds_every_value():
    for low, high in ((0.0, 0.0), (0.5, 0.5), (-3.0, 7.0), (1e-5, 2e-5), (0.123, 456.0)):
        found = steps(low, high)
        assert found[0] <= low
        assert found[-1] >= high
        assert 2 <= len(found) <= 9
