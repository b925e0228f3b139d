"""The depths that a real run used, against the law of low-value-prioritised sampling in the form
of the paper (chi-square, 0.1 %), drawn once a step and once a micro-batch."""

from harness import ApolloTest, main

LAYERS = 12
# Chi-square beyond which 0.1 % lies, by degrees of freedom from 1.
CRITICAL = [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877, 29.588, 31.264,
            32.909, 34.528, 36.123, 37.697, 39.252, 40.790, 42.312, 43.820, 45.315, 46.797, 48.268]


def law(unique):
    """P(D = d) from P(D >= d) = clip(m*N/d - n, 0, 1)."""
    ratio = LAYERS / unique
    b, e, x0 = ratio + 0.4, 0.6, 1e-6
    n = (b * x0 - e) / (e - b)
    m = e * (n + 1)
    clip = lambda p: min(max(p, 0.0), 1.0)
    tail = lambda d: 1.0 if d <= unique else 0.0 if d > LAYERS else clip(m * unique / d - n)
    return {d: tail(d) - tail(d + 1) for d in range(unique, LAYERS + 1)}


def chi_square(counts, probabilities):
    """Statistic and degrees of freedom; outcomes expected less than five times are joined."""
    total = sum(counts.values())
    statistic, bins, rest_count, rest_expected = 0.0, 0, 0, 0.0
    for outcome, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        expected = probability * total
        if expected >= 5:
            statistic += (counts.get(outcome, 0) - expected) ** 2 / expected
            bins += 1
        else:
            rest_count += counts.get(outcome, 0)
            rest_expected += expected
    if rest_expected > 0.5:
        statistic += (rest_count - rest_expected) ** 2 / rest_expected
        bins += 1
    return statistic, bins - 1


class DepthLaw(ApolloTest):
    def depths(self, draw):
        """Sums of the depths of a step's micro-batches, by stage."""
        self.train("out-" + draw, f"progressive.depth_draw={draw}", "train.duration=2200 steps",
                   "model.width=8", "model.context=4", "train.batch_size=2",
                   "train.micro_batch_size=1", "data.valid=[]", "checkpoint.every=0 steps",
                   "progressive.stages=[{layers=1,until=\"900 steps\"},"
                   "{layers=3,until=\"2190 steps\"},{layers=12}]")
        stages = {1: {}, 3: {}, 12: {}}
        for row in self.rows("out-" + draw, "step"):
            total = round(2 * row["depth"])
            counts = stages[row["layers"]]
            counts[total] = counts.get(total, 0) + 1
        self.assertEqual(stages[12], {24: 10})
        return stages

    def check(self, counts, probabilities, what):
        self.assertAlmostEqual(sum(probabilities.values()), 1.0)
        self.assertLessEqual(set(counts), set(probabilities), what)
        statistic, freedom = chi_square(counts, probabilities)
        total = sum(counts.values())
        mean = sum(d * k for d, k in counts.items()) / total
        print(f"\n{what}: {total} steps, chi-square {statistic:.2f} with {freedom} degrees of "
              f"freedom (0.1 % at {CRITICAL[freedom - 1]}), mean {mean:.4f}, by the law "
              f"{sum(d * p for d, p in probabilities.items()):.4f}")
        self.assertLess(statistic, CRITICAL[freedom - 1], what)
        return statistic

    def test_per_step(self):
        stages = self.depths("step")
        for unique in (1, 3):
            doubled = {2 * d: p for d, p in law(unique).items()}
            self.check(stages[unique], doubled, f"per step, N = {unique} (twice the depth)")
        # The test can fail: a uniform law does not fit.
        uniform = {2 * d: 1 / LAYERS for d in range(1, LAYERS + 1)}
        self.assertGreater(chi_square(stages[1], uniform)[0], 1000)

    def test_per_micro_batch(self):
        stages = self.depths("micro_batch")
        for unique in (1, 3):
            of_two = {}
            for a, p in law(unique).items():
                for b, q in law(unique).items():
                    of_two[a + b] = of_two.get(a + b, 0.0) + p * q
            self.check(stages[unique], of_two, f"per micro-batch, N = {unique} (sum of two)")


if __name__ == "__main__":
    main()
