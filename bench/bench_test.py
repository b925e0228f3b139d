"""bench_steps.py compares like with like: from equal weights, batches and settings the losses of
bench_step and of `transformers` stay equal over steps of training."""

import json
import os
import pathlib
import sys
import tempfile
import types
import unittest

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}; run `make setup`")
    sys.exit(77)

import bench_steps

STEPS = 4
TOLERANCE = 1e-4


class LikeWithLike(unittest.TestCase):
    def losses(self, family):
        """Those of Apollo and of its peer, step by step."""
        arguments = types.SimpleNamespace(build=pathlib.Path(os.environ["BUILD"]), device="cpu",
                                          precision="fp32", dropout=0.0)
        size = (family, 2, 64, 4, 32, 300, 4)
        with tempfile.TemporaryDirectory() as name:
            workspace = pathlib.Path(name)
            apollo = bench_steps.start_apollo(arguments, family, size, 1, workspace)
            peer = bench_steps.start_peer(arguments, "transformers", family, size, 1, workspace)
            pairs = []
            for _ in range(STEPS):
                answer = apollo.step()
                request = {key: answer[key] for key in ("inputs", "targets")}
                pairs.append((answer["loss"], peer.step(json.dumps(request))["loss"]))
            for server in (apollo, peer):
                server.close()
        return pairs

    def test_losses_stay_equal(self):
        for family in ("gpt2", "llama", "modernbert"):
            with self.subTest(family=family):
                pairs = self.losses(family)
                self.assertLess(pairs[-1][0], pairs[0][0])
                for ours, theirs in pairs:
                    self.assertAlmostEqual(ours, theirs, delta=TOLERANCE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
