"""`eval`, `score` and `generate` on a GPT, a BERT and others, and their bad calls."""

import json
import subprocess

from harness import APOLLO, ApolloTest, main

PAIRS = [{"sentence_good": "The rain stops.", "sentence_bad": "The rain stop."},
         {"sentence_good": "She sees.", "sentence_bad": "She see."},
         {"sentence_good": "The rain stops.", "sentence_bad": "Rain the stops."}]


class Evaluation(ApolloTest):
    def setUp(self):
        super().setUp()
        (self.dir / "blimp").mkdir()
        self.write("blimp/one.jsonl", "".join(json.dumps(pair) + "\n" for pair in PAIRS))
        self.write("lambada.jsonl", '{"text": "the rain it sees"}\n')
        self.write("lines.txt", "The rain.\n\nIt stops and it is a line longer than the context.\n")

    def train_gpt(self):
        self.train("gpt", "train.duration=8 steps")
        return "gpt"

    def json(self, *arguments):
        return json.loads(self.run_apollo(*arguments, "--json")[0])

    def test_a_bert(self):
        self.check_masked("bert", "data.tokenizer=train:wordpiece:300")

    def test_own_validation_data_are_masked_as_in_training(self):
        self.train("half", "model.architecture=bert", "data.tokenizer=train:wordpiece:300",
                   "data.masked_fraction=0.5")
        own = self.json("eval", "half")
        self.assertEqual(own, self.json("eval", "half", "--masked-fraction", "0.5"))
        self.assertGreater(own["tokens"],
                           2 * self.json("eval", "half", "--masked-fraction", "0.15")["tokens"])

    def test_a_modernbert(self):
        self.check_masked("modernbert", "data.tokenizer=train:bpe:300", "model.local_attention=6")

    def check_masked(self, bert, *overrides):
        self.train(bert, f"model.architecture={bert}", *overrides)
        self.run_apollo("prepare", "--tokenizer", f"{bert}/checkpoints/latest", "--out", "data",
                        "valid.txt")
        found = self.json("eval", bert, "--data", "data")
        self.assertEqual(list(found), ["depth", "loss", "accuracy", "tokens", "flops"])
        # The trainer's own evaluation is of the same positions.
        trained = [row for row in self.rows(bert, "eval") if row["which"] == "full"][-1]
        whole = self.json("eval", bert, "--data", "data", "--max-tokens", "160")
        self.assertAlmostEqual(whole["loss"], trained["loss"], places=4)
        self.assertAlmostEqual(whole["accuracy"], trained["accuracy"], places=4)
        more = self.json("eval", bert, "--data", "data", "--masked-fraction", "0.5")
        self.assertGreater(more["tokens"], 2 * found["tokens"])
        stdout, _ = self.run_apollo("eval", bert, "--data", "data", "--whole-words")
        self.assertRegex(stdout, r"(?m)^masked accuracy  \d+\.\d\d %$")
        self.assertNotIn("perplexity", stdout)

        found = self.json("eval", bert, "--task", "blimp", "blimp")
        self.assertEqual((found["pairs"], found["files"][0]["name"]), (3, "one"))
        found = self.json("eval", bert, "--task", "blimp", "blimp", "--max-pairs", "2")
        self.assertEqual(found["pairs"], 2)
        self.assertIsNone(self.json("eval", bert, "--task", "lambada", "lambada.jsonl")["perplexity"])

        stdout, _ = self.run_apollo("score", bert, "lines.txt")
        counts = [int(line.split("\t")[1]) for line in stdout.splitlines()]
        self.assertEqual(counts[1], 0)
        self.assertGreater(counts[2], 14, "longer than the context without [CLS] and [SEP]")
        _, stderr = self.run_apollo("generate", bert, "--prompt", "The", expect=1)
        self.assertIn(f"a masked model ({bert}) fills gaps and does not write on", stderr)

    def test_a_gpt(self):
        gpt = self.train_gpt()
        self.assertEqual(self.json("eval", gpt, "--task", "blimp", "blimp")["chance"], 0.5)
        found = self.json("eval", gpt, "--task", "lambada", "lambada.jsonl", "--depth", "12")
        self.assertGreater(found["perplexity"], 1)
        self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data", "valid.txt")
        self.assertIn("bpb", self.json("eval", gpt, "--data", "data"))
        _, stderr = self.run_apollo("eval", gpt, "--data", "data", "--whole-words", expect=2)
        self.assertIn("are for masked models (bert, modernbert), and this one is causal (gpt2)", stderr)

    def test_text_and_the_runs_own_data(self):
        gpt = self.train_gpt()
        self.run_apollo("prepare", "--tokenizer", gpt, "--out", "data", "valid.txt")
        expected = self.json("eval", gpt, "--data", "data")
        self.assertEqual(self.json("eval", gpt, "--data", "valid.txt"), expected)
        self.assertEqual(self.json("eval", gpt), expected)
        with open(self.dir / "valid.txt") as text:
            stdout = subprocess.run([APOLLO, "eval", gpt, "--data", "-", "--json"], cwd=self.dir,
                                    env=self.environment(), stdin=text, capture_output=True,
                                    check=True).stdout
        self.assertEqual(json.loads(stdout), expected)
        latest = f"{gpt}/checkpoints/latest"
        self.assertIn("or the folder of a run", self.run_apollo("eval", latest, expect=2)[1])
        _, stderr = self.run_apollo("prepare", "--tokenizer", gpt, "--out", "-", "valid.txt",
                                    expect=2)
        self.assertIn("'-' is stdout, which takes no folder", stderr)

    def test_documents_that_share_a_sequence(self):
        for name in ("train", "valid"):
            lines = (self.dir / f"{name}.txt").read_text().splitlines()
            words = [word for line in lines for word in line.split()]
            self.write(f"{name}.jsonl", "".join(json.dumps({"text": word}) + "\n" for word in words))
        texts = ['data.train=["train.jsonl"]', 'data.valid=["valid.jsonl"]', "eval.max_tokens=0"]
        self.train("apart", *texts, "data.separate_documents=true", "train.duration=8 steps")
        self.train("plain", *texts, "data.separate_documents=true", "train.duration=8 steps",
                   "run.kernels=reference")
        self.train("together", *texts, "train.duration=8 steps")
        losses = {name: self.rows(name, "eval")[-1]["loss"] for name in ("apart", "plain", "together")}
        self.assertAlmostEqual(losses["apart"], losses["plain"], places=4)
        self.assertNotAlmostEqual(losses["apart"], losses["together"], places=4)
        # A run's own data are read as the run reads them; other data as the command says.
        own = self.json("eval", "apart")["loss"]
        self.assertAlmostEqual(own, losses["apart"], places=5)
        self.run_apollo("prepare", "--tokenizer", "apart", "--out", "data", "valid.jsonl")
        apart = self.json("eval", "apart/checkpoints/latest", "--data", "data", "--separate-documents")
        self.assertAlmostEqual(apart["loss"], own, places=5)
        self.assertNotAlmostEqual(
            self.json("eval", "apart/checkpoints/latest", "--data", "data")["loss"], own, places=5)

    def test_a_llama_and_a_qwen3(self):
        self.run_apollo("prepare", "--tokenizer", "bytes", "--out", "data", "valid.txt")
        for architecture in ("llama", "qwen3"):
            with self.subTest(architecture):
                self.train(architecture, f"model.architecture={architecture}", "model.kv_heads=1",
                           "train.duration=8 steps")
                found = self.json("eval", architecture, "--data", "data", "--max-tokens", "160")
                trained = [row for row in self.rows(architecture, "eval")
                           if row["which"] == "full"][-1]
                self.assertAlmostEqual(found["loss"], trained["loss"], places=4)
                _, stderr = self.run_apollo("eval", architecture, "--data", "data", "--whole-words",
                                            expect=2)
                self.assertIn(f"and this one is causal ({architecture})", stderr)
                stdout, _ = self.run_apollo("score", architecture, "lines.txt")
                self.assertEqual(len(stdout.splitlines()), 3)

    def test_samples_are_those_of_their_seeds(self):
        gpt = self.train_gpt()
        options = ("--prompt", "The", "--max-tokens", 12, "--top-p", 0.9)
        both, stderr = self.run_apollo("generate", gpt, *options, "--num-samples", 2, "--seed", 4)
        self.assertRegex(stderr, r"\d+ tokens in \d+\.\d\d s: \d+\.\d tokens/s")
        each = [self.run_apollo("generate", gpt, *options, "--seed", seed)[0] for seed in (4, 5)]
        self.assertEqual(both, "---\n".join(each))
        self.assertNotEqual(*each)
        _, stderr = self.run_apollo("generate", gpt, *options[:4], "--top-p", 2, expect=2)
        self.assertIn("top-p must be above 0 and at most 1 (got 2)", stderr)

    def test_bad_calls(self):
        for words, text in (
                (["--data", "x", "--task", "blimp", "x"],
                 "eval: --data and --task exclude each other"),
                (["--task", "blmp", "x"], "eval: unknown task 'blmp'; did you mean 'blimp'?"),
                (["--task", "squad", "x"],
                 "eval: unknown task 'squad'; expected 'blimp' or 'lambada'"),
                (["--task", "blimp"], "--task"),
                (["--task", "blimp", "x", "--max-tokens", "7"], "are of data, not of --task"),
                (["--data", "x", "--masked-fraction", "2"], "--masked-fraction")):
            with self.subTest(words):
                self.assertIn(text, self.run_apollo("eval", "run", *words, expect=2)[1])


if __name__ == "__main__":
    main()
