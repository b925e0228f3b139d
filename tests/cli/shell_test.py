"""What stands beside the program: completion of shells, the manual page, and the cache of texts."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import time
import unittest

from harness import ApolloTest, main
from help_test import listed_commands


class Completion(ApolloTest):
    def script(self, shell):
        script, stderr = self.run_apollo("completion", shell)
        self.assertEqual(stderr, "")
        path = self.dir / f"completion.{shell}"
        path.write_text(script)
        return path

    def completed(self, *words):
        """What bash offers for the last of `words`."""
        ask = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _apollo; '
               'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", ask, "-", self.script("bash"), "apollo", *words],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_offers_commands_and_flags(self):
        top, _ = self.run_apollo("--help")
        self.assertEqual(self.completed(""), listed_commands(top))
        self.assertEqual(self.completed("tok"), ["tokenizer"])
        self.assertEqual(self.completed("tokenizer", ""), ["train", "encode", "decode"])
        self.assertEqual(self.completed("tokenizer", "train", "--vocab"), ["--vocab-size"])
        self.assertEqual(self.completed("train", "run.toml", "--pro"), ["--processes"])
        # Nothing of ours fits: bash goes on with file names.
        self.assertEqual(self.completed("train", "run"), [])

    def test_other_shells_can_read_theirs(self):
        for shell in ("zsh", "fish"):
            with self.subTest(shell):
                script = self.script(shell)
                self.assertIn("--top-p" if shell == "zsh" else "-l top-p", script.read_text())
                if shutil.which(shell):
                    subprocess.run([shell, "-n", script], check=True)

    def test_an_unknown_shell(self):
        self.assertIn("ksh not in {bash,zsh,fish}", self.run_apollo("completion", "ksh", expect=2)[1])


class Manual(ApolloTest):
    def test_it_has_every_command_and_flag(self):
        page, _ = self.run_apollo("manual")
        plain = page.replace("\\-", "-")
        top, _ = self.run_apollo("--help")
        for command in listed_commands(top):
            words, _ = self.run_apollo(command, "--help")
            if "Subcommands:" not in words:
                self.assertIn(f".SS apollo {command}\n", plain)
            for flag in set(re.findall(r"^  (--[\w-]+)", words, re.M)):
                self.assertIn(f"\\fB{flag}\\fR", plain, command)

    @unittest.skipUnless(shutil.which("groff"), "there is no groff")
    def test_groff_has_nothing_to_complain_about(self):
        page, _ = self.run_apollo("manual")
        done = subprocess.run(["groff", "-man", "-Tutf8", "-wall"], input=page, text=True,
                              capture_output=True, check=True)
        self.assertEqual(done.stderr, "")
        self.assertIn("apollo generate runs/demo --prompt 'The kernel'", done.stdout)


class Cache(ApolloTest):
    def setUp(self):
        super().setUp()
        self.train("run", 'data.cache=""')
        self.folder = self.dir / "user-cache/apollo"

    def lines(self, *words):
        return self.run_apollo("cache", *words)[0].splitlines()

    def test_it_lists_what_a_run_has_prepared(self):
        lines = self.lines()
        self.assertEqual(lines[0].split(), ["written", "size", "kind", "text"])
        texts = [line.split()[-1] for line in lines[1:-1] if " dataset " in line]
        self.assertTrue(texts)
        for text in texts:
            self.assertTrue(pathlib.Path(text).is_file(), text)
        self.assertRegex(lines[-1], rf"^{re.escape(str(self.folder))}: \d+ entr(y|ies), \d")

    def test_it_clears_its_own_folders_only(self):
        (self.folder / "datasets/mine").mkdir()
        count = len(self.lines()) - 2
        self.assertEqual(self.lines("--clear", "--older-than", "1"),
                         [f"{self.folder}: removed 0 entries, 0 B"])
        self.assertIn(f"{self.folder}: removed {count} ", self.lines("--clear")[-1])
        self.assertEqual(self.lines(), [f"{self.folder}: 0 entries, 0 B"])
        self.assertTrue((self.folder / "datasets/mine").is_dir())
        # And the text is prepared again.
        self.train("again", 'data.cache=""')
        self.assertEqual(len(self.lines()) - 2, count)

    def test_old_entries_and_what_a_killed_process_left(self):
        left = self.folder / "datasets" / f".{'0' * 32}.1-0.new"
        left.mkdir()
        os.utime(left, (time.time() - 3 * 86400,) * 2)
        self.assertIn("unreadable", "\n".join(self.lines()))
        self.assertIn("removed 1 entry", self.lines("--clear", "--older-than", "2")[-1])
        self.assertFalse(left.exists())

    def test_an_entry_that_is_being_made_is_kept(self):
        entry = next(path for path in (self.folder / "datasets").iterdir() if path.is_dir())
        with open(f"{entry}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lines = self.lines("--clear")
        self.assertIn(f"kept, since a process is making it: {entry}", lines)
        self.assertTrue(entry.is_dir())

    def test_a_folder_that_does_not_exist(self):
        self.assertIn("--dir: 'nothing' is not a folder",
                      self.run_apollo("cache", "--dir", "nothing", expect=2)[1])


if __name__ == "__main__":
    main()
