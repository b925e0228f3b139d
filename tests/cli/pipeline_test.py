"""Whatever folder Apollo writes: the pipelines of `transformers` give Apollo's own predictions, also
for a batch of unequal, overlong and empty texts."""

import json
import math
import os

from harness import ApolloTest, main, skip

os.environ.update(TQDM_DISABLE="1", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
try:
    import transformers
except ImportError as error:
    skip(f"{error}; run `make setup`")

transformers.logging.set_verbosity_error()
CONTEXT = 16
BATCH = 4
TOLERANCE = 2e-5
TASK = """[task]
name = "t"
kind = "{kind}"
train = "rows.jsonl"
dev = "rows.jsonl"
text = "a"
{more}
[train]
lr = [3e-3]
epochs = [20]
seeds = [1]
batch_size = 4
max_length = {max_length}
pooling = "{pooling}"
"""


class Pipelines(ApolloTest):
    def words(self):
        return (self.dir / "train.txt").read_text().lower().replace(".", "").split()

    def texts(self):
        """One word, some, far too many, none; the tokens with a role, at the end too."""
        words = self.words()
        return [words[3], " ".join(words[10:16]), " ".join(words[20:80]), "",
                "<|endoftext|>", f"{words[5]}<|endoftext|>", f"[SEP] {words[6]} [PAD]",
                f"{words[7]} [CLS] Ünïcode 東京 \t tab", " ".join(words[40:45]), words[50], " "]

    def folders(self, architecture, tokenizer):
        """A checkpoint in the middle of growth, an export of it, and a grown one."""
        self.train("run", f"model.architecture={architecture}", f"data.tokenizer={tokenizer}",
                   "model.width=32", "model.layers=4", f"model.context={CONTEXT}",
                   *(["model.local_attention=6"] if architecture == "modernbert" else []),
                   'progressive.stages=[{layers=2, until="50%"}, {layers=4}]')
        shared = self.dir / "run/checkpoints/step-00000003"
        self.run_apollo("export", shared, self.dir / "export")
        self.run_apollo("grow", shared, self.dir / "grown", "--layers", 3)
        return self.dir / "run/checkpoints/latest", self.dir / "export", self.dir / "grown"

    def finetuned(self, source, name, kind, pairs, max_length, pooling):
        """A classifier's folder, its rows, and Apollo's answers to them by label."""
        texts = self.texts()
        rows = [{"a": text, "label": i % 3 if kind == "classification" else 5000 + 100 * (i % 3)}
                for i, text in enumerate(texts)]
        for row, text in zip(rows, reversed(texts)):
            if pairs:  # the pipeline takes an empty second text for none
                row["b"] = text or "b"
        self.write("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        more = 'text_pair = "b"' if pairs else ""
        self.write("task.toml", TASK.format(kind=kind, more=more, max_length=max_length,
                                            pooling=pooling))
        self.run_apollo("finetune", source, "task.toml", "--out", name, "--threads", 1)
        head, *lines = (self.dir / name / "predictions-dev.tsv").read_text().split("\n")[:-1]
        self.assertEqual(len(lines), len(rows))
        answers = [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]
        return self.dir / name / "model", rows, answers

    def check_classifier(self, source, name, kind="classification", pairs=False, max_length=0,
                         pooling="auto"):
        folder, rows, answers = self.finetuned(source, name, kind, pairs, max_length, pooling)
        pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
        self.assertEqual(pipe.tokenizer.model_max_length, max_length or CONTEXT)
        inputs = [{"text": row["a"], "text_pair": row["b"]} if pairs else row["a"] for row in rows]
        largest = 0.0
        seen = []  # answers of one kind, for one row after the other
        for batch_size in (1, BATCH):
            found = pipe(inputs, batch_size=batch_size, truncation=True, top_k=None,
                         function_to_apply="none" if kind == "regression" else None)
            for row, scores, answer in zip(rows, found, answers, strict=True):
                for entry in scores:
                    key = "prediction" if kind == "regression" else f"p({entry['label']})"
                    difference = abs(entry["score"] - float(answer[key]))
                    scale = 1e-3 if kind == "regression" else 1.0
                    largest = max(largest, scale * difference)
                    if entry["label"] in ("0", "score"):
                        seen.append(scale * entry["score"])
                    self.assertLess(scale * difference, TOLERANCE, (batch_size, row, entry, answer))
        spread = max(seen) - min(seen)
        self.assertGreater(spread, 50 * TOLERANCE, "the model says the same of every text")
        print(f"{name}: {len(rows)} rows, answers {spread:.2f} apart, largest difference "
              f"{largest:.1e}")
        return folder

    def check_classifiers(self, architecture, tokenizer):
        print()
        latest, export, grown = self.folders(architecture, tokenizer)
        model = self.check_classifier(latest, f"{architecture}-text")
        self.check_classifier(export, f"{architecture}-pairs", pairs=True)
        self.check_classifier(grown, f"{architecture}-cut", max_length=11)
        self.check_classifier(grown, f"{architecture}-cut-pairs", pairs=True, max_length=11)
        self.check_classifier(latest, f"{architecture}-numbers", kind="regression")
        # A fine-tuned folder is one to start from.
        self.check_classifier(model, f"{architecture}-again")

    def test_classifiers_of_a_bert(self):
        self.check_classifiers("bert", "train:wordpiece:200")

    def test_classifiers_of_a_gpt2(self):
        self.check_classifiers("gpt2", "train:bpe:300")

    def test_classifiers_of_a_modernbert(self):
        self.check_classifiers("modernbert", "train:bpe:300")

    def test_a_modernbert_may_read_the_mean_of_all_tokens(self):
        print()
        latest, export, _ = self.folders("modernbert", "train:bpe:300")
        model = self.check_classifier(latest, "mean", pooling="mean")
        self.check_classifier(export, "mean-pairs", pairs=True, pooling="mean", max_length=11)
        # It goes on with what its folder says.
        again = self.check_classifier(model, "mean-again")
        for folder in (model, again):
            config = json.loads((folder / "config.json").read_text())
            self.assertEqual(config["classifier_pooling"], "mean")
        _, stderr = self.run_apollo("finetune", latest, "task.toml", "--set", "train.pooling=max",
                                    expect=2)
        self.assertIn("train.pooling must be one of 'auto', 'cls', 'mean' (got string 'max')", stderr)

    def layers(self, folder):
        config = json.loads((folder / "config.json").read_text())
        return config.get("num_hidden_layers", config.get("n_layer"))

    def test_masks_of_a_bert(self):
        self.check_masks("bert", "train:wordpiece:300")

    def test_masks_of_a_modernbert(self):
        self.check_masks("modernbert", "train:bpe:300")

    def check_masks(self, architecture, tokenizer):
        for folder in self.folders(architecture, tokenizer):
            pipe = transformers.pipeline("fill-mask", model=str(folder), device="cpu",
                                         tokenizer_kwargs={"truncation": True})
            tokenizer = pipe.tokenizer
            self.assertEqual(tokenizer.model_max_length, CONTEXT)
            words = [word for word in self.words()
                     if len(tokenizer.encode(word, add_special_tokens=False)) == 1]
            lines = [words[:1], words[1:5], words[5:65], words[2:4]]
            # Apollo is shown what truncation leaves between [CLS] and [SEP].
            self.write("lines.txt", "".join(" ".join(line[:CONTEXT - 2]) + "\n" for line in lines))
            stdout, _ = self.run_apollo("score", folder, "lines.txt", "--json", "--threads", 1,
                                        "--depth", self.layers(folder))
            scores = [json.loads(row)["logprobs"][0] for row in stdout.splitlines()]
            found = pipe([" ".join(["[MASK]"] + line[1:]) for line in lines], batch_size=BATCH,
                         top_k=len(tokenizer))
            for line, score, entries in zip(lines, scores, found, strict=True):
                share = next(entry["score"] for entry in entries if entry["token_str"] == line[0])
                self.assertLess(abs(share - math.exp(score)), TOLERANCE, (folder, line))

    # `transformers` cannot put a text of no tokens into a batch, whatever the folder says; alone it
    # begins with bos_token_id, as Apollo does.
    def test_text_that_a_gpt2_writes(self):
        words = self.words()
        prompts = [words[3], " ".join(words[10:14]), " ".join(words[20:80]), words[7],
                   " ".join(words[30:33]), ""]
        latest, export, _ = self.folders("gpt2", "train:bpe:300")
        for folder in (latest, export):
            pipe = transformers.pipeline("text-generation", model=str(folder), device="cpu")
            self.assertEqual(pipe.tokenizer.model_max_length, CONTEXT)
            self.assertEqual(pipe.model.config.pad_token_id, pipe.tokenizer.pad_token_id)
            options = {"do_sample": False, "max_new_tokens": 4, "return_full_text": False,
                       "tokenizer_encode_kwargs": {"truncation": True, "max_length": CONTEXT - 4}}
            found = pipe(prompts[:-1], batch_size=BATCH, **options)
            self.assertEqual(found, pipe(prompts, **options)[:-1])
            found.append(pipe(prompts[-1], **options))
            for prompt, entries in zip(prompts, found, strict=True):
                ids = pipe.tokenizer(prompt)["input_ids"][:CONTEXT - 4]
                cut = pipe.tokenizer.decode(ids)  # what truncation leaves
                self.assertTrue(prompt.startswith(cut))
                stdout, _ = self.run_apollo("generate", folder, "--prompt", cut, "--max-tokens", 4,
                                            "--temperature", 0, "--threads", 1)
                self.assertEqual(entries[0]["generated_text"],
                                 stdout.removeprefix(cut).removesuffix("\n"), prompt)


if __name__ == "__main__":
    main()
