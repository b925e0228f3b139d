"""docs/modernbert.md, followed to the letter with a smaller model on made-up text: its configs, its
commands and its Python, in their order."""

import pathlib
import random
import re
import shlex
import subprocess
import sys

from harness import ApolloTest, made_up_text, main, skip

try:
    import transformers  # noqa: F401: the page's Python needs it
except ImportError as error:
    skip(error)

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/modernbert.md"
# What makes a command of the page one of seconds.
SMALLER = {
    "plan": ["model.layers=3", "model.width=16", "model.heads=2", "model.context=32",
             "model.local_attention=8", "data.tokenizer=train:bpe:300", "train.batch_size=4",
             "train.duration=30 steps", "run.threads=1"],
    "finetune": ["train.lr=[1e-2]", "train.epochs=[2]", "train.seeds=[1]"],
}
SMALLER["train"] = SMALLER["plan"]


class Page(ApolloTest):
    def blocks(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    def table(self, name, rows, seed):
        draw = random.Random(seed)
        lines = ["sentence\tlabel"]
        for _ in range(rows):
            label = draw.randint(0, 1)
            words = made_up_text(40, draw.random()).split()
            lines.append(" ".join(words + [["dull", "fine"][label]]) + f"\t{label}")
        self.write(name, "\n".join(lines) + "\n")

    def test_it_works_as_it_stands(self):
        (self.dir / "text").mkdir()
        self.write("text/own.txt", made_up_text(6000))
        self.table("train.tsv", 60, 1)
        self.table("dev.tsv", 20, 2)
        for config in self.blocks("toml"):
            self.write(re.match(r"# (\S+\.toml)\n", config)[1], config)
        commands = [line for block in self.blocks("sh") for line in block.splitlines()]
        self.assertGreater(len(commands), 3)
        for command in commands:
            program, name, *words = shlex.split(command, comments=True)
            self.assertEqual(program, "build/apollo")
            sets = [word for key in SMALLER.get(name, []) for word in ("--set", key)]
            self.run_apollo(name, *words, *sets)
        (code,) = self.blocks("python")
        done = subprocess.run([sys.executable, "-c", code], cwd=self.dir, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("'label': 'LABEL_" if "LABEL_" in done.stdout else "'label': '", done.stdout)
        guesses = [line for line in done.stdout.splitlines() if re.match(r"'.*' \d\.\d+$", line)]
        self.assertEqual(len(guesses), 5, done.stdout)


if __name__ == "__main__":
    main()
