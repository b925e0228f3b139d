"""Checkpoints and exports as `transformers` reads them: names, log-probabilities, token ids."""

import json
import os
import random
import shutil

from harness import ApolloTest, made_up_text, main, skip

os.environ.update(TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
try:
    import torch
    import transformers
except ImportError as error:
    skip(f"{error}; run `make setup`")

transformers.logging.set_verbosity_error()
TOLERANCE = 1e-4
LINES = ["Tea and rosin.\n", "the  tides\tof Ítaca; naïve 東京 \U0001f600 text\n", "\n",
         "1234 don't,won't  <|endoftext|> end \n"]


class Transformers(ApolloTest):
    def setUp(self):
        super().setUp()
        self.write("lines.txt", "".join(LINES))

    def grown_run(self, *more):
        self.train("run", "data.tokenizer=train:bpe:300", "model.context=64",
                   "train.duration=40 steps", *more)
        return self.dir / "run/checkpoints"

    def load(self, folder, kind=transformers.GPT2LMHeadModel):
        model, info = kind.from_pretrained(
            folder, output_loading_info=True, torch_dtype=torch.float32)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
            self.assertFalse(info.get(what), f"{folder}: {what}: {info.get(what)}")
        return model.eval()

    def check_scores(self, folder, source, depth, layers):
        """The model of `folder` gives the log-probabilities of `apollo score source`."""
        model = self.load(folder)
        self.assertEqual(len(model.transformer.h), layers)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        stdout, _ = self.run_apollo("score", source, "lines.txt", "--json", "--depth", depth,
                                    "--threads", 1)
        largest, tokens = 0.0, 0
        for line, row in zip(LINES, map(json.loads, stdout.splitlines()), strict=True):
            ids = tokenizer(line.rstrip("\n"), split_special_tokens=False)["input_ids"]
            self.assertEqual(len(ids), len(row["tokens"]), line)
            if not ids:
                continue
            inputs = torch.tensor([[tokenizer.eos_token_id] + ids])
            with torch.no_grad():
                logprobs = model(inputs).logits.log_softmax(-1)[0, :-1]
            expected = logprobs.gather(1, inputs[0, 1:, None])[:, 0]
            found = torch.tensor(row["logprobs"])
            largest = max(largest, (expected - found).abs().max().item())
            tokens += len(ids)
        self.assertLess(largest, TOLERANCE)
        print(f"{folder.relative_to(self.dir)}: {layers} layers, largest difference of "
              f"{tokens} log-probabilities {largest:.1e}")

    def test_checkpoints_and_exports(self):
        print()
        for layer_map in ("interpolate", "stack"):
            checkpoints = self.grown_run(f"progressive.layer_map={layer_map}")
            self.check_scores(checkpoints / "latest", checkpoints / "latest", 12, 12)
            # After growth at steps 10, 20 and 30.
            for step, layers in ((10, 3), (20, 6), (30, 12)):
                folder = checkpoints / f"step-{step:08}"
                self.check_scores(folder, folder, layers, layers)
            shared = checkpoints / "step-00000010"
            for depth in (3, 7, 12):
                out = self.dir / f"export-{layer_map}-{depth}"
                self.run_apollo("export", shared, out, "--depth", depth)
                self.check_scores(out, shared, depth, depth)
            grown = self.dir / f"grown-{layer_map}"
            self.run_apollo("grow", shared, grown, "--layers", 6)
            self.check_scores(grown, shared, 6, 6)
            shutil.rmtree(self.dir / "run")

    def check_masked_scores(self, folder, source, depth, layers):
        """The same for a masked model: each token masked in turn."""
        model = self.load(folder, transformers.AutoModelForMaskedLM)
        self.assertEqual(model.config.num_hidden_layers, layers)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        stdout, _ = self.run_apollo("score", source, "lines.txt", "--json", "--depth", depth,
                                    "--threads", 1)
        largest, tokens = 0.0, 0
        for line, row in zip(LINES, map(json.loads, stdout.splitlines()), strict=True):
            inputs = tokenizer(line.rstrip("\n"), return_tensors="pt")["input_ids"]
            length = inputs.shape[1] - 2
            self.assertEqual(length, len(row["tokens"]), line)
            if length == 0:
                continue
            masked = inputs.repeat(length, 1)
            places = torch.arange(1, length + 1)
            masked[torch.arange(length), places] = tokenizer.mask_token_id
            with torch.no_grad():
                logprobs = model(masked).logits.log_softmax(-1)
            expected = logprobs[torch.arange(length), places, inputs[0, places]]
            largest = max(largest, (expected - torch.tensor(row["logprobs"])).abs().max().item())
            tokens += length
        self.assertLess(largest, TOLERANCE)
        print(f"{folder.relative_to(self.dir)}: {layers} layers, largest difference of "
              f"{tokens} pseudo-log-likelihoods {largest:.1e}")

    def test_checkpoints_and_exports_of_a_bert(self):
        self.check_masked_run("model.architecture=bert", "data.tokenizer=train:wordpiece:300")

    # A pass of 7 blocks runs layer 0 behind place 0 too, with a norm that the export then has.
    def test_checkpoints_and_exports_of_a_modernbert(self):
        self.check_masked_run("model.architecture=modernbert", "data.tokenizer=train:bpe:300",
                              "model.local_attention=12")

    def check_masked_run(self, *overrides):
        print()
        self.train("run", *overrides, "model.context=64", "train.duration=40 steps")
        checkpoints = self.dir / "run/checkpoints"
        self.check_masked_scores(checkpoints / "latest", checkpoints / "latest", 12, 12)
        for step, layers in ((10, 3), (20, 6), (30, 12)):
            folder = checkpoints / f"step-{step:08}"
            self.check_masked_scores(folder, folder, layers, layers)
        shared = checkpoints / "step-00000010"
        self.run_apollo("export", shared, self.dir / "export", "--depth", 7)
        self.check_masked_scores(self.dir / "export", shared, 7, 7)
        self.run_apollo("grow", shared, self.dir / "grown", "--layers", 6)
        self.check_masked_scores(self.dir / "grown", shared, 6, 6)

    def test_the_tokenizer_gives_the_same_ids(self):
        folder = self.grown_run() / "latest"
        draw = random.Random(11)
        odd = ["\u00e9", "e\u0301", "\u4e2d", "\U0001f468\u200d\U0001f469", "\u00a0", "\u2028",
               "\ufeff", "'s", "'LL", "12", "\t", "  ", "_", "\u0661", "<|endoftext|>", "\u200b"]
        lines = ["".join(draw.choice(odd) if draw.random() < 0.5
                         else made_up_text(draw.randint(1, 12), draw.random())
                         for _ in range(draw.randint(1, 12))).replace("\n", " ")
                 for _ in range(2000)]
        self.write("odd.txt", "\n".join(lines).encode() + b"\n")
        stdout, _ = self.run_apollo("tokenizer", "encode", "--tokenizer", folder, "--json",
                                    "odd.txt")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        rows = stdout.splitlines()
        self.assertEqual(len(rows), len(lines))
        for line, row in zip(lines, rows):
            self.assertEqual(json.loads(row)["ids"], tokenizer(line)["input_ids"], repr(line))


if __name__ == "__main__":
    main()
