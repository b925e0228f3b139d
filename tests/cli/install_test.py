"""`make install` into a staging folder: the two programs, which find each other and LibTorch."""

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
        self.assertEqual(sorted(files), [folder / "apollo", folder / "apollo-engine"])
        environment = {key: value for key, value in self.environment().items()
                       if key != "LD_LIBRARY_PATH"}
        words = [folder / "apollo", "train", "run.toml", "--out", "run"]
        subprocess.run(words, cwd=self.dir, env=environment, check=True,
                       stderr=subprocess.DEVNULL)
        self.assertEqual(len(self.rows("run", "step")), 12)


if __name__ == "__main__":
    main()
