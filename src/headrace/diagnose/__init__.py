"""Which budget binds: data, memory, compute or communication; for now, what a request will need before it starts.

In: a recipe's sizes and the machine's. Out: forecasts, and a refusal where the machine cannot hold the request.
Promises: a forecast is kept beside the measured value, so both can be compared in the run's record.
"""

from headrace.diagnose.capacity import check_corpus_disk, check_training, forecast_training_bytes

__all__ = ["check_corpus_disk", "check_training", "forecast_training_bytes"]
