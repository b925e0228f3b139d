"""`make install` into a staging folder: the two programs, which find each other and LibTorch, the
manual page and the completions."""

import os
import pathlib
import subprocess

from harness import APOLLO, ApolloTest, main


class Install(ApolloTest):
    def test_the_staged_program_trains(self):
        build = pathlib.Path(APOLLO).resolve().parent
        subprocess.run(["cmake", "--install", build, "--component", "apollo", "--prefix",
                        "/opt/apollo"], env={**os.environ, "DESTDIR": str(self.dir / "stage")},
                       check=True, stdout=subprocess.DEVNULL)
        files = [path for path in (self.dir / "stage").rglob("*") if not path.is_dir()]
        folder = self.dir / "stage/opt/apollo/bin"
        share = self.dir / "stage/opt/apollo/share"
        self.assertEqual(set(files), {
            folder / "apollo", folder / "apollo-engine", share / "man/man1/apollo.1",
            share / "bash-completion/completions/apollo", share / "zsh/site-functions/_apollo",
            share / "fish/vendor_completions.d/apollo.fish"})
        for file in files:
            self.assertTrue(file.stat().st_size > 0, file)
        environment = {key: value for key, value in self.environment().items()
                       if key != "LD_LIBRARY_PATH"}
        words = [folder / "apollo", "train", "run.toml", "--out", "run"]
        subprocess.run(words, cwd=self.dir, env=environment, check=True,
                       stderr=subprocess.DEVNULL)
        self.assertEqual(len(self.rows("run", "step")), 12)


if __name__ == "__main__":
    main()
