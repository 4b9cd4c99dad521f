import math
import unittest

import numpy as np
from common import releases_the_gil

import mathnas


def space():
    return mathnas.SearchSpace("nasbench201", channels=4, cells=1, classes=5, height=8, width=8)


CHOICE = [3, 2, 3, 4, 1, 3]


class TrainingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rng = np.random.default_rng(0)
        cls.images = rng.normal(size=(6, 8, 8, 3)).astype(np.float32)
        cls.labels = rng.integers(0, 5, 6)

    def backward(self, step, *subnet, **more):
        return step.backward(*subnet, image=self.images, labels=self.labels, **more)

    def test_the_loss_is_that_of_the_logits(self):
        for smoothing in (0.0, 0.1):
            step = mathnas.TrainingStep(mathnas.Supernet(space(), seed=1), label_smoothing=smoothing)
            result = self.backward(step, CHOICE)
            logits = result.logits.astype(float)
            self.assertEqual(logits.shape, (6, 5))
            log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            nll = -log_softmax[np.arange(6), self.labels]
            expected = ((1 - smoothing) * nll - smoothing * log_softmax.mean(axis=1)).mean()
            self.assertAlmostEqual(result.loss, expected, 5)
            self.assertEqual(result.correct, int((logits.argmax(axis=1) == self.labels).sum()))
            self.assertEqual(result.rows, 6)
            kept = result.logits.copy()
            self.backward(step, CHOICE)
            np.testing.assert_array_equal(result.logits, kept)

    def test_gradients_are_slopes(self):
        # So near that no ReLU changes its mind. Losses of about 2 are rounded to 2^-23, which is 6e-4 in a slope.
        supernet = mathnas.Supernet(space(), seed=2)
        step = mathnas.TrainingStep(supernet, device="reference")
        self.backward(step, CHOICE)
        gradients = {name: g.copy() for name, g in step.gradients.items()}
        self.assertEqual(set(gradients), step.touched)
        probe = mathnas.TrainingStep(supernet, device="reference")
        epsilon = 1e-4
        for name in ("_stem.0.weight", "classifier.weight", "classifier.bias", "lastact.0.weight"):
            weight = supernet.weights[name].reshape(-1)
            at = int(np.abs(gradients[name]).argmax())
            kept, losses = weight[at], []
            for sign in (1, -1):
                weight[at] = kept + sign * epsilon
                losses.append(self.backward(probe, CHOICE).loss)
            weight[at] = kept
            slope, gradient = (losses[0] - losses[1]) / (2 * epsilon), gradients[name].reshape(-1)[at]
            self.assertLess(abs(slope - gradient), 1e-3 + 0.002 * abs(gradient), name)

    def test_an_update_is_the_rule_of_the_optimiser(self):
        rate, momentum, decay = 0.1, 0.9, 0.01
        supernet = mathnas.Supernet(space(), seed=3)
        step = mathnas.TrainingStep(supernet, momentum=momentum, nesterov=False, weight_decay=decay)
        weights = {name: w.copy() for name, w in supernet.weights.items()}
        velocity = {}
        for i in range(3):
            self.backward(step, CHOICE)
            gradients = {name: g.copy() for name, g in step.gradients.items()}
            scale = 1.0
            if i == 2:  # clipped
                norm = math.sqrt(sum((g.astype(float) ** 2).sum() for g in gradients.values()))
                self.assertAlmostEqual(step.update(rate, clip_norm=0.5), norm, 4)
                scale = 0.5 / (norm + 1e-6)
            else:
                self.assertEqual(step.update(rate), 0)
            for name, g in gradients.items():
                total = scale * g + decay * weights[name]
                velocity[name] = total if i == 0 else momentum * velocity[name] + total
                weights[name] = weights[name] - rate * velocity[name]
            for name, w in supernet.weights.items():
                if "running_" in name or "num_batches" in name:
                    continue
                np.testing.assert_allclose(w, weights[name], rtol=2e-5, atol=2e-6, err_msg=name)
            self.assertEqual(step.gradients, {})

    def test_only_what_took_part_changes(self):
        supernet = mathnas.Supernet(space(), seed=4)
        before = {name: w.copy() for name, w in supernet.weights.items()}
        step = mathnas.TrainingStep(supernet, optimizer="adamw", weight_decay=0.1)
        self.backward(step, CHOICE)
        touched = step.touched
        step.update(0.01)
        changed = {name for name, w in supernet.weights.items() if not np.array_equal(w, before[name])}
        self.assertTrue(touched)
        self.assertLessEqual({n for n in changed if "running_" not in n and "num_batches" not in n}, touched)
        self.assertLess(len(touched), len(before) / 2)

    def test_gradients_add_up_and_can_be_written_to(self):
        supernet = mathnas.Supernet(space(), seed=5)
        name = "classifier.weight"
        singles = []
        for choice in (CHOICE, [2, 3, 1, 3, 4, 2]):
            step = mathnas.TrainingStep(supernet)
            self.backward(step, choice)
            singles.append(step.gradients[name].copy())
        step = mathnas.TrainingStep(supernet)
        self.backward(step, CHOICE)
        self.backward(step, [2, 3, 1, 3, 4, 2])
        np.testing.assert_allclose(step.gradients[name], singles[0] + singles[1], rtol=1e-4, atol=1e-6)
        # As NASViT combines them: those set aside and those of now.
        aside = mathnas.TrainingStep(supernet)
        self.backward(aside, CHOICE)
        aside.set_aside()
        self.assertEqual(aside.gradients, {})
        self.backward(aside, [2, 3, 1, 3, 4, 2])
        norm, strengthened = aside.combine()
        self.assertGreater(norm, 0)
        self.assertEqual(strengthened, {})
        np.testing.assert_allclose(aside.gradients[name], singles[0] + singles[1], rtol=1e-4, atol=1e-6)
        # A rule of one's own.
        before = supernet.weights[name].copy()
        for gradient in aside.gradients.values():
            np.sign(gradient, out=gradient)
        signs = aside.gradients[name].copy()
        aside.update(0.5)
        # Nesterov's first step with momentum 0.9 is 1.9 times the gradient.
        np.testing.assert_allclose(supernet.weights[name], before - 0.5 * 1.9 * signs, rtol=1e-5, atol=1e-6)

    def test_losses_and_models(self):
        own = mathnas.Subnet(space(), CHOICE, seed=6)
        step = mathnas.TrainingStep(own)
        first = self.backward(step).loss
        for _ in range(20):
            last = self.backward(step)
            step.update(0.1)
        self.assertLess(last.loss, first / 2)
        supernet = mathnas.Supernet(space(), seed=6)
        step = mathnas.TrainingStep(supernet)
        whole = self.backward(step)
        self.assertGreater(len(step.touched), 2 * len(own.weights) / 3)
        soft = np.exp(whole.logits) / np.exp(whole.logits).sum(axis=1, keepdims=True)
        distilled = step.backward(CHOICE, "soft_targets", image=self.images, soft_targets=soft)
        logits = distilled.logits.astype(float)
        log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        self.assertAlmostEqual(distilled.loss, -(soft * log_softmax).sum(axis=1).mean(), 4)
        adaptive = self.backward(step, CHOICE, loss="adaptive", teacher_logits=whole.logits)
        self.assertTrue(math.isfinite(adaptive.loss))
        self.assertEqual(adaptive.rows, 6)
        for labels in (self.labels.astype(np.int32), self.labels.astype(np.uint8)):
            mathnas.TrainingStep(supernet).backward(CHOICE, image=self.images, labels=labels)

    def test_recomputed_steps_give_the_same_bits_for_less_memory(self):
        bits, memory = [], []
        for recompute in ("nothing", "activations", "blocks"):
            supernet = mathnas.Supernet(space(), seed=8)
            step = mathnas.TrainingStep(supernet, recompute=recompute)
            for _ in range(2):
                self.backward(step, CHOICE)
                step.update(0.1)
            bits.append(b"".join(w.tobytes() for w in supernet.weights.values()))
            memory.append(step.activation_bytes)
        self.assertEqual(bits[1:], bits[:1] * 2)
        self.assertLess(memory[2], memory[0])

    def test_the_schedule(self):
        schedule = mathnas.LearningRateSchedule(0.2, 10, final_rate=0.01)
        for epoch in range(10):
            expected = 0.01 + (0.2 - 0.01) * (1 + math.cos(math.pi * epoch / 10)) / 2
            self.assertAlmostEqual(schedule.at(epoch, 3, 5), expected)

    def test_data(self):
        data = mathnas.load_dataset("synthetic:N=96,size=8,classes=4", seed=1)
        images, labels = data.train
        self.assertEqual((images.shape, images.dtype, labels.shape), ((96, 8, 8, 3), np.uint8, (96,)))
        self.assertEqual(set(labels), {0, 1, 2, 3})
        np.testing.assert_allclose(images.reshape(-1, 3).mean(axis=0), data.mean, rtol=1e-5)
        np.testing.assert_allclose(images.reshape(-1, 3).std(axis=0), data.std, rtol=1e-4)
        np.testing.assert_array_equal(mathnas.load_dataset("synthetic:N=96,size=8,classes=4", seed=1).train[0], images)
        self.assertEqual(data.test[0].shape, (24, 8, 8, 3))
        with self.assertRaisesRegex((ValueError, LookupError), "nowhere"):
            mathnas.load_dataset("cifar10:/nowhere")

    def test_other_threads_run_meanwhile(self):
        step = mathnas.TrainingStep(mathnas.Supernet(space(), seed=7), threads=1)
        images, labels = np.zeros((512, 8, 8, 3), np.float32), np.zeros(512, int)
        step.backward(CHOICE, image=images, labels=labels)
        self.assertTrue(releases_the_gil(lambda: step.backward(CHOICE, image=images, labels=labels)))

    def test_errors_name_what_is_wrong(self):
        supernet = mathnas.Supernet(space())
        step = mathnas.TrainingStep(supernet)
        own = mathnas.TrainingStep(mathnas.Subnet(space(), CHOICE))
        image, labels = self.images, self.labels
        for call, error, words in (
            (lambda: step.backward(CHOICE, image=image), ValueError, '"labels": missing'),
            (lambda: step.backward(CHOICE, labels=labels), ValueError, "image"),
            (lambda: step.backward(CHOICE, image=image, labels=labels[:3]), ValueError, "labels: .* expected"),
            (lambda: step.backward(CHOICE, image=image.astype(float), labels=labels), ValueError, "image: .* F32"),
            (lambda: step.backward(CHOICE, image=image[::2], labels=labels[::2]), ValueError, "contiguous"),
            (lambda: step.backward(CHOICE, image=image, labels=labels, x=image), (ValueError, LookupError), '"x"'),
            (lambda: step.backward(CHOICE, image=7, labels=labels), TypeError, "image: expected an array"),
            (lambda: step.backward([9] * 6, image=image, labels=labels), ValueError, "expected 0 to 4"),
            (lambda: own.backward([0] * 6, image=image, labels=labels), ValueError, "that of the weights"),
            (lambda: step.backward(CHOICE, "best", image=image, labels=labels), ValueError, "adaptive"),
            (lambda: mathnas.TrainingStep(supernet, optimizer="lion"), ValueError, "lion"),
            (lambda: mathnas.TrainingStep(supernet, decay="some"), ValueError, "decay"),
            (lambda: mathnas.TrainingStep(supernet, recompute="all"), ValueError, "recompute"),
            (lambda: mathnas.TrainingStep(supernet, threads=0), ValueError, "threads"),
            (lambda: mathnas.TrainingStep(3), TypeError, "Supernet"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()


if __name__ == "__main__":
    unittest.main()
