"""Prints the scalars and texts of a folder's TensorBoard event files as one JSON object, tag ->
[[step, value], ...], read by TensorBoard's own reader. Argument: the folder."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
values = {
    tag: [[event.step, event.value] for event in events.Scalars(tag)]
    for tag in events.Tags()["scalars"]
}
try:
    texts = events.PluginTagToContent("text")
except KeyError:  # none
    texts = []
for tag in texts:
    values[tag] = [
        [event.step, event.tensor_proto.string_val[0].decode()] for event in events.Tensors(tag)
    ]
json.dump(values, sys.stdout, sort_keys=True)
