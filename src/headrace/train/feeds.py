"""The feed of a stage, by its objective."""

from headrace.parallel import Group
from headrace.train.example_feed import example_feed
from headrace.train.feed import Feed
from headrace.train.given import Stage
from headrace.train.row_feed import row_feed


def build_feed(stage: Stage, group: Group) -> Feed:
    """What the stage reads and learns. Raises InputError if its data do not suit the objective."""
    return example_feed(stage, group) if stage.config.learns_from_examples else row_feed(stage, group)
