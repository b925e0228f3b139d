"""Every command explains itself, with an example."""

from harness import ApolloTest, main

COMMANDS = ["tokenizer", "tokenizer train", "tokenizer encode", "tokenizer decode", "prepare",
            "plan", "train", "eval", "score", "generate", "grow", "export", "finetune",
            "compare", "report", "suite"]


class Help(ApolloTest):
    def test_every_command_has_an_example(self):
        top, _ = self.run_apollo("--help")
        for command in COMMANDS:
            with self.subTest(command):
                stdout, stderr = self.run_apollo(*command.split(), "--help")
                self.assertIn("Example", stdout)
                self.assertIn("apollo " + command, stdout.split("Example")[1])
                self.assertEqual(stderr, "")
                self.assertIn("\n  " + command.split()[0] + " ", top)

    def test_every_command_of_the_program_is_tested(self):
        top, _ = self.run_apollo("--help")
        listed = [line.split()[0] for line in top.split("Subcommands:")[1].split("\n\n")[0]
                  .splitlines() if line.startswith("  ") and not line.startswith("   ")]
        self.assertEqual(sorted(listed), sorted({c.split()[0] for c in COMMANDS}))

    def test_the_keys_of_a_config(self):
        stdout, _ = self.run_apollo("train", "--help-config")
        for key in ("lr_axis", "rehearse_from", "optimizer_state", "keep"):
            self.assertIn(key, stdout)

    def test_the_version(self):
        stdout, _ = self.run_apollo("--version")
        self.assertRegex(stdout, r"^\d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    main()
