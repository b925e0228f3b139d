"""A model that grows inside of transformers' Trainer: before each step the callback arranges the
blocks of the pass, sets the learning rate, and adds layers where the schedule says so.

    schedule = apollo.growth.Schedule("run.toml")       # stages, depths and learning rate
    model = GPT2LMHeadModel(GPT2Config(n_layer=schedule[0].layers, ...))
    Trainer(model, TrainingArguments(..., max_steps=len(schedule), lr_scheduler_type="constant"),
            callbacks=[GrowthCallback(schedule)], ...).train()
"""

from transformers import TrainerCallback

import apollo_lm as apollo
from apollo_lm.growth import Schedule, grow_, layers_of, set_blocks_


class GrowthCallback(TrainerCallback):
    """Follows ``schedule`` in a trainer of one process. ``grown`` notes (step, map) of each growth."""

    def __init__(self, schedule: Schedule) -> None:
        schedule.require_layers_alone()
        self.schedule = schedule
        self.layers = []
        self.grown = []

    def on_train_begin(self, args, state, control, model, **kwargs):
        if args.world_size > 1 or state.max_steps != len(self.schedule):
            raise apollo.UsageError(
                f"expected one process and max_steps={len(self.schedule)} "
                f"(got {args.world_size} and {state.max_steps})"
            )
        self.layers = layers_of(model)
        wanted = self.schedule[state.global_step].layers
        if state.global_step > 0 or len(self.layers) != wanted:
            raise apollo.UsageError(
                f"expected a model of {wanted} layers that has not trained yet "
                f"(got {len(self.layers)} after {state.global_step} steps)"
            )

    def on_step_begin(self, args, state, control, model, optimizer, **kwargs):
        step = self.schedule[state.global_step]
        if step.grow is not None:
            self.layers = grow_(model, optimizer, step.grow, self.layers)
            self.grown.append((step.step, step.grow))
        set_blocks_(model, [self.layers[i] for i in step.blocks])
        for group in optimizer.param_groups:
            group["lr"] = step.lr

    def on_step_end(self, args, state, control, model, **kwargs):
        # What is evaluated and saved is the model of the stage, which shares nothing.
        set_blocks_(model, self.layers)
