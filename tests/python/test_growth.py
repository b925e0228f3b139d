"""Growth inside of somebody else's trainer, held against the engine and against itself."""

import copy
import pathlib
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import apollo_lm as apollo
from apollo_lm.growth import Schedule, grow_, growth_map, layers_of, set_blocks_, sharing_map
from helpers import tiny_config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))

SMALL = {"vocab_size": 40, "attn_implementation": "eager"}


def gpt2(layers):
    config = transformers.GPT2Config(
        n_layer=layers, n_embd=16, n_head=2, n_positions=16,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **SMALL,
    )
    return transformers.GPT2LMHeadModel(config)


def bert(layers):
    config = transformers.BertConfig(
        num_hidden_layers=layers, hidden_size=16, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **SMALL,
    )
    return transformers.BertForMaskedLM(config)


def llama(layers, kind="Llama"):
    config = getattr(transformers, f"{kind}Config")(
        num_hidden_layers=layers, hidden_size=16, num_attention_heads=2, num_key_value_heads=1,
        head_dim=8, intermediate_size=24, max_position_embeddings=16, **SMALL,
    )
    return getattr(transformers, f"{kind}ForCausalLM")(config)


def qwen3(layers):
    return llama(layers, "Qwen3")


FAMILIES = [gpt2, bert, llama, qwen3]


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(40, (4, 12), generator=generator)


def loss_of(model, ids):
    return model(input_ids=ids, labels=ids).loss


def trained(make, layers, steps=3):
    """A model after a few steps of AdamW, so that its moments say something."""
    torch.manual_seed(1)
    model = make(layers).train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )
    for step in range(steps):
        loss_of(model, batch(step)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


@pytest.mark.parametrize("make", FAMILIES)
@pytest.mark.parametrize("map", ["interpolate", "stack"])
@pytest.mark.parametrize("depth", [4, 8])
def test_growth_keeps_the_loss_to_the_bit(make, map, depth):
    model, optimizer = trained(make, 2)
    layers = layers_of(model)
    set_blocks_(model, [layers[i] for i in sharing_map(2, depth, map)])
    shared = loss_of(model, batch(9))
    layers = grow_(model, optimizer, growth_map(2, 4, map), layers)
    assert len(layers_of(model)) == 4 and len({id(layer) for layer in layers}) == 4
    set_blocks_(model, [layers[i] for i in sharing_map(4, depth, map)])
    assert loss_of(model, batch(9)).item() == shared.item()


@pytest.mark.parametrize("make", FAMILIES)
def test_a_shared_layer_receives_the_sum_of_its_gradients(make):
    model, _ = trained(make, 2)
    layers = layers_of(model)
    set_blocks_(model, [layers[0], layers[0], layers[1]])
    loss_of(model, batch(3)).backward()
    shared = {name: p.grad.clone() for name, p in layers[0].named_parameters()}
    model.zero_grad()
    grown = grow_(model, None, [0, 0, 1], layers)
    loss_of(model, batch(3)).backward()
    for name, gradient in shared.items():
        apart = sum(dict(layer.named_parameters())[name].grad for layer in grown[:2])
        torch.testing.assert_close(gradient, apart, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", FAMILIES)
def test_moments_move_with_their_layers(make):
    model, optimizer = trained(make, 2)
    before = [
        {name: copy.deepcopy(optimizer.state[p]) for name, p in layer.named_parameters()}
        for layer in layers_of(model)
    ]
    decay = {
        name: group["weight_decay"]
        for name, p in layers_of(model)[0].named_parameters()
        for group in optimizer.param_groups
        if any(p is q for q in group["params"])
    }
    grown = grow_(model, optimizer, [0, 0, 1, 1])
    for layer, source in zip(grown, [0, 0, 1, 1], strict=True):
        for name, p in layer.named_parameters():
            for key, value in before[source][name].items():
                assert torch.equal(optimizer.state[p][key], value), (name, key)
            (group,) = [g for g in optimizer.param_groups if any(p is q for q in g["params"])]
            assert group["weight_decay"] == decay[name]
    memory = [m["exp_avg"].data_ptr() for m in optimizer.state.values()]
    assert len(set(memory)) == len(memory)
    # Every parameter of the grown model trains, once.
    own = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(own) == sorted(id(p) for p in model.parameters())
    loss_of(model, batch(5)).backward()
    optimizer.step()
    assert not torch.equal(
        next(p for p in grown[0].parameters() if p.ndim > 1),
        next(p for p in grown[1].parameters() if p.ndim > 1),
    )


@pytest.mark.parametrize("make", [gpt2, bert])
def test_grows_to_the_weights_of_the_engine(make, tmp_path):
    model, _ = trained(make, 3)
    model.save_pretrained(tmp_path / "small")
    for map, layers in [("interpolate", 6), ("stack", 5), ("interpolate", 4)]:
        apollo.grow(tmp_path / "small", layers, map, tmp_path / f"{map}-{layers}")
        expected = type(model).from_pretrained(tmp_path / f"{map}-{layers}").state_dict()
        grown = copy.deepcopy(model)
        grow_(grown, None, growth_map(3, layers, map))
        found = grown.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        # What is saved is a plain model.
        grown.save_pretrained(tmp_path / f"hf-{map}-{layers}")
        again = type(model).from_pretrained(tmp_path / f"hf-{map}-{layers}")
        assert again.config.num_hidden_layers == layers
        grown.eval()
        assert loss_of(again.eval(), batch()).item() == loss_of(grown, batch()).item()


def test_refuses_maps_and_models_that_do_not_fit():
    model, optimizer = trained(gpt2, 2)
    for map in ([0, 0], [0, 1, 2], [], [1, 1]):
        with pytest.raises(apollo.UsageError, match="every layer from 0 to 1"):
            grow_(model, optimizer, map)
    with pytest.raises(apollo.UsageError, match="Linear holds no list of layers"):
        layers_of(torch.nn.Linear(2, 2))
    with pytest.raises(apollo.UsageError, match="the weights have layers"):
        apollo.growth.grow_state_dict({"h.0.w": torch.ones(1)}, [0, 1])


def test_the_schedule_is_that_of_the_run(tmp_path):
    config = tiny_config(tmp_path)
    schedule = Schedule(config)
    run = apollo.train(config, tmp_path / "run")
    rows = run.row_list("step")
    assert len(schedule) == len(rows) == 24
    flops = 0.0
    for row, step in zip(rows, schedule, strict=True):
        flops += step.flops
        assert step.step == row["step"] - 1
        assert (step.stage, step.layers, step.depth) == (row["stage"], row["layers"], row["depth"])
        assert step.lr == row["lr"] and flops == row["flops"]
        assert len(step.passes) == 2 and step.blocks == step.passes[0]
        assert step.blocks == tuple(sharing_map(step.layers, step.depth))
    grown = [(step.step, list(step.grow)) for step in schedule if step.grow is not None]
    assert grown == [(row["step"], row["map"]) for row in run.row_list("grow")]
    assert schedule[-1] == schedule[23] and schedule[3].step == 3  # back again
    with pytest.raises(IndexError):
        schedule[24]
    schedule.require_layers_alone()


@pytest.mark.parametrize(
    "key", ["new_layers='random'", "optimizer_state='reset'", "depth_draw='micro_batch'"]
)
def test_a_schedule_says_what_only_the_engine_can(key, tmp_path):
    name, value = key.split("=")
    config = tiny_config(tmp_path)
    config["progressive"][name] = value.strip("'")
    with pytest.raises(apollo.UsageError, match=f"progressive.{name} asks for more"):
        Schedule(config).require_layers_alone()
    with pytest.raises(apollo.UsageError, match="in hours"):
        Schedule(config, overrides={"train.duration": "1 hours"})


def test_a_modernbert_is_refused_before_anything_changes():
    config = transformers.ModernBertConfig(
        num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=24,
        pad_token_id=None, bos_token_id=None, eos_token_id=None, cls_token_id=None, sep_token_id=None,
        **SMALL,
    )
    model = transformers.ModernBertForMaskedLM(config)
    optimizer = torch.optim.AdamW(model.parameters())
    before = len(optimizer.param_groups[0]["params"])
    with pytest.raises(apollo.UsageError, match="a layer of a ModernBERT cannot stand in another place"):
        grow_(model, optimizer, [0, 0, 0])
    assert len(optimizer.param_groups[0]["params"]) == before and len(layers_of(model)) == 1
    names = {f"layers.{i}.attn_norm.weight": torch.ones(2) for i in (1, 2)}
    names |= {f"layers.{i}.mlp_norm.weight": torch.ones(2) for i in range(3)}
    with pytest.raises(apollo.UsageError, match="layer 0 has no attn_norm.weight"):
        apollo.growth.grow_state_dict(names, [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("make", [gpt2, qwen3])
def test_the_callback_grows_a_model_in_the_trainer_of_transformers(make, tmp_path):
    pytest.importorskip("accelerate")
    from growth_callback import GrowthCallback

    class Watch(GrowthCallback):
        """Measures the loss on both sides of each growth."""

        def on_step_begin(self, args, state, control, model, optimizer, **kwargs):
            grow = self.schedule[state.global_step].grow
            depth = 12
            before = None
            if grow is not None:
                before = self.loss_at(model, depth)
            super().on_step_begin(args, state, control, model=model, optimizer=optimizer, **kwargs)
            if grow is not None:
                assert self.loss_at(model, depth) == before
                set_blocks_(model, [self.layers[i] for i in self.schedule[state.global_step].blocks])
            depths.append(len(layers_of(model)))
            rates.append(optimizer.param_groups[0]["lr"])

        def loss_at(self, model, depth):
            set_blocks_(model, [self.layers[i] for i in sharing_map(len(self.layers), depth)])
            with torch.no_grad():
                return loss_of(model, batch(7)).item()

    depths, rates = [], []
    schedule = Schedule(tiny_config(tmp_path))
    callback = Watch(schedule)
    torch.manual_seed(0)
    model = make(schedule[0].layers)
    rows = [{"input_ids": row, "labels": row} for row in batch().repeat(40, 1)]
    arguments = transformers.TrainingArguments(
        output_dir=tmp_path / "hf", max_steps=len(schedule), per_device_train_batch_size=4,
        lr_scheduler_type="constant", report_to=[], save_strategy="no", use_cpu=True,
        disable_tqdm=True, logging_steps=1, eval_strategy="steps", eval_steps=8,
    )
    trainer = transformers.Trainer(
        model, arguments, train_dataset=rows, eval_dataset=rows[:4], callbacks=[callback]
    )
    trainer.train()
    assert [len(grow) for _, grow in callback.grown] == [3, 6, 12]
    assert depths == [step.depth for step in schedule]
    assert rates == [step.lr for step in schedule]
    assert len(set(layers_of(model))) == 12 and model.config.num_hidden_layers == 12
    history = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert history[-1] < history[0]
    with pytest.raises(apollo.UsageError, match="has not trained yet"):
        trainer.train()
