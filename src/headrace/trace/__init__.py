"""Spans, counters and events, as JSON lines: what happened, when, for how long.

In: calls from any floor. Out: one JSON object a line in the run's `trace.jsonl`, and the same records to listeners.
Promises: a span costs a few microseconds; with no recorder active every call is nearly free; a record is one line or
none. Nothing above this floor is imported here. Not promised: order between processes; survival of the last second
after a kill.
"""

from headrace.trace.recorder import Listener, Record, Recorder, event, progress, read_records, recording, span

__all__ = ["Listener", "Record", "Recorder", "event", "progress", "read_records", "recording", "span"]
