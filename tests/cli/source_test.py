"""Runs that begin from a trained small model: planned, trained, charged, gone on with; refused."""

import json
import shutil

from harness import ApolloTest, main

SMALL = ["model.layers=2", "model.width=8", "model.heads=1", "progressive.stages=[{layers = 2}]"]
GROWN = ["model.layers=4", "progressive.stages=[{layers = 4}]", "model.from=small"]


class FromASource(ApolloTest):
    def setUp(self):
        super().setUp()
        self.train("small", *SMALL)
        self.cost = self.rows("small", "step")[-1]["flops"]

    def plan(self, *words, **options):
        """Words that are no flags are overrides."""
        words = [word if word.startswith("--") else f"--set={word}" for word in words]
        return self.run_apollo("plan", "run.toml", *words, **options)

    def test_plan_knows_what_the_run_will_have_cost(self):
        ligo = [*GROWN, "progressive.method=ligo", "progressive.source_steps=3"]
        plan = json.loads(self.plan("--json", *ligo)[0])
        self.assertEqual((plan["source"]["layers"], plan["source"]["width"]), (2, 8))
        self.assertEqual(plan["source"]["flops"], self.cost)
        self.assertEqual((plan["source"]["map"], plan["source"]["charged"]), ("ligo", True))
        self.assertGreater(plan["source"]["learning_flops"], 0)
        self.assertEqual(plan["flops_before"], self.cost + plan["source"]["learning_flops"])
        self.train("grown", *ligo)
        self.assertEqual(self.rows("grown", "step")[-1]["flops"],
                         plan["flops_before"] + plan["flops"])
        table, _ = self.plan(*ligo)
        self.assertRegex(table, r"(?m)^source: .*/small/checkpoints/latest, 2 layers, width 8, by "
                                r"ligo; .* charged$")
        self.assertRegex(table, r"(?m)^ +\S+ .*to learn its growth in 3 steps, charged$")

    def test_goes_on_without_its_source(self):
        bert2bert = [*GROWN, "progressive.method=bert2bert"]
        self.train("whole", *bert2bert)
        self.train("parts", *bert2bert, "checkpoint.every=3 steps")
        latest = self.dir / "parts/checkpoints/latest"
        latest.unlink()
        latest.symlink_to("step-00000006")
        shutil.rmtree(self.dir / "small")
        _, stderr = self.train("parts", *bert2bert, "checkpoint.every=3 steps")
        self.assertIn("resumed at step 6", stderr)
        self.assert_same_run("parts", "whole")

    def test_a_model_trains_on_as_it_is(self):
        """Sizes, tokenizer and depth are those of the model; nothing grows unless asked for."""
        (self.dir / "more.toml").write_text("""
[run]
threads = 1
[data]
train = ["valid.txt"]
valid_fraction = 0.2
[train]
duration = "6 steps"
batch_size = 4
""")
        self.run_apollo("train", "more.toml", "--from", "small", "--out", "more")
        start = self.rows("more", "start")[0]
        self.assertEqual((start["layers"], start["width"], start["heads"], start["context"],
                          start["method"], start["source_layers"]), (2, 8, 1, 16, "scratch", 2))
        small = self.rows("small", "start")[0]
        self.assertEqual(start["tokenizer"], small["tokenizer"])
        resolved = (self.dir / "more/run.toml").read_text()
        self.assertRegex(resolved, r"(?m)^layers = 2 +# model\.from$")
        self.run_apollo("train", "more.toml", "--from", "small", "--set", "model.layers=4",
                        "--out", "grown")
        self.assertEqual(self.rows("grown", "start")[0]["layers"], 4)
        self.assertEqual(self.rows("grown", "eval")[0]["depth"], 4)
        # A run that goes on needs the model no more.
        shutil.rmtree(self.dir / "small")
        _, stderr = self.run_apollo("train", "more.toml", "--from", "small", "--out", "more")
        self.assertIn("finished already", stderr)
        _, stderr = self.run_apollo("train", "train.txt", "--from", "small", expect=2)
        self.assertIn("--from needs a config: expected RUN.toml, found 'train.txt'", stderr)

    def test_refusals(self):
        where = "--set: error: model.from"
        folder = str(self.dir / "small/checkpoints/latest")
        for key, message in [
                ("model.heads=1", "heads are copied whole, so their size must stay: the source's "
                                  "have 8 neurons, the model's 16\n  hint: model.heads = 2"),
                ("model.context=8", "the source's context is larger than the model's, 8 (got 16)\n"
                                    "  hint: raise model.context, or begin from a smaller model"),
                ("model.vocab_size=300", "the source has a vocabulary of 257, the model one of 300"
                                         "\n  hint: data.tokenizer must be the source's")]:
            for command in ("plan", "train"):
                sets = [word for each in (*GROWN, key) for word in ("--set", each)]
                _, stderr = self.run_apollo(command, "run.toml", *sets, expect=2)
                self.assertIn(f"{where}: {folder}: {message}", stderr)
        for method in ("bert2bert", "ligo"):
            _, stderr = self.train("none", f"progressive.method={method}", expect=2)
            self.assertIn(f"model.from: error: method '{method}' begins from a trained "
                          "model, but none is named", stderr)
        _, stderr = self.train("none", "progressive.source_map=aki", expect=2)
        self.assertIn("progressive.source_map: says how a source grows, but no source is named "
                      "(got 'aki')", stderr)
        _, stderr = self.train("none", *GROWN[:2], "model.from=nowhere", expect=1)
        self.assertIn("nowhere: no such folder; expected a checkpoint or a run", stderr)


if __name__ == "__main__":
    main()
