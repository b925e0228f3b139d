"""Every command explains itself with an example, and help names nothing that does not exist. The
commands are those that the program itself lists, so that none is left out here."""

import pathlib
import re
import shutil
import subprocess

import harness
from harness import ApolloTest, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What needs no LibTorch: `apollo` runs these without the engine beside it.
LIGHT = ["tokenizer", "prepare", "plan", "compare", "report", "suite", "cache"]
REPOSITORY_PATH = re.compile(r"\b(?:recipes|docs|results|scripts|bench)/[\w.*/-]*\w")


def listed_commands(help_text):
    """The names under `Subcommands:`, without their descriptions."""
    if "Subcommands:" not in help_text:
        return []
    lines = help_text.split("Subcommands:")[1].split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if re.match(r"  \S", line)]


class Help(ApolloTest):
    def all_help(self):
        """The help of every command and subcommand: {"tokenizer train": text}."""
        found = {}
        waiting = [""]
        while waiting:
            command = waiting.pop(0)
            stdout, stderr = self.run_apollo(*command.split(), "--help")
            self.assertEqual(stderr, "")
            found[command] = stdout
            waiting += [f"{command} {name}".strip() for name in listed_commands(stdout)]
        return found

    def test_every_command_has_an_example(self):
        found = self.all_help()
        self.assertIn("tokenizer decode", found)
        for command, text in found.items():
            with self.subTest(command):
                if command:
                    self.assertIn("Example", text)
                    self.assertIn("apollo " + command, text.split("Example")[1])

    def test_every_path_in_help_exists(self):
        texts = self.all_help()
        texts["train --help-config"], _ = self.run_apollo("train", "--help-config")
        named = {(path, command) for command, text in texts.items()
                 for path in REPOSITORY_PATH.findall(text)}
        self.assertTrue(named, "help names no recipe at all")
        for path, command in sorted(named):
            with self.subTest(f"{command}: {path}"):
                self.assertTrue(any(ROOT.glob(path)), f"`{command}` names {path}")

    def test_the_readme_has_every_command_and_no_other(self):
        top, _ = self.run_apollo("--help")
        table = (ROOT / "README.md").read_text().split("## All commands")[1].split("\n## ")[0]
        names = re.findall(r"`apollo (\w+)", "".join(
            line.split("|")[1] for line in table.splitlines() if line.startswith("|")))
        self.assertEqual(sorted(names), sorted(listed_commands(top)))

    def test_some_commands_need_no_engine(self):
        top, _ = self.run_apollo("--help")
        alone = shutil.copy(harness.APOLLO, self.dir / "apollo")
        light = []
        for command in listed_commands(top):
            done = subprocess.run([alone, command, "--help"], capture_output=True, text=True)
            if done.returncode == 0:
                light.append(command)
            else:
                self.assertIn("apollo-engine: cannot run it", done.stderr)
        self.assertEqual(light, LIGHT)

    def test_the_keys_of_a_config(self):
        stdout, _ = self.run_apollo("train", "--help-config")
        for key in ("lr_axis", "rehearse_from", "optimizer_state", "keep"):
            self.assertIn(key, stdout)

    def test_the_version(self):
        stdout, _ = self.run_apollo("--version")
        self.assertRegex(stdout, r"^apollo \d+\.\d+\.\d+ \((\w+, )?for LibTorch \d+\.\d+\.\d+\)\n$")

    def test_help_as_a_word(self):
        for words in (["train"], ["plan"], ["tokenizer", "train"], []):
            self.assertEqual(self.run_apollo("help", *words)[0],
                             self.run_apollo(*words, "--help")[0])


if __name__ == "__main__":
    main()
