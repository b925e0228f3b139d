"""Prints the scalars of a folder's TensorBoard event files as one JSON object, tag -> [[step,
value], ...], read by TensorBoard's own reader. Argument: the folder."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
scalars = {
    tag: [[event.step, event.value] for event in events.Scalars(tag)]
    for tag in events.Tags()["scalars"]
}
json.dump(scalars, sys.stdout, sort_keys=True)
