"""Numbers of a job's log: epochs for the curves, and the last of each."""

from ops.work.figures import gathered

LOG = """RANDOM INITIALISATION
epoch=1 train_loss=1.2 valid_accuracy=0.5
epoch=2 train_loss=0.8 valid_accuracy=0.7
best_epoch=2 best_valid_accuracy=0.7
test_accuracy=0.65 test_macro_f1=0.6"""


def test_epochs_and_the_last_of_each_number():
    found = gathered(LOG.splitlines())
    assert [(one["epoch"], one["valid_accuracy"]) for one in found.epochs] == [(1, 0.5), (2, 0.7)]
    assert found.last["test_macro_f1"] == 0.6
    assert found.last["best_valid_accuracy"] == 0.7


def test_a_job_that_went_on_from_a_checkpoint_has_each_epoch_once():
    found = gathered(["epoch=1 train_loss=2", "epoch=2 train_loss=1", "epoch=2 train_loss=0.9"])
    assert [one["train_loss"] for one in found.epochs] == [2, 0.9]


def test_what_is_no_number_leaves_no_mark():
    assert gathered(["epoch=1 train_loss=nan", "x=e"]).last == {"epoch": 1}
