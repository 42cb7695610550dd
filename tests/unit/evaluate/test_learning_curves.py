"""Curves hold what was learnt, not how fast the machine was."""

from headrace.evaluate.learning_curves import learning_curves


def test_every_held_out_figure_becomes_a_curve_and_gaps_stay_gaps() -> None:
    records = [
        {"kind": "train", "step": 1, "loss": 2.0, "seconds": 0.1},
        {"kind": "validation", "step": 1, "loss": 1.5, "accuracy": 0.5, "improved": True},
        {"kind": "plateau", "step": 1, "rate_factor": 0.5},
        {"kind": "train", "step": 2, "loss": 1.0, "seconds": 0.1},
        {"kind": "validation", "step": 2, "loss": 1.7, "improved": False},
        {"kind": "validation", "step": 3, "loss": 1.2, "accuracy": 0.75, "improved": True},
    ]

    curves = learning_curves(records)

    assert (curves.train_loss.steps, curves.train_loss.values) == ([1, 2], [2.0, 1.0])
    assert list(curves.validation) == ["loss", "accuracy"]
    assert (curves.validation["accuracy"].steps, curves.validation["accuracy"].values) == ([1, 3], [0.5, 0.75])
    assert curves.validation["loss"].best(lower=True) == (3, 1.2)
